//! Finds the bundle that a person names.

use std::path::Path;

use anyhow::{Context, Result, bail};
use glimpse_models::{Bundle, BundleFile, Part, Precision, embedded, shipped};

/// The model that is used when none is named.
pub const DEFAULT: &str = "glimpse-tiny";

/// Opens the bundle inside the program that has this name, or else the folder at this path.
pub fn open(name_or_path: &str) -> Result<Bundle> {
    if shipped().contains(&name_or_path) {
        return Ok(embedded(name_or_path)?);
    }
    let folder = Path::new(name_or_path);
    if !folder.is_dir() {
        let inside = shipped().join(", ");
        bail!(
            "there is no model `{name_or_path}`: inside the program is {}, and no folder has that path; \
             `glimpse info` lists the models, and --model takes a bundle's folder too",
            if inside.is_empty() { "none" } else { &inside }
        );
    }
    Bundle::open(folder).with_context(|| format!("loading the bundle {}", folder.display()))
}

/// The precision that was asked for; else int8, or f32 of a bundle that has no int8 form.
pub fn precision(bundle: &Bundle, asked: Option<Precision>) -> Precision {
    let has_int8 = bundle.precisions().contains(&Precision::Int8);
    asked.unwrap_or(if has_int8 { Precision::Int8 } else { Precision::F32 })
}

/// The hash of a form of the encoder's graph.
pub fn encoder_sha256(bundle: &Bundle, form: Precision) -> Result<String> {
    let encoder = bundle.manifest().files().get(&BundleFile::Graph(Part::Encoder, form));
    Ok(encoder.with_context(|| format!("bundle `{}` lists no encoder", bundle.name()))?.sha256.clone())
}

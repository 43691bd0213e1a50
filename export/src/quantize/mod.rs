//! Bundle to smaller bundle: linear weights in int8, per output channel, and a report of what that costs.
//!
//! | file | what it does |
//! | --- | --- |
//! | `scale.rs` | the int8 weights of one matrix |
//! | `rewrite.rs` | puts them into an ONNX graph |
//! | `stored.rs` | reads a graph's weights back |
//! | `report.rs` | errors and bytes, per layer and end to end |

mod report;
mod rewrite;
mod scale;
mod stored;

use anyhow::{Context, ensure};
use glimpse_models::onnx::Bytes;
use glimpse_models::{Bundle, BundleFile, Files, Part, Precision};

pub use report::{CaseReport, LayerReport, Report};
pub use rewrite::{Layer, quantize_graph};
pub use scale::Quantized;
pub use stored::{stored_weights, weights_of};

use crate::emit::golden;
use crate::model::ClassifierHead;
use crate::weights::Weights;

/// Adds the int8 form to the files of `bundle`, made from its f32 form, and reports on it. With `drop_f32` the f32 form
/// is left out of the result.
///
/// # Errors
/// When the bundle has no f32 form, a graph holds no linear weights or not those of its spec, or the golden file cannot
/// be read.
pub fn quantize(bundle: &Bundle, drop_f32: bool) -> anyhow::Result<(Files, Report)> {
    let spec = bundle.spec();
    ensure!(
        bundle.precisions().contains(&Precision::F32),
        "{} has no f32 form to quantize: emit its checkpoint again",
        bundle.name()
    );
    let mut files = bundle.files().clone();
    let mut report = Report::new(bundle.name());
    add_int8(&mut files, &mut report)?;
    let questions = golden::questions_from_bytes(spec, bundle.golden())?;
    let answers = |precision| {
        let weights = weights_of(&files, bundle.manifest(), precision)?;
        golden::answers(spec, bundle.classifier(), weights, &questions)
    };
    let (right, found) = (answers(Precision::F32)?, answers(Precision::Int8)?);
    report.add_cases(&questions, &right, &found, spec.encoder().width);
    if drop_f32 {
        files.retain(|file, _| !matches!(file, BundleFile::Graph(_, Precision::F32)));
    }
    Ok((files, report))
}

/// Adds the int8 form of the graphs among `files`, made from their f32 form, and enters it into the report.
///
/// # Errors
/// When a graph holds no linear weights.
pub fn add_int8(files: &mut Files, report: &mut Report) -> anyhow::Result<()> {
    for part in Part::ALL {
        let Some(onnx) = files.get(&BundleFile::Graph(part, Precision::F32)) else { continue };
        let (smaller, layers) = quantize_graph(onnx).with_context(|| format!("quantizing the {part}"))?;
        report.add_part(part, &layers, onnx.len(), smaller.len());
        files.insert(BundleFile::Graph(part, Precision::Int8), Bytes::from(smaller));
    }
    Ok(())
}

/// The weights as their int8 form gives them back: those that [`add_int8`] makes int8, rounded; the others as they are.
#[must_use]
pub fn rounded(weights: Weights) -> Weights {
    let is_linear =
        |key: &str, shape: &[usize]| key.ends_with(".weight") && shape.len() == 2 && !ClassifierHead::owns(key);
    weights.map(|key, weight| {
        if is_linear(key, &weight.shape) {
            weight.values = Quantized::from_weights(&weight.values, weight.shape[1]).widened();
        }
    })
}

#[cfg(test)]
mod tests;

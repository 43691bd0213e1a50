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
pub use stored::stored_weights;

use crate::emit::golden;
use crate::emit::inventory::inventory;
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
    let mut weights = Weights::default();
    let mut report = Report::new(bundle.name());
    for part in Part::ALL {
        let Some(onnx) = bundle.files().get(&BundleFile::Graph(part, Precision::F32)) else { continue };
        let (smaller, layers) = quantize_graph(onnx).with_context(|| format!("quantizing the {part}"))?;
        let smaller = Bytes::from(smaller);
        stored::collect(&smaller, &inventory(spec, part), &mut weights)
            .with_context(|| format!("reading back the int8 {part}"))?;
        report.add_part(part, &layers, onnx.len(), smaller.len());
        files.insert(BundleFile::Graph(part, Precision::Int8), smaller);
        if drop_f32 {
            files.remove(&BundleFile::Graph(part, Precision::F32));
        }
    }
    let questions = golden::questions_from_bytes(spec, bundle.golden())?;
    let right = golden::answers(spec, &stored_weights(bundle, Precision::F32)?, &questions)?;
    let found = golden::answers(spec, &weights, &questions)?;
    report.add_cases(&questions, &right, &found, spec.encoder().width);
    Ok((files, report))
}

#[cfg(test)]
mod tests;

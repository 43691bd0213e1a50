//! Groups of a graph's operators, made into one operator of our own each.
//!
//! This is done on the ONNX nodes, before tract reads them: there a transformer's parts still look as their exporter wrote
//! them, and a pattern does not depend on what an engine makes of it. What does not match is left as it is, and tract runs
//! it.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `graph.rs` | who makes a value, and who reads it |
//! | `attention.rs` | from queries, keys and values side by side to mixed values |
//! | `layer_norm.rs` | layer norm over the last axis |

mod attention;
mod graph;
mod layer_norm;

use tract_onnx::Onnx;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{Framework as _, InferenceModel, TractResult};

use self::graph::Values;

/// Reads an ONNX file and fuses what it knows in it.
pub(crate) fn read(mut onnx: &[u8]) -> TractResult<InferenceModel> {
    let reader = reader();
    let mut model = reader.proto_model_for_read(&mut onnx)?;
    fuse(&mut model);
    reader.model_for_proto_model(&model)
}

/// How many groups became one operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fused {
    attentions: usize,
    layer_norms: usize,
}

/// tract's reader of ONNX files, which knows our operators too.
fn reader() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(attention::NAME, attention::read);
    onnx.op_register.insert(layer_norm::NAME, layer_norm::read);
    onnx
}

/// Fuses what it knows in a graph.
fn fuse(model: &mut ModelProto) -> Fused {
    let Some(graph) = model.graph.as_mut() else { return Fused::default() };
    let found = attention::find(&Values::of(graph));
    let attentions = found.len();
    graph::replace(graph, found);
    let layer_norms = layer_norm::rename(graph);
    Fused { attentions, layer_norms }
}

#[cfg(test)]
mod tests {
    use glimpse_models::{Bundle, Part, Precision};

    use super::*;

    #[test]
    fn all_of_a_models_blocks_are_fused() {
        let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/glimpse-tiny")).unwrap();
        let spec = bundle.spec();
        for (part, depth) in [(Part::Encoder, spec.encoder().depth), (Part::Decoder, spec.decoder().unwrap().depth)] {
            let mut onnx = bundle.graph(part, Precision::Int8).unwrap();
            let mut model = reader().proto_model_for_read(&mut onnx).unwrap();
            let before = model.graph.as_ref().unwrap().node.len();
            assert_eq!(fuse(&mut model), Fused { attentions: depth, layer_norms: 2 * depth + 1 }, "{part}");
            assert!(model.graph.as_ref().unwrap().node.len() < before - 10 * depth);
            // there is nothing left to find
            assert_eq!(fuse(&mut model).attentions, 0);
        }
    }
}

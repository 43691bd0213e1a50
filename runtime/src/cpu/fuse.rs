//! Groups of a graph's operators, made into one operator of our own each.
//!
//! This is done on the ONNX nodes, before tract reads them: there a transformer's parts still look as their exporter wrote
//! them, and a pattern does not depend on what an engine makes of it. Weights of linear layers go from the file's bytes
//! straight into the form that they are multiplied in; tract never sees them. What does not match is left as it is, and
//! tract runs it.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `graph.rs` | who makes a value, who reads it, and what is constant |
//! | `constants.rs` | constants as initializers, whichever way a file has them |
//! | `attention.rs` | from queries, keys and values side by side to mixed values |
//! | `layer_norm.rs` | layer norm over the last axis |
//! | `linear.rs` | a product with constant weights, and what follows it |
//! | `residual.rs` | what is added to a linear layer's answer |

mod attention;
mod constants;
mod graph;
mod layer_norm;
mod linear;
mod residual;

use std::cell::RefCell;

use glimpse_models::onnx::{Bytes, GraphProto, Message as _, ModelProto, NodeProto};
use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb;
use tract_onnx::prelude::{Framework as _, InferenceModel, TractResult};
use tract_onnx::tract_hir::internal::{InferenceOp, format_err};

use self::graph::{Replacement, Values};
use super::Arithmetic;

/// The operator that stands for ours where tract reads a file.
const PLACEHOLDER: &str = "Glimpse";

thread_local! {
    /// Operators of the file that tract is reading, each taken out once.
    static SLOTS: RefCell<Vec<Option<Box<dyn InferenceOp>>>> = const { RefCell::new(Vec::new()) };
}

/// What looks for groups of one kind.
type Finder<'a> = dyn Fn(&Values) -> Vec<Replacement> + 'a;

/// An operator of a graph as it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name of the value that it makes.
    pub name: String,
    /// What it is called.
    pub operator: String,
    /// Which form of it it is; empty for an operator that tract runs.
    pub detail: String,
    /// Operators of the file that became it, in their order; empty for one that tract runs.
    pub fused: Vec<String>,
}

/// Which groups are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patterns {
    /// Those that are sure to be what they look like.
    Sure,
    /// Those too whose shapes tract has to check: where they turn out otherwise, it refuses the graph.
    All,
}

/// Reads an ONNX file and fuses what it knows in it. int8 weights are widened where the arithmetic is to be in f32.
pub(crate) fn read(
    onnx: &Bytes,
    arithmetic: Arithmetic,
    patterns: Patterns,
) -> TractResult<(InferenceModel, Vec<Step>)> {
    let mut model = ModelProto::decode(onnx.clone())?;
    let steps = model.graph.as_mut().map(|graph| fuse(graph, arithmetic, patterns)).unwrap_or_default();
    let rest = model.encode_to_vec();
    drop(model);
    let reader = reader();
    let read = reader.proto_model_for_read(&mut rest.as_slice()).and_then(|model| reader.model_for_proto_model(&model));
    SLOTS.take();
    Ok((read?, steps))
}

/// tract's reader of ONNX files, which knows our operators too.
fn reader() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(PLACEHOLDER, operator);
    onnx
}

/// The operator in a placeholder's slot.
fn operator(_: &ParsingContext, node: &pb::NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let slot: usize = node.get_attr(graph::SLOT)?;
    let operator = SLOTS.with_borrow_mut(|slots| slots.get_mut(slot).and_then(Option::take));
    Ok((operator.ok_or_else(|| format_err!("no operator was made for {}", node.name))?, Vec::new()))
}

/// Fuses what it knows in a graph. The operators are left in [`SLOTS`].
fn fuse(graph: &mut GraphProto, arithmetic: Arithmetic, patterns: Patterns) -> Vec<Step> {
    // what a graph within the graph reads is not looked for
    let nests = |node: &NodeProto| node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    if graph.node.iter().any(nests) {
        return graph.node.iter().map(|node| graph::step(node, &[])).collect();
    }
    constants::settle(graph);
    let mut slots = Vec::new();
    let mut made = Vec::new();
    let linear = |values: &Values| linear::find(values, arithmetic);
    let apart = |values: &Values| if patterns == Patterns::All { attention::find_apart(values) } else { Vec::new() };
    let finders: [&Finder; 5] = [&attention::find, &apart, &layer_norm::find, &linear, &residual::find];
    for find in finders {
        let found = find(&Values::of(graph));
        graph::replace(graph, found, &mut slots, &mut made);
    }
    graph::sweep(graph);
    SLOTS.set(slots);
    graph.node.iter().map(|node| graph::step(node, &made)).collect()
}

#[cfg(test)]
mod tests {
    use glimpse_kernels::Family;
    use glimpse_models::onnx::AttributeProto;
    use glimpse_models::{Bundle, Part, Precision};

    use super::*;

    #[test]
    fn a_graph_with_graphs_within_it_is_left_alone() {
        let within = AttributeProto { g: Some(GraphProto::default()), ..AttributeProto::default() };
        let mut graph = GraphProto {
            node: vec![
                NodeProto::new("Constant", &[], &["a"], Vec::new()),
                NodeProto::new("If", &["a"], &["b"], vec![within]),
            ],
            ..GraphProto::default()
        };
        let before = graph.clone();
        let steps = fuse(&mut graph, Arithmetic::F32, Patterns::All);
        assert_eq!(graph, before);
        assert_eq!(steps.iter().map(|step| step.operator.as_str()).collect::<Vec<_>>(), ["Constant", "If"]);
    }

    #[test]
    fn all_of_a_models_blocks_are_fused() {
        let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/glimpse-tiny")).unwrap();
        let spec = bundle.spec();
        for (part, depth) in [(Part::Encoder, spec.encoder().depth), (Part::Decoder, spec.decoder().unwrap().depth)] {
            let (_, steps) =
                read(bundle.graph(part, Precision::Int8).unwrap(), Arithmetic::Int8(Family::best()), Patterns::All)
                    .unwrap();
            let count = |operator: &str| steps.iter().filter(|step| step.operator == operator).count();
            let linear = 4 * depth + if part == Part::Encoder { 1 } else { 2 };
            assert_eq!(
                [count("Attention"), count("LayerNorm"), count("Linear")],
                [depth, 2 * depth + 1, linear],
                "{part}"
            );
            let block: Vec<_> = steps.iter().filter(|step| step.name.contains("blocks.0.")).collect();
            assert_eq!(block.len(), 7, "{block:?}");
            // both residuals and the activation are within the layers before them
            assert!(block.iter().all(|step| !step.fused.is_empty()));
        }
    }
}

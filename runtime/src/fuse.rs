//! Groups of a graph's operators, made into one operator of our own each.
//!
//! This is done on the ONNX nodes, before an engine reads them: there a transformer's parts still look as their exporter wrote
//! them, and a pattern does not depend on what an engine makes of it. Weights of linear layers stay
//! the file's bytes until an engine brings them into the form that they are multiplied in. What does not match is left as
//! it is: tract runs it on the CPU, and the GPU refuses it by name.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `operators.rs` | what groups are made into |
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
mod operators;
mod residual;

use std::error::Error;

use glimpse_models::onnx::{Bytes, DecodeError, GraphProto, Message as _, ModelProto, NodeProto};

use self::graph::Replacement;
pub(crate) use self::graph::Values;
pub(crate) use self::graph::{SLOT, output, placeholder};
#[cfg(feature = "gpu")]
pub(crate) use self::graph::{input, int};
pub(crate) use self::operators::{Attention, HeadsApart, LayerNorm, Linear, Operator, Weights};

/// The operator that stands for ours in a graph.
pub(crate) const PLACEHOLDER: &str = "Glimpse";

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

/// An operator of ours, and those of the file that it stands for.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) operator: Operator,
    pub(crate) fused: Vec<String>,
}

/// A graph whose known groups are placeholders.
#[derive(Debug)]
pub(crate) struct Fused {
    pub(crate) model: ModelProto,
    /// The operators, by their placeholders' [`SLOT`].
    pub(crate) made: Vec<Made>,
}

/// Reads an ONNX file and fuses what it knows in it.
///
/// # Errors
/// When it is no ONNX file.
pub(crate) fn read(onnx: &Bytes, patterns: Patterns) -> Result<Fused, impl Error + Send + Sync + use<>> {
    let mut model = ModelProto::decode(onnx.clone())?;
    let made = model.graph.as_mut().map(|graph| fuse(graph, patterns)).unwrap_or_default();
    Ok::<_, DecodeError>(Fused { model, made })
}

/// Fuses what it knows in a graph.
fn fuse(graph: &mut GraphProto, patterns: Patterns) -> Vec<Made> {
    // what a graph within the graph reads is not looked for
    let nests = |node: &NodeProto| node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    if graph.node.iter().any(nests) {
        return Vec::new();
    }
    constants::settle(graph);
    let mut made = Vec::new();
    let apart = |values: &Values| if patterns == Patterns::All { attention::find_apart(values) } else { Vec::new() };
    let finders: [&Finder; 5] = [&attention::find, &apart, &layer_norm::find, &linear::find, &residual::find];
    for find in finders {
        let found = find(&Values::of(graph));
        graph::replace(graph, found, &mut made);
    }
    graph::sweep(graph);
    made
}

#[cfg(test)]
mod tests {
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
        assert!(fuse(&mut graph, Patterns::All).is_empty());
        assert_eq!(graph, before);
    }

    #[test]
    fn all_of_a_models_blocks_are_fused() {
        let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/glimpse-tiny")).unwrap();
        let spec = bundle.spec();
        for (part, depth) in [(Part::Encoder, spec.encoder().depth), (Part::Decoder, spec.decoder().unwrap().depth)] {
            let Fused { model, made } = read(bundle.graph(part, Precision::Int8).unwrap(), Patterns::All).unwrap();
            let count = |name: &str| made.iter().filter(|made| made.operator.name() == name).count();
            let linear = 4 * depth + if part == Part::Encoder { 1 } else { 2 };
            assert_eq!(
                [count("Attention"), count("LayerNorm"), count("Linear")],
                [depth, 2 * depth + 1, linear],
                "{part}"
            );
            let nodes = model.graph.unwrap().node;
            let block: Vec<_> = nodes.iter().filter(|node| node.output[0].contains("blocks.0.")).collect();
            assert_eq!(block.len(), 7, "{block:?}");
            // both residuals and the activation are within the layers before them
            assert!(block.iter().all(|node| placeholder(node).is_some()));
        }
    }
}

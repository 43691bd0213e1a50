//! Layer norm over the last axis.

use glimpse_models::onnx::NodeProto;

use super::graph::{Replacement, Values, float, input, int, output};
use super::operators::{LayerNorm, Operator};

/// Finds the layer norms of rows that have a weight and a bias.
pub(super) fn find(values: &Values) -> Vec<Replacement> {
    values.nodes.iter().enumerate().filter_map(|(at, node)| known(values, at, node)).collect()
}

fn known(values: &Values, at: usize, node: &NodeProto) -> Option<Replacement> {
    let fits = node.op_type == "LayerNormalization"
        && node.output.len() == 1
        && int(node, "axis").is_none_or(|axis| axis == -1)
        && int(node, "stash_type").is_none_or(|kind| kind == 1);
    let weight = values.f32s(input(node, 1)?).filter(|weight| fits && !weight.is_empty())?;
    let width = weight.len();
    let (weight, bias) = (values.vector(input(node, 1)?, width)?, values.vector(input(node, 2)?, width)?);
    let norm = LayerNorm { weight, bias, epsilon: float(node, "epsilon").unwrap_or(1e-5) };
    Some(Replacement::new(Operator::LayerNorm(norm), &[input(node, 0)?], output(node)?, vec![at]))
}

//! What is added to the answer of a linear layer.

use glimpse_models::onnx::NodeProto;

use super::graph::{Placed, Replacement, Values, input, output, placeholder};
use super::operators::Linear;

/// Operators that a residual goes around at most.
const LONGEST_BRANCH: usize = 16;

/// Finds the sums of a linear layer's answer with what the layer's own branch began with.
pub(super) fn find(values: &Values) -> Vec<Replacement> {
    let sums = values.nodes.iter().enumerate().filter(|(_, node)| node.op_type == "Add");
    sums.filter_map(|sum| [0, 1].into_iter().find_map(|side| with(values, sum, side))).collect()
}

/// The sum as part of the layer on one of its sides.
fn with(values: &Values, (at, sum): Placed, side: usize) -> Option<Replacement> {
    let answer = input(sum, side)?;
    let (layer_at, layer) = values.maker(answer).filter(|_| values.readers(answer).len() == 1)?;
    let placed = placeholder(layer).filter(|placed| placed.operator == Linear::NAME && layer.input.len() == 1)?;
    let around = Values::other(sum, answer)?;
    if !begins_with(values, layer, around, placed.widths?[1]) {
        return None;
    }
    Some(Replacement::extended(placed.slot, &[input(layer, 0)?, around], output(sum)?, vec![layer_at, at]))
}

/// Whether a layer's branch begins with `around`, in rows of `width` values. All operators of ours keep the rows; so only then is
/// it sure that the sum broadcasts nothing.
fn begins_with(values: &Values, layer: &NodeProto, around: &str, width: usize) -> bool {
    let mut node = layer;
    for _ in 0..LONGEST_BRANCH {
        let (Some(placed), Some(from)) = (placeholder(node), input(node, 0)) else { return false };
        if from == around {
            return placed.widths.is_some_and(|[taken, _]| taken == width);
        }
        match values.maker(from) {
            Some((_, before)) => node = before,
            None => return false,
        }
    }
    false
}

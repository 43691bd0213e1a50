//! From queries, keys and values side by side to mixed values: one operator for a dozen.

use glimpse_models::onnx::NodeProto;

use super::graph::{Placed, Replacement, Values, input, int, ints, output};
use crate::cpu::ops::Attention;

/// Finds each of a graph's attentions, as Glimpse's own exporter writes them: a matrix of queries, keys and values is split,
/// each part is split into heads, and the heads' answers are joined again.
pub(super) fn find(values: &Values) -> Vec<Replacement> {
    let softmaxes = values.nodes.iter().enumerate().filter(|(_, node)| node.op_type == "Softmax");
    softmaxes.filter_map(|(at, node)| around(values, at, node)).collect()
}

/// The attention around a softmax.
fn around(values: &Values, at: usize, softmax: &NodeProto) -> Option<Replacement> {
    let mut replaced = vec![at];
    let mut take = |found: Option<Placed>| {
        let (at, _) = found?;
        replaced.push(at);
        values.nodes.get(at)
    };
    if ![-1, 2].contains(&int(softmax, "axis")?) {
        return None;
    }
    let scores = take(values.only("MatMul", input(softmax, 0)?))?;
    let scaled = take(values.only("Mul", input(scores, 0)?))?;
    let scale = values.scalar(input(scaled, 1)?)?;
    let mixed = take(values.reader("MatMul", output(softmax)?))?;
    if input(mixed, 0)? != output(softmax)? {
        return None;
    }
    let rows = take(values.reader("Transpose", output(mixed)?))?;
    let joined = take(values.reader("Reshape", output(rows)?))?;
    let mut heads = None;
    let mut parts = Vec::new();
    for (value, order) in
        [(input(scaled, 0)?, [1, 0, 2]), (input(scores, 1)?, [1, 2, 0]), (input(mixed, 1)?, [1, 0, 2])]
    {
        let turned = take(values.only("Transpose", value))?;
        let apart = take(values.only("Reshape", input(turned, 0)?))?;
        let [0, h, d] = values.i64s(input(apart, 1)?)?[..] else { return None };
        if ints(turned, "perm")? != order || *heads.get_or_insert((h, d)) != (h, d) {
            return None;
        }
        parts.push(input(apart, 0)?);
    }
    let (h, d) = heads?;
    let split = take(values.only("Split", parts.first()?))?;
    let read_once = parts.iter().all(|part| values.only("Split", part).is_some());
    let fits = read_once
        && split.output == parts
        && [1, -1].contains(&int(split, "axis")?)
        && values.i64s(input(split, 1)?)? == [h * d; 3]
        && ints(rows, "perm")? == [1, 0, 2]
        && values.i64s(input(joined, 1)?)? == [0, h * d];
    let attention = Attention { heads: usize::try_from(h).ok()?, head_width: usize::try_from(d).ok()?, scale };
    fits.then(|| Replacement::new(attention, input(split, 0)?, output(joined)?, replaced).into())?
}

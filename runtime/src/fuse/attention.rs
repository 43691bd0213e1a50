//! From queries, keys and values to mixed values: one operator for up to a dozen.

use super::graph::{Placed, Replacement, Values, input, int, ints, output};
use super::operators::{Attention, HeadsApart, Operator};

/// Finds each of a graph's attentions as Glimpse's own exporter writes them: a matrix of queries, keys and values is split,
/// each part is split into heads, and the heads' answers are joined again.
pub(super) fn find(values: &Values) -> Vec<Replacement> {
    softmaxes(values).filter_map(|at| side_by_side(values, at)).collect()
}

/// Finds the middle of every other attention: queries by keys, softmax, by values. How queries, keys and values come about
/// is each exporter's own; that stays.
pub(super) fn find_apart(values: &Values) -> Vec<Replacement> {
    softmaxes(values).filter_map(|at| apart(values, at)).collect()
}

/// Softmaxes over the last axis.
fn softmaxes<'a>(values: &Values<'a>) -> impl Iterator<Item = Placed<'a>> {
    let softmaxes = values.nodes.iter().enumerate().filter(|(_, node)| node.op_type == "Softmax");
    softmaxes.filter(|(_, node)| int(node, "axis").is_none_or(|axis| axis == -1))
}

/// The attention around a softmax, from the matrix that queries, keys and values are split from.
fn side_by_side(values: &Values, (at, softmax): Placed) -> Option<Replacement> {
    let mut replaced = vec![at];
    let mut take = |found: Option<Placed>| {
        let (at, _) = found?;
        replaced.push(at);
        values.nodes.get(at)
    };
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
    let found = Replacement::new(Operator::Attention(attention), &[input(split, 0)?], output(joined)?, replaced);
    fits.then_some(found)
}

/// The product, softmax and product around a softmax.
fn apart(values: &Values, (at, softmax): Placed) -> Option<Replacement> {
    let mut replaced = vec![at];
    let mut masked = input(softmax, 0)?;
    // a mask that masks nothing
    if let Some((at, add)) = values.only("Add", masked)
        && let Some(unmasked) = [(0, 1), (1, 0)].into_iter().find_map(|(scores, mask)| {
            values.f32s(input(add, mask)?).filter(|mask| mask.iter().all(|&value| value == 0.0))?;
            input(add, scores)
        })
    {
        masked = unmasked;
        replaced.push(at);
    }
    let scores = values.only("MatMul", masked)?;
    let mut shares = output(softmax)?;
    if let Some((nodes, guarded)) = nan_guard(values, shares) {
        shares = guarded;
        replaced.extend(nodes);
    }
    let mixed = values.reader("MatMul", shares).filter(|(_, node)| input(node, 0) == Some(shares))?;
    replaced.extend([scores.0, mixed.0]);
    let (mut sides, mut scale) = ([input(scores.1, 0)?, input(scores.1, 1)?], 1.0);
    for side in &mut sides {
        // a constant that scales one of the sides scales the scores as well
        if let Some((at, node)) = values.only("Mul", side)
            && let Some((from, factor)) = [(0, 1), (1, 0)]
                .into_iter()
                .find_map(|(from, factor)| Some((input(node, from)?, values.scalar(input(node, factor)?)?)))
        {
            (*side, scale) = (from, scale * factor);
            replaced.push(at);
        }
    }
    let [queries, keys] = sides;
    let inputs = [queries, keys, input(mixed.1, 1)?];
    Some(Replacement::new(Operator::HeadsApart(HeadsApart { scale }), &inputs, output(mixed.1)?, replaced))
}

/// The nodes that put zeros in the place of shares that are no numbers, as they are of a token that may look at none: there is
/// no such token where nothing is masked.
fn nan_guard<'a>(values: &Values<'a>, shares: &str) -> Option<([usize; 2], &'a str)> {
    let [first, second] = values.readers(shares) else { return None };
    let (is_nan, choice) = if first.1.op_type == "IsNaN" { (first, second) } else { (second, first) };
    let fits = is_nan.1.op_type == "IsNaN"
        && choice.1.op_type == "Where"
        && values.readers(output(is_nan.1)?).len() == 1
        && input(choice.1, 0) == output(is_nan.1)
        && values.scalar(input(choice.1, 1)?)? == 0.0
        && input(choice.1, 2) == Some(shares);
    fits.then(|| output(choice.1)).flatten().map(|guarded| ([is_nan.0, choice.0], guarded))
}

//! Work cut into pieces, for several threads.

use ndarray::{ArrayViewMut2, Axis};

/// Cuts an answer along an axis into about so many pieces, each a multiple of `step` long but the last, and has each of
/// them worked on: with where it begins. On a thread of a pool, its other threads take some.
pub(super) fn in_pieces(
    out: ArrayViewMut2<f32>,
    axis: Axis,
    step: usize,
    pieces: usize,
    work: &(impl Fn(usize, ArrayViewMut2<f32>) + Sync),
) {
    from(0, out, axis, step, pieces, work);
}

fn from(
    first: usize,
    out: ArrayViewMut2<f32>,
    axis: Axis,
    step: usize,
    pieces: usize,
    work: &(impl Fn(usize, ArrayViewMut2<f32>) + Sync),
) {
    let len = out.len_of(axis);
    let steps = len.div_ceil(step);
    let pieces = pieces.min(steps);
    if pieces <= 1 {
        work(first, out);
        return;
    }
    let before = pieces / 2;
    let cut = (steps * before).div_ceil(pieces) * step;
    let (left, right) = out.split_at(axis, cut);
    rayon::join(
        || from(first, left, axis, step, before, work),
        || from(first + cut, right, axis, step, pieces - before, work),
    );
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn every_value_is_worked_on_once_and_pieces_begin_at_steps() {
        for [len, step, pieces] in [[1, 1, 1], [5, 2, 2], [7, 3, 2], [12, 6, 4], [100, 6, 8], [3, 5, 4], [64, 1, 3]] {
            for axis in [Axis(0), Axis(1)] {
                let mut out = Array2::zeros(if axis == Axis(0) { (len, 3) } else { (3, len) });
                in_pieces(out.view_mut(), axis, step, pieces, &|first, mut piece| {
                    assert!(first % step == 0);
                    for (at, mut line) in piece.axis_iter_mut(axis).enumerate() {
                        line += (first + at) as f32 + 1.0;
                    }
                });
                for (at, line) in out.axis_iter(axis).enumerate() {
                    assert!(line.iter().all(|value| (value - (at as f32 + 1.0)).abs() < 0.5), "{len} {step} {pieces}");
                }
            }
        }
    }
}

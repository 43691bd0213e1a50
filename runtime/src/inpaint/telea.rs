//! Telea's rule: a pixel is the mean of what is known around it, weighted along the way the front came.

use super::front::Front;
use super::sweep::{Near, to_byte};

/// What a weight becomes across the front's way, so that a pixel with nothing else to go by still has a colour.
const SLIGHT: f32 = 1e-6;

/// The colour of a hole pixel.
///
/// A known pixel weighs by its direction, its distance and the front's distance to it. To their mean comes a step along
/// the gradients of the known pixels; OpenCV brings that step to unit length, and so does this, because the results are
/// compared.
///
/// # Shapes
/// - `plane`: `[H·W]` of the front
///
/// # Units
/// Grey levels of 255.
///
/// # Source
/// Telea 2004, "An Image Inpainting Technique Based on the Fast Marching Method", section 2.2, as OpenCV's `inpaint` has
/// it.
pub(super) fn value(front: &Front, near: &[Near], plane: &[u8], at: usize) -> u8 {
    let (width, rank, distance) = (front.width, front.rank[at], &front.distance);
    let is_known = |at: usize| front.is_before(at, rank);
    let slope = |before: usize, after: usize| match (is_known(before), is_known(after)) {
        (true, true) => (distance[after] - distance[before]) * 0.5,
        (false, true) => distance[after] - distance[at],
        (true, false) => distance[at] - distance[before],
        (false, false) => 0.0,
    };
    let inwards = [slope(at - width, at + width), slope(at - 1, at + 1)];
    let (mut sum, mut total, mut step) = (0.0_f32, 1e-20_f32, [0.0_f32; 2]);
    for near in near {
        let from = at.wrapping_add_signed(near.offset);
        if !is_known(from) {
            continue;
        }
        let [down, right] = near.steps.map(|step| -step); // from the known pixel to this one
        let along = right * inwards[1] + down * inwards[0];
        let along = if along.abs() <= 0.01 { SLIGHT } else { along };
        let level = 1.0 / (1.0 + (distance[from] - distance[at]).abs());
        let weight = (near.inverse_cube * level * along).abs();
        let gradient = |before: usize, after: usize| {
            let grey = |at: usize| f32::from(plane[at]);
            match (is_known(before), is_known(after)) {
                (true, true) => (grey(after) - grey(before)) * 2.0,
                (false, true) => grey(after) - grey(from),
                (true, false) => grey(from) - grey(before),
                (false, false) => 0.0,
            }
        };
        sum += weight * f32::from(plane[from]);
        step[0] -= weight * gradient(from - width, from + width) * down;
        step[1] -= weight * gradient(from - 1, from + 1) * right;
        total += weight;
    }
    let length = (step[0] * step[0] + step[1] * step[1]).sqrt() + 1e-20;
    to_byte(f64::from(sum / total + (step[0] + step[1]) / length + 0.5))
}

//! The Navier–Stokes rule: a pixel is the mean of what is known around it, weighted along lines of equal brightness.

use super::front::Front;
use super::sweep::{Near, to_byte};

/// What a weight becomes across such a line, so that a pixel with nothing else to go by still has a colour.
const SLIGHT: f32 = 1e-6;

/// The colour of a hole pixel.
///
/// Brightness is carried along its own level lines, as vorticity is along a fluid's stream lines. OpenCV does it in one
/// sweep of the front instead of solving the flow, and so does this.
///
/// # Shapes
/// - `plane`: `[H·W]` of the front
///
/// # Units
/// Grey levels of 255.
///
/// # Source
/// Bertalmio et al. 2001, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting", as OpenCV's `inpaint` has it.
pub(super) fn value(front: &Front, near: &[Near], plane: &[u8], at: usize) -> u8 {
    let (width, rank) = (front.width, front.rank[at]);
    let is_known = |at: usize| front.is_before(at, rank);
    let (mut sum, mut total) = (0.0_f32, 1e-20_f32);
    for near in near {
        let from = at.wrapping_add_signed(near.offset);
        if !is_known(from) {
            continue;
        }
        // How much the brightness changes from one neighbour over the known pixel to the other.
        let change = |before: usize, after: usize| {
            let by = |other: usize| f32::from(plane[from].abs_diff(plane[other]));
            match (is_known(before), is_known(after)) {
                (true, true) => by(before) + by(after),
                (false, true) => 2.0 * by(after),
                (true, false) => 2.0 * by(before),
                (false, false) => 0.0,
            }
        };
        // A level line is at right angles to the gradient.
        let line = [change(from - 1, from + 1), -change(from - width, from + width)];
        let along = near.steps[1] * line[1] + near.steps[0] * line[0];
        let length = (near.square * (line[0] * line[0] + line[1] * line[1])).sqrt();
        let direction = if along.abs() <= 0.01 { SLIGHT } else { (along / length).abs() };
        let weight = 1.0 / (near.square * near.square + 1.0) * direction;
        sum += weight * f32::from(plane[from]);
        total += weight;
    }
    to_byte(f64::from(sum) / f64::from(total))
}

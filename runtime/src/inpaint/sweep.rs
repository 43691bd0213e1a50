//! Fills a hole in one sweep, pixel after pixel, each from what is known around it by then.

use ndarray::{Array3, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::front::{Front, Place};
use super::rect::Rect;
use super::{navier_stokes, telea};

/// How far around a pixel its rule looks: what OpenCV's examples use for holes of any size.
pub(super) const RADIUS_PX: usize = 3;

/// Which rule a pixel is filled by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Telea,
    NavierStokes,
}

/// A place near a pixel, and what its weight is made of.
pub(super) struct Near {
    /// To add to the pixel's index.
    pub offset: isize,
    /// Rows down and columns to the right.
    pub steps: [f32; 2],
    /// Distance², px².
    pub square: f32,
    /// 1 / distance³.
    pub inverse_cube: f32,
}

impl Near {
    /// All places at most [`RADIUS_PX`] away, in reading order.
    fn all(width: usize) -> Vec<Self> {
        let radius = RADIUS_PX as isize;
        let steps = (-radius..=radius).flat_map(|down| (-radius..=radius).map(move |right| (down, right)));
        steps
            .filter(|(down, right)| (1..=radius * radius).contains(&(down * down + right * right)))
            .map(|(down, right)| {
                let square = (down * down + right * right) as f64;
                Self {
                    offset: down * width as isize + right,
                    steps: [down as f32, right as f32],
                    square: square as f32,
                    inverse_cube: (1.0 / (square * square.sqrt())) as f32,
                }
            })
            .collect()
    }
}

/// The byte nearest to a grey level.
pub(super) fn to_byte(grey: f64) -> u8 {
    grey.round_ties_even() as u8
}

/// Fills the hole pixels in a rectangle of the picture, those that `only` names.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`
/// - `hole`: `[H, W]`
pub(super) fn fill(
    picture: &mut Array3<u8>,
    hole: ArrayView2<bool>,
    bounds: Rect,
    only: impl Fn(usize, usize) -> bool,
    rule: Rule,
) {
    let rim = Front::RIM_PX;
    let (height, width) = (bounds.height + 2 * rim, bounds.width + 2 * rim);
    let in_picture = |at: usize| {
        let y = (bounds.y + at / width).checked_sub(rim).filter(|y| *y < hole.nrows())?;
        let x = (bounds.x + at % width).checked_sub(rim).filter(|x| *x < hole.ncols())?;
        Some((y, x))
    };
    let place = |at| match in_picture(at) {
        None => Place::Outside,
        Some((y, x)) if hole[[y, x]] && only(y, x) => Place::Hole,
        Some(_) => Place::Known,
    };
    let places: Vec<Place> = (0..height * width).map(place).collect();
    let front = Front::new(width, &places);
    let front = if rule == Rule::Telea { front.with_outside(RADIUS_PX) } else { front };
    let near = Near::all(width);
    let sweep = |channel: &mut ArrayViewMut2<u8>| {
        let level = |at| in_picture(at).map_or(0, |place| channel[place]);
        let mut plane: Vec<u8> = (0..height * width).map(level).collect();
        for &at in &front.order {
            plane[at] = match rule {
                Rule::Telea => telea::value(&front, &near, &plane, at),
                Rule::NavierStokes => navier_stokes::value(&front, &near, &plane, at),
            };
            if let Some(place) = in_picture(at) {
                channel[place] = plane[at];
            }
        }
    };
    let mut channels: Vec<ArrayViewMut2<u8>> = picture.axis_iter_mut(Axis(2)).collect();
    channels.par_iter_mut().for_each(sweep);
}

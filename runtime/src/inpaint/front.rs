//! The front that runs from a hole's rim inwards: in which order its pixels are filled, and how far from the rim they lie.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a pixel is to the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its colour is known.
    Known,
    /// It is to be filled.
    Hole,
    /// It lies outside of the picture.
    Outside,
}

/// The order of filling and the distances, over a rectangle of pixels.
///
/// # Shapes
/// Every plane is `[H·W]`, row-major. The rectangle's rim, [`Front::RIM_PX`] wide, holds no hole pixel, so that what lies
/// near one is found by adding to its index.
///
/// # Source
/// Telea 2004, "An Image Inpainting Technique Based on the Fast Marching Method"; neighbours and equal distances are taken
/// in the order in which OpenCV takes them, because what is filled first is looked at by what is filled next.
pub(super) struct Front {
    pub width: usize,
    /// The hole's pixels as they are filled.
    pub order: Vec<usize>,
    /// 0 where the colour is known, then 1, 2, … as the pixels are filled; [`Front::NEVER`] where there is no picture.
    pub rank: Vec<u32>,
    /// Pixels to the rim: 0 on the known pixels that touch the hole, growing inwards, infinite where the front did not run.
    pub distance: Vec<f32>,
}

impl Front {
    /// How wide a rim of pixels a rectangle has around the hole.
    pub const RIM_PX: usize = super::sweep::RADIUS_PX + 1;
    /// The rank of what is never filled.
    pub const NEVER: u32 = u32::MAX;

    /// Lets the front run through the hole.
    ///
    /// # Shapes
    /// - `places`: `[H·W]`, no hole within [`Front::RIM_PX`] of its ends
    pub fn new(width: usize, places: &[Place]) -> Self {
        let mut distance = vec![f32::INFINITY; places.len()];
        let touches = |at: usize| near(at, width).into_iter().any(|at| places[at] == Place::Hole);
        let rim: Vec<usize> = (width..places.len().saturating_sub(width))
            .filter(|&at| places[at] == Place::Known && touches(at))
            .collect();
        let order = run(width, &rim, &mut distance, |at| places[at] == Place::Hole);
        let mut rank: Vec<u32> =
            places.iter().map(|place| if *place == Place::Known { 0 } else { Self::NEVER }).collect();
        for (index, at) in order.iter().enumerate() {
            rank[*at] = index as u32 + 1;
        }
        Self { width, order, rank, distance }
    }

    /// Lets the front run the other way too, over the known pixels that are at most `reach_px` rows and columns from the
    /// hole: their distances are below 0.
    pub fn with_outside(mut self, reach_px: usize) -> Self {
        let mut is_near = vec![false; self.rank.len()];
        for &at in &self.order {
            for row in 0..=2 * reach_px {
                let start = at + row * self.width - reach_px * (self.width + 1);
                is_near[start..=start + 2 * reach_px].fill(true);
            }
        }
        let is_rim = |at: &usize| self.rank[*at] == 0 && self.distance[*at] == 0.0;
        let rim: Vec<usize> = (0..self.rank.len()).filter(is_rim).collect();
        let mut outside = vec![f32::INFINITY; self.rank.len()];
        let reached = run(self.width, &rim, &mut outside, |at| is_near[at] && self.rank[at] == 0);
        for at in reached {
            self.distance[at] = -outside[at];
        }
        self
    }

    /// Whether the colour of the pixel `at` is known when the one of this rank is filled.
    #[inline]
    pub fn is_before(&self, at: usize, rank: u32) -> bool {
        self.rank[at] < rank
    }
}

/// Marches from `start`, where the distance is 0, over all `open` pixels; returns them as they were reached. A pixel's
/// distance is fixed when the front first touches it.
fn run(width: usize, start: &[usize], distance: &mut [f32], open: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut reached = Vec::new();
    let mut touched = 0_u32;
    let mut waiting = BinaryHeap::new();
    let mut wait = |waiting: &mut BinaryHeap<_>, at: usize, distance: f32| {
        // Bits of floats that are not negative are in the order of their values. Of equal ones the first comes first.
        waiting.push(Reverse((distance.to_bits(), touched, at)));
        touched += 1;
    };
    for &at in start {
        distance[at] = 0.0;
        wait(&mut waiting, at, 0.0);
    }
    while let Some(Reverse((_, _, from))) = waiting.pop() {
        for at in near(from, width) {
            if open(at) && distance[at].is_infinite() {
                distance[at] = solve(distance, at, width);
                wait(&mut waiting, at, distance[at]);
                reached.push(at);
            }
        }
    }
    reached
}

/// A pixel's neighbours: above, left, below, right.
#[inline]
fn near(at: usize, width: usize) -> [usize; 4] {
    [at - width, at - 1, at + width, at + 1]
}

/// The distance of a pixel from those of its neighbours that are known: the least that solves the eikonal equation
/// `|∇T| = 1` on one of the four corners around it.
fn solve(distance: &[f32], at: usize, width: usize) -> f32 {
    let [above, left, below, right] = near(at, width).map(|at| f64::from(distance[at]));
    let corner = |a: f64, b: f64| {
        if (a - b).abs() < 1.0 { f64::midpoint(a, b) + (2.0 - (a - b).powi(2)).sqrt() / 2.0 } else { 1.0 + a.min(b) }
    };
    let least = corner(above, left).min(corner(below, left)).min(corner(above, right)).min(corner(below, right));
    least as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of `side` pixels of hole in the middle of known ones.
    fn square(side: usize) -> (usize, Vec<Place>) {
        let width = side + 2 * Front::RIM_PX;
        let is_hole = |at: usize| Front::RIM_PX <= at && at < Front::RIM_PX + side;
        let place = |at: usize| if is_hole(at / width) && is_hole(at % width) { Place::Hole } else { Place::Known };
        (width, (0..width * width).map(place).collect())
    }

    #[test]
    fn every_pixel_of_the_hole_is_filled_once_from_the_rim_inwards() {
        let (width, places) = square(9);
        let front = Front::new(width, &places);
        assert_eq!(front.order.len(), 81);
        assert!(places.iter().zip(&front.rank).all(|(place, rank)| (*place == Place::Known) == (*rank == 0)));
        let distances: Vec<f32> = front.order.iter().map(|at| front.distance[*at]).collect();
        assert_eq!(distances[0], 1.0 / 2.0_f32.sqrt());
        let middle = front.distance[width * width / 2];
        assert!((middle - 5.0).abs() < 0.8 && distances.iter().all(|d| *d <= middle), "{middle}");
    }

    #[test]
    fn from_a_straight_rim_the_distance_is_exact_on_both_sides() {
        let (width, height) = (21, 30);
        let places: Vec<Place> = (0..width * height)
            .map(|at| match (at / width, at % width) {
                (10..20, 4..17) => Place::Hole,
                (10..20, _) => Place::Outside,
                _ => Place::Known,
            })
            .collect();
        let front = Front::new(width, &places).with_outside(3);
        let along = |x: usize| -> Vec<f32> { (6..15).map(|y| front.distance[y * width + x]).collect() };
        for x in 4..17 {
            assert_eq!(along(x), [f32::INFINITY, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        }
        assert!((0..places.len()).all(|at| places[at] != Place::Outside || front.rank[at] == Front::NEVER));
    }
}

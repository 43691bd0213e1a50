//! A plane of a picture, smoothed.

use ndarray::{ArrayViewMut1, ArrayViewMut2, Axis};

/// Deviations on each side of a pixel that the Gaussian reaches.
const REACH: f32 = 3.0;

/// Smooths a plane with a Gaussian. At the plane's edges, what lies outside does not count.
///
/// # Units
/// `deviation` in pixels; 0 changes nothing.
pub(super) fn gaussian(mut plane: ArrayViewMut2<f32>, deviation: f32) {
    if deviation <= 0.0 {
        return;
    }
    let reach = (REACH * deviation).ceil() as usize;
    let weights: Vec<f32> = (0..=reach).map(|at| (-0.5 * (at as f32 / deviation).powi(2)).exp()).collect();
    for axis in [Axis(0), Axis(1)] {
        plane.lanes_mut(axis).into_iter().for_each(|lane| line(lane, &weights));
    }
}

/// `weights`: of a pixel itself, of its two neighbours, of theirs, and so on.
fn line(mut values: ArrayViewMut1<f32>, weights: &[f32]) {
    let before: Vec<f32> = values.to_vec();
    for (at, value) in values.iter_mut().enumerate() {
        let (mut sum, mut total) = (weights[0] * before[at], weights[0]);
        for (away, weight) in weights.iter().enumerate().skip(1) {
            for near in [at.checked_sub(away), Some(at + away)].into_iter().flatten() {
                if let Some(near) = before.get(near) {
                    sum += weight * near;
                    total += weight;
                }
            }
        }
        *value = sum / total;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;

    #[test]
    fn a_point_becomes_a_bell_of_the_deviation_asked_for() {
        let mut plane = Array2::<f32>::zeros((41, 41));
        plane[[20, 20]] = 1.0;
        gaussian(plane.view_mut(), 2.0);
        assert!((plane.sum() - 1.0).abs() < 1e-5);
        let variance: f32 = plane.indexed_iter().map(|((y, _), v)| v * (y as f32 - 20.0).powi(2)).sum();
        assert!((variance - 4.0).abs() < 0.15, "{variance}");
        assert_eq!(plane, plane.t());
    }

    #[test]
    fn what_is_even_stays_even_to_the_edges() {
        let mut plane = Array2::from_elem((7, 3), 5.0_f32);
        gaussian(plane.view_mut(), 4.0);
        assert!(plane.iter().all(|v| (v - 5.0).abs() < 1e-5));
        let before = plane.clone();
        gaussian(plane.slice_mut(s![.., 1..]), 0.0);
        assert_eq!(plane, before);
    }
}

//! A plane of a picture, smoothed.

use ndarray::{Array2, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, Zip};

/// Deviations on each side of a pixel that the Gaussian reaches.
const REACH: f32 = 3.0;

/// Smooths the part of a plane that is `inside` with a Gaussian. What lies outside does not count, and stays.
///
/// # Shapes
/// - `plane`, `inside`: `[H, W]`
///
/// # Units
/// `deviation` in pixels; 0 changes nothing.
pub(super) fn gaussian(mut plane: ArrayViewMut2<f32>, inside: ArrayView2<bool>, deviation: f32) {
    if deviation <= 0.0 {
        return;
    }
    let reach = (REACH * deviation).ceil() as usize;
    let weights: Vec<f32> = (0..=reach).map(|at| (-0.5 * (at as f32 / deviation).powi(2)).exp()).collect();
    let mut total = inside.mapv(|inside| if inside { 1.0_f32 } else { 0.0 });
    let mut sum = &plane * &total;
    spread(&mut sum, &weights);
    spread(&mut total, &weights);
    Zip::from(&mut plane).and(&inside).and(&sum).and(&total).for_each(|value, inside, sum, total| {
        if *inside {
            *value = sum / total;
        }
    });
}

/// Spreads every value along both axes.
fn spread(plane: &mut Array2<f32>, weights: &[f32]) {
    for axis in [Axis(0), Axis(1)] {
        plane.lanes_mut(axis).into_iter().for_each(|lane| line(lane, weights));
    }
}

/// `weights`: of a pixel itself, of its two neighbours, of theirs, and so on.
fn line(mut values: ArrayViewMut1<f32>, weights: &[f32]) {
    let before: Vec<f32> = values.to_vec();
    for (at, value) in values.iter_mut().enumerate() {
        *value *= weights[0];
        for (away, weight) in weights.iter().enumerate().skip(1) {
            let near = [at.checked_sub(away), Some(at + away)].into_iter().flatten();
            *value += weight * near.filter_map(|near| before.get(near)).sum::<f32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_becomes_a_bell_of_the_deviation_asked_for() {
        let mut plane = Array2::<f32>::zeros((41, 41));
        plane[[20, 20]] = 1.0;
        let all = Array2::from_elem(plane.dim(), true);
        gaussian(plane.view_mut(), all.view(), 2.0);
        assert!((plane.sum() - 1.0).abs() < 1e-3);
        for pick in [|y: usize, _: usize| y, |_: usize, x: usize| x] {
            let square = |((y, x), v): ((usize, usize), &f32)| v * (pick(y, x) as f32 - 20.0).powi(2);
            let variance: f32 = plane.indexed_iter().map(square).sum();
            assert!((variance - 4.0).abs() < 0.15, "{variance}");
        }
    }

    #[test]
    fn what_is_even_inside_stays_even_and_what_is_outside_stays() {
        let inside = Array2::from_shape_fn((9, 13), |(y, x)| y > 2 && (x < 4 || y + x > 14));
        let before = inside.mapv(|inside| if inside { 5.0_f32 } else { 900.0 });
        let mut plane = before.clone();
        gaussian(plane.view_mut(), inside.view(), 4.0);
        assert!(plane.iter().zip(&before).all(|(v, b)| (v - b).abs() < 1e-4));
        plane[[8, 12]] = 7.0;
        let before = plane.clone();
        gaussian(plane.view_mut(), inside.view(), 0.0);
        assert_eq!(plane, before);
    }
}

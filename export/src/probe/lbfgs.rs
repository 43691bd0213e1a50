//! Minimizes a smooth convex function of many numbers.

use std::collections::VecDeque;

use ndarray::Array1;

/// Steps that the curvature is estimated from.
const MEMORY: usize = 10;
/// A step must lower the value by at least this part of what its slope promises (Armijo).
const LEAST_DECREASE: f64 = 1e-4;
/// Halvings of a step before it is given up.
const HALVINGS: usize = 30;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// After so many steps.
    pub steps: usize,
    /// When the gradient's greatest number is at most this.
    pub gradient: f64,
}

/// Goes down from `start` until `stop` says so, or no step goes down any more.
///
/// `function` returns the value and the gradient at a place.
///
/// # Source
/// Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4, 7.5 and 3.1.
pub fn minimize(
    mut function: impl FnMut(&Array1<f64>) -> (f64, Array1<f64>),
    start: Array1<f64>,
    stop: Stop,
) -> Array1<f64> {
    let mut place = start;
    let (mut value, mut gradient) = function(&place);
    let mut memory: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    for _ in 0..stop.steps {
        if gradient.iter().all(|slope| slope.abs() <= stop.gradient) {
            break;
        }
        let direction = direction(&gradient, &memory);
        let slope = direction.dot(&gradient);
        // The first step has no curvature to go by: it is as long as 1 at most.
        let mut length = if memory.is_empty() { (1.0 / gradient.dot(&gradient).sqrt()).min(1.0) } else { 1.0 };
        let mut taken = None;
        for _ in 0..HALVINGS {
            let next = &place + &(&direction * length);
            let (next_value, next_gradient) = function(&next);
            if next_value <= value + LEAST_DECREASE * length * slope {
                taken = Some((next, next_value, next_gradient));
                break;
            }
            length /= 2.0;
        }
        let Some((next, next_value, next_gradient)) = taken else { break };
        let pair = Pair::new(&next - &place, &next_gradient - &gradient);
        (place, value, gradient) = (next, next_value, next_gradient);
        if let Some(pair) = pair {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(pair);
        }
    }
    place
}

/// A step, and what it did to the gradient.
struct Pair {
    step: Array1<f64>,
    change: Array1<f64>,
    /// One over their product.
    rho: f64,
}

impl Pair {
    /// Nothing where rounding hides the curvature.
    fn new(step: Array1<f64>, change: Array1<f64>) -> Option<Self> {
        let product = step.dot(&change);
        (product > f64::EPSILON * change.dot(&change)).then(|| Self { rho: 1.0 / product, step, change })
    }
}

/// Down the gradient, as the curvature so far bends it.
fn direction(gradient: &Array1<f64>, memory: &VecDeque<Pair>) -> Array1<f64> {
    let mut direction = -gradient;
    let mut alphas = Vec::with_capacity(memory.len());
    for Pair { step, change, rho } in memory.iter().rev() {
        let alpha = rho * step.dot(&direction);
        direction.scaled_add(-alpha, change);
        alphas.push(alpha);
    }
    if let Some(Pair { change, rho, .. }) = memory.back() {
        direction *= 1.0 / (rho * change.dot(change));
    }
    for (Pair { step, change, rho }, alpha) in memory.iter().zip(alphas.iter().rev()) {
        let beta = rho * change.dot(&direction);
        direction.scaled_add(alpha - beta, step);
    }
    direction
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const STOP: Stop = Stop { steps: 500, gradient: 1e-9 };

    #[test]
    fn a_stretched_bowl_s_bottom_is_found() {
        let scales = array![1.0, 10.0, 100.0, 1000.0];
        let bottom = array![3.0, -2.0, 1.0, 0.5];
        let bowl = |place: &Array1<f64>| {
            let off = place - &bottom;
            (0.5 * off.dot(&(&off * &scales)), &off * &scales)
        };
        let found = minimize(bowl, Array1::zeros(4), STOP);
        assert!(found.iter().zip(&bottom).all(|(a, b)| (a - b).abs() < 1e-8), "{found}");
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        // Rosenbrock's function, which is not even convex.
        let valley = |place: &Array1<f64>| {
            let (x, y) = (place[0], place[1]);
            let value = (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
            (value, array![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)])
        };
        let found = minimize(valley, array![-1.2, 1.0], STOP);
        assert!((found[0] - 1.0).abs() < 1e-6 && (found[1] - 1.0).abs() < 1e-6, "{found}");
    }

    #[test]
    fn it_stops_when_it_is_told_to() {
        let mut calls = 0;
        let slide = |place: &Array1<f64>| {
            calls += 1;
            (-place[0], array![-1.0])
        };
        let found = minimize(slide, array![0.0], Stop { steps: 5, gradient: 1e-9 });
        assert!(found[0] > 0.0 && found[0].is_finite());
        assert_eq!(calls, 6);
    }
}

//! Logistic regression on frozen features: what a linear classifier can make of them.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::lbfgs::{Stop, minimize};

/// Strengths of the penalty that are tried, the strongest first: each begins where the one before it ended.
pub const STRENGTHS: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];
/// One example in this many is held out, to choose the strength by.
const HELD_OUT_STRIDE: usize = 5;
/// Rows that one thread sums over; fixed, so that the sum does not depend on the number of threads.
const LOT: usize = 512;
/// The values are sums in f32: finer than this, the gradient is rounding.
const STOP: Stop = Stop { steps: 200, gradient: 1e-5 };

/// What was learnt, and how well it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Learnt {
    /// The class of each row that was asked about.
    pub classes: Vec<usize>,
    /// The strength of the penalty that did best on what was held out.
    pub strength: f64,
}

/// Learns from `train` and says the class of each row of `test`. The penalty's strength is chosen on a fifth of `train`,
/// drawn by `seed`; then all of it is learnt from.
///
/// # Shapes
/// - `train`: `[n, C]`, `labels`: `[n]`
/// - `test`: `[m, C]`
#[must_use]
pub fn classify(train: &Array2<f32>, labels: &[usize], test: &Array2<f32>, classes: usize, seed: u64) -> Learnt {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut Pcg64::seed_from_u64(seed));
    let (held_out, kept) = order.split_at(labels.len() / HELD_OUT_STRIDE);
    let strength =
        if held_out.is_empty() { STRENGTHS[0] } else { best_strength(train, labels, kept, held_out, classes) };

    let scaler = Scaler::new(train);
    let problem = Problem { rows: scaler.scaled(train), labels: labels.to_vec(), classes };
    let mut weights = problem.no_weights();
    for warmer in STRENGTHS.into_iter().filter(|warmer| *warmer >= strength) {
        weights = problem.solve(weights, warmer);
    }
    Learnt { classes: problem.classes_of(&scaler.scaled(test), &weights), strength }
}

/// The strength that does best on what is held out; the strongest of equals.
fn best_strength(train: &Array2<f32>, labels: &[usize], kept: &[usize], held_out: &[usize], classes: usize) -> f64 {
    let chosen = |numbers: &[usize]| {
        let labels: Vec<usize> = numbers.iter().map(|number| labels[*number]).collect();
        (train.select(Axis(0), numbers), labels)
    };
    let ((rows, labels), (asked, right)) = (chosen(kept), chosen(held_out));
    let scaler = Scaler::new(&rows);
    let problem = Problem { rows: scaler.scaled(&rows), labels, classes };
    let asked = scaler.scaled(&asked);
    let mut weights = problem.no_weights();
    let mut best = (0, STRENGTHS[0]);
    for strength in STRENGTHS {
        weights = problem.solve(weights, strength);
        let said = problem.classes_of(&asked, &weights);
        let hits = said.iter().zip(&right).filter(|(said, right)| said == right).count();
        if hits > best.0 {
            best = (hits, strength);
        }
    }
    best.1
}

/// Brings each column to mean 0 and deviation 1.
struct Scaler {
    mean: Array1<f32>,
    deviation: Array1<f32>,
}

impl Scaler {
    fn new(rows: &Array2<f32>) -> Self {
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
        let deviation = (rows - &mean).mapv(|value| value * value).mean_axis(Axis(0));
        let deviation = deviation.unwrap_or_else(|| Array1::ones(rows.ncols()));
        // A column that never changes says nothing, and is left where it is.
        let deviation = deviation.mapv(|variance| if variance > 1e-12 { variance.sqrt() } else { 1.0 });
        Self { mean, deviation }
    }

    fn scaled(&self, rows: &Array2<f32>) -> Array2<f32> {
        (rows - &self.mean) / &self.deviation
    }
}

/// Multinomial logistic regression.
struct Problem {
    /// `[n, C]`
    rows: Array2<f32>,
    labels: Vec<usize>,
    classes: usize,
}

impl Problem {
    fn no_weights(&self) -> Array1<f64> {
        Array1::zeros((self.rows.ncols() + 1) * self.classes)
    }

    /// The weights that make mean cross-entropy + `strength` / 2 · |weights|² least; biases are not penalized.
    fn solve(&self, start: Array1<f64>, strength: f64) -> Array1<f64> {
        minimize(|weights| self.value_and_gradient(weights, strength), start, STOP)
    }

    /// # Shapes
    /// - `weights`: `[(C+1) · classes]`, the biases last
    fn value_and_gradient(&self, weights: &Array1<f64>, strength: f64) -> (f64, Array1<f64>) {
        let (n, c) = self.rows.dim();
        let (matrix, bias) = self.unpacked(weights.view());
        let lots: Vec<(ArrayView2<f32>, &[usize])> =
            self.rows.axis_chunks_iter(Axis(0), LOT).zip(self.labels.chunks(LOT)).collect();
        let sums: Vec<(f64, Array2<f32>, Array1<f32>)> = lots
            .par_iter()
            .map(|(rows, labels)| {
                let mut chances = rows.dot(&matrix) + &bias; // [LOT, classes]
                let mut loss = 0.0;
                for (mut row, &label) in chances.rows_mut().into_iter().zip(*labels) {
                    let logs = log_softmax(row.view());
                    loss -= f64::from(logs[label]);
                    row.assign(&logs.exp());
                    row[label] -= 1.0;
                }
                (loss, rows.t().dot(&chances), chances.sum_axis(Axis(0)))
            })
            .collect();
        let split = c * self.classes;
        let penalized = weights.slice(s![..split]);
        let mut value = 0.0;
        let mut gradient = Array1::zeros(weights.len());
        for (loss, of_matrix, of_bias) in &sums {
            value += loss;
            let parts = of_matrix.iter().chain(of_bias);
            gradient.iter_mut().zip(parts).for_each(|(sum, part)| *sum += f64::from(*part));
        }
        value /= n as f64;
        gradient /= n as f64;
        value += 0.5 * strength * penalized.dot(&penalized);
        gradient.slice_mut(s![..split]).scaled_add(strength, &penalized);
        (value, gradient)
    }

    fn classes_of(&self, rows: &Array2<f32>, weights: &Array1<f64>) -> Vec<usize> {
        let (matrix, bias) = self.unpacked(weights.view());
        let scores = rows.dot(&matrix) + &bias;
        scores.rows().into_iter().map(greatest).collect()
    }

    fn unpacked(&self, weights: ArrayView1<f64>) -> (Array2<f32>, Array1<f32>) {
        let (c, classes) = (self.rows.ncols(), self.classes);
        let weights = weights.mapv(|weight| weight as f32);
        let matrix = Array2::from_shape_fn((c, classes), |(row, class)| weights[row * classes + class]);
        (matrix, weights.slice(s![c * classes..]).to_owned())
    }
}

fn log_softmax(scores: ArrayView1<f32>) -> Array1<f32> {
    let most = scores.fold(f32::NEG_INFINITY, |most, score| most.max(*score));
    let sum: f32 = scores.iter().map(|score| (score - most).exp()).sum();
    scores.mapv(|score| score - most - sum.ln())
}

/// The place of the greatest number, the first of equals.
fn greatest(scores: ArrayView1<f32>) -> usize {
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Three classes around the corners of a triangle, `spread` wide, and a column that says nothing.
    fn triangle(n: usize, spread: f32, seed: u64) -> (Array2<f32>, Vec<usize>) {
        let mut rng = Pcg64::seed_from_u64(seed);
        let labels: Vec<usize> = (0..n).map(|i| i % 3).collect();
        let corners = [[0.0, 0.0], [100.0, 0.0], [0.0, 1.0]];
        let rows = Array2::from_shape_fn((n, 3), |(i, column)| match column {
            0 => corners[labels[i]][0] + 100.0 * spread * rng.random_range(-1.0_f32..1.0),
            1 => corners[labels[i]][1] + spread * rng.random_range(-1.0_f32..1.0),
            _ => 7.0,
        });
        (rows, labels)
    }

    #[test]
    fn what_can_be_parted_is_whatever_its_units() {
        let (train, labels) = triangle(300, 0.2, 1);
        let (test, right) = triangle(60, 0.2, 2);
        assert_eq!(classify(&train, &labels, &test, 3, 0).classes, right);
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let (rows, labels) = triangle(LOT + 40, 1.0, 3);
        let problem = Problem { rows: Scaler::new(&rows).scaled(&rows), labels, classes: 3 };
        let place = Array1::from_shape_fn(12, |i| (i as f64 * 0.7).sin());
        let (_, gradient) = problem.value_and_gradient(&place, 0.3);
        for axis in 0..12 {
            let at = |offset: f64| {
                let mut place = place.clone();
                place[axis] += offset;
                problem.value_and_gradient(&place, 0.3).0
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - gradient[axis]).abs() < 1e-3, "{axis}: {slope} {}", gradient[axis]);
        }
    }

    #[test]
    fn a_penalty_is_as_strong_as_does_no_harm() {
        let (train, labels) = triangle(300, 0.2, 1);
        let easy = classify(&train, &labels, &train, 3, 0);
        assert_eq!((easy.strength, &easy.classes), (STRENGTHS[0], &labels));
        assert_eq!(easy, classify(&train, &labels, &train, 3, 0));

        // A rare class at the end of a line: found only with great weights.
        let mut rng = Pcg64::seed_from_u64(5);
        let line = Array2::from_shape_simple_fn((1000, 1), || rng.random_range(0.0_f32..1.0));
        let labels: Vec<usize> = line.iter().map(|place| usize::from(*place > 0.9)).collect();
        let hard = classify(&line, &labels, &line, 2, 0);
        let hits = hard.classes.iter().zip(&labels).filter(|(said, right)| said == right).count();
        assert!(hard.strength < STRENGTHS[1] && hits > 980, "{} {hits}", hard.strength);
    }
}

//! The linear layer of every family beside its formula.

use ndarray::{Array2, s};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use super::*;
use crate::math;
use crate::{Family, Finish, Rows};

struct Layer {
    x: Array2<f32>,
    weights: Array2<i8>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    residual: Array2<f32>,
}

fn layer([m, k, n]: [usize; 3]) -> Layer {
    let mut rng = Pcg64::seed_from_u64((m * 1_000_003 + k * 1009 + n) as u64);
    let mut x = Array2::from_shape_fn((m, k), |_| rng.random_range(-2.0f32..3.0));
    // an outlier, which is to spoil its own row alone
    x[[m / 2, k / 3]] = 90.0;
    Layer {
        x,
        weights: Array2::from_shape_fn((k, n), |_| rng.random()),
        scale: (0..n).map(|_| rng.random_range(1e-3..2e-2)).collect(),
        bias: (0..n).map(|_| rng.random_range(-1.0..1.0)).collect(),
        residual: Array2::from_shape_fn((m, n), |_| rng.random_range(-1.0..1.0)),
    }
}

/// A matrix from one of its corners on.
fn from(matrix: &Array2<f32>, [top, left]: [usize; 2]) -> Rows<'_> {
    Rows::new(&matrix.as_slice().unwrap()[top * matrix.ncols() + left..], matrix.ncols())
}

impl Layer {
    fn pack(&self, family: Family) -> Weights {
        Weights::pack(family, self.x.ncols(), self.weights.as_slice().unwrap(), &self.scale, &self.bias).unwrap()
    }

    fn run(&self, weights: &Weights, finish: Finish) -> Array2<f32> {
        let mut out = Array2::from_elem((self.x.nrows(), weights.outputs()), f32::NAN);
        linear(from(&self.x, [0, 0]), weights, 0, finish, &mut Scratch::default(), out.view_mut());
        out
    }

    /// Value by value.
    fn reference(&self, finish: Finish) -> Array2<f32> {
        Array2::from_shape_fn((self.x.nrows(), self.weights.ncols()), |(i, j)| {
            let x = self.x.row(i);
            let least = x.fold(0.0f32, |a, &b| a.min(b));
            let most = x.fold(0.0f32, |a, &b| a.max(b));
            let scale = (most - least) / 255.0;
            let zero = (-least * scale.recip()).round_ties_even();
            let byte = |x: f32| x.mul_add(scale.recip(), zero).clamp(0.0, 255.0).round_ties_even() as i32;
            let sum: i32 =
                x.iter().zip(self.weights.column(j)).map(|(&x, &w)| (byte(x) - zero as i32) * i32::from(w)).sum();
            let mut y = (sum as f32 * scale).mul_add(self.scale[j], self.bias[j]);
            if finish.gelu {
                y = math::gelu(y);
            }
            y + if finish.residual.is_some() { self.residual[[i, j]] } else { 0.0 }
        })
    }
}

/// Sizes at which something ends or begins: tiles, panels, groups, blocks of rows.
const SIZES: [[usize; 3]; 13] = [
    [1, 1, 1],
    [1, 5, 3],
    [2, 8, 16],
    [3, 17, 15],
    [4, 33, 17],
    [5, 64, 64],
    [6, 31, 65],
    [7, 100, 130],
    [47, 48, 20],
    [48, 16, 64],
    [49, 20, 33],
    [103, 12, 70],
    // a layer of ViT-Base's
    [50, 768, 96],
];

#[test]
fn every_family_is_the_formula_bit_for_bit() {
    for sizes in SIZES {
        let layer = layer(sizes);
        for gelu in [false, true] {
            for residual in [None, Some(from(&layer.residual, [0, 0]))] {
                let finish = Finish { gelu, residual };
                let wanted = layer.reference(finish);
                for family in Family::available() {
                    let found = layer.run(&layer.pack(family), finish);
                    assert_eq!(found, wanted, "{family:?} {sizes:?} {gelu}");
                }
            }
        }
    }
}

#[test]
fn the_largest_sums_fit() {
    let k = MOST_INPUTS;
    for (x, weight) in [(1.0, 127), (1.0, -128), (-1.0, -128)] {
        let x = Array2::from_elem((1, k), x);
        let layer = Layer {
            weights: Array2::from_elem((k, 1), weight),
            scale: vec![1.0],
            bias: Vec::new(),
            residual: Array2::zeros((1, 1)),
            x,
        };
        let wanted = layer.x[[0, 0]] * f32::from(weight) * k as f32;
        for family in Family::available() {
            let found = layer.run(&layer.pack(family), Finish::default())[[0, 0]];
            assert!((found / wanted - 1.0).abs() < 1e-6, "{family:?}: {found} {wanted}");
        }
    }
}

#[test]
fn work_can_be_split_between_rows_and_panels() {
    let layer = layer([53, 40, 150]);
    let finish = Finish { gelu: true, residual: Some(from(&layer.residual, [0, 0])) };
    for family in Family::available() {
        let weights = layer.pack(family);
        let whole = layer.run(&weights, finish);
        let mut parts = Array2::zeros(whole.dim());
        let column = 150 / weights.panel_columns() / 2 * weights.panel_columns();
        for (rows, columns) in [(0..7, 0..column), (0..7, column..150), (7..53, 0..column), (7..53, column..150)] {
            let finish = Finish { residual: Some(from(&layer.residual, [rows.start, columns.start])), ..finish };
            let x = from(&layer.x, [rows.start, 0]);
            let out = parts.slice_mut(s![rows, columns.clone()]);
            linear(x, &weights, columns.start, finish, &mut Scratch::default(), out);
        }
        assert_eq!(parts, whole, "{family:?}");
    }
}

#[test]
fn what_does_not_fit_is_not_packed() {
    let pack = |k, weights: &[i8], scale: &[f32], bias: &[f32]| {
        Weights::pack(Family::Portable, k, weights, scale, bias).is_some()
    };
    assert!(pack(2, &[1; 6], &[1.0; 3], &[0.0; 3]));
    assert!(pack(2, &[1; 6], &[1.0], &[]));
    assert!(!pack(0, &[], &[1.0], &[]));
    assert!(!pack(2, &[], &[1.0], &[]));
    assert!(!pack(4, &[1; 6], &[1.0], &[]));
    assert!(!pack(2, &[1; 6], &[1.0; 2], &[]));
    assert!(!pack(2, &[1; 6], &[1.0; 3], &[0.0]));
    assert!(!pack(MOST_INPUTS + 1, &vec![1; MOST_INPUTS + 1], &[1.0], &[]));
}

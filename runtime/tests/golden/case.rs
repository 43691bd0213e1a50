//! One question of a bundle's golden file and its right answer.

use glimpse_models::Bundle;
use glimpse_runtime::Mask;
use ndarray::{Array2, ArrayView2, Axis};
use safetensors::SafeTensors;

/// One patch, a quarter of them, all of them.
pub const NAMES: [&str; 3] = ["one", "quarter", "all"];

pub struct Case {
    pub mask: Mask,
    /// `[N, P·P·3]`
    pub patches: Array2<f32>,
    /// `[N+1, C]`
    pub tokens: Array2<f32>,
    /// `[L, P·P·3]`, of a model that paints
    pub painted: Option<Array2<f32>>,
}

impl Case {
    pub fn read(bundle: &Bundle, name: &str) -> Self {
        let file = SafeTensors::deserialize(bundle.golden()).unwrap();
        let matrix = |field: &str| {
            let tensor = file.tensor(&format!("{name}.{field}")).unwrap();
            let shape = (tensor.shape()[0], tensor.shape()[1]);
            let words = tensor.data().as_chunks::<4>().0;
            let values = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
            Array2::from_shape_vec(shape, values).unwrap()
        };
        let indices = |field: &str| -> Vec<i64> {
            let tensor = file.tensor(&format!("{name}.{field}")).unwrap();
            let words = tensor.data().as_chunks::<8>().0;
            words.iter().map(|&word| i64::from_le_bytes(word)).collect()
        };
        let visible: Vec<usize> = indices("positions").iter().map(|&place| place as usize).collect();
        let mask = Mask::from_visible(bundle.spec().grid(), &visible).unwrap();
        let paints = bundle.spec().decoder().is_some();
        if paints {
            assert_eq!(mask.restore(), indices("restore"));
        }
        Self { mask, patches: matrix("patches"), tokens: matrix("tokens"), painted: paints.then(|| matrix("painted")) }
    }

    /// `[L, P·P·3]`: not a number where a patch is masked, so that reading one shows.
    pub fn all_patches(&self) -> Array2<f32> {
        let mut all = Array2::from_elem((self.mask.grid().len(), self.patches.ncols()), f32::NAN);
        for (patch, &index) in self.patches.outer_iter().zip(self.mask.visible()) {
            all.index_axis_mut(Axis(0), index).assign(&patch);
        }
        all
    }
}

/// `‖got − expected‖ / ‖expected‖`.
pub fn relative_error(got: ArrayView2<f32>, expected: ArrayView2<f32>) -> f64 {
    assert_eq!(got.dim(), expected.dim());
    let square = |value: f64| value * value;
    let pairs = got.iter().zip(&expected).map(|(&got, &expected)| (f64::from(got), f64::from(expected)));
    let (error, size) = pairs
        .fold((0.0, 0.0), |(error, size), (got, expected)| (error + square(got - expected), size + square(expected)));
    (error / size).sqrt()
}

/// The root of the mean squared difference.
pub fn rms_error(got: ArrayView2<f32>, expected: ArrayView2<f32>) -> f64 {
    assert_eq!(got.dim(), expected.dim());
    let squares = got.iter().zip(&expected).map(|(&got, &expected)| f64::from(got - expected).powi(2));
    (squares.sum::<f64>() / got.len() as f64).sqrt()
}

/// The cosine of the angle between a row and the one that it should be, at the worst row.
pub fn cosine_min(got: ArrayView2<f32>, expected: ArrayView2<f32>) -> f64 {
    assert_eq!(got.dim(), expected.dim());
    let dot = |a: ndarray::ArrayView1<f32>, b: ndarray::ArrayView1<f32>| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let rows = got.outer_iter().zip(expected.outer_iter());
    rows.map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).fold(1.0, f64::min)
}

//! Those that are ignored need a GPU: `cargo ci test` runs them with Mesa's, which is a program.

mod fallback;
mod frames;
mod golden;
mod kernels;
mod model;
mod profile;
mod run;
mod shaders;
mod stream;

use super::context::{Context, Level};

/// The GPU with no more than every GPU has, and with all that it has itself.
fn contexts() -> [Context; 2] {
    [Level::Floor, Level::Full].map(|level| Context::open(None, level).unwrap())
}

/// `‖got − expected‖ / ‖expected‖`.
fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let square = |value: f32| f64::from(value).powi(2);
    let error: f64 = got.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    (error / expected.iter().map(|&b| square(b)).sum::<f64>().max(f64::MIN_POSITIVE)).sqrt()
}

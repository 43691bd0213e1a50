//! Those that are ignored need a GPU: `cargo ci test` runs them with Mesa's, which is a program.

mod blocks;
mod compiled;
mod fallback;
mod frames;
mod golden;
mod kernels;
mod model;
mod profile;
mod run;
mod shaders;
mod stream;
mod tuner;
mod uploads;

use wgpu::Features;

use super::GpuError;
use super::context::{Context, Level};
use super::kernels::Kernel;

/// The GPU with no more than every GPU has, and with all that it has itself.
fn contexts() -> [Context; 2] {
    [Level::Floor, Level::Full].map(|level| Context::open(None, level).unwrap())
}

/// The kernels that a GPU runs: those of every GPU, and those that take subgroups, where it has them.
fn with_and_without_subgroups(context: &Context) -> Vec<bool> {
    let has_subgroups = context.device.features().contains(Features::SUBGROUP);
    [false].into_iter().chain(has_subgroups.then_some(true)).collect()
}

#[test]
#[ignore = "needs a GPU"]
fn what_is_above_the_floor_is_tried_where_the_gpu_is_a_program() {
    let [floor, full] = contexts();
    assert_eq!(floor.device.features(), Features::empty());
    let above = Features::SHADER_F16 | Features::SUBGROUP | Features::TIMESTAMP_QUERY;
    assert!(!full.adapter.is_software() || full.device.features().contains(above), "{:?}", full.adapter);
}

#[test]
#[ignore = "needs a GPU"]
fn a_kernel_that_is_refused_is_no_other_ones_trouble() {
    let floor = Context::open(None, Level::Floor).unwrap();
    let asked = [Kernel::Place, Kernel::LayerNorm { subgroups: true }, Kernel::Restore];
    for _ in 0..2 {
        let refused = floor.pipelines(&asked).unwrap_err();
        assert!(
            matches!(&refused, GpuError::Refused { reason } if reason.contains("layer_norm_subgroups")),
            "{refused}"
        );
        floor.check().unwrap();
    }
    assert_eq!(floor.pipelines(&[asked[0], asked[2], asked[0]]).unwrap().len(), 3);
}

/// `‖got − expected‖ / ‖expected‖`.
fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let square = |value: f32| f64::from(value).powi(2);
    let error: f64 = got.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    (error / expected.iter().map(|&b| square(b)).sum::<f64>().max(f64::MIN_POSITIVE)).sqrt()
}

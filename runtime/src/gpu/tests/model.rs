//! The engine against the one on the CPU, on whatever GPU is there.

use glimpse_models::{Bundle, Precision};
use ndarray::Array2;

use super::relative_error;
use crate::gpu::context::Level;
use crate::gpu::engine::{Engine, Input, Settings, Want};
use crate::gpu::kernels::Form;
use crate::gpu::plan::Choice;
use crate::gpu::weights::Product;
use crate::reference::tolerance::{GPU_F16, GPU_F32, GPU_INT8};
use crate::{Mask, Model, Options};

pub(super) const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/glimpse-tiny");

#[test]
#[ignore = "needs a GPU"]
fn a_whole_model_answers_as_it_does_on_the_cpu() {
    let bundle = Bundle::open(TINY).unwrap();
    let grid = bundle.spec().grid();
    let patches = Array2::from_shape_fn((grid.len(), grid.patch_len()), |(i, j)| {
        ((i * 131 + j * 17) % 97) as f32 / 40.0 - 1.2 + (i as f32 * 0.3).sin()
    });
    for (product, cpu, tolerance) in [
        (Product::Wide(Form::F32), Precision::F32, GPU_F32),
        (Product::Wide(Form::Int8), Precision::F32, GPU_F32),
        (Product::Wide(Form::F16), Precision::F32, GPU_F16),
        (Product::Bytes, Precision::Int8, GPU_INT8),
    ] {
        let mut model = Model::load(&bundle, &Options { precision: cpu, ..Options::default() }).unwrap();
        for (level, side) in [(Level::Floor, 8), (Level::Full, 16)] {
            let settings =
                Settings { level, choice: Choice { product, side }, ..Settings::floor(None, Precision::Int8) };
            let mut engine = Engine::new(&bundle, Precision::Int8, settings).unwrap();
            for ratio in [0.0, 0.5, 0.97] {
                let mask = Mask::random(grid, ratio, 3).unwrap();
                let expected = model.encode(patches.view(), &mask).unwrap().to_owned();
                let got = engine.run(Input::Patches(patches.view()), &mask, Want::Tokens).unwrap();
                let error = relative_error(got, expected.as_slice().unwrap());
                assert!(error <= tolerance, "{product:?} {level:?} {ratio}: {error:e}");
                let expected = model.predict(patches.view(), &mask).unwrap().to_owned();
                let got = engine.run(Input::Patches(patches.view()), &mask, Want::Painted).unwrap();
                let error = relative_error(got, expected.as_slice().unwrap());
                assert!(error <= tolerance, "{product:?} {level:?} {ratio}: {error:e}");
            }
        }
    }
}

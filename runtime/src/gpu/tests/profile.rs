//! What a GPU's clock says.

use glimpse_models::{Bundle, Precision};
use ndarray::Array3;

use super::contexts;
use super::model::TINY;
use super::run::run;
use crate::gpu::engine::{Engine, Settings, Task};
use crate::gpu::jobs::Job;
use crate::gpu::kernels::{Form, Tile};
use crate::gpu::params;
use crate::gpu::plan::Choice;
use crate::gpu::weights::Product;
use crate::{Frame, Give, Mask};

#[test]
#[ignore = "needs a GPU"]
fn each_dispatch_of_a_frame_takes_its_time() {
    let bundle = Bundle::open(TINY).unwrap();
    let choice = Choice {
        product: Product::Wide(Form::Int8),
        tile: Tile { side: 8, split: 1 },
        subgroups: false,
        blocks: false,
    };
    let settings = Settings { choice: Some(choice), ..Settings::new(None, Precision::F32, false) };
    let mut engine = Engine::new(&bundle, Precision::Int8, &settings).unwrap();
    let frame = Frame::from_pixels(Array3::from_shape_fn((90, 70, 3), |(y, x, c)| (3 * x + y + c) as u8)).unwrap();
    let mask = Mask::random(bundle.spec().grid(), 0.5, 1).unwrap();
    let task = |give| Task::Frame(&frame, give);
    let all = engine.profile(task(Give::Both), &mask, 3).unwrap();
    assert!(all.iter().all(|kernel| kernel.ms > 0.0), "{all:?}");
    let count = |name: &str| -> usize {
        all.iter().filter(|kernel| kernel.kernel == name).map(|kernel| kernel.dispatches).sum()
    };
    let spec = bundle.spec();
    let blocks = spec.encoder().depth + spec.decoder().unwrap().depth;
    let expected =
        [("attention", blocks), ("linear", 4 * blocks + 3), ("layer_norm", 2 * blocks + 2), ("resize_rows", 1)];
    for (name, expected) in expected.into_iter().chain([("membrane", 1), ("composite", 1)]) {
        assert_eq!(count(name), expected, "{name}: {all:?}");
    }
    assert!(all.is_sorted_by(|a, b| a.ms >= b.ms));
    let fewer = engine.profile(task(Give::Tokens), &mask, 3).unwrap();
    assert!(fewer.iter().all(|kernel| !["membrane", "composite", "restore"].contains(&kernel.kernel)), "{fewer:?}");

    // with whole blocks, what makes bytes of rows is left out, and so are norms of their own
    let choice = Choice { product: Product::Bytes, blocks: true, ..choice };
    let settings = Settings { choice: Some(choice), ..Settings::new(None, Precision::Int8, false) };
    let mut whole = Engine::new(&bundle, Precision::Int8, &settings).unwrap();
    let all = whole.profile(task(Give::Both), &mask, 3).unwrap();
    let mut names: Vec<_> = all.iter().flat_map(|kernel| vec![kernel.kernel; kernel.dispatches]).collect();
    names.retain(|&name| name != "transformer_block_int8");
    names.sort_unstable();
    let expected =
        ["composite", "linear", "linear", "membrane", "place", "planes", "resize_patches", "resize_rows", "restore"];
    assert_eq!(names, expected);
    let count: usize = all.iter().map(|kernel| kernel.dispatches).sum();
    assert_eq!(count, expected.len() + blocks + 2);

    let ceilings = engine.ceilings().unwrap().unwrap();
    assert!(ceilings.copy_gbytes_per_s > 0.1 && ceilings.f32_gmacs_per_s > 0.1, "{ceilings:?}");
}

#[test]
#[ignore = "needs a GPU"]
fn copy_copies_and_fma_rate_multiplies() {
    for context in contexts() {
        for vectors in [1, 64, 70_000] {
            let x: Vec<f32> = (0..4 * vectors).map(|i| i as f32).collect();
            let job = Job::Copy { vectors: vectors as u32 };
            assert_eq!(run(&context, job, 0, &[bytemuck::cast_slice(&x)], &vec![0f32; x.len()]), x);
        }
        // to 2 from 0 to 7, half of the way at a time
        let params = params::FmaRate { factor: 0.5, summand: 1.0 };
        assert_eq!(run(&context, Job::FmaRate { groups: 3, params }, 0, &[], &[0f32; 12]), [16.0; 12]);
    }
}

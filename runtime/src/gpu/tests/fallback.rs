//! What goes wrong on a GPU costs no frame: the CPU computes it, and why is said.

use std::time::Duration;

use glimpse_models::{Bundle, Precision};
use ndarray::{Array2, ArrayView2};

use super::model::TINY;
use super::{contexts, relative_error};
use crate::gpu::GpuError;
use crate::reference::tolerance::GPU_F32;
use crate::{Device, Mask, Model, Options};

fn options(device: Device) -> Options {
    Options { precision: Precision::F32, device, threads: Some(1), ..Options::default() }
}

/// A model that is to run there, and the same on the CPU.
fn models(device: Device) -> [Model; 2] {
    let bundle = Bundle::open(TINY).unwrap();
    [device, Device::Cpu].map(|device| Model::load(&bundle, &options(device)).unwrap())
}

fn frame(model: &Model, seed: f32) -> Array2<f32> {
    let grid = model.grid();
    Array2::from_shape_fn((grid.len(), grid.patch_len()), |(i, j)| (i as f32 * seed + j as f32 * 0.1).sin())
}

fn assert_same(got: ArrayView2<f32>, expected: ArrayView2<f32>) {
    let error = relative_error(got.as_slice().unwrap(), expected.as_slice().unwrap());
    assert!(error <= GPU_F32, "{error:e}");
}

#[test]
fn a_gpu_that_is_not_there_is_said() {
    let [mut model, mut cpu] = models(Device::Gpu(Some(99)));
    let why = model.fallback().unwrap();
    assert!(matches!(why, GpuError::NoAdapter | GpuError::NoSuchAdapter { index: 99, .. }), "{why}");
    assert_eq!(model.gpu(), None);
    let (mask, patches) = (Mask::random(cpu.grid(), 0.5, 1).unwrap(), frame(&cpu, 0.3));
    assert_eq!(model.encode(patches.view(), &mask).unwrap(), cpu.encode(patches.view(), &mask).unwrap());
}

#[test]
#[ignore = "needs a GPU"]
fn a_gpu_answers_all_that_a_model_is_asked() {
    let [mut model, mut cpu] = models(Device::Gpu(None));
    assert!(model.gpu().is_some() && model.fallback().is_none());
    let mut twin = model.twin().unwrap();
    for (seed, ratio) in [(0.3, 0.5), (0.7, 0.9), (0.2, 0.0)] {
        let (mask, patches) = (Mask::random(cpu.grid(), ratio, 1).unwrap(), frame(&cpu, seed));
        for model in [&mut model, &mut twin] {
            let tokens = cpu.encode(patches.view(), &mask).unwrap().to_owned();
            assert_same(model.encode(patches.view(), &mask).unwrap(), tokens.view());
            assert_same(
                model.reconstruct(patches.view(), &mask).unwrap(),
                cpu.reconstruct(patches.view(), &mask).unwrap(),
            );
            assert_same(model.decode(tokens.view(), &mask).unwrap(), cpu.decode(tokens.view(), &mask).unwrap());
        }
    }
    assert!(model.gpu().is_some() && twin.gpu().is_some());
}

#[test]
#[ignore = "needs a GPU"]
fn a_frame_is_computed_though_the_gpu_is_lost() {
    for painted in [false, true] {
        let [mut model, mut cpu] = models(Device::Gpu(None));
        let (mask, patches) = (Mask::random(cpu.grid(), 0.5, 1).unwrap(), frame(&cpu, 0.3));
        model.encode(patches.view(), &mask).unwrap();
        model.lose_gpu();
        for seed in [0.3, 0.4] {
            let patches = frame(&cpu, seed);
            if painted {
                assert_eq!(model.predict(patches.view(), &mask).unwrap(), cpu.predict(patches.view(), &mask).unwrap());
            } else {
                assert_eq!(model.encode(patches.view(), &mask).unwrap(), cpu.encode(patches.view(), &mask).unwrap());
            }
        }
        assert!(matches!(model.fallback(), Some(GpuError::Lost { .. })), "{:?}", model.fallback());
        assert_eq!(model.gpu(), None);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_frame_is_computed_though_the_gpu_has_no_memory_left() {
    let [mut model, mut cpu] = models(Device::Gpu(None));
    let (mask, patches) = (Mask::random(cpu.grid(), 0.5, 1).unwrap(), frame(&cpu, 0.3));
    model.exhaust_gpu();
    assert_eq!(model.encode(patches.view(), &mask).unwrap(), cpu.encode(patches.view(), &mask).unwrap());
    assert!(matches!(model.fallback(), Some(GpuError::Memory { .. })), "{:?}", model.fallback());
}

#[test]
#[ignore = "needs a GPU"]
fn a_frame_is_computed_though_the_gpu_does_not_end() {
    let [mut model, mut cpu] = models(Device::Gpu(None));
    let (mask, patches) = (Mask::all_visible(cpu.grid()), frame(&cpu, 0.3));
    model.set_gpu_limit(Duration::ZERO);
    // work that no GPU has done by the time that it is asked
    model.occupy_gpu();
    assert_eq!(model.encode(patches.view(), &mask).unwrap(), cpu.encode(patches.view(), &mask).unwrap());
    assert!(matches!(model.fallback(), Some(GpuError::TimedOut { .. })), "{:?}", model.fallback());
}

#[test]
#[ignore = "needs a GPU"]
fn the_faster_of_cpu_and_gpu_is_taken_and_a_program_is_not_asked() {
    let bundle = Bundle::open(TINY).unwrap();
    let options = options(Device::Auto);
    let model = Model::load(&bundle, &options).unwrap();
    let is_software = |adapter: &crate::Adapter| adapter.is_software();
    assert!(model.fallback().is_none() && !model.gpu().is_some_and(is_software));
    let folder = tempfile::tempdir().unwrap();
    let measured = Model::is_faster_on_gpu(&bundle, &options, folder.path()).unwrap();
    // kept, and read again
    assert_eq!(Model::is_faster_on_gpu(&bundle, &options, folder.path()).unwrap(), measured);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(files.len() == 1 && text.ends_with(if measured { "\ngpu\n" } else { "\ncpu\n" }), "{text}");
}

#[test]
#[ignore = "needs a GPU"]
fn what_is_done_without_is_forgotten_and_a_lost_gpu_is_not() {
    let [context, _] = contexts();
    context.fail(wgpu::Error::OutOfMemory { source: "no memory left".into() });
    assert!(matches!(context.check(), Err(GpuError::Memory { .. })));
    context.forget();
    context.check().unwrap();
    context.device.destroy();
    let lost = context.explain(GpuError::Unchecked);
    assert!(matches!(lost, GpuError::Lost { .. }), "{lost}");
    context.forget();
    assert!(matches!(context.check(), Err(GpuError::Lost { .. })));
}

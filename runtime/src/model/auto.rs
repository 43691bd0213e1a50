//! Which of CPU and GPU is faster with a model: measured once on a machine, and kept.

use std::time::{Duration, Instant};

use glimpse_models::{Bundle, Precision};
use ndarray::Array2;

use super::Options;
use super::cpu::CpuModel;
use super::gpu::GpuModel;
use crate::cpu::Threads;
use crate::gpu::{Adapter, Kept, adapters, cache_folder};
use crate::{Mask, Result};

/// Frames that are timed, of which the fastest counts.
const FRAMES: usize = 3;

/// The model where it is faster: on a GPU that gives the right answer, or on the CPU, for which there is none here. A program
/// that plays a GPU is not asked unless `software` is wanted.
pub(super) fn faster(
    bundle: &Bundle,
    form: Precision,
    options: &Options,
    threads: &Threads,
    software: bool,
) -> Result<Option<GpuModel>> {
    let found = adapters();
    let Some((index, adapter)) = found.iter().enumerate().find(|(_, adapter)| software || !adapter.is_software())
    else {
        return Ok(None);
    };
    let kept = kept(adapter, bundle, form, options, threads);
    let load = || match GpuModel::load(bundle, form, Some(index), options, threads) {
        Ok(model) => Some(model),
        Err(error) => {
            log::info!("{}: {error}", adapter.name);
            None
        }
    };
    match kept.read().as_deref() {
        Some("cpu") => return Ok(None),
        Some("gpu") => return Ok(load()),
        _ => {}
    }
    let Some(mut gpu) = load() else {
        kept.write("cpu");
        return Ok(None);
    };
    let on_gpu = time(bundle, |patches, mask| match bundle.spec().decoder() {
        Some(_) => Ok(gpu.predict(patches.view(), mask)?),
        None => Ok(gpu.encode(patches.view(), mask)?),
    });
    let mut cpu = CpuModel::load(bundle, form, options, threads)?;
    let on_cpu = time(bundle, |patches, mask| {
        let tokens = cpu.tokens(patches.view(), mask)?;
        bundle.spec().decoder().map(|_| cpu.painted(tokens, mask)).transpose().map(drop)
    })?;
    let is_faster = on_gpu.is_ok_and(|on_gpu| on_gpu < on_cpu);
    kept.write(if is_faster { "gpu" } else { "cpu" });
    Ok(is_faster.then_some(gpu))
}

/// Where the answer is kept.
fn kept(adapter: &Adapter, bundle: &Bundle, form: Precision, options: &Options, threads: &Threads) -> Kept {
    let question = format!("{}, {} threads, f16 {}: cpu or gpu", options.precision, threads.count(), options.half);
    Kept::new(cache_folder().as_deref(), adapter, bundle, form, &question)
}

/// How long the fastest of a few frames takes, all patches visible.
fn time(bundle: &Bundle, mut frame: impl FnMut(&Array2<f32>, &Mask) -> Result<()>) -> Result<Duration> {
    let grid = bundle.spec().grid();
    let (patches, mask) = (Array2::zeros((grid.len(), grid.patch_len())), Mask::all_visible(grid));
    frame(&patches, &mask)?;
    let mut least = Duration::MAX;
    for _ in 0..FRAMES {
        let start = Instant::now();
        frame(&patches, &mask)?;
        least = least.min(start.elapsed());
    }
    Ok(least)
}

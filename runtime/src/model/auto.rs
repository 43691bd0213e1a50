//! Which of CPU and GPU is faster with a model: measured once on a machine, and kept.

use std::path::PathBuf;

use glimpse_models::{Bundle, Precision};

use super::Options;
use super::cpu::CpuModel;
use super::gpu::GpuModel;
use crate::Result;
use crate::cpu::Threads;
use crate::gpu::{Adapter, Kept, adapters, cache_folder, least_time};

/// What is asked: where a model is faster.
pub(super) struct Question<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) form: Precision,
    pub(super) options: &'a Options,
    pub(super) threads: &'a Threads,
    /// Where the answer is kept.
    pub(super) folder: Option<PathBuf>,
    /// Whether a program that plays a GPU is asked, too.
    pub(super) software: bool,
}

impl<'a> Question<'a> {
    pub(super) fn new(bundle: &'a Bundle, form: Precision, options: &'a Options, threads: &'a Threads) -> Self {
        Self { bundle, form, options, threads, folder: cache_folder(), software: false }
    }

    /// The model on a GPU that gives the right answer, if it is faster there.
    pub(super) fn answer(&self) -> Result<Option<GpuModel>> {
        let found = adapters();
        let mut found = found.iter().enumerate();
        let Some((index, adapter)) = found.find(|(_, adapter)| self.software || !adapter.is_software()) else {
            return Ok(None);
        };
        let kept = self.kept(adapter);
        let known = kept.read();
        if known.as_deref() == Some("cpu") {
            return Ok(None);
        }
        let mut gpu = match GpuModel::load(self.bundle, self.form, Some(index), self.options, self.threads) {
            Ok(gpu) => gpu,
            Err(error) => {
                log::info!("{}: {error}", adapter.name);
                if error.is_lasting() {
                    kept.write("cpu");
                }
                return Ok(None);
            }
        };
        if known.as_deref() == Some("gpu") {
            return Ok(Some(gpu));
        }
        let paints = self.bundle.spec().decoder().is_some();
        let on_gpu =
            least_time(
                self.bundle,
                |patches, mask| {
                    if paints { gpu.predict(patches, mask) } else { gpu.encode(patches, mask) }
                },
            );
        let Ok(on_gpu) = on_gpu else { return Ok(None) };
        let mut cpu = CpuModel::load(self.bundle, self.form, self.options, self.threads)?;
        let on_cpu = least_time(self.bundle, |patches, mask| {
            let tokens = cpu.tokens(patches, mask)?;
            if paints { cpu.painted(tokens, mask).map(drop) } else { Result::Ok(()) }
        })?;
        let is_faster = on_gpu < on_cpu;
        kept.write(if is_faster { "gpu" } else { "cpu" });
        Ok(is_faster.then_some(gpu))
    }

    /// Where the answer is kept.
    fn kept(&self, adapter: &Adapter) -> Kept {
        let Options { precision, half, .. } = self.options;
        let question = format!("{precision}, {} threads, f16 {half}: cpu or gpu", self.threads.count());
        Kept::new(self.folder.as_deref(), adapter, self.bundle, self.form, &question)
    }
}

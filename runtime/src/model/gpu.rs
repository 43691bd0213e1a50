//! A model on a GPU, and what is needed where that fails.

use std::sync::atomic::Ordering;

use glimpse_models::{Bundle, Part, Precision};
use ndarray::ArrayView2;

use super::{Engine, Model, Options};
use crate::cpu::Threads;
use crate::gpu::{self, Adapter, GpuError, Settings, Task};
use crate::{Error, Mask, Result, Step};

/// A model on a GPU; what it takes to load it on the CPU is kept.
#[derive(Debug)]
pub(crate) struct GpuModel {
    pub(crate) engine: gpu::Engine,
    pub(super) bundle: Bundle,
    pub(super) options: Options,
    pub(super) threads: Threads,
}

impl GpuModel {
    /// Brings a bundle's model to a GPU.
    pub(super) fn load(
        bundle: &Bundle,
        form: Precision,
        adapter: Option<usize>,
        options: &Options,
        threads: &Threads,
    ) -> Result<Self, GpuError> {
        let engine = gpu::Engine::new(bundle, form, &Settings::new(adapter, options.precision, options.half))?;
        Ok(Self { engine, bundle: bundle.clone(), options: *options, threads: threads.clone() })
    }

    /// A second model with the same weights on the same GPU.
    pub(super) fn twin(&self) -> Result<Self, GpuError> {
        Ok(Self {
            engine: self.engine.twin()?,
            bundle: self.bundle.clone(),
            options: self.options,
            threads: self.threads.clone(),
        })
    }

    pub(super) fn adapter(&self) -> &Adapter {
        self.engine.adapter()
    }

    pub(super) fn steps(&self, part: Part) -> &[Step] {
        self.engine.steps(part)
    }

    pub(super) fn encode(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<(), GpuError> {
        self.engine.run(Task::Encode(patches), mask).map(drop)
    }

    pub(super) fn predict(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<(), GpuError> {
        self.engine.run(Task::Predict(patches), mask).map(drop)
    }

    pub(super) fn decode(&mut self, tokens: ArrayView2<f32>, mask: &Mask) -> Result<(), GpuError> {
        self.engine.run(Task::Decode(tokens), mask).map(drop)
    }

    /// The last answer.
    pub(super) fn answer(&self) -> &gpu::Answer {
        self.engine.answer()
    }
}

/// What has to do with a GPU.
impl Model {
    /// Has the GPU work, if there is one: whether it did. Where it fails, that is said once, and the CPU takes its place from
    /// here on.
    pub(crate) fn on_gpu(&mut self, work: impl FnOnce(&mut GpuModel) -> Result<(), GpuError>) -> Result<bool> {
        let Engine::Gpu(model) = &mut self.engine else { return Ok(false) };
        let Err(error) = work(model) else { return Ok(true) };
        self.fallback = Some(error);
        self.warn();
        self.cpu().map(|_| false)
    }

    /// The GPU's last answer.
    pub(super) fn gpu_answer(&self, part: Part, shape: [usize; 2]) -> Result<ArrayView2<'_, f32>> {
        let (what, answer) = match (&self.engine, part) {
            (Engine::Gpu(model), Part::Encoder) => ("tokens", model.answer().tokens.as_slice()),
            (Engine::Gpu(model), Part::Decoder) => ("painted", model.answer().painted.as_slice()),
            (Engine::Cpu(_), _) => ("the GPU's answer", [].as_slice()),
        };
        let other = |_| Error::Shape { what, expected: shape.to_vec(), got: vec![answer.len()] };
        ArrayView2::from_shape(shape, answer).map_err(other)
    }

    /// The model on the GPU, if it runs there.
    pub(crate) fn gpu_mut(&mut self) -> Option<&mut GpuModel> {
        match &mut self.engine {
            Engine::Gpu(model) => Some(model),
            Engine::Cpu(_) => None,
        }
    }

    /// The GPU's answer to the last frame.
    pub(crate) fn gpu_frame(&self) -> Option<&gpu::Answer> {
        match &self.engine {
            Engine::Gpu(model) => Some(model.answer()),
            Engine::Cpu(_) => None,
        }
    }

    /// Says why the CPU takes the GPU's place, if it does and that was not said.
    pub(super) fn warn(&self) {
        if let Some(error) = &self.fallback
            && !self.said.swap(true, Ordering::Relaxed)
        {
            log::warn!("{error}; bundle `{}` runs on the CPU instead", self.bundle);
        }
    }

    /// Takes the GPU away, as a reset or a crash of the driver does.
    #[cfg(test)]
    pub(crate) fn lose_gpu(&self) {
        if let Engine::Gpu(model) = &self.engine {
            model.engine.lose();
        }
    }

    /// Has the GPU run out of memory.
    #[cfg(test)]
    pub(crate) fn exhaust_gpu(&self) {
        if let Engine::Gpu(model) = &self.engine {
            model.engine.exhaust();
        }
    }

    /// Gives the GPU work that comes before all else.
    #[cfg(test)]
    pub(crate) fn occupy_gpu(&self) {
        if let Engine::Gpu(model) = &self.engine {
            model.engine.occupy();
        }
    }

    /// Whether a GPU was measured to be faster than the CPU, one that is a program among them; kept in a folder.
    #[cfg(test)]
    pub(crate) fn is_faster_on_gpu(bundle: &Bundle, options: &Options, folder: &std::path::Path) -> Result<bool> {
        let form = super::form(bundle, options.precision);
        let threads = Threads::new(options.threads)?;
        let faster = super::auto::Question {
            bundle,
            form,
            options,
            threads: &threads,
            folder: Some(folder.to_owned()),
            software: true,
        };
        Ok(faster.answer()?.is_some())
    }

    /// Sets how long a frame is waited for.
    #[cfg(test)]
    pub(crate) fn set_gpu_limit(&mut self, limit: std::time::Duration) {
        if let Engine::Gpu(model) = &mut self.engine {
            model.engine.set_limit(limit);
        }
    }
}

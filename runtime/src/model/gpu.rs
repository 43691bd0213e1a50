//! A model on a GPU, and what is needed where that fails.

use glimpse_models::{Bundle, Part, Precision};
use ndarray::ArrayView2;

use super::Options;
use crate::cpu::Threads;
use crate::gpu::{Adapter, Engine, GpuError, Input, Settings, Want};
use crate::{Mask, Result, Step};

/// A model on a GPU; what it takes to load it on the CPU is kept.
#[derive(Debug)]
pub(super) struct GpuModel {
    pub(super) engine: Engine,
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
        let engine = Engine::new(bundle, form, &Settings::new(adapter, options.precision, options.half))?;
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
        self.engine.run(Input::Patches(patches), mask, Want::Tokens).map(drop)
    }

    pub(super) fn predict(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<(), GpuError> {
        self.engine.run(Input::Patches(patches), mask, Want::Painted).map(drop)
    }

    pub(super) fn decode(&mut self, tokens: ArrayView2<f32>, mask: &Mask) -> Result<(), GpuError> {
        self.engine.run(Input::Tokens(tokens), mask, Want::Painted).map(drop)
    }

    /// The last answer.
    pub(super) fn answer(&self) -> &[f32] {
        self.engine.answer()
    }
}

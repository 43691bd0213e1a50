//! Frames through the dispatches.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glimpse_models::{Bundle, Part, Precision};
use ndarray::ArrayView2;
use wgpu::{Buffer, BufferUsages, CommandEncoderDescriptor, ComputePassDescriptor, MapMode};

use super::adapters::Adapter;
use super::compile::Program;
use super::context::{Context, Level};
use super::plan::{Choice, Loaded, Plan, Stretch};
use super::tuner::{self, Kept};
use super::{GpuError, golden};
use crate::{Mask, Step};

/// How a model is brought to a GPU.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Which GPU; the first if `None`.
    pub(crate) adapter: Option<usize>,
    /// What linear layers may be multiplied in.
    pub(crate) precision: Precision,
    /// Whether weights that are multiplied in f32 lie in memory as f16.
    pub(crate) half: bool,
    /// What of the GPU is used.
    pub(super) level: Level,
    /// How linear layers are computed; what was measured to be fastest if `None`.
    pub(super) choice: Option<Choice>,
    /// Where that is kept.
    pub(super) folder: Option<PathBuf>,
    /// How long a frame is waited for.
    pub(super) limit: Duration,
}

impl Settings {
    /// All that a GPU has, and what is fastest on it.
    pub(crate) fn new(adapter: Option<usize>, precision: Precision, half: bool) -> Self {
        Self {
            adapter,
            precision,
            half,
            level: Level::Full,
            choice: None,
            folder: tuner::cache_folder(),
            limit: Duration::from_secs(10),
        }
    }
}

/// What a frame begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// `[L, P·P·3]`, of which the visible ones are read
    Patches(ArrayView2<'a, f32>),
    /// `[N+1, C]`
    Tokens(ArrayView2<'a, f32>),
}

/// What a frame is to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// `[N+1, C]`
    Tokens,
    /// `[L, P·P·3]`
    Painted,
}

/// A model on a GPU.
#[derive(Debug)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
    plan: Plan,
    staging: Buffer,
    rows: Vec<f32>,
    answer: Vec<f32>,
    limit: Duration,
}

/// What twins have in common.
#[derive(Debug)]
struct Shared {
    context: Arc<Context>,
    encoder: Arc<Loaded>,
    decoder: Option<Arc<Loaded>>,
    choice: Choice,
    /// `L`
    places: usize,
    /// Bytes of the largest answer.
    answer_bytes: u64,
}

impl Engine {
    /// Brings a bundle's model to a GPU, and has it answer the bundle's golden input.
    ///
    /// # Errors
    /// Whatever keeps it from giving the right answer.
    pub(crate) fn new(bundle: &Bundle, form: Precision, settings: &Settings) -> Result<Self, GpuError> {
        let context = match Context::open(settings.adapter, settings.level) {
            // what a driver says that it has, it may not give
            Err(GpuError::Closed { .. }) => Context::open(settings.adapter, Level::Floor),
            opened => opened,
        };
        let context = Arc::new(context?);
        let make = |choice| {
            let mut engine = Self::load(bundle, form, &context, choice, settings.limit)?;
            golden::check(bundle, form, choice.product, &mut engine)?;
            Ok(engine)
        };
        if let Some(choice) = settings.choice {
            return make(choice);
        }
        let candidates = tuner::candidates(settings.precision, form, settings.half);
        let [first, ..] = candidates[..] else { return Err(GpuError::Unchecked) };
        let question = format!("{}, {}", settings.precision, candidates.last().unwrap_or(&first).product);
        let kept = Kept::new(settings.folder.as_deref(), &context.adapter, bundle, form, &question);
        let known = kept.read().and_then(|known| candidates.iter().find(|candidate| candidate.to_string() == known));
        if let Some(engine) = known.and_then(|&choice| make(choice).ok()) {
            return Ok(engine);
        }
        let timed = |choice| -> Result<_, GpuError> {
            let mut engine = make(choice)?;
            let time = tuner::time(&mut engine, bundle)?;
            Ok((time, engine))
        };
        let mut best = timed(first)?;
        for &choice in &candidates[1..] {
            if let Ok(other) = timed(choice)
                && other.0 < best.0
            {
                best = other;
            }
        }
        kept.write(&best.1.shared.choice.to_string());
        Ok(best.1)
    }

    /// Moves a bundle's weights to a GPU.
    fn load(
        bundle: &Bundle,
        form: Precision,
        context: &Arc<Context>,
        choice: Choice,
        limit: Duration,
    ) -> Result<Self, GpuError> {
        let load = |part| {
            let missing = || GpuError::Graph { part, reason: format!("the bundle has no {form} form of it") };
            let onnx = bundle.graph(part, form).ok_or_else(missing)?;
            let program = Program::compile(part, bundle.spec(), onnx)?;
            Ok(Arc::new(Loaded::new(context, program, choice)?))
        };
        let encoder = load(Part::Encoder)?;
        let decoder = bundle.spec().decoder().map(|_| load(Part::Decoder)).transpose()?;
        let grid = bundle.spec().grid();
        let tokens = (grid.len() + 1) * bundle.spec().encoder().width;
        let answer_bytes = (size_of::<f32>() * tokens.max(grid.len() * grid.patch_len())) as u64;
        let context = Arc::clone(context);
        Self::of(Arc::new(Shared { context, encoder, decoder, choice, places: grid.len(), answer_bytes }), limit)
    }

    /// A second engine with the same weights on the same GPU.
    pub(crate) fn twin(&self) -> Result<Self, GpuError> {
        Self::of(Arc::clone(&self.shared), self.limit)
    }

    fn of(shared: Arc<Shared>, limit: Duration) -> Result<Self, GpuError> {
        let parts = [Some(&shared.encoder), shared.decoder.as_ref()];
        let plan = Plan::new(&shared.context, parts, shared.choice, shared.places)?;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = shared.context.buffer("staging", shared.answer_bytes, usage);
        shared.context.check()?;
        Ok(Self { shared, plan, staging, rows: Vec::new(), answer: Vec::new(), limit })
    }

    /// The GPU.
    pub(crate) fn adapter(&self) -> &Adapter {
        &self.shared.context.adapter
    }

    /// What a part runs, in order.
    pub(crate) fn steps(&self, part: Part) -> &[Step] {
        match part {
            Part::Encoder => &self.shared.encoder.steps,
            Part::Decoder => self.shared.decoder.as_ref().map_or(&[], |decoder| &decoder.steps),
        }
    }

    /// The last answer.
    pub(crate) fn answer(&self) -> &[f32] {
        &self.answer
    }

    /// Takes the GPU away, as a reset or a crash of the driver does.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.shared.context.device.destroy();
    }

    /// Has wgpu say that there is no memory left: none of the drivers at hand can be brought to it.
    #[cfg(test)]
    pub(crate) fn exhaust(&self) {
        self.shared.context.fail(wgpu::Error::OutOfMemory { source: "no memory left".into() });
    }

    /// Sets how long a frame is waited for.
    #[cfg(test)]
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Runs a frame: one submission, and one answer that comes back.
    ///
    /// # Errors
    /// When the GPU gives none.
    pub(crate) fn run(&mut self, input: Input, mask: &Mask, want: Want) -> Result<&[f32], GpuError> {
        let context = &self.shared.context;
        context.check()?;
        let visible = mask.visible().len();
        self.plan.set_visible(context, visible);
        self.rows.clear();
        let stretch = match (input, want) {
            (Input::Patches(patches), want) => {
                for &index in mask.visible() {
                    self.rows.extend(patches.row(index));
                }
                context.queue.write_buffer(&self.plan.patches, 0, bytemuck::cast_slice(&self.rows));
                let positions: Vec<u32> = mask.visible().iter().map(|&place| place as u32).collect();
                context.queue.write_buffer(&self.plan.positions, 0, bytemuck::cast_slice(&positions));
                if want == Want::Tokens { Stretch::Encode } else { Stretch::Both }
            }
            (Input::Tokens(tokens), _) => {
                self.rows.extend(tokens);
                context.queue.write_buffer(&self.plan.tokens, 0, bytemuck::cast_slice(&self.rows));
                Stretch::Decode
            }
        };
        let answer = match (want, &self.plan.painted) {
            (Want::Painted, Some(painted)) => {
                let order: Vec<u32> = mask.restore().iter().map(|&place| place as u32).collect();
                context.queue.write_buffer(&self.plan.restore, 0, bytemuck::cast_slice(&order));
                painted
            }
            _ => &self.plan.tokens,
        };
        let bytes = match want {
            Want::Tokens => (visible + 1) * self.shared.token_bytes(),
            Want::Painted => answer.size() as usize,
        };
        let mut encoder = context.device.create_command_encoder(&CommandEncoderDescriptor { label: None });
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes: None });
        self.plan.record(&mut pass, stretch);
        drop(pass);
        encoder.copy_buffer_to_buffer(answer, 0, &self.staging, 0, bytes as u64);
        context.queue.submit([encoder.finish()]);
        let slice = self.staging.slice(..bytes as u64);
        slice.map_async(MapMode::Read, |_| ());
        context.wait(self.limit)?;
        let mapped = slice.get_mapped_range().map_err(|error| GpuError::Lost { reason: error.to_string() })?;
        self.answer.clear();
        self.answer.extend_from_slice(bytemuck::cast_slice(&mapped));
        drop(mapped);
        self.staging.unmap();
        Ok(&self.answer)
    }
}

impl Shared {
    /// Bytes of a token: `4·C`.
    fn token_bytes(&self) -> usize {
        self.encoder.output_width() * size_of::<f32>()
    }
}

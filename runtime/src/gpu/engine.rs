//! Frames through the dispatches.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glimpse_models::{Bundle, ModelSpec, Part, Precision};
use ndarray::ArrayView2;
use wgpu::{Buffer, BufferUsages, CommandEncoder, ComputePassDescriptor, MapMode, SubmissionIndex};

use super::adapters::Adapter;
use super::compile::Program;
use super::compiled::Compiled;
use super::context::{Context, Level};
use super::frames::Frames;
use super::kernels::Kernel;
use super::loaded::Loaded;
use super::plan::{Choice, Draft, Plan, Stretch};
use super::sequence::Sequence;
use super::uploads::Uploads;
use super::{GpuError, blocks, golden, kept, tuner};
use crate::{Frame, Give, Mask, Step, Stream};

/// Tasks that may be under way at a time.
const UNDER_WAY: usize = Stream::MOST;

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
            folder: kept::cache_folder(),
            limit: Duration::from_secs(10),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task<'a> {
    /// Patches to tokens: `[L, P·P·3]`, of which the visible ones are read.
    Encode(ArrayView2<'a, f32>),
    /// Patches to all patches.
    Predict(ArrayView2<'a, f32>),
    /// Tokens, `[N+1, C]`, to all patches.
    Decode(ArrayView2<'a, f32>),
    /// A frame to what is asked for.
    Frame(&'a Frame, Give),
}

/// What came back of a task; empty what was not asked for.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// `[N+1, C]`
    pub(crate) tokens: Vec<f32>,
    /// `[L, P·P·3]`
    pub(crate) painted: Vec<f32>,
    /// `[S, S, 4]`
    pub(crate) picture: Vec<u8>,
}

/// A model on a GPU.
#[derive(Debug)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
    plan: Plan,
    frames: Frames,
    /// Where answers come back, in turn.
    staging: [Buffer; UNDER_WAY],
    next: usize,
    flights: VecDeque<Flight>,
    uploads: Uploads,
    rows: Vec<f32>,
    answer: Answer,
    /// How long a task is waited for.
    pub(super) limit: Duration,
    /// The largest frame that the GPU's buffers hold.
    most_frame_bytes: u64,
}

/// A task under way.
#[derive(Debug)]
struct Flight {
    staging: usize,
    /// Bytes of tokens, of painted patches, of a picture: one after another.
    bytes: [usize; 3],
    submission: SubmissionIndex,
}

/// What twins have in common.
#[derive(Debug)]
struct Shared {
    context: Arc<Context>,
    parts: Parts,
    choice: Choice,
    form: Precision,
    spec: ModelSpec,
}

/// A model's parts, their weights on a GPU.
#[derive(Debug, Clone)]
struct Parts {
    encoder: Arc<Loaded>,
    decoder: Option<Arc<Loaded>>,
}

impl Parts {
    /// Moves a bundle's weights to a GPU, if it has place for what is done with them.
    fn load(bundle: &Bundle, form: Precision, context: &Context, choice: Choice) -> Result<Self, GpuError> {
        let compile = |part| -> Result<Program, GpuError> {
            let broken = |reason: String| GpuError::Graph { part, reason };
            let missing = || broken(format!("the bundle has no {form} form of it"));
            let program = Program::compile(part, bundle.spec(), bundle.graph(part, form).ok_or_else(missing)?)?;
            if !choice.blocks {
                return Ok(program);
            }
            let most = bundle.spec().grid().len();
            let none = || broken("it has no transformer blocks that a workgroup has place for".to_owned());
            blocks::whole(program, most, &context.device.limits()).ok_or_else(none)
        };
        let encoder = compile(Part::Encoder)?;
        let decoder = bundle.spec().decoder().map(|_| compile(Part::Decoder)).transpose()?;
        let load = |program| Loaded::new(context, program, choice.product).map(Arc::new);
        let (encoder, decoder) = (load(encoder)?, decoder.map(load).transpose()?);
        Ok(Self { encoder, decoder })
    }

    /// Their plan, for any number of visible patches.
    fn draft(&self, context: &Context, choice: Choice, spec: &ModelSpec) -> Result<Draft, GpuError> {
        Draft::new(context, [Some(&self.encoder), self.decoder.as_ref()], choice, spec.grid().len())
    }
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
        if let Some(folder) = &settings.folder {
            context.keep_compiled(folder);
        }
        // weights once for each kind of product, in layers and in whole blocks, however many tiles are tried
        let known: RefCell<HashMap<_, Result<Parts, GpuError>>> = RefCell::default();
        let parts_for = |choice: Choice| {
            let load = || Parts::load(bundle, form, &context, choice);
            known.borrow_mut().entry((choice.product, choice.blocks)).or_insert_with(load).clone()
        };
        let prepare = |choices: &[Choice]| {
            let kernels = |&choice: &Choice| -> Result<Vec<Kernel>, GpuError> {
                Ok(parts_for(choice)?.draft(&context, choice, bundle.spec())?.kernels().collect())
            };
            // what does not run says so when it is tried
            let kernels = choices.iter().flat_map(|choice| kernels(choice).inspect_err(|_| context.forget()));
            let kernels: Vec<Kernel> = kernels.flatten().collect();
            let _ = context.pipelines(&kernels);
        };
        let make = |choice: Choice| {
            let parts = parts_for(choice)?;
            let (context, spec) = (Arc::clone(&context), *bundle.spec());
            let mut engine = Self::of(Arc::new(Shared { context, parts, choice, form, spec }), settings.limit)?;
            golden::check(bundle, form, choice.product, &mut engine)?;
            Ok(engine)
        };
        context.compiled_anew_if_need_be(|| match settings.choice {
            Some(choice) => make(choice),
            None => tuner::fastest(bundle, form, &context, settings, prepare, make),
        })
    }

    /// A second engine with the same weights on the same GPU.
    pub(crate) fn twin(&self) -> Result<Self, GpuError> {
        Self::of(Arc::clone(&self.shared), self.limit)
    }

    fn of(shared: Arc<Shared>, limit: Duration) -> Result<Self, GpuError> {
        let (context, spec) = (&shared.context, &shared.spec);
        let plan = shared.parts.draft(context, shared.choice, spec)?.plan(context)?;
        let frames = Frames::new(context, spec);
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let most = shared.bytes(spec.grid().len()).iter().sum::<usize>() as u64;
        let staging = std::array::from_fn(|_| context.buffer("staging", most, usage));
        context.check()?;
        let limits = context.device.limits();
        let patches = (spec.grid().len() * spec.grid().patch_len() * size_of::<f32>()) as u64;
        let uploads = Uploads::new(&context.device, patches);
        Ok(Self {
            shared,
            plan,
            frames,
            staging,
            next: 0,
            flights: VecDeque::with_capacity(UNDER_WAY),
            uploads,
            rows: Vec::new(),
            answer: Answer::default(),
            limit,
            most_frame_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
        })
    }

    /// The GPU.
    pub(crate) fn adapter(&self) -> &Adapter {
        &self.shared.context.adapter
    }

    /// What a part runs, in order.
    pub(crate) fn steps(&self, part: Part) -> &[Step] {
        match part {
            Part::Encoder => &self.shared.parts.encoder.steps,
            Part::Decoder => self.shared.parts.decoder.as_ref().map_or(&[], |decoder| &decoder.steps),
        }
    }

    /// The last answer.
    pub(crate) fn answer(&self) -> &Answer {
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

    /// Sets how large a frame may be.
    #[cfg(test)]
    pub(crate) fn set_most_frame_bytes(&mut self, bytes: u64) {
        self.most_frame_bytes = bytes;
    }

    /// Sets how long a frame is waited for.
    #[cfg(test)]
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Does a task: one submission, and one answer that comes back.
    ///
    /// # Errors
    /// When the GPU gives none.
    pub(crate) fn run(&mut self, task: Task, mask: &Mask) -> Result<&Answer, GpuError> {
        self.submit(task, mask)?;
        self.receive()
    }

    /// The largest relative error of tokens that is allowed.
    pub(crate) fn tolerance(&self) -> f64 {
        golden::limits(self.shared.form, self.shared.choice.product)[0]
    }

    /// Whether a frame can be given to the GPU.
    pub(crate) fn takes(&self, frame: &Frame) -> bool {
        self.frames.bytes(frame.shape()) <= self.most_frame_bytes
    }

    /// Where its kernels are kept.
    pub(crate) fn compiled(&self) -> Option<Compiled> {
        self.shared.context.compiled()
    }

    /// Begins a task, of which [`Stream::MOST`] may be under way.
    ///
    /// # Errors
    /// When the GPU does not take it.
    pub(crate) fn submit(&mut self, task: Task, mask: &Mask) -> Result<(), GpuError> {
        self.begin(task, mask).map_err(|error| self.shared.context.explain(error))
    }

    fn begin(&mut self, task: Task, mask: &Mask) -> Result<(), GpuError> {
        self.context().check()?;
        let mut encoder = self.context().encoder();
        self.upload(&mut encoder, task, mask)?;
        let [tokens, painted, picture] = self.shared.bytes(mask.visible().len());
        let bytes = match task {
            Task::Encode(_) | Task::Frame(_, Give::Tokens) => [tokens, 0, 0],
            Task::Predict(_) | Task::Decode(_) => [0, painted, 0],
            Task::Frame(_, Give::Picture) => [0, 0, picture],
            Task::Frame(_, Give::Both) => [tokens, 0, picture],
        };
        let context = &self.shared.context;
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes: None });
        for (sequence, range) in self.sequences(task) {
            sequence.record(&mut pass, range);
        }
        drop(pass);
        let staging = &self.staging[self.next];
        let answers = [Some(&self.plan.tokens), self.plan.painted.as_ref(), self.frames.picture()];
        let mut at = 0;
        for (buffer, bytes) in answers.into_iter().zip(bytes).filter(|&(_, bytes)| bytes > 0) {
            if let Some(buffer) = buffer {
                encoder.copy_buffer_to_buffer(buffer, 0, staging, at as u64, bytes as u64);
            }
            at += bytes;
        }
        self.uploads.finish();
        let submission = context.queue.submit([encoder.finish()]);
        self.uploads.recall();
        staging.slice(..at as u64).map_async(MapMode::Read, |_| ());
        self.flights.push_back(Flight { staging: self.next, bytes, submission });
        self.next = (self.next + 1) % UNDER_WAY;
        Ok(())
    }

    /// A task's dispatches.
    pub(super) fn sequences(&self, task: Task) -> Vec<(&Sequence, Range<usize>)> {
        let [front, back] = self.frames.sequences().map(|part| part.map(|sequence| (sequence, 0..sequence.len())));
        let stretch = (&self.plan.sequence, self.plan.dispatches(Stretch::of(task)));
        let is_frame = matches!(task, Task::Frame(..));
        let is_picture = matches!(task, Task::Frame(_, give) if give.picture());
        front.filter(|_| is_frame).into_iter().chain([stretch]).chain(back.filter(|_| is_picture)).collect()
    }

    pub(super) fn context(&self) -> &Context {
        &self.shared.context
    }

    /// Takes to the GPU what a task reads.
    pub(super) fn upload(&mut self, encoder: &mut CommandEncoder, task: Task, mask: &Mask) -> Result<(), GpuError> {
        let stretch = Stretch::of(task);
        let context = &self.shared.context;
        let uploads = &mut self.uploads;
        self.rows.clear();
        match task {
            Task::Encode(patches) | Task::Predict(patches) => {
                for row in mask.visible().iter().map(|&index| patches.row(index)) {
                    match row.to_slice() {
                        Some(row) => self.rows.extend_from_slice(row),
                        None => self.rows.extend(row),
                    }
                }
                uploads.write(encoder, &self.plan.patches, bytemuck::cast_slice(&self.rows))?;
            }
            Task::Decode(tokens) => {
                self.rows.extend(tokens);
                uploads.write(encoder, &self.plan.tokens, bytemuck::cast_slice(&self.rows))?;
            }
            Task::Frame(frame, give) => {
                self.frames.take(context, &self.plan, (uploads, encoder), frame, mask)?;
                if give.picture() {
                    self.frames.hide(context, &self.plan, (uploads, encoder), mask)?;
                }
            }
        }
        self.plan.sequence.set_visible((uploads, encoder), mask.visible().len())?;
        if stretch != Stretch::Decode {
            self.plan.positions.set((uploads, encoder), mask.visible().iter().map(|&place| place as u32))?;
        }
        if stretch != Stretch::Encode {
            self.plan.restore.set((uploads, encoder), mask.restore().iter().map(|&place| place as u32))?;
        }
        Ok(())
    }

    /// Submits what [`Engine::upload`] recorded, and no more.
    pub(super) fn submit_alone(&mut self, encoder: CommandEncoder) {
        self.uploads.finish();
        self.shared.context.queue.submit([encoder.finish()]);
        self.uploads.recall();
    }

    /// Waits for the task that was begun first.
    ///
    /// # Errors
    /// When the GPU gives no answer, or none is under way.
    pub(crate) fn receive(&mut self) -> Result<&Answer, GpuError> {
        let idle = || GpuError::Refused { reason: "nothing is under way".to_owned() };
        let Flight { staging, bytes, submission } = self.flights.pop_front().ok_or_else(idle)?;
        self.shared.context.wait(submission, self.limit)?;
        let staging = &self.staging[staging];
        let slice = staging.slice(..bytes.iter().sum::<usize>() as u64);
        let mapped = slice.get_mapped_range().map_err(|error| GpuError::Lost { reason: error.to_string() })?;
        let (tokens, rest) = mapped.split_at(bytes[0]);
        let (painted, picture) = rest.split_at(bytes[1]);
        let Answer { tokens: to_tokens, painted: to_painted, picture: to_picture } = &mut self.answer;
        to_tokens.clear();
        to_tokens.extend_from_slice(bytemuck::cast_slice(tokens));
        to_painted.clear();
        to_painted.extend_from_slice(bytemuck::cast_slice(painted));
        to_picture.clear();
        to_picture.extend_from_slice(picture);
        drop(mapped);
        staging.unmap();
        Ok(&self.answer)
    }
}

impl Shared {
    /// Bytes of tokens, painted patches and a picture.
    fn bytes(&self, visible: usize) -> [usize; 3] {
        let (grid, side) = (self.spec.grid(), self.spec.image_side());
        [4 * (visible + 1) * self.spec.encoder().width, 4 * grid.len() * grid.patch_len(), 4 * side * side]
    }
}

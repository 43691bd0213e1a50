//! Where a frame's time goes on a GPU, by its own clock, and what the GPU can do at all.

use std::fmt;
use std::time::Duration;

use bytemuck::cast_slice;
use wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassDescriptor, ComputePassTimestampWrites, Features, MapMode,
    QuerySet, QuerySetDescriptor, QueryType,
};

use super::GpuError;
use super::context::Context;
use super::engine::{Engine, Task};
use super::jobs::Job;
use super::params;
use super::sequence::Sequence;
use crate::Mask;

/// Bytes that are copied to see how fast memory is: more than caches hold.
const COPY_BYTES: u64 = 1 << 26;
/// Workgroups that only multiply: more than any GPU runs at once.
const FMA_GROUPS: u32 = 1 << 14;
/// Multiplications of each of their invocations, and invocations of a workgroup (`fma_rate.wgsl`).
const FMA_PRODUCTS: u64 = 128 * 8 * 4;
const FMA_INVOCATIONS: u64 = 64;

/// How long one kind of dispatch takes in a frame.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KernelTime {
    /// The kernel.
    pub kernel: &'static str,
    /// Its sizes.
    pub sizes: String,
    /// How many there are in a frame.
    pub dispatches: usize,
    /// All of them together, in milliseconds.
    pub ms: f64,
    /// Multiplications of all of them, each with its addition.
    pub products: u64,
    /// Bytes that all of them must read and write at least.
    pub bytes: u64,
}

/// What a GPU can do.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GpuCeilings {
    /// Bytes read and written by a copy, in 10⁹ a second.
    pub copy_gbytes_per_s: f64,
    /// Multiplications with their additions in f32, nothing else to do, in 10⁹ a second.
    pub f32_gmacs_per_s: f64,
}

impl Engine {
    /// How long each kind of dispatch of a task takes, the longest first: of several runs, the middle one. Empty where the
    /// GPU has no clock that can be asked.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub(crate) fn profile(&mut self, task: Task, mask: &Mask, runs: usize) -> Result<Vec<KernelTime>, GpuError> {
        let mut encoder = self.context().encoder();
        self.upload(&mut encoder, task, mask).map_err(|error| self.context().explain(error))?;
        self.submit_alone(encoder);
        let context = self.context();
        let parts = self.sequences(task);
        let jobs: Vec<Job> =
            parts.iter().flat_map(|(sequence, range)| sequence.jobs().skip(range.start).take(range.len())).collect();
        let Some(clock) = Clock::new(context, jobs.len())? else { return Ok(Vec::new()) };
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); jobs.len()];
        for run in 0..=runs {
            let mut encoder = context.encoder();
            let mut at = 0;
            for (sequence, range) in &parts {
                for place in range.clone() {
                    clock.pass(&mut encoder, at, |pass| sequence.record(pass, place..place + 1));
                    at += 1;
                }
            }
            let measured = clock.read(context, encoder, self.limit)?;
            // the first warms up
            if run > 0 {
                times.iter_mut().zip(measured).for_each(|(times, time)| times.push(time));
            }
        }
        let mut all: Vec<KernelTime> = Vec::new();
        for (job, mut times) in jobs.iter().zip(times) {
            times.sort_by(f64::total_cmp);
            let visible = mask.visible().len();
            let one = KernelTime {
                kernel: job.kernel().shader().name,
                sizes: Sizes(*job, visible).to_string(),
                dispatches: 1,
                ms: times.get(times.len() / 2).copied().unwrap_or(f64::NAN),
                products: job.products(visible),
                bytes: job.bytes(visible),
            };
            match all.iter_mut().find(|known| (known.kernel, &known.sizes) == (one.kernel, &one.sizes)) {
                Some(known) => {
                    known.dispatches += 1;
                    known.ms += one.ms;
                    known.products += one.products;
                    known.bytes += one.bytes;
                }
                None => all.push(one),
            }
        }
        all.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        Ok(all)
    }

    /// Gives the GPU work for some tenths of a second.
    #[cfg(test)]
    pub(crate) fn occupy(&self) {
        let context = self.context();
        let (groups, times) = if context.adapter.is_software() { (1 << 10, 1) } else { (FMA_GROUPS, 500) };
        let sums = context.buffer("sums", 16 * u64::from(groups), BufferUsages::STORAGE);
        let params = params::FmaRate { factor: 0.5, summand: 0.25 };
        let mut fma = Sequence::new(context, &[(Job::FmaRate { groups, params }, vec![&sums])]).unwrap();
        fma.set_visible_at_once(context, 0);
        let mut encoder = context.encoder();
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes: None });
        for _ in 0..times {
            fma.record(&mut pass, 0..1);
        }
        drop(pass);
        context.queue.submit([encoder.finish()]);
    }

    /// What the GPU can do; `None` where it has no clock that can be asked.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub(crate) fn ceilings(&self) -> Result<Option<GpuCeilings>, GpuError> {
        let context = self.context();
        let Some(clock) = Clock::new(context, 1)? else { return Ok(None) };
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let [from, to] = ["from", "to"].map(|name| context.buffer(name, COPY_BYTES, usage));
        context.check()?;
        let mut least = [f64::INFINITY; 2];
        let copy = Job::Copy { vectors: COPY_BYTES as u32 / 16 };
        let mut copy = Sequence::new(context, &[(copy, vec![&from, &to])])?;
        let fma = Job::FmaRate { groups: FMA_GROUPS, params: params::FmaRate { factor: 0.5, summand: 0.25 } };
        let mut fma = Sequence::new(context, &[(fma, vec![&to])])?;
        for _ in 0..5 {
            for (sequence, least) in [&mut copy, &mut fma].into_iter().zip(&mut least) {
                sequence.set_visible_at_once(context, 0);
                let mut encoder = context.encoder();
                clock.pass(&mut encoder, 0, |pass| sequence.record(pass, 0..1));
                let time = clock.read(context, encoder, self.limit)?;
                *least = time.into_iter().fold(*least, f64::min);
            }
        }
        let products = u64::from(FMA_GROUPS) * FMA_INVOCATIONS * FMA_PRODUCTS;
        let per_s = |count: u64, ms: f64| count as f64 / ms / 1e6;
        Ok(Some(GpuCeilings {
            copy_gbytes_per_s: per_s(2 * COPY_BYTES, least[0]),
            f32_gmacs_per_s: per_s(products, least[1]),
        }))
    }
}

/// A GPU's clock, for so many dispatches.
struct Clock {
    queries: QuerySet,
    count: usize,
    resolved: Buffer,
    staging: Buffer,
    /// Milliseconds of a tick.
    tick_ms: f64,
}

impl Clock {
    fn new(context: &Context, count: usize) -> Result<Option<Self>, GpuError> {
        if !context.device.features().contains(Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let descriptor = QuerySetDescriptor { label: None, ty: QueryType::Timestamp, count: 2 * count as u32 };
        let queries = context.device.create_query_set(&descriptor);
        let bytes = 16 * count as u64;
        let resolved = context.buffer("times", bytes, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC);
        let staging = context.buffer("times", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        context.check()?;
        let tick_ms = f64::from(context.queue.get_timestamp_period()) / 1e6;
        Ok(Some(Self { queries, count, resolved, staging, tick_ms }))
    }

    /// Records the `at`-th dispatch.
    fn pass(&self, encoder: &mut CommandEncoder, at: usize, record: impl FnOnce(&mut wgpu::ComputePass)) {
        let timestamp_writes = Some(ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * at as u32),
            end_of_pass_write_index: Some(2 * at as u32 + 1),
        });
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes });
        record(&mut pass);
    }

    /// Runs what was recorded: the milliseconds of each dispatch.
    fn read(&self, context: &Context, mut encoder: CommandEncoder, limit: Duration) -> Result<Vec<f64>, GpuError> {
        let bytes = 16 * self.count as u64;
        encoder.resolve_query_set(&self.queries, 0..2 * self.count as u32, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, bytes);
        let submission = context.queue.submit([encoder.finish()]);
        let slice = self.staging.slice(..bytes);
        slice.map_async(MapMode::Read, |_| ());
        context.wait(submission, limit)?;
        let mapped = slice.get_mapped_range().map_err(|error| GpuError::Lost { reason: error.to_string() })?;
        let ticks: Vec<u64> = cast_slice(&mapped).to_vec();
        drop(mapped);
        self.staging.unmap();
        let time = |&[from, to]: &[u64; 2]| to.saturating_sub(from) as f64 * self.tick_ms;
        Ok(ticks.as_chunks().0.iter().map(time).collect())
    }
}

/// A job's sizes, to be read.
struct Sizes(Job, usize);

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(job, visible) = self;
        match job {
            Job::Linear { rows, inputs, outputs, .. } => {
                write!(f, "{}×{inputs}·{inputs}×{outputs}", rows.of(visible))
            }
            Job::Quantize { rows, width, .. }
            | Job::LayerNorm { rows, width, .. }
            | Job::LayerNormInt8 { rows, width, .. } => {
                write!(f, "{}×{width}", rows.of(visible))
            }
            Job::Block { rows, shape, params, .. } => {
                write!(f, "{} tokens of {}", rows.of(visible), shape.width)?;
                f.write_str(if params.rest == 0 { "" } else { ", block" })?;
                f.write_str(if params.norm == 0 { "" } else { ", norm" })?;
                if params.layers > 0 { write!(f, ", {} layers", params.layers) } else { Ok(()) }
            }
            Job::Place { rows, width, .. } | Job::Restore { rows, width } => write!(f, "{}×{width}", rows.of(visible)),
            Job::Attention { rows, heads, head_width, .. } => {
                write!(f, "{} tokens, {heads} heads of {head_width}", rows.of(visible))
            }
            Job::ResizeRows(_, params) => write!(f, "to {} of {} bytes", params.rows, 4 * params.words),
            Job::ResizePatches(_, params) => write!(f, "{visible} patches of {}", params.patch_side),
            Job::Planes(params::Planes { side, .. }) | Job::Composite(params::Composite { side, .. }) => {
                write!(f, "{side}×{side}")
            }
            Job::Membrane { places, params, .. } => {
                write!(f, "{} of {places} patches of {side}×{side}", places - visible as u32, side = params.side)
            }
            Job::Copy { vectors } => write!(f, "{vectors} vectors"),
            Job::FmaRate { groups, .. } => write!(f, "{groups} workgroups"),
        }
    }
}

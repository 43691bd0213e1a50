//! A model's operations as dispatches over buffers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use wgpu::{Buffer, Device, Features};

use super::GpuError;
use super::compile::Value;
use super::context::Context;
use super::engine::Task;
use super::indices::Indices;
use super::jobs::Job;
use super::kernels::{Kernel, Tile, attention_groups};
use super::layout::Layout;
use super::loaded::{Loaded, LoadedOperation, Work};
use super::sequence::Sequence;
use super::weights::Product;
use crate::Give;

/// How operations are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Choice {
    pub(super) product: Product,
    pub(super) tile: Tile,
    /// Whether sums over a row are made by subgroups.
    pub(super) subgroups: bool,
    /// Whether a dispatch does all of a transformer block for a few rows.
    pub(super) blocks: bool,
}

impl Choice {
    /// Whether a GPU has what it takes.
    pub(super) fn runs_on(self, device: &Device) -> bool {
        device.features().contains(self.needs()) && self.tile.fits(&device.limits())
    }

    fn needs(self) -> Features {
        let half = if self.product == Product::Half { Features::SHADER_F16 } else { Features::empty() };
        half | if self.subgroups { Features::SUBGROUP } else { Features::empty() }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tile { side, split } = self.tile;
        write!(f, "{}, {side}×{side} tiles", self.product, side = 4 * side)?;
        if split > 1 {
            write!(f, " by {split}")?;
        }
        f.write_str(if self.subgroups { ", subgroups" } else { "" })?;
        f.write_str(if self.blocks { ", whole blocks" } else { "" })
    }
}

/// The dispatches of a model's parts, one after another, and the buffers between them.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sequence: Sequence,
    /// The first dispatch of the decoder.
    decoder: usize,
    /// `[N, P·P·3]`
    pub(super) patches: Buffer,
    /// `[N]`
    pub(super) positions: Indices,
    /// `[N+1, C]`
    pub(super) tokens: Buffer,
    /// `[L]`
    pub(super) restore: Indices,
    /// `[L, P·P·3]`
    pub(super) painted: Option<Buffer>,
}

/// Which part of a frame's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    Encode,
    Decode,
    Both,
}

impl Stretch {
    /// The part that a task is.
    pub(super) const fn of(task: Task) -> Self {
        match task {
            Task::Encode(_) | Task::Frame(_, Give::Tokens) => Self::Encode,
            Task::Predict(_) | Task::Frame(_, Give::Picture | Give::Both) => Self::Both,
            Task::Decode(_) => Self::Decode,
        }
    }
}

/// A plan before its kernels are compiled.
pub(super) struct Draft {
    /// The dispatches, each with its buffers.
    jobs: Vec<(Job, Vec<Buffer>)>,
    decoder: usize,
    patches: Buffer,
    positions: Indices,
    tokens: Buffer,
    restore: Indices,
    painted: Option<Buffer>,
}

impl Draft {
    /// Makes the buffers for up to `most` visible patches.
    pub(super) fn new(
        context: &Context,
        parts: [Option<&Arc<Loaded>>; 2],
        choice: Choice,
        most: usize,
    ) -> Result<Self, GpuError> {
        let mut layout = Layout::new(context, most);
        let parts: Vec<&Loaded> = parts.into_iter().flatten().map(|part| &**part).collect();
        let mut placed = Vec::new();
        // what goes in and out keeps its buffer
        let mut entry = layout.kept(parts.first().map(|part| part.values[0]));
        let mut ends = vec![entry];
        for part in &parts {
            let slots = layout.place(part, entry);
            entry = slots[part.output];
            ends.push(entry);
            placed.push(slots);
        }
        let quantized = layout.bytes_slot(&parts);
        let qkv = layout.block_slots(&parts);
        let buffers = layout.buffers()?;
        let [positions, restore] = ["positions", "restore"].map(|name| Indices::new(context, name, most));
        let quantized = &buffers[quantized];
        let qkv = qkv.map(|slot| &buffers[slot]);
        let mut builder = Builder { context, most, choice, quantized, holds: None, qkv, jobs: Vec::new() };
        let mut starts = Vec::new();
        for ((part, slots), indices) in parts.iter().zip(&placed).zip([&positions.buffer, &restore.buffer]) {
            starts.push(builder.jobs.len());
            builder.holds = None;
            for (at, operation) in part.operations.iter().enumerate() {
                let [x, out] = [operation.x, operation.out].map(|value| &buffers[slots[value]]);
                if part.makes_bytes(at) {
                    builder.normalize_to_bytes(operation, &part.values, x)?;
                } else {
                    builder.operation(operation, &part.values, [x, out], indices)?;
                }
            }
        }
        let jobs = builder.jobs;
        Ok(Self {
            decoder: starts.get(1).copied().unwrap_or(jobs.len()),
            jobs: jobs.into_iter().map(|(job, buffers)| (job, buffers.into_iter().cloned().collect())).collect(),
            patches: buffers[ends[0]].clone(),
            tokens: buffers[ends[1]].clone(),
            painted: ends.get(2).map(|&slot| buffers[slot].clone()),
            positions,
            restore,
        })
    }

    /// The kernels that it takes.
    pub(super) fn kernels(&self) -> impl Iterator<Item = Kernel> {
        self.jobs.iter().map(|(job, _)| job.kernel())
    }

    /// The plan, its kernels compiled.
    pub(super) fn plan(self, context: &Context) -> Result<Plan, GpuError> {
        let Self { jobs, decoder, patches, positions, tokens, restore, painted } = self;
        let jobs: Vec<(Job, Vec<&Buffer>)> =
            jobs.iter().map(|(job, buffers)| (*job, buffers.iter().collect())).collect();
        let sequence = Sequence::new(context, &jobs)?;
        context.check()?;
        Ok(Plan { sequence, decoder, patches, positions, tokens, restore, painted })
    }
}

impl Plan {
    /// The dispatches of a stretch of the work.
    pub(super) fn dispatches(&self, stretch: Stretch) -> Range<usize> {
        match stretch {
            Stretch::Encode => 0..self.decoder,
            Stretch::Decode => self.decoder..self.sequence.len(),
            Stretch::Both => 0..self.sequence.len(),
        }
    }
}

struct Builder<'a> {
    context: &'a Context,
    /// The most visible patches.
    most: usize,
    choice: Choice,
    /// Where rows are quantized to, and which value they are of.
    quantized: &'a Buffer,
    holds: Option<usize>,
    /// Queries, keys and values of a block, and those that it makes.
    qkv: [&'a Buffer; 2],
    /// The dispatches, each with its buffers.
    jobs: Vec<(Job, Vec<&'a Buffer>)>,
}

impl<'a> Builder<'a> {
    /// Adds an operation's dispatches.
    fn operation(
        &mut self,
        operation: &'a LoadedOperation,
        values: &[Value],
        [x, out]: [&'a Buffer; 2],
        indices: &'a Buffer,
    ) -> Result<(), GpuError> {
        let (from, to) = (values[operation.x], values[operation.out]);
        let (rows, width) = (to.rows, to.width as u32);
        let Choice { tile, subgroups, .. } = self.choice;
        match (operation.work, operation.constants.as_slice()) {
            (Work::Linear { product, inputs, outputs, first, finish }, [weights, columns]) => {
                let quantized = self.quantized;
                let is_of_bytes = product == Product::Bytes;
                if is_of_bytes && self.holds.replace(operation.x) != Some(operation.x) {
                    self.push(Job::Quantize { rows: from.rows, width: inputs, subgroups }, vec![x, quantized]);
                }
                let tile = tile.of(rows.of(self.most) as u32, outputs);
                let job = Job::Linear { product, tile, rows, inputs, outputs, first, finish };
                self.push(job, vec![if is_of_bytes { quantized } else { x }, weights, columns, out]);
            }
            (Work::LayerNorm { epsilon }, [affine]) => {
                self.push(Job::LayerNorm { rows, width, epsilon, subgroups }, vec![x, affine, out]);
            }
            (Work::Attention { heads, head_width, scale }, _) => {
                let groups = attention_groups(head_width / 16, &self.context.device.limits());
                self.push(Job::Attention { rows, heads, head_width, scale, groups }, vec![x, out]);
            }
            (Work::Block { shape, product, params }, [weights]) => {
                let rows = from.rows;
                let most = rows.of(self.most) as u32;
                let [qkv, mut next] = self.qkv;
                match operation.onto {
                    Some(_) => self.qkv = [next, qkv],
                    // layers that are not for a block
                    None => next = out,
                }
                self.push(Job::Block { rows, shape, product, most, params }, vec![qkv, weights, x, next]);
            }
            (Work::Place { places }, [table]) => {
                self.push(Job::Place { rows, width, places }, vec![x, table, indices, out]);
            }
            (Work::Restore, [table]) => self.push(Job::Restore { rows, width }, vec![x, table, indices, out]),
            (work, constants) => {
                let reason = format!("{work:?} does not have {} constants", constants.len());
                return Err(GpuError::Refused { reason });
            }
        }
        Ok(())
    }

    /// Adds a layer norm whose rows come as bytes.
    fn normalize_to_bytes(
        &mut self,
        operation: &'a LoadedOperation,
        values: &[Value],
        x: &'a Buffer,
    ) -> Result<(), GpuError> {
        let (Value { rows, width }, subgroups) = (values[operation.out], self.choice.subgroups);
        let (Work::LayerNorm { epsilon }, [affine]) = (operation.work, operation.constants.as_slice()) else {
            return Err(GpuError::Refused { reason: format!("{:?} is no layer norm", operation.work) });
        };
        self.holds = Some(operation.out);
        let job = Job::LayerNormInt8 { rows, width: width as u32, epsilon, subgroups };
        self.push(job, vec![x, affine, self.quantized]);
        Ok(())
    }

    fn push(&mut self, job: Job, buffers: Vec<&'a Buffer>) {
        self.jobs.push((job, buffers));
    }
}

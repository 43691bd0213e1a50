//! Operations to dispatches over buffers.

use std::fmt;
use std::sync::Arc;

use bytemuck::bytes_of;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferUsages, ComputePass,
    ComputePipeline,
};

use super::compile::{Kind, Operation, Program, Rows, Value};
use super::context::Context;
use super::kernels::Kernel;
use super::weights::{self, Packed, Product};
use super::{GpuError, params};
use crate::Step;

/// Bytes between the parameters of one dispatch and of the next, as every GPU allows them.
const PARAMS_STRIDE: u64 = 256;

/// How operations are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Choice {
    pub(super) product: Product,
    /// Invocations along a side of a linear layer's tile.
    pub(super) side: u32,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {side}×{side} tiles", self.product, side = 4 * self.side)
    }
}

/// A part's operations, their weights on the GPU.
#[derive(Debug)]
pub(super) struct Loaded {
    operations: Vec<LoadedOperation>,
    values: Vec<Value>,
    output: usize,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
struct LoadedOperation {
    work: Work,
    constants: Vec<Buffer>,
    x: usize,
    out: usize,
    onto: Option<usize>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy)]
enum Work {
    Linear { product: Product, inputs: u32, outputs: u32, first: u32, finish: u32 },
    LayerNorm { epsilon: f32 },
    Attention { heads: u32, head_width: u32, scale: f32 },
    Place { places: u32 },
    Restore,
}

impl Loaded {
    /// Moves a program's weights to the GPU.
    pub(super) fn new(context: &Context, program: Program, choice: Choice) -> Result<Self, GpuError> {
        let mut steps = Vec::with_capacity(program.operations.len());
        let mut operations = Vec::with_capacity(program.operations.len());
        for Operation { name, fused, kind, x, out, onto } in program.operations {
            let (work, operator, detail, constants) = load(context, &name, kind, onto.is_some(), choice)?;
            steps.push(Step { name, operator: operator.to_owned(), detail, fused });
            operations.push(LoadedOperation { work, constants, x, out, onto });
        }
        context.check()?;
        Ok(Self { operations, values: program.values, output: program.output, steps })
    }

    /// Values in a row of the answer.
    pub(super) fn output_width(&self) -> usize {
        self.values[self.output].width
    }
}

/// An operation's weights, moved.
fn load(
    context: &Context,
    name: &str,
    kind: Kind,
    onto: bool,
    choice: Choice,
) -> Result<(Work, &'static str, String, Vec<Buffer>), GpuError> {
    let constant = |values: Vec<f32>| context.constant(name, &weights::bytes(values));
    Ok(match kind {
        Kind::Linear { layer, first } => {
            let product = choice.product.of(&layer.weights);
            let (inputs, outputs) = (layer.weights.inputs(), layer.weights.outputs());
            let packed = Packed::new(&layer, product);
            let constants = vec![context.constant(name, &packed.weights)?, context.constant(name, &packed.columns)?];
            let finish = u32::from(layer.gelu) * params::GELU + u32::from(onto) * params::RESIDUAL;
            let detail = format!("{inputs} → {outputs}, {product}{}", if layer.gelu { ", GELU" } else { "" });
            let (inputs, outputs, first) = (inputs as u32, outputs as u32, first as u32);
            (Work::Linear { product, inputs, outputs, first, finish }, "Linear", detail, constants)
        }
        Kind::LayerNorm(norm) => {
            let detail = norm.weight.len().to_string();
            let affine = constant([norm.weight, norm.bias].concat())?;
            (Work::LayerNorm { epsilon: norm.epsilon }, "LayerNorm", detail, vec![affine])
        }
        Kind::Attention(attention) => {
            let detail = format!("{} heads of {}", attention.heads, attention.head_width);
            let (heads, head_width) = (attention.heads as u32, attention.head_width as u32);
            (Work::Attention { heads, head_width, scale: attention.scale }, "Attention", detail, Vec::new())
        }
        Kind::Place { table, places } => {
            (Work::Place { places: places as u32 }, "Place", format!("{places} places"), vec![constant(table)?])
        }
        Kind::Restore { table, places } => {
            (Work::Restore, "Restore", format!("{places} places"), vec![constant(table)?])
        }
    })
}

/// The dispatches of a model's parts, one after another, and the buffers between them.
#[derive(Debug)]
pub(super) struct Plan {
    dispatches: Vec<Dispatch>,
    /// The first dispatch of the decoder.
    decoder: usize,
    params: Buffer,
    /// The number of visible patches that the parameters are for.
    visible: Option<usize>,
    /// `[N, P·P·3]`
    pub(super) patches: Buffer,
    /// `[N]`
    pub(super) positions: Buffer,
    /// `[N+1, C]`
    pub(super) tokens: Buffer,
    /// `[L]`
    pub(super) restore: Buffer,
    /// `[L, P·P·3]`
    pub(super) painted: Option<Buffer>,
}

#[derive(Debug)]
struct Dispatch {
    pipeline: ComputePipeline,
    group: BindGroup,
    work: Job,
}

/// A dispatch's work: how large it is follows from the number of visible patches.
#[derive(Debug, Clone, Copy)]
enum Job {
    Linear { rows: Rows, inputs: u32, outputs: u32, first: u32, finish: u32, side: u32 },
    Quantize { rows: Rows, width: u32 },
    LayerNorm { rows: Rows, width: u32, epsilon: f32 },
    Attention { rows: Rows, heads: u32, scale: f32 },
    Place { rows: Rows, width: u32, places: u32 },
    Restore { rows: Rows, width: u32 },
}

impl Job {
    /// The kernel's parameters.
    fn params(self, visible: usize) -> Vec<u8> {
        match self {
            Self::Linear { rows, inputs, outputs, first, finish, .. } => {
                bytes_of(&params::Linear { rows: rows.of(visible) as u32, inputs, outputs, first, finish }).to_vec()
            }
            Self::Quantize { width, .. } => bytes_of(&params::Quantize { width }).to_vec(),
            Self::LayerNorm { width, epsilon, .. } => bytes_of(&params::LayerNorm { width, epsilon }).to_vec(),
            Self::Attention { rows, heads, scale } => {
                bytes_of(&params::Attention { tokens: rows.of(visible) as u32, heads, scale }).to_vec()
            }
            Self::Place { rows, width, places } => {
                bytes_of(&params::Place { rows: rows.of(visible) as u32, width, places }).to_vec()
            }
            Self::Restore { rows, width } => {
                bytes_of(&params::Restore { rows: rows.of(visible) as u32, width }).to_vec()
            }
        }
    }

    /// Workgroups.
    fn groups(self, visible: usize) -> [u32; 3] {
        /// Values that an invocation of `place` and `restore` makes, by those in a workgroup.
        const ROW_PIECE: u32 = 4 * 64;
        /// Queries of a workgroup of `attention`.
        const QUERIES: u32 = 16;
        match self {
            Self::Linear { rows, outputs, side, .. } => {
                [outputs.div_ceil(4 * side), (rows.of(visible) as u32).div_ceil(4 * side), 1]
            }
            Self::Quantize { rows, .. } | Self::LayerNorm { rows, .. } => [rows.of(visible) as u32, 1, 1],
            Self::Attention { rows, heads, .. } => [(rows.of(visible) as u32).div_ceil(QUERIES), heads, 1],
            Self::Place { rows, width, .. } | Self::Restore { rows, width } => {
                [width.div_ceil(ROW_PIECE), rows.of(visible) as u32, 1]
            }
        }
    }
}

/// Which part of a frame's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    Encode,
    Decode,
    Both,
}

impl Plan {
    /// Makes the buffers and dispatches for up to `most` visible patches.
    pub(super) fn new(
        context: &Context,
        parts: [Option<&Arc<Loaded>>; 2],
        choice: Choice,
        most: usize,
    ) -> Result<Self, GpuError> {
        let mut layout = Layout { context, most, free: Vec::new(), slots: Vec::new() };
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
        let bytes_slot = layout.bytes_slot(&parts);
        let buffers = layout.buffers()?;
        let indices: [Buffer; 2] = ["positions", "restore"]
            .map(|name| context.buffer(name, 4 * most as u64, BufferUsages::STORAGE | BufferUsages::COPY_DST));
        let count: usize = parts.iter().map(|part| part.operations.len()).sum();
        // a layer whose rows are quantized first is two
        let params =
            context.buffer("params", 2 * count as u64 * PARAMS_STRIDE, BufferUsages::UNIFORM | BufferUsages::COPY_DST);
        let mut builder = Builder { context, params: &params, choice, dispatches: Vec::new() };
        let mut decoder = 0;
        for (at, (part, slots)) in parts.iter().zip(&placed).enumerate() {
            if at == 1 {
                decoder = builder.dispatches.len();
            }
            for operation in &part.operations {
                let [x, out] = [operation.x, operation.out].map(|value| &buffers[slots[value]]);
                let quantized = bytes_slot.map(|slot| &buffers[slot]);
                builder.operation(operation, &part.values, [x, out], &indices[at.min(1)], quantized)?;
            }
        }
        let dispatches = builder.dispatches;
        context.check()?;
        let [positions, restore] = indices;
        let decoder = if parts.len() > 1 { decoder } else { dispatches.len() };
        Ok(Self {
            decoder,
            dispatches,
            visible: None,
            patches: buffers[ends[0]].clone(),
            tokens: buffers[ends[1]].clone(),
            painted: ends.get(2).map(|&slot| buffers[slot].clone()),
            positions,
            restore,
            params,
        })
    }

    /// Says how many patches are visible.
    pub(super) fn set_visible(&mut self, context: &Context, visible: usize) {
        if self.visible.replace(visible) == Some(visible) {
            return;
        }
        let mut all = vec![0; self.dispatches.len() * PARAMS_STRIDE as usize];
        for (dispatch, place) in self.dispatches.iter().zip(all.chunks_exact_mut(PARAMS_STRIDE as usize)) {
            let params = dispatch.work.params(visible);
            place[..params.len()].copy_from_slice(&params);
        }
        context.queue.write_buffer(&self.params, 0, &all);
    }

    /// Records the dispatches of a stretch of the work.
    pub(super) fn record(&self, pass: &mut ComputePass, stretch: Stretch) {
        let visible = self.visible.unwrap_or_default();
        let dispatches = match stretch {
            Stretch::Encode => &self.dispatches[..self.decoder],
            Stretch::Decode => &self.dispatches[self.decoder..],
            Stretch::Both => &self.dispatches[..],
        };
        for dispatch in dispatches {
            let [x, y, z] = dispatch.work.groups(visible);
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, &dispatch.group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

/// Which values share a buffer.
struct Layout<'a> {
    context: &'a Context,
    most: usize,
    free: Vec<usize>,
    /// Bytes of each buffer.
    slots: Vec<u64>,
}

impl Layout<'_> {
    fn bytes(&self, value: Value) -> u64 {
        (value.rows.of(self.most) * value.width * size_of::<f32>()) as u64
    }

    /// A buffer that no other value takes.
    fn kept(&mut self, value: Option<Value>) -> usize {
        self.slots.push(value.map_or(0, |value| self.bytes(value)));
        self.slots.len() - 1
    }

    /// The buffer of each of a part's values; that of its output is kept.
    fn place(&mut self, part: &Loaded, entry: usize) -> Vec<usize> {
        let mut slots = vec![usize::MAX; part.values.len()];
        slots[0] = entry;
        // what takes the output's place takes its buffer
        let mut lasts = vec![0; part.values.len()];
        for (at, operation) in part.operations.iter().enumerate() {
            lasts[operation.x] = at;
        }
        let output = self.kept(None);
        let mut kept = vec![part.output];
        for operation in part.operations.iter().rev() {
            if let (true, Some(onto)) = (kept.contains(&operation.out), operation.onto) {
                kept.push(onto);
            }
        }
        for (at, operation) in part.operations.iter().enumerate() {
            let bytes = self.bytes(part.values[operation.out]);
            let slot = match operation.onto {
                Some(onto) => slots[onto],
                None if kept.contains(&operation.out) => output,
                None => self.free.pop().unwrap_or_else(|| self.kept(None)),
            };
            slots[operation.out] = slot;
            self.slots[slot] = self.slots[slot].max(bytes);
            let is_last = lasts[operation.x] == at && operation.x > 0 && !kept.contains(&operation.x);
            let goes_on = part.operations.iter().any(|other| other.onto == Some(operation.x));
            if is_last && !goes_on {
                self.free.push(slots[operation.x]);
            }
        }
        slots
    }

    /// A buffer for rows that are quantized, if any are.
    fn bytes_slot(&mut self, parts: &[&Loaded]) -> Option<usize> {
        let rows = |part: &&Loaded| {
            let operations = part.operations.iter();
            let sizes =
                operations.filter(|operation| matches!(operation.work, Work::Linear { product: Product::Bytes, .. }));
            sizes
                .map(|operation| {
                    let value = part.values[operation.x];
                    (value.rows.of(self.most) * 16 * (1 + value.width.div_ceil(16))) as u64
                })
                .max()
        };
        let bytes = parts.iter().filter_map(rows).max()?;
        self.slots.push(bytes);
        Some(self.slots.len() - 1)
    }

    fn buffers(&self) -> Result<Vec<Buffer>, GpuError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffers = self.slots.iter().map(|&bytes| self.context.buffer("values", bytes, usage)).collect();
        self.context.check()?;
        Ok(buffers)
    }
}

struct Builder<'a> {
    context: &'a Context,
    params: &'a Buffer,
    choice: Choice,
    dispatches: Vec<Dispatch>,
}

impl Builder<'_> {
    /// Adds an operation's dispatches.
    fn operation(
        &mut self,
        operation: &LoadedOperation,
        values: &[Value],
        [x, out]: [&Buffer; 2],
        indices: &Buffer,
        quantized: Option<&Buffer>,
    ) -> Result<(), GpuError> {
        let (from, to) = (values[operation.x], values[operation.out]);
        let (rows, width) = (to.rows, to.width as u32);
        let constants = &operation.constants;
        match operation.work {
            Work::Linear { product, inputs, outputs, first, finish } => {
                let side = self.choice.side;
                let job = Job::Linear { rows, inputs, outputs, first, finish, side };
                let (kernel, x) = match (product, quantized) {
                    (Product::Bytes, Some(quantized)) => {
                        let rows = Job::Quantize { rows: from.rows, width: inputs };
                        self.dispatch(Kernel::Quantize, rows, &[x, quantized])?;
                        (Kernel::LinearInt8 { side }, quantized)
                    }
                    (Product::Wide(form), _) => (Kernel::Linear { form, side }, x),
                    (Product::Bytes, None) => return Ok(()),
                };
                self.dispatch(kernel, job, &[x, &constants[0], &constants[1], out])
            }
            Work::LayerNorm { epsilon } => {
                self.dispatch(Kernel::LayerNorm, Job::LayerNorm { rows, width, epsilon }, &[x, &constants[0], out])
            }
            Work::Attention { heads, head_width, scale } => {
                let kernel = Kernel::Attention { parts: head_width / 16 };
                self.dispatch(kernel, Job::Attention { rows, heads, scale }, &[x, out])
            }
            Work::Place { places } => {
                let job = Job::Place { rows, width, places };
                self.dispatch(Kernel::Place, job, &[x, &constants[0], indices, out])
            }
            Work::Restore => {
                let job = Job::Restore { rows, width };
                self.dispatch(Kernel::Restore, job, &[x, &constants[0], indices, out])
            }
        }
    }

    fn dispatch(&mut self, kernel: Kernel, work: Job, buffers: &[&Buffer]) -> Result<(), GpuError> {
        let pipeline = self.context.pipeline(kernel)?;
        let offset = self.dispatches.len() as u64 * PARAMS_STRIDE;
        let size = std::num::NonZeroU64::new(work.params(0).len() as u64);
        let params = BindingResource::Buffer(BufferBinding { buffer: self.params, offset, size });
        let storage = buffers.iter().map(|buffer| buffer.as_entire_binding());
        let entries: Vec<BindGroupEntry> = std::iter::once(params)
            .chain(storage)
            .enumerate()
            .map(|(binding, resource)| BindGroupEntry { binding: binding as u32, resource })
            .collect();
        let group = self.context.device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        self.dispatches.push(Dispatch { pipeline, group, work });
        Ok(())
    }
}

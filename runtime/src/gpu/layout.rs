//! Which values share a buffer.

use wgpu::{Buffer, BufferUsages};

use super::GpuError;
use super::compile::Value;
use super::context::Context;
use super::loaded::{Loaded, Work};
use super::weights::Product;

/// Which values share a buffer.
pub(super) struct Layout<'a> {
    context: &'a Context,
    /// The most visible patches.
    most: usize,
    free: Vec<usize>,
    /// Bytes of each buffer.
    slots: Vec<u64>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(context: &'a Context, most: usize) -> Self {
        Self { context, most, free: Vec::new(), slots: Vec::new() }
    }

    fn bytes(&self, value: Value) -> u64 {
        (value.rows.of(self.most) * value.width * size_of::<f32>()) as u64
    }

    /// A buffer that no other value takes.
    pub(super) fn kept(&mut self, value: Option<Value>) -> usize {
        self.slots.push(value.map_or(0, |value| self.bytes(value)));
        self.slots.len() - 1
    }

    /// The buffer of each of a part's values; that of its output is kept.
    pub(super) fn place(&mut self, part: &Loaded, entry: usize) -> Vec<usize> {
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

    /// A buffer for rows that are quantized.
    pub(super) fn bytes_slot(&mut self, parts: &[&Loaded]) -> usize {
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
        self.slots.push(parts.iter().filter_map(rows).max().unwrap_or_default());
        self.slots.len() - 1
    }

    /// Two buffers for queries, keys and values: those of a block, and those that it makes for the next one. None are needed
    /// where a dispatch does no whole block.
    pub(super) fn block_slots(&mut self, parts: &[&Loaded]) -> [usize; 2] {
        let values = |part: &&Loaded| {
            let operations = part.operations.iter();
            let blocks = operations.filter(|operation| matches!(operation.work, Work::Block { .. }));
            blocks.map(|operation| 3 * self.bytes(part.values[operation.x])).max()
        };
        let bytes = parts.iter().filter_map(values).max().unwrap_or_default();
        [0, 1].map(|_| {
            self.slots.push(bytes);
            self.slots.len() - 1
        })
    }

    pub(super) fn buffers(&self) -> Result<Vec<Buffer>, GpuError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffers = self.slots.iter().map(|&bytes| self.context.buffer("values", bytes, usage)).collect();
        self.context.check()?;
        Ok(buffers)
    }
}

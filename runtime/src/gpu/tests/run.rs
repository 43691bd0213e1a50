//! One dispatch, and what it made.

use std::time::Duration;

use bytemuck::Pod;
use ndarray::Array2;
use wgpu::{BufferUsages, CommandEncoderDescriptor, ComputePassDescriptor, MapMode};

use crate::gpu::compile::Rows;
use crate::gpu::context::Context;
use crate::gpu::jobs::Job;
use crate::gpu::sequence::Sequence;
use crate::gpu::weights::bytes;

/// Does a job once: what it makes of the buffers that it reads, and of what stood where it writes.
pub(super) fn run<T: Pod>(context: &Context, job: Job, visible: usize, reads: &[&[u8]], out: &[T]) -> Vec<T> {
    let buffers = [reads, &[bytemuck::cast_slice(out)]].concat();
    run_for(context, job, visible, &buffers, reads.len())
}

/// Does a job once over buffers: what is in one of them then.
pub(super) fn run_for<T: Pod>(context: &Context, job: Job, visible: usize, contents: &[&[u8]], which: usize) -> Vec<T> {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    let size = contents[which].len() as u64;
    let mut buffers = Vec::new();
    for contents in contents {
        let buffer = context.buffer("test", contents.len() as u64, usage);
        context.queue.write_buffer(&buffer, 0, contents);
        buffers.push(buffer);
    }
    let staging = context.buffer("staging", size, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
    let mut sequence = Sequence::new(context, &[(job, buffers.iter().collect())]).unwrap();
    sequence.set_visible_at_once(context, visible);
    let mut encoder = context.device.create_command_encoder(&CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
    sequence.record(&mut pass, 0..1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&buffers[which], 0, &staging, 0, size);
    let submission = context.queue.submit([encoder.finish()]);
    staging.slice(..size).map_async(MapMode::Read, |_| ());
    context.wait(submission, Duration::from_mins(1)).unwrap();
    bytemuck::cast_slice(&staging.slice(..size).get_mapped_range().unwrap()).to_vec()
}

/// So many rows, whatever is visible.
pub(super) const fn rows(more: usize) -> Rows {
    Rows { each: 0, more }
}

/// Values that look like activations, other ones for each seed.
pub(super) fn values(rows: usize, width: usize, seed: u32) -> Array2<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    Array2::from_shape_fn((rows, width), |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

pub(super) fn flat(matrix: &Array2<f32>) -> Vec<u8> {
    bytes(matrix.iter().copied())
}

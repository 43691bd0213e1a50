//! Places of patches, on the GPU.

use wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::GpuError;
use super::context::Context;
use super::uploads::Uploads;

/// A list of places: what is there already is not taken there again.
#[derive(Debug)]
pub(super) struct Indices {
    pub(super) buffer: Buffer,
    /// What the buffer holds.
    known: Vec<u32>,
    new: Vec<u32>,
}

impl Indices {
    /// Room for so many.
    pub(super) fn new(context: &Context, label: &str, most: usize) -> Self {
        let buffer = context.buffer(label, 4 * most as u64, BufferUsages::STORAGE | BufferUsages::COPY_DST);
        Self { buffer, known: Vec::with_capacity(most), new: Vec::with_capacity(most) }
    }

    /// Sets them, before what is recorded from here on.
    ///
    /// # Errors
    /// When the GPU is lost.
    pub(super) fn set(
        &mut self,
        (uploads, encoder): (&mut Uploads, &mut CommandEncoder),
        places: impl Iterator<Item = u32>,
    ) -> Result<(), GpuError> {
        self.new.clear();
        self.new.extend(places);
        if self.new != self.known {
            uploads.write(encoder, &self.buffer, bytemuck::cast_slice(&self.new))?;
            std::mem::swap(&mut self.known, &mut self.new);
        }
        Ok(())
    }
}

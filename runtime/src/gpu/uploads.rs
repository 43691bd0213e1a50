//! What goes to the GPU with each frame.

use std::num::NonZeroU64;

use wgpu::util::StagingBelt;
use wgpu::{Buffer, COPY_BUFFER_ALIGNMENT, CommandEncoder, Device};

use super::GpuError;

/// What a copy's size is a multiple of, in bytes.
const WORD: usize = COPY_BUFFER_ALIGNMENT as usize;

/// Bytes of indices and parameters that go with a frame.
pub(super) const WITH_FRAME: u64 = 1 << 16;

/// Places in memory that the GPU copies from, kept from frame to frame.
#[derive(Debug)]
pub(super) struct Uploads {
    device: Device,
    belt: StagingBelt,
    /// Bytes of a frame that there is place for.
    place: u64,
}

impl Uploads {
    /// Places for frames of up to so many bytes, and for what goes with them; larger ones get places of their own.
    pub(super) fn new(device: &Device, bytes: u64) -> Self {
        Self { device: device.clone(), belt: StagingBelt::new(device.clone(), bytes + WITH_FRAME), place: bytes }
    }

    /// Makes larger places in place of those that there were, if frames of so many bytes take that. To be called before anything else
    /// is written for a frame.
    pub(super) fn make_place(&mut self, bytes: u64) {
        if bytes > self.place {
            *self = Self::new(&self.device, bytes);
        }
    }

    /// Writes to a buffer, from its beginning, before what is recorded from here on. The last word is made whole with zeros.
    ///
    /// # Errors
    /// When the GPU is lost.
    pub(super) fn write(&mut self, encoder: &mut CommandEncoder, to: &Buffer, bytes: &[u8]) -> Result<(), GpuError> {
        let len = bytes.len().next_multiple_of(WORD);
        self.write_parts(encoder, to, len, |put| {
            put(0, bytes);
            put(bytes.len(), &[0; WORD][..len - bytes.len()]);
        })
    }

    /// Writes parts of so many bytes, whole words, from a buffer's beginning. What lies between them is whatever it was.
    ///
    /// # Errors
    /// When the GPU is lost.
    pub(super) fn write_parts(
        &mut self,
        encoder: &mut CommandEncoder,
        to: &Buffer,
        len: usize,
        parts: impl FnOnce(&mut dyn FnMut(usize, &[u8])),
    ) -> Result<(), GpuError> {
        let (size, word) = (NonZeroU64::new(len as u64), NonZeroU64::new(COPY_BUFFER_ALIGNMENT));
        let (Some(size), Some(word)) = (size, word) else { return Ok(()) };
        let slice = self.belt.allocate(size, word);
        encoder.copy_buffer_to_buffer(slice.buffer(), slice.offset(), to, 0, size.get());
        let mut mapped = slice.get_mapped_range_mut().map_err(|error| GpuError::Lost { reason: error.to_string() })?;
        parts(&mut |at, bytes| mapped.slice(at..at + bytes.len()).copy_from_slice(bytes));
        Ok(())
    }

    /// To be called before what was recorded is submitted.
    pub(super) fn finish(&mut self) {
        self.belt.finish();
    }

    /// To be called after that.
    pub(super) fn recall(&mut self) {
        self.belt.recall();
    }
}

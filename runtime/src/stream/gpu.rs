//! Frames whose whole way is on a GPU.

use ndarray::Array2;

use super::{Answer, Give, Stream};
use crate::gpu::{GpuCeilings, GpuError, KernelTime, Task};
use crate::reference::tolerance::GPU_PICTURE_RMS;
use crate::{ColourRange, Error, Frame, Layout, Mask, Result};

impl Stream {
    /// How long each kind of dispatch of a frame takes, by the GPU's own clock, the longest first: of several runs, the middle
    /// one. Empty on the CPU, and where the GPU has no clock that can be asked.
    ///
    /// # Errors
    /// [`Error::UnderWay`] if frames are under way, [`Error::Gpu`] if the GPU fails.
    pub fn kernel_times(&mut self, frame: &Frame, mask: &Mask, runs: usize) -> Result<Vec<KernelTime>> {
        if self.under_way() > 0 {
            return Err(Error::UnderWay { most: 0 });
        }
        let task = Task::Frame(frame, self.give);
        Ok(self.model.gpu_mut().map(|model| model.engine.profile(task, mask, runs)).transpose()?.unwrap_or_default())
    }

    /// What the GPU can do; `None` on the CPU, and where the GPU has no clock that can be asked.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the GPU fails.
    pub fn gpu_ceilings(&mut self) -> Result<Option<GpuCeilings>> {
        Ok(self.model.gpu_mut().map(|model| model.engine.ceilings()).transpose()?.flatten())
    }

    /// Gives a frame to a GPU, if there is one.
    pub(super) fn submitted(&mut self, frame: &Frame, mask: &Mask) -> Result<()> {
        let give = self.give;
        if self.model.gpu_mut().is_some_and(|gpu| !gpu.engine.takes(frame)) {
            // what is visible of it in the model's size is all that a model sees
            self.preprocessor.visible_patches_from_frame(frame, mask, self.patches.view_mut())?;
            let small = Frame::from_pixels(self.preprocessor.resized().to_owned())?;
            return self.model.on_gpu(|model| model.engine.submit(Task::Frame(&small, give), mask)).map(drop);
        }
        let is_taken = self.model.on_gpu(|model| model.engine.submit(Task::Frame(frame, give), mask));
        is_taken.map(drop)
    }

    /// The answer of a GPU, if there is one.
    pub(super) fn received(&mut self, mask: &Mask, give: Give) -> Result<bool> {
        if !self.model.on_gpu(|model| model.engine.receive().map(drop))? {
            return Ok(false);
        }
        let Some(answer) = self.model.gpu_frame() else { return Ok(false) };
        if give.tokens() {
            let shape = (mask.visible().len() + 1, self.tokens.ncols());
            if self.tokens.dim() != shape {
                self.tokens = Array2::zeros(shape);
            }
            self.tokens.iter_mut().zip(&answer.tokens).for_each(|(to, from)| *to = *from);
        }
        let pixels = answer.picture.as_chunks::<4>().0;
        if let Some(bytes) = self.picture.as_slice_mut() {
            for (to, from) in bytes.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                to.copy_from_slice(&from[..3]);
            }
        }
        Ok(true)
    }

    /// Has a GPU make its way through a made-up frame, and the CPU take its place if what comes out is not what comes out of the
    /// model's own way, which is trusted already.
    pub(super) fn tried(mut self) -> Result<Self> {
        let Some(gpu) = self.model.gpu_mut() else { return Ok(self) };
        let kept = gpu.engine.compiled();
        let mut tried = self;
        // both of what is done with colours, and planes in one and in two
        for layout in [Layout::Nv12, Layout::Rgb] {
            tried = tried.compared(layout)?;
        }
        // kernels that were kept may be what is wrong
        if tried.model.gpu().is_none()
            && let Some(kept) = kept
        {
            kept.forget();
        }
        Ok(tried)
    }

    fn compared(mut self, layout: Layout) -> Result<Self> {
        let side = self.model.spec().image_side();
        let size = [side * 5 / 4 + 1, side * 7 / 4 + 1];
        let bytes = (0..layout.bytes(size[0], size[1])).map(|at| {
            let (y, x) = (at / size[1], at % size[1]);
            (x + y * 3 / 2 + (x / 16 + y / 12) % 2 * 80) as u8
        });
        let frame = Frame::new(layout, ColourRange::Limited, size, bytes.collect())?;
        if self.model.gpu().is_none() {
            return Ok(self);
        }
        let mask = Mask::random(self.model.grid(), 0.5, 0)?;
        self.submit(frame, mask)?;
        let Some(Answer { frame, mask, tokens, picture }) = self.receive()? else { return Ok(self) };
        let (tokens, picture) = (tokens.to_owned(), picture.to_owned());
        if self.model.gpu().is_none() {
            return Ok(self);
        }
        self.compute(&frame, &mask, self.give)?;
        let differences = tokens.iter().zip(&self.tokens).map(|(got, expected)| (got - expected, *expected));
        let (error, size) = differences.fold((0.0, 0.0), |(error, size), (difference, expected)| {
            (error + f64::from(difference).powi(2), size + f64::from(expected).powi(2))
        });
        let grey = |(got, expected): (&u8, &u8)| f64::from(got.abs_diff(*expected)).powi(2);
        let square: f64 = picture.iter().zip(&self.picture).map(grey).sum();
        let errors = [
            if self.give.tokens() { (error / size).sqrt() } else { 0.0 },
            (square / picture.len().max(1) as f64).sqrt(),
        ];
        self.model.on_gpu(|model| {
            let tolerances = [model.engine.tolerance(), GPU_PICTURE_RMS];
            for (error, tolerance) in errors.into_iter().zip(tolerances) {
                GpuError::check(error, tolerance)?;
            }
            Ok(())
        })?;
        Ok(self)
    }
}

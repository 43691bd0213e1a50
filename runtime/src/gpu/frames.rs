//! A camera's frame to patches, and painted patches to a picture, where the rest of the work is.

use glimpse_models::{Base, ModelSpec};
use ndarray::ArrayView3;
use wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::context::Context;
use super::indices::Indices;
use super::jobs::Job;
use super::membrane::Membrane;
use super::plan::Plan;
use super::sequence::Sequence;
use super::uploads::Uploads;
use super::{GpuError, params};
use crate::Mask;
use crate::preprocess::Taps;

const GREY: f32 = 255.0;

/// What stands before the encoder and after the decoder.
#[derive(Debug)]
pub(super) struct Frames {
    spec: ModelSpec,
    /// Four bytes to a pixel: `[S, S]`
    image: Buffer,
    front: Option<Front>,
    back: Option<Back>,
}

/// A frame to patches, for frames of one shape.
#[derive(Debug)]
struct Front {
    /// Height, width, bytes of a pixel.
    shape: [usize; 3],
    frame: Buffer,
    sequence: Sequence,
}

/// Painted patches to a picture.
#[derive(Debug)]
struct Back {
    masked: Indices,
    picture: Buffer,
    sequence: Sequence,
}

impl Frames {
    pub(super) fn new(context: &Context, spec: &ModelSpec) -> Self {
        let pixels = spec.image_side() * spec.image_side();
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        Self { spec: *spec, image: context.buffer("image", 4 * pixels as u64, usage), front: None, back: None }
    }

    /// Takes a frame to the GPU.
    ///
    /// # Shapes
    /// - `frame`: `[H, W, 3]` or `[H, W, 4]`, of which the first three of each pixel are read
    ///
    /// # Errors
    /// What the driver refuses, such as a frame that is larger than a buffer may be.
    pub(super) fn take(
        &mut self,
        context: &Context,
        plan: &Plan,
        (uploads, encoder): (&mut Uploads, &mut CommandEncoder),
        frame: ArrayView3<u8>,
        mask: &Mask,
    ) -> Result<(), GpuError> {
        let shape = [frame.dim().0, frame.dim().1, frame.dim().2];
        let front = match self.front.take() {
            Some(front) if front.shape == shape => front,
            _ => {
                let front = Front::new(context, plan, &self.spec, &self.image, shape)?;
                uploads.renew(front.frame.size());
                front
            }
        };
        let front = self.front.insert(front);
        let frame = frame.as_standard_layout();
        uploads.write(encoder, &front.frame, frame.as_slice().unwrap_or_default())?;
        front.sequence.set_visible((uploads, encoder), mask.visible().len())
    }

    /// Says what is to be painted.
    pub(super) fn hide(
        &mut self,
        context: &Context,
        plan: &Plan,
        (uploads, encoder): (&mut Uploads, &mut CommandEncoder),
        mask: &Mask,
    ) -> Result<(), GpuError> {
        let back = match self.back.take() {
            Some(back) => back,
            None => Back::new(context, plan, &self.spec, &self.image)?,
        };
        let back = self.back.insert(back);
        back.masked.set((uploads, encoder), mask.masked().iter().map(|&place| place as u32))?;
        back.sequence.set_visible((uploads, encoder), mask.visible().len())
    }

    /// Four bytes to a pixel: `[S, S]`.
    pub(super) fn picture(&self) -> Option<&Buffer> {
        self.back.as_ref().map(|back| &back.picture)
    }

    /// The dispatches before the encoder, and after the decoder.
    pub(super) fn sequences(&self) -> [Option<&Sequence>; 2] {
        [self.front.as_ref().map(|front| &front.sequence), self.back.as_ref().map(|back| &back.sequence)]
    }
}

impl Front {
    fn new(
        context: &Context,
        plan: &Plan,
        spec: &ModelSpec,
        image: &Buffer,
        shape: [usize; 3],
    ) -> Result<Self, GpuError> {
        let [height, width, channels] = shape;
        let (side, patch_side) = (spec.image_side(), spec.patch_side() as u32);
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let frame = context.buffer("frame", (height * width * channels).next_multiple_of(4) as u64, usage);
        let columns = context.buffer("columns", 4 * (side * width) as u64, BufferUsages::STORAGE);
        let taps = [height, width].map(|source| Taps::new(source, side));
        let table = |taps: &Taps| context.constant("taps", bytemuck::cast_slice(&taps.table()));
        let tables = [table(&taps[0])?, table(&taps[1])?];
        let resize = |along_rows: usize, source, from, to, channels| {
            let taps = &taps[along_rows];
            let job = Job::Resize(params::Resize {
                width: if along_rows == 0 { width } else { side } as u32,
                height: side as u32,
                source_width: width as u32,
                source: source as u32,
                along_rows: along_rows as u32,
                taps: taps.count as u32,
                shift: taps.shift,
                channels,
            });
            (job, vec![from, &tables[along_rows], to])
        };
        let (mean, std) = (four(spec.mean()), four(spec.std()));
        let patchify = Job::Patchify(params::Patchify {
            scale: std.map(|std| 1.0 / (GREY * std)),
            offset: [0, 1, 2, 3].map(|channel| -mean[channel] / std[channel]),
            side: side as u32,
            patch_side,
            padding: [0; 2],
        });
        let jobs = [
            resize(0, height, &frame, &columns, channels as u32),
            resize(1, width, &columns, image, 4),
            (patchify, vec![image, &plan.positions.buffer, &plan.patches]),
        ];
        let sequence = Sequence::new(context, &jobs)?;
        context.check()?;
        Ok(Self { shape, frame, sequence })
    }
}

impl Back {
    fn new(context: &Context, plan: &Plan, spec: &ModelSpec, image: &Buffer) -> Result<Self, GpuError> {
        let missing = || GpuError::Refused { reason: "the model has no decoder".to_owned() };
        let painted = plan.painted.as_ref().ok_or_else(missing)?;
        let places = spec.grid().len() as u32;
        let (side, patch_side) = (spec.image_side(), spec.patch_side());
        let membrane = (spec.base() == Base::Membrane)
            .then(|| Membrane::new(side as u32, patch_side as u32, &context.device.limits()));
        let cell_count = membrane.map_or((side * side) as u64, |Membrane { cells: [far, _], .. }| far.into());
        let cells = context.buffer("cells", 16 * cell_count, BufferUsages::STORAGE);
        let masked = Indices::new(context, "masked", places as usize);
        let picture =
            context.buffer("picture", 4 * (side * side) as u64, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let (side, patch_side) = (side as u32, patch_side as u32);
        let start = four(spec.mean()).map(|mean| GREY * mean);
        let planes = Job::Planes(params::Planes { start, side, patch_side, padding: [0; 2] });
        let mut jobs = vec![(planes, vec![image, &plan.restore.buffer, &cells])];
        if let Some(membrane) = membrane {
            jobs.push((membrane.job(places), vec![&masked.buffer, &cells]));
        }
        let scale = four(spec.std()).map(|std| GREY * std);
        let composite = Job::Composite(params::Composite { scale, side, patch_side, padding: [0; 2] });
        jobs.push((composite, vec![&cells, painted, &picture]));
        let sequence = Sequence::new(context, &jobs)?;
        context.check()?;
        Ok(Self { masked, picture, sequence })
    }
}

/// A value for each channel, and one for a fourth that is not looked at.
fn four([r, g, b]: [f32; 3]) -> [f32; 4] {
    [r, g, b, 1.0]
}

//! A camera's frame to patches, and painted patches to a picture, where the rest of the work is.

use glimpse_models::{Base, ModelSpec};
use wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::context::Context;
use super::indices::Indices;
use super::jobs::Job;
use super::membrane::Membrane;
use super::parts::{Parts, PlaneParts};
use super::plan::Plan;
use super::sequence::Sequence;
use super::uploads::Uploads;
use super::{GpuError, params};
use crate::frame::{FrameShape, for_shape};
use crate::preprocess::Resizing;
use crate::{Frame, Mask};

const GREY: f32 = 255.0;

/// Bytes of frames whose buffers are kept, for sources that take turns.
const KEPT_BYTES: u64 = 64 << 20;

/// Words of a row's entry before its taps.
const ROW_HEAD: usize = 5;

/// What stands before the encoder and after the decoder.
#[derive(Debug)]
pub(super) struct Frames {
    spec: ModelSpec,
    /// Four bytes to a pixel: `[S, S]`
    image: Buffer,
    /// For frames of the last shapes, the newest first.
    fronts: Vec<(FrameShape, Front)>,
    back: Option<Back>,
}

/// A frame to patches, for frames of one shape.
#[derive(Debug)]
struct Front {
    parts: Parts,
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
        Self { spec: *spec, image: context.buffer("image", 4 * pixels as u64, usage), fronts: Vec::new(), back: None }
    }

    /// Gives the GPU what is visible of a frame.
    ///
    /// # Errors
    /// What the driver refuses, such as a frame that is larger than a buffer may be.
    pub(super) fn take(
        &mut self,
        context: &Context,
        plan: &Plan,
        (uploads, encoder): (&mut Uploads, &mut CommandEncoder),
        frame: &Frame,
        mask: &Mask,
    ) -> Result<(), GpuError> {
        let make = || Front::new(context, plan, &self.spec, &self.image, frame.shape());
        for_shape(&mut self.fronts, frame.shape(), make)?;
        let mut bytes = 0;
        // the newest is kept however large it is
        let kept = self.fronts.iter().take_while(|(_, front)| {
            bytes += front.frame.size();
            bytes <= KEPT_BYTES
        });
        self.fronts.truncate(kept.count().max(1));
        let front = &mut self.fronts[0].1;
        uploads.make_place(front.frame.size());
        let each = |put: &mut dyn FnMut(usize, &[u8])| front.parts.each(frame.bytes(), mask, put);
        uploads.write_parts(encoder, &front.frame, front.parts.len(), each)?;
        front.sequence.set_visible((uploads, encoder), mask.visible().len())
    }

    /// Bytes of the largest buffer that frames of a shape take.
    pub(super) fn bytes(&self, shape: FrameShape) -> u64 {
        let side = self.spec.image_side();
        // of a row or a column: what is before its taps, and as many as reach two pixels of the picture to both sides
        let entry = |len: usize| 4 * side * (4 * len.div_ceil(side) + 8);
        let sizes = shape.layout.planes(shape.height, shape.width).into_iter().map(|plane| {
            let stride = plane.row_len.next_multiple_of(4);
            let entries = entry(shape.height) + 3 * entry(shape.width);
            [plane.rows.len() * stride, side * stride + entries]
        });
        let [frame, lines] = sizes.fold([0; 2], |sum, size| [sum[0] + size[0], sum[1] + size[1]]);
        frame.max(lines) as u64
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
        [self.fronts.first().map(|(_, front)| &front.sequence), self.back.as_ref().map(|back| &back.sequence)]
    }
}

impl Front {
    fn new(
        context: &Context,
        plan: &Plan,
        spec: &ModelSpec,
        image: &Buffer,
        shape: FrameShape,
    ) -> Result<Self, GpuError> {
        let resizing = Resizing::new(shape, spec.image_side());
        let parts = Parts::new(&resizing, spec.grid().cols(), spec.patch_side());
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let frame = context.buffer("frame", parts.len() as u64, usage);
        let Lines { entries, bytes, rows, patches } = Lines::new(&resizing, &parts, spec);
        let lines = context.begun("lines", bytemuck::cast_slice(&entries), bytes)?;
        let (row_bytes, places) = (parts.len() as u64 + bytes, spec.grid().len() as u32);
        let jobs = [
            (Job::ResizeRows(row_bytes as u32, rows), vec![&frame, &lines]),
            (
                Job::ResizePatches([bytes as u32, places], patches),
                vec![&lines, &plan.positions.buffer, image, &plan.patches],
            ),
        ];
        let sequence = Sequence::new(context, &jobs)?;
        context.check()?;
        Ok(Self { parts, frame, sequence })
    }
}

/// What stands before a frame's resized rows, and how its kernels read it.
pub(super) struct Lines {
    /// Words.
    pub(super) entries: Vec<i32>,
    /// Of the rows behind them.
    pub(super) bytes: u64,
    pub(super) rows: params::ResizeRows,
    pub(super) patches: params::ResizePatches,
}

impl Lines {
    pub(super) fn new(resizing: &Resizing, parts: &Parts, spec: &ModelSpec) -> Self {
        let side = spec.image_side();
        let planes = || resizing.planes.iter().zip(parts.planes());
        let row_taps = resizing.planes.iter().map(|plane| resizing.taps(plane.rows).count).max().unwrap_or_default();
        let channels = || planes().flat_map(|(plane, part)| plane.channels.iter().map(move |channel| (channel, part)));
        let taps = channels().map(|(channel, _)| resizing.taps(channel.samples).count).max().unwrap_or_default();
        let row_entry = ROW_HEAD + row_taps;
        let columns_at = resizing.planes.len() * side * row_entry;
        let lines_at = columns_at + 3 * side * (1 + taps);
        let mut entries = Vec::with_capacity(lines_at);
        let mut end = lines_at;
        let mut patches = params::ResizePatches {
            channels: [params::Channel::default(); 3],
            taps: taps as u32,
            ..of_colours(resizing.shape, spec)
        };
        for (plane, part) in planes() {
            for channel in &plane.channels {
                let words = part.words() as u32;
                patches.channels[channel.to] = params::Channel { lines: end as u32, words, ..Default::default() };
            }
            let rows = resizing.taps(plane.rows);
            for (first, count, taps) in rows.pixels() {
                let place = part.first_word() + first * part.words();
                entries.extend([place, end, part.words(), count, rows.shift as usize].map(|word| word as i32));
                entries.extend(taps.iter().copied().map(i32::from));
                entries.resize(entries.len() + row_taps - taps.len(), 0);
                end += part.words();
            }
        }
        for (channel, _) in channels() {
            let columns = resizing.taps(channel.samples);
            let to = &mut patches.channels[channel.to];
            (to.table, to.step, to.shift) = (entries.len() as u32, channel.step as u32, columns.shift);
            for (first, _, of_pixel) in columns.pixels() {
                entries.push((channel.offset + first * channel.step) as i32);
                entries.extend(of_pixel.iter().copied().map(i32::from));
                entries.resize(entries.len() + taps - of_pixel.len(), 0);
            }
        }
        let words = parts.planes().iter().map(PlaneParts::words).max().unwrap_or_default() as u32;
        let rows = params::ResizeRows { words, rows: (resizing.planes.len() * side) as u32, entry: row_entry as u32 };
        Self { entries, bytes: 4 * (end - lines_at) as u64, rows, patches }
    }
}

/// What is done with colours.
fn of_colours(shape: FrameShape, spec: &ModelSpec) -> params::ResizePatches {
    let (mean, std) = (four(spec.mean()), four(spec.std()));
    let [black, luma, chroma @ ..] = shape.range.matrix();
    params::ResizePatches {
        scale: std.map(|std| 1.0 / (GREY * std)),
        offset: [0, 1, 2, 3].map(|channel| -mean[channel] / std[channel]),
        chroma,
        black,
        luma,
        is_yuv: shape.layout.is_yuv().into(),
        side: spec.image_side() as u32,
        patch_side: spec.patch_side() as u32,
        channels: [params::Channel::default(); 3],
        taps: 0,
        padding: [0; 2],
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

//! Between a camera's frame and a model's image.

mod taps;
mod visible;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use glimpse_models::{ModelSpec, PatchGrid};
use ndarray::{Array3, ArrayView1, ArrayView2, ArrayView3, ArrayViewMut1, ArrayViewMut2, Axis, Zip};

use crate::frame::{FrameShape, for_shape};
use crate::{Error, Frame, Mask, Result};

#[cfg(feature = "gpu")]
pub(crate) use visible::Resizing;
use visible::VisibleResizer;

/// The version of what a [`Preprocessor`] makes of frames. Features are kept with it, so that a reader can tell
/// whether two of them may be compared.
///
/// Raise it with any change that can give the same frame another image: the resizing filter or its rounding, squeezing or
/// cutting of what is not square, the normalization, the order of channels.
pub const PREPROCESS_VERSION: u32 = 2;

/// Brings frames to a model's side and its normalization, and back. Made once, it keeps its buffers
/// from frame to frame.
#[derive(Debug)]
pub struct Preprocessor {
    grid: PatchGrid,
    mean: [f32; 3],
    std: [f32; 3],
    /// What a row of a patch is multiplied by, and what is added then: `[P·3]` each.
    scale: Vec<f32>,
    offset: Vec<f32>,
    resizer: Resizer,
    /// For frames of the last shapes.
    visible: Vec<(FrameShape, VisibleResizer)>,
    resized: Array3<u8>,
    /// `[P·P·3]`
    patch: Vec<f32>,
    image: Array3<f32>,
}

impl Preprocessor {
    /// For a model with this spec.
    #[must_use]
    pub fn new(spec: &ModelSpec) -> Self {
        let side = spec.image_side();
        let pixels = (0..spec.patch_side()).flat_map(|_| 0..3).map(|channel| affine(spec.mean(), spec.std(), channel));
        let (scale, offset) = pixels.unzip();
        Self {
            grid: spec.grid(),
            mean: spec.mean(),
            std: spec.std(),
            scale,
            offset,
            resizer: Resizer::new(),
            visible: Vec::new(),
            resized: Array3::zeros((side, side, 3)),
            patch: vec![0.0; spec.grid().patch_len()],
            image: Array3::zeros((3, side, side)),
        }
    }

    /// Resizes a frame to the model's side (bicubic, with antialiasing) and normalizes it. The
    /// whole frame is used, so one that is not square is squeezed: cut it before where that
    /// matters.
    ///
    /// # Shapes
    /// - `frame`: `[H, W, 3]`, of any size
    /// - returns `[3, S, S]`, `S` the spec's image side, valid until the next frame
    ///
    /// # Units
    /// In: 0 to 255. Out: normalized by the spec's mean and std.
    ///
    /// # Errors
    /// [`Error::Shape`] without three channels, [`Error::EmptyPicture`] without a pixel.
    pub fn image_from_frame(&mut self, frame: ArrayView3<u8>) -> Result<ArrayView3<'_, f32>> {
        resize_into(&mut self.resizer, frame, &mut self.resized)?;
        let Self { mean, std, resized, image, .. } = self;
        normalize_into(resized.view(), *mean, *std, image);
        Ok(image.view())
    }

    /// [`Preprocessor::image_from_frame`] and [`patchify`](crate::patchify) in one pass, with the same values.
    ///
    /// # Shapes
    /// - `frame`: `[H, W, 3]`, of any size
    /// - `patches`: `[L, P·P·3]`, of the spec's grid; written whole
    ///
    /// # Units
    /// As [`Preprocessor::image_from_frame`].
    ///
    /// # Errors
    /// As [`Preprocessor::image_from_frame`], and [`Error::Shape`] if `patches` are not the grid's.
    pub fn patches_from_frame(&mut self, frame: ArrayView3<u8>, mut patches: ArrayViewMut2<f32>) -> Result<()> {
        self.check_patches(patches.view())?;
        resize_into(&mut self.resizer, frame, &mut self.resized)?;
        (0..self.grid.len()).for_each(|place| self.cut(place, patches.row_mut(place)));
        Ok(())
    }

    /// What is visible of a camera's frame: for one of red, green and blue with the values of
    /// [`Preprocessor::patches_from_frame`], for as much less work as is hidden. What a frame has of Y, U and V is resized each by
    /// itself, and turned into colours then.
    ///
    /// # Shapes
    /// - `patches`: `[L, P·P·3]`, of the spec's grid, of which the visible ones are written
    ///
    /// # Units
    /// As [`Preprocessor::image_from_frame`].
    ///
    /// # Errors
    /// [`Error::Shape`] if `patches` are not the grid's, [`Error::OtherGrid`] if the mask is not.
    pub fn visible_patches_from_frame(
        &mut self,
        frame: &Frame,
        mask: &Mask,
        mut patches: ArrayViewMut2<f32>,
    ) -> Result<()> {
        self.check_patches(patches.view())?;
        mask.check_grid(self.grid)?;
        let make = || Ok::<_, Error>(VisibleResizer::new(frame.shape(), self.grid.height()));
        let visible = for_shape(&mut self.visible, frame.shape(), make)?;
        visible.resize(frame, mask, self.resized.as_slice_mut().unwrap_or_default());
        mask.visible().iter().for_each(|&place| self.cut(place, patches.row_mut(place)));
        Ok(())
    }

    fn check_patches(&self, patches: ArrayView2<f32>) -> Result<()> {
        Error::check_shape("patches", &[self.grid.len(), self.grid.patch_len()], patches.shape())
    }

    /// Normalizes a patch of what was resized.
    fn cut(&mut self, place: usize, mut patch: ArrayViewMut1<f32>) {
        let Self { grid, scale, offset, resized, patch: values, .. } = self;
        let (row_len, (row, column)) = (3 * grid.patch(), grid.position(place));
        let lines = resized.as_slice().unwrap_or_default().chunks_exact(row_len * grid.cols());
        let lines = lines.skip(row * grid.patch()).map(|line| &line[column * row_len..(column + 1) * row_len]);
        for (values, bytes) in values.chunks_exact_mut(row_len).zip(lines) {
            let pixels = bytes.iter().zip(scale.iter()).zip(offset.iter());
            values.iter_mut().zip(pixels).for_each(|(value, ((&byte, scale), offset))| {
                *value = f32::from(byte) * scale + offset;
            });
        }
        patch.assign(&ArrayView1::from(&*values));
    }

    /// The last frame in the model's size, what was looked at of it: `[S, S, 3]`.
    pub(crate) fn resized(&self) -> ArrayView3<'_, u8> {
        self.resized.view()
    }

    /// Undoes the normalization and rounds to bytes; what lies outside 0 to 255 is cut off.
    ///
    /// # Shapes
    /// - `image`: `[3, H, W]`, of any size
    /// - returns `[H, W, 3]`
    ///
    /// # Units
    /// In: normalized by the spec's mean and std. Out: 0 to 255.
    ///
    /// # Errors
    /// [`Error::Shape`] without three channels.
    pub fn frame_from_image(&self, image: ArrayView3<f32>) -> Result<Array3<u8>> {
        let (channels, height, width) = image.dim();
        Error::check_shape("image", &[3, height, width], &[channels, height, width])?;
        let mut frame = Array3::zeros((height, width, 3));
        for (channel, plane) in image.axis_iter(Axis(0)).enumerate() {
            let (scale, offset) = (255.0 * self.std[channel], 255.0 * self.mean[channel]);
            let bytes = frame.index_axis_mut(Axis(2), channel);
            // `as` cuts off what a byte cannot hold.
            Zip::from(bytes).and(plane).for_each(|byte, &value| {
                *byte = (value * scale + offset).round() as u8;
            });
        }
        Ok(frame)
    }
}

/// Resizes a picture: bicubic (Catmull–Rom), with antialiasing where it shrinks.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`, of any size
/// - returns `[height_px, width_px, 3]`
///
/// # Errors
/// [`Error::Shape`] without three channels, [`Error::EmptyPicture`] if either size is zero.
pub fn resize(picture: ArrayView3<u8>, height_px: usize, width_px: usize) -> Result<Array3<u8>> {
    if height_px == 0 || width_px == 0 {
        return Err(Error::EmptyPicture { what: "resized picture", height_px, width_px });
    }
    let mut resized = Array3::zeros((height_px, width_px, 3));
    resize_into(&mut Resizer::new(), picture, &mut resized)?;
    Ok(resized)
}

fn resize_into(resizer: &mut Resizer, from: ArrayView3<u8>, to: &mut Array3<u8>) -> Result<()> {
    let (height_px, width_px, channels) = from.dim();
    Error::check_shape("frame", &[height_px, width_px, 3], &[height_px, width_px, channels])?;
    if height_px == 0 || width_px == 0 {
        return Err(Error::EmptyPicture { what: "frame", height_px, width_px });
    }
    if from.dim() == to.dim() {
        to.assign(&from);
        return Ok(());
    }
    let (to_height_px, to_width_px, _) = to.dim();
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Resize {
        from: (height_px, width_px),
        to: (to_height_px, to_width_px),
        source,
    };
    let from = from.as_standard_layout();
    let source = from.as_slice().unwrap_or_default();
    let target = to.as_slice_mut().unwrap_or_default();
    let source = TypedImageRef::<U8x3>::from_buffer(width_px as u32, height_px as u32, source)
        .map_err(|error| failed(error.into()))?;
    let mut target = TypedImage::from_buffer(to_width_px as u32, to_height_px as u32, target)
        .map_err(|error| failed(error.into()))?;
    let bicubic = ResizeAlg::Convolution(FilterType::CatmullRom);
    let options = ResizeOptions::new().resize_alg(bicubic).use_alpha(false);
    resizer.resize_typed(&source, &mut target, &options).map_err(|error| failed(error.into()))
}

/// `[H, W, 3]` bytes to `[3, H, W]` normalized values.
fn normalize_into(frame: ArrayView3<u8>, mean: [f32; 3], std: [f32; 3], image: &mut Array3<f32>) {
    for (channel, plane) in image.axis_iter_mut(Axis(0)).enumerate() {
        let (scale, offset) = affine(mean, std, channel);
        let bytes = frame.index_axis(Axis(2), channel);
        Zip::from(plane).and(bytes).for_each(|value, &byte| {
            *value = f32::from(byte) * scale + offset;
        });
    }
}

/// What a channel's byte is multiplied by, and what is added then.
fn affine(mean: [f32; 3], std: [f32; 3], channel: usize) -> (f32, f32) {
    (1.0 / (255.0 * std[channel]), -mean[channel] / std[channel])
}

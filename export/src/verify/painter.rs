//! A bundle's painting: as the runtime does it, with its model and without, and the model's answer as it is.

use anyhow::{Context, ensure};
use glimpse_models::{Bundle, Precision};
use glimpse_runtime::inpaint::{Fill, Inpainter, PaintOptions, fill};
use glimpse_runtime::{Mask, Model, Options, Preprocessor, composite, patchify, unpatchify};
use image::RgbImage;
use ndarray::{Array2, Array3, ArrayView3};

/// One precision of a bundle, ready to paint.
pub struct Painter {
    inpainter: Inpainter,
    model: Model,
    preprocessor: Preprocessor,
    paint: PaintOptions,
}

impl Painter {
    /// Loads the bundle, to run on the calling thread alone.
    ///
    /// # Errors
    /// When the runtime cannot load it, or the model cannot paint.
    pub fn new(bundle: &Bundle, precision: Precision, paint: PaintOptions) -> anyhow::Result<Self> {
        let options = Options { precision, threads: Some(1), ..Options::default() };
        Ok(Self {
            inpainter: Inpainter::new(bundle, &options)?,
            model: Model::load(bundle, &options)?,
            preprocessor: Preprocessor::new(bundle.spec()),
            paint,
        })
    }

    /// Paints a hole as `glimpse inpaint --method mae` does.
    ///
    /// # Shapes
    /// - `hole`: `[H, W]` of the picture
    ///
    /// # Errors
    /// When the runtime refuses, or has changed a pixel outside of the hole.
    pub fn inpaint(&mut self, picture: &RgbImage, hole: &Array2<bool>) -> anyhow::Result<RgbImage> {
        let painted = self.inpainter.paint(view(picture)?, hole.view(), &self.paint)?;
        picture_inside(picture, &painted, hole)
    }

    /// Pastes the model's answer into the hole: one window, no blending.
    ///
    /// # Shapes
    /// - `picture`: of the model's side
    /// - `hole`: `[H, W]` of the picture, made of whole patches
    ///
    /// # Errors
    /// When the runtime refuses.
    pub fn paste(&mut self, picture: &RgbImage, hole: &Array2<bool>) -> anyhow::Result<RgbImage> {
        let grid = self.model.grid();
        let mask = Mask::from_pixels(grid, hole.view())?;
        let image = self.preprocessor.image_from_frame(view(picture)?)?; // [3, S, S]
        let patches = patchify(image, grid)?; // [L, P·P·3]
        let patches = self.model.reconstruct(patches.view(), &mask)?; // [L, P·P·3]
        let image = unpatchify(patches, grid)?; // [3, S, S]
        let answer = self.preprocessor.frame_from_image(image.view())?; // [S, S, 3]
        picture_from_array(&composite(view(picture)?, answer.view(), hole.view())?)
    }
}

/// Fills a hole without a model, as `glimpse inpaint --method` does.
///
/// # Shapes
/// - `hole`: `[H, W]` of the picture
///
/// # Errors
/// As [`Painter::inpaint`].
pub fn filled(picture: &RgbImage, hole: &Array2<bool>, method: Fill) -> anyhow::Result<RgbImage> {
    picture_inside(picture, &fill(view(picture)?, hole.view(), method, Some(1))?, hole)
}

/// A painted picture that differs from the original inside the hole alone.
fn picture_inside(picture: &RgbImage, painted: &Array3<u8>, hole: &Array2<bool>) -> anyhow::Result<RgbImage> {
    let painted = picture_from_array(painted)?;
    let changed = |((before, after), hidden): ((&image::Rgb<u8>, &image::Rgb<u8>), &bool)| !hidden && before != after;
    ensure!(
        !picture.pixels().zip(painted.pixels()).zip(hole).any(changed),
        "the runtime changed a pixel outside of the hole"
    );
    Ok(painted)
}

/// # Shapes
/// - returns `[H, W, 3]`
fn view(picture: &RgbImage) -> anyhow::Result<ArrayView3<'_, u8>> {
    let shape = (picture.height() as usize, picture.width() as usize, 3);
    Ok(ArrayView3::from_shape(shape, picture.as_raw())?)
}

/// # Shapes
/// - `array`: `[H, W, 3]`
fn picture_from_array(array: &Array3<u8>) -> anyhow::Result<RgbImage> {
    let (height, width, _) = array.dim();
    let pixels = array.as_standard_layout().iter().copied().collect();
    RgbImage::from_raw(width as u32, height as u32, pixels).context("a painted picture has three channels")
}

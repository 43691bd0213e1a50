//! Pictures as files: what is read, kept through the painting, and written again.

mod format;
mod jpeg;
mod jpeg_bounds;
mod list;
mod read;
mod write;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use ndarray::{Array2, ArrayView2, ArrayView3};

pub use self::format::Format;
use self::jpeg::JpegStyle;
pub use self::jpeg_bounds::{is_too_short, read_jpeg};
pub use self::list::list;
pub use self::write::UNFINISHED;

/// A picture of 8 bits a channel, grey or coloured, with or without transparency.
///
/// Its pixels are held upright, as they are seen; how they lie in the file, its colour profile and its EXIF data are
/// kept for writing.
#[derive(Debug, Clone)]
pub struct Picture {
    /// One of the four 8-bit kinds.
    pixels: DynamicImage,
    format: Format,
    orientation: Orientation,
    icc_profile: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    jpeg: Option<JpegStyle>,
}

impl Picture {
    /// Rows, upright.
    pub fn height(&self) -> usize {
        self.pixels.height() as usize
    }

    /// Columns, upright.
    pub fn width(&self) -> usize {
        self.pixels.width() as usize
    }

    /// The colours, without transparency.
    pub fn to_rgb(&self) -> RgbImage {
        self.pixels.to_rgb8()
    }

    /// The opacity of each pixel, `[H, W]`, if the picture has any.
    pub fn alpha(&self) -> Option<Array2<u8>> {
        let opacity: Vec<u8> = match &self.pixels {
            DynamicImage::ImageRgba8(rgba) => rgba.pixels().map(|p| p.0[3]).collect(),
            DynamicImage::ImageLumaA8(grey) => grey.pixels().map(|p| p.0[1]).collect(),
            _ => return None,
        };
        Array2::from_shape_vec((self.height(), self.width()), opacity).ok()
    }

    /// The picture as a mask: its brightness, and black where it is transparent.
    pub fn into_grey(self) -> GrayImage {
        let alpha = self.alpha();
        let mut grey = self.pixels.into_luma8();
        if let Some(alpha) = alpha {
            grey.iter_mut().zip(&alpha).for_each(|(v, a)| *v = (u16::from(*v) * u16::from(*a) / 255) as u8);
        }
        grey
    }

    /// The same file with other pixels, upright.
    pub fn with_pixels(&self, pixels: DynamicImage) -> Self {
        let mut exif = self.exif.clone();
        if let Some(exif) = &mut exif {
            let _: Option<Orientation> = Orientation::remove_from_exif_chunk(exif);
        }
        // a profile is for grey or for colours
        let is_alike = pixels.color().has_color() == self.pixels.color().has_color();
        let icc_profile = self.icc_profile.clone().filter(|_| is_alike);
        Self { pixels, exif, icc_profile, orientation: Orientation::NoTransforms, jpeg: self.jpeg.clone(), ..*self }
    }

    /// This picture with the hole's pixels taken from another; all others are left as they are. A grey picture takes the
    /// brightness; opacity stays, unless the hole is to become opaque.
    ///
    /// # Shapes
    /// - `painted`: `[H, W, 3]`
    /// - `hole`: `[H, W]`
    pub fn painted(&self, painted: ArrayView3<u8>, hole: ArrayView2<bool>, opaque: bool) -> Self {
        let mut picture = self.clone();
        for ((y, x), _) in hole.indexed_iter().filter(|(_, hidden)| **hidden) {
            let colour: [u8; 3] = std::array::from_fn(|channel| painted[[y, x, channel]]);
            let (column, row) = (x as u32, y as u32);
            match &mut picture.pixels {
                DynamicImage::ImageLuma8(grey) => grey.get_pixel_mut(column, row).0 = [luma(colour)],
                DynamicImage::ImageLumaA8(grey) => {
                    let pixel = &mut grey.get_pixel_mut(column, row).0;
                    *pixel = [luma(colour), if opaque { u8::MAX } else { pixel[1] }];
                }
                DynamicImage::ImageRgba8(rgba) => {
                    let pixel = &mut rgba.get_pixel_mut(column, row).0;
                    let [red, green, blue] = colour;
                    *pixel = [red, green, blue, if opaque { u8::MAX } else { pixel[3] }];
                }
                DynamicImage::ImageRgb8(rgb) => rgb.get_pixel_mut(column, row).0 = colour,
                _ => {}
            }
        }
        picture
    }
}

/// The brightness of a colour.
///
/// # Source
/// ITU-R BT.601.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) + 500) / 1000) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_the_same_grey() {
        assert!((0..=255).all(|v| luma([v, v, v]) == v));
    }
}

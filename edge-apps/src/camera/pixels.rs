//! A frame's bytes as they come, as a model looks at them, and as red, green and blue.

use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use glimpse_runtime::{ColourRange, Frame, Layout};
use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageDecoder as _, Limits};
use ndarray::Array3;
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvPackedImage, YuvPlanarImage, YuvRange, YuvStandardMatrix};

use crate::picture::is_too_short;

/// The largest side of a frame, in pixels.
pub const MOST_SIDE: u32 = 16_384;

/// How a frame's pixels lie in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum PixelFormat {
    /// 4:2:2, two pixels in Y U Y V
    Yuyv,
    /// 4:2:2, two pixels in U Y V Y
    Uyvy,
    /// 4:2:0: all Y, then U and V in turns
    Nv12,
    /// 4:2:0: all Y, all U, all V
    I420,
    /// A JPEG a frame
    Mjpeg,
    /// Three bytes a pixel
    Rgb,
    /// Three bytes a pixel, blue first
    Bgr,
    /// A byte a pixel
    Grey,
    /// 4:2:2: all Y, all U, all V
    #[value(skip)]
    I422,
    /// 4:4:4: all Y, all U, all V
    #[value(skip)]
    I444,
}

impl PixelFormat {
    /// The layout of such frames; none if they are to be decoded first.
    pub const fn layout(self) -> Option<Layout> {
        Some(match self {
            Self::Mjpeg => return None,
            Self::Yuyv => Layout::Yuyv,
            Self::Uyvy => Layout::Uyvy,
            Self::Nv12 => Layout::Nv12,
            Self::I420 => Layout::I420,
            Self::I422 => Layout::I422,
            Self::I444 => Layout::I444,
            Self::Rgb => Layout::Rgb,
            Self::Bgr => Layout::Bgr,
            Self::Grey => Layout::Grey,
        })
    }

    /// Bytes of a frame; none if they follow from what is in it.
    pub fn bytes(self, width: u32, height: u32) -> Option<usize> {
        self.layout().map(|layout| layout.bytes(height as usize, width as usize))
    }
}

/// A frame as its source gives it.
#[derive(Debug, Clone)]
pub struct RawFrame {
    pub format: PixelFormat,
    /// Of what is YUV, and no JPEG, which says it itself.
    pub range: ColourRange,
    /// In pixels; of a JPEG, whatever it says itself.
    pub width: u32,
    pub height: u32,
    pub bytes: Vec<u8>,
    /// When it was there: to be said, and to be measured from.
    pub captured: SystemTime,
    pub captured_at: Instant,
    /// Frames a second of its source, if that says so.
    pub fps: Option<f64>,
}

impl RawFrame {
    /// A frame that is there now; if it is YUV, in video's range.
    pub fn now(format: PixelFormat, width: u32, height: u32, bytes: Vec<u8>) -> Self {
        let (captured, captured_at) = (SystemTime::now(), Instant::now());
        Self { format, range: ColourRange::Limited, width, height, bytes, captured, captured_at, fps: None }
    }

    /// The same in a range that its source has said.
    pub fn in_range(self, range: ColourRange) -> Self {
        Self { range, ..self }
    }

    /// The same at a rate that its source has said.
    pub fn at(self, fps: Option<f64>) -> Self {
        Self { fps, ..self }
    }

    /// The frame as a model looks at it: what is a JPEG is decoded, all else is left as it is.
    ///
    /// # Errors
    /// When the bytes are not those of such a frame.
    pub fn into_frame(self) -> Result<Frame> {
        let Self { format, range, width, height, bytes, .. } = self;
        let Some(layout) = format.layout() else { return Ok(Frame::from_pixels(rgb_from_jpeg(&bytes)?)?) };
        let sides = 1..=MOST_SIDE;
        ensure!(sides.contains(&width) && sides.contains(&height), "a frame of {width}×{height} pixels");
        let expected = layout.bytes(height as usize, width as usize);
        ensure!(
            bytes.len() == expected,
            "a frame of {width}×{height} pixels in {format:?} has {expected} bytes, this one {}",
            bytes.len()
        );
        Ok(Frame::new(layout, range, [height as usize, width as usize], bytes)?)
    }
}

/// Red, green and blue of a whole frame: `[H, W, 3]`, for people to look at. What is YUV is taken for BT.601, as cameras have it.
///
/// # Errors
/// When its layout is not known.
pub fn rgb_of(frame: &Frame) -> Result<Array3<u8>> {
    let (bytes, width, height) = (frame.bytes(), frame.width() as u32, frame.height() as u32);
    let mut rgb = vec![0; 3 * frame.width() * frame.height()];
    let stride = 3 * width;
    let range = match frame.range() {
        ColourRange::Limited => YuvRange::Limited,
        ColourRange::Full => YuvRange::Full,
    };
    let matrix = YuvStandardMatrix::Bt601;
    let mode = YuvConversionMode::Balanced;
    let packed = YuvPackedImage { yuy: bytes, yuy_stride: 4 * width.div_ceil(2), width, height };
    let luma = frame.width() * frame.height();
    match frame.layout() {
        Layout::Yuyv => yuv::yuyv422_to_rgb(&packed, &mut rgb, stride, range, matrix)?,
        Layout::Uyvy => yuv::uyvy422_to_rgb(&packed, &mut rgb, stride, range, matrix)?,
        Layout::Nv12 => {
            let (y_plane, uv_plane) = bytes.split_at(luma);
            let uv_stride = 2 * width.div_ceil(2);
            let planes = YuvBiPlanarImage { y_plane, y_stride: width, uv_plane, uv_stride, width, height };
            yuv::yuv_nv12_to_rgb(&planes, &mut rgb, stride, range, matrix, mode)?;
        }
        layout @ (Layout::I420 | Layout::I422 | Layout::I444) => {
            let (y_plane, chroma) = bytes.split_at(luma);
            let (u_plane, v_plane) = chroma.split_at(chroma.len() / 2);
            let u_stride = if layout == Layout::I444 { width } else { width.div_ceil(2) };
            let planes = YuvPlanarImage {
                y_plane,
                y_stride: width,
                u_plane,
                u_stride,
                v_plane,
                v_stride: u_stride,
                width,
                height,
            };
            match layout {
                Layout::I420 => yuv::yuv420_to_rgb(&planes, &mut rgb, stride, range, matrix)?,
                Layout::I422 => yuv::yuv422_to_rgb(&planes, &mut rgb, stride, range, matrix)?,
                _ => yuv::yuv444_to_rgb(&planes, &mut rgb, stride, range, matrix)?,
            }
        }
        Layout::Grey => {
            for (pixel, &grey) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(bytes) {
                *pixel = [grey; 3];
            }
        }
        Layout::Bgr => {
            for (pixel, &[blue, green, red]) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(bytes.as_chunks().0) {
                *pixel = [red, green, blue];
            }
        }
        Layout::Rgb => rgb.copy_from_slice(bytes),
        layout => bail!("frames in {layout:?} cannot be shown"),
    }
    Ok(Array3::from_shape_vec((frame.height(), frame.width(), 3), rgb)?)
}

/// Decodes a JPEG that a camera made.
fn rgb_from_jpeg(bytes: &[u8]) -> Result<Array3<u8>> {
    let broken = "a frame that is no whole JPEG";
    let mut decoder = JpegDecoder::new(std::io::Cursor::new(bytes)).context(broken)?;
    ensure!(!is_too_short(bytes.len(), decoder.dimensions()), "{broken}: it has too few bytes for its size");
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    decoder.set_limits(limits).context(broken)?;
    let picture = DynamicImage::from_decoder(decoder).context(broken)?.into_rgb8();
    let (width, height) = picture.dimensions();
    Ok(Array3::from_shape_vec((height as usize, width as usize, 3), picture.into_raw())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: [u8; 3] = [200, 90, 40];

    /// By BT.601's own formula in video's range, and by JPEG's (JFIF 1.02) in all of a byte's.
    #[test]
    fn a_colour_is_the_same_in_every_format_and_range() {
        let [r, g, b] = COLOUR.map(f64::from);
        let y = 16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0;
        let u = 128.0 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255.0;
        let v = 128.0 + (112.0 * r - 93.786 * g - 18.214 * b) / 255.0;
        same_in_every_format(ColourRange::Limited, [y, u, v].map(|value| value.round() as u8));
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        let u = 128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b;
        let v = 128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b;
        same_in_every_format(ColourRange::Full, [y, u, v].map(|value| value.round() as u8));
    }

    fn same_in_every_format(range: ColourRange, [y, u, v]: [u8; 3]) {
        let [red, green, blue] = COLOUR;
        for (width, height) in [(1u32, 1u32), (2, 2), (5, 3), (64, 36), (33, 34)] {
            let pixels = (width * height) as usize;
            let repeated = |bytes: &[u8], count: usize| bytes.repeat(count);
            for format in PixelFormat::value_variants().iter().chain(&[PixelFormat::I422, PixelFormat::I444]) {
                let half = width.div_ceil(2) as usize * height as usize;
                let quarter = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
                let planes =
                    |chroma: usize| [repeated(&[y], pixels), repeated(&[u], chroma), repeated(&[v], chroma)].concat();
                let bytes = match format {
                    PixelFormat::Yuyv => repeated(&[y, u, y, v], half),
                    PixelFormat::Uyvy => repeated(&[u, y, v, y], half),
                    PixelFormat::Nv12 => [repeated(&[y], pixels), repeated(&[u, v], quarter)].concat(),
                    PixelFormat::I420 => planes(quarter),
                    PixelFormat::I422 => planes(half),
                    PixelFormat::I444 => planes(pixels),
                    PixelFormat::Rgb => repeated(&[red, green, blue], pixels),
                    PixelFormat::Bgr => repeated(&[blue, green, red], pixels),
                    PixelFormat::Grey => repeated(&[90], pixels),
                    PixelFormat::Mjpeg => {
                        let picture = image::RgbImage::from_pixel(width, height, image::Rgb([red, green, blue]));
                        let mut jpeg = std::io::Cursor::new(Vec::new());
                        picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
                        jpeg.into_inner()
                    }
                };
                let frame = RawFrame::now(*format, width, height, bytes).in_range(range).into_frame().unwrap();
                let rgb = rgb_of(&frame).unwrap();
                let expected = if *format == PixelFormat::Grey { [90; 3] } else { [red, green, blue] };
                assert_eq!(rgb.dim(), (height as usize, width as usize, 3));
                for pixel in rgb.rows() {
                    let apart = pixel.iter().zip(expected).map(|(got, expected)| got.abs_diff(expected)).max();
                    assert!(apart.unwrap() <= 3, "{format:?} {range:?} {width}×{height}: {pixel}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for format in PixelFormat::value_variants() {
            for (width, height) in [(0, 4), (4, 0), (MOST_SIDE + 1, 2), (6, 4)] {
                let refused = RawFrame::now(*format, width, height, vec![7; 35]).into_frame();
                assert!(refused.is_err(), "{format:?} {width}×{height}");
            }
        }
        let mut jpeg = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(8, 8).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let mut jpeg = jpeg.into_inner();
        assert!(RawFrame::now(PixelFormat::Mjpeg, 0, 0, jpeg.clone()).into_frame().is_ok());
        // height and width, three bytes after the frame header's marker
        let header = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
        jpeg[header + 5..header + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
        let refused = RawFrame::now(PixelFormat::Mjpeg, 0, 0, jpeg).into_frame().unwrap_err();
        assert!(refused.to_string().contains("too few bytes"), "{refused:#}");
    }
}

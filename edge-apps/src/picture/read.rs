//! Reads a picture file, and says what is wrong with one that cannot be painted.

use std::io::{Cursor, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result, bail};
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, Limits};

use super::{Format, JpegStyle, Picture, is_too_short, read_jpeg};

/// A picture of more pixels is refused before it is unpacked: a small file can claim any size.
const MOST_PIXELS: u64 = 100_000_000;

/// What a decoder may take beside the pixels themselves.
const MOST_BYTES: u64 = 1 << 30;

impl Picture {
    /// Reads a picture and turns it upright.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_any(path)?.paintable(path)
    }

    /// This picture, if it is one that can be painted.
    fn paintable(self, path: &Path) -> Result<Self> {
        let kind = self.pixels.color();
        if !matches!(kind, ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8) {
            bail!(
                "{} has {} bits a channel and Glimpse paints 8; save it with 8 bits a channel first",
                path.display(),
                kind.bits_per_pixel() / u16::from(kind.channel_count())
            );
        }
        Ok(self)
    }

    /// Reads a picture that is only looked at, of any number of bits.
    pub fn read_to_look_at(path: &Path) -> Result<Self> {
        let mut picture = Self::read_any(path)?;
        if !matches!(picture.pixels.color(), ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8) {
            picture.pixels = picture.pixels.to_rgba8().into();
        }
        Ok(picture)
    }

    /// Reads the bytes of a file, which errors call by its path.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        Self::decode(bytes, path)?.paintable(path)
    }

    fn read_any(path: &Path) -> Result<Self> {
        if path.is_dir() {
            bail!("{} is a folder, not a picture; name a file in it", path.display());
        }
        if !path.exists() {
            bail!("there is no file {}; check the path", path.display());
        }
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Self::decode(&bytes, path)
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let Some(format) = Format::from_bytes(bytes) else {
            bail!("{} is not a JPEG, PNG or WebP picture; convert it to one of these first", path.display());
        };
        let broken = || format!("{} is a broken picture; open and save it with another program", path.display());
        let animated = || {
            format!("{} is an animation and Glimpse paints single pictures; save the frame you want", path.display())
        };
        let source = Cursor::new(bytes);
        match format {
            Format::Jpeg => {
                let style = JpegStyle::from_bytes(bytes);
                if style.as_ref().is_some_and(|style| style.channels > 3) {
                    bail!("{} is a CMYK picture, made for print; save it as RGB first", path.display());
                }
                // the decoder makes what is missing grey, and says nothing
                if read_jpeg(&mut &*bytes, &mut Vec::new()).is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof)
                {
                    bail!("{} breaks off in the middle: fetch or copy it once more", path.display());
                }
                let decoder = JpegDecoder::new(source).with_context(broken)?;
                if is_too_short(bytes.len(), decoder.dimensions()) {
                    let (width, height) = decoder.dimensions();
                    bail!(
                        "{} has {} bytes and claims {width}×{height} pixels: it is broken",
                        path.display(),
                        bytes.len()
                    );
                }
                Ok(Self { jpeg: style, ..finish(decoder, format, path).with_context(broken)?? })
            }
            Format::Png => {
                let decoder = PngDecoder::with_limits(source, limits()).with_context(broken)?;
                if decoder.is_apng().with_context(broken)? {
                    bail!(animated());
                }
                finish(decoder, format, path).with_context(broken)?
            }
            Format::WebP => {
                let decoder = WebPDecoder::new(source).with_context(broken)?;
                if decoder.has_animation() {
                    bail!(animated());
                }
                finish(decoder, format, path).with_context(broken)?
            }
        }
    }
}

/// The outer error is the decoder's, the inner one a refusal that speaks for itself.
fn finish(mut decoder: impl ImageDecoder, format: Format, path: &Path) -> image::ImageResult<Result<Picture>> {
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Ok(Err(anyhow::anyhow!(
            "{} has {width}×{height} pixels and the most is {} million; make it smaller first",
            path.display(),
            MOST_PIXELS / 1_000_000
        )));
    }
    decoder.set_limits(limits())?;
    let icc_profile = decoder.icc_profile()?;
    let exif = decoder.exif_metadata()?;
    let orientation = exif.as_deref().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let mut pixels = DynamicImage::from_decoder(decoder)?;
    pixels.apply_orientation(orientation);
    Ok(Ok(Picture { pixels, format, orientation, icc_profile, exif, jpeg: None }))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    limits
}

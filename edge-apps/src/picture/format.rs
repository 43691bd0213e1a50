//! The kinds of files that are read and written.

use std::path::Path;

use anyhow::{Result, bail};
use image::ImageFormat;

/// A kind of picture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
}

/// Most pixels of a side.
///
/// # Source
/// ITU-T T.81, table B.2: 16 bits.
const MOST_JPEG_PX: usize = 65_535;
/// Most pixels of a side.
///
/// # Source
/// RFC 9649, the header of the lossless bitstream: one less in 14 bits.
const MOST_WEBP_PX: usize = 16_384;

impl Format {
    /// Why a picture of this width and height cannot be written, if it cannot.
    pub fn refusal(self, [width, height]: [usize; 2]) -> Option<String> {
        let (name, most, others) = match self {
            Self::Jpeg => ("JPEG", MOST_JPEG_PX, ".png"),
            Self::WebP => ("WebP", MOST_WEBP_PX, ".png or .jpg"),
            // more than any picture that is read
            Self::Png => return None,
        };
        (width.max(height) > most).then(|| {
            format!(
                "it would have {width}×{height} pixels, and a {name} file holds at most {most} a side; write a {others}, or make \
                 the picture smaller first"
            )
        })
    }

    /// The format that a file name's ending asks for.
    pub fn from_path(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match ending.as_str() {
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "png" => Ok(Self::Png),
            "webp" => Ok(Self::WebP),
            _ => bail!("{} names no format that can be written; let it end in .jpg, .png or .webp", path.display()),
        }
    }

    /// The format that a file's first bytes show.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match image::guess_format(bytes).ok()? {
            ImageFormat::Jpeg => Some(Self::Jpeg),
            ImageFormat::Png => Some(Self::Png),
            ImageFormat::WebP => Some(Self::WebP),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::webp::WebPEncoder;
    use image::{ExtendedColorType, ImageEncoder as _};

    use super::super::jpeg::JpegWriter;
    use super::*;

    #[test]
    fn a_format_holds_what_its_writer_writes_and_no_more() {
        let write = |format: Format, width: usize| {
            let (mut file, pixels) = (Vec::new(), vec![7; width]);
            match format {
                Format::Jpeg => {
                    JpegWriter::new(&mut file, None).write_image(&pixels, width as u32, 1, ExtendedColorType::L8)
                }
                _ => WebPEncoder::new_lossless(&mut file).write_image(&pixels, width as u32, 1, ExtendedColorType::L8),
            }
        };
        for (format, most) in [(Format::Jpeg, MOST_JPEG_PX), (Format::WebP, MOST_WEBP_PX)] {
            for (width, is_held) in [(most, true), (most + 1, false)] {
                assert_eq!(format.refusal([width, 1]).is_none(), is_held, "{format:?} {width}");
                assert_eq!(format.refusal([1, width]).is_none(), is_held, "{format:?} {width}");
                assert_eq!(write(format, width).is_ok(), is_held, "{format:?} {width}");
            }
        }
    }
}

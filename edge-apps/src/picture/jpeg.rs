//! How a JPEG file was compressed, so that it can be compressed the same way again.

use image::ImageEncoder;
use jpeg_encoder::{ChromaSubsamplingMethod, Encoder, QuantizationTableType, SamplingFactor};

/// The choices of the encoder that wrote a file.
#[derive(Debug, Clone)]
pub struct JpegStyle {
    /// Steps of brightness and of colour, `[8·8]` row-major. A grey file has the first alone.
    pub tables: [[u16; 64]; 2],
    /// Pixels of brightness for one of colour, across and down.
    pub subsampling: (u8, u8),
    pub progressive: bool,
    /// Channels: 1 grey, 3 coloured, 4 for print.
    pub channels: usize,
}

/// Quality of a JPEG file that is made from something else.
const QUALITY: u8 = 95;

/// Row-major place of each number of a table in the file.
#[rustfmt::skip]
const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

impl JpegStyle {
    /// Reads the headers up to the first scan; none if they are not as they should be.
    ///
    /// # Source
    /// ITU-T T.81, annex B.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut tables: [Option<[u16; 64]>; 4] = [None; 4];
        let mut frame: Option<(bool, Vec<[u8; 3]>)> = None;
        let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
        loop {
            let [0xFF, marker, after @ ..] = rest else { return None };
            if *marker == 0xFF {
                rest = rest.get(1..)?;
                continue;
            }
            let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
            let segment = after.get(2..length)?;
            match marker {
                0xDB => read_tables(segment, &mut tables)?,
                0xC0..=0xC2 => {
                    let components = segment.get(6..)?.chunks_exact(3);
                    let components = components.map(|c| [c[1] >> 4, c[1] & 15, c[2]]).collect();
                    frame = Some((*marker == 0xC2, components));
                }
                0xDA => break,
                _ => {}
            }
            rest = after.get(length..)?;
        }
        let (progressive, components) = frame?;
        let [across, down, luma] = *components.first()?;
        let [chroma_across, chroma_down, chroma] = *components.get(1).unwrap_or(&[across, down, luma]);
        let table = |index: u8| tables.get(usize::from(index)).copied().flatten();
        Some(Self {
            tables: [table(luma)?, table(chroma)?],
            subsampling: (across.checked_div(chroma_across)?, down.checked_div(chroma_down)?),
            progressive,
            channels: components.len(),
        })
    }
}

/// Reads one DQT segment, which may hold several tables.
fn read_tables(mut segment: &[u8], tables: &mut [Option<[u16; 64]>; 4]) -> Option<()> {
    while let [head, numbers @ ..] = segment {
        let bytes_each = if head >> 4 == 0 { 1 } else { 2 };
        let (numbers, rest) = numbers.split_at_checked(64 * bytes_each)?;
        let mut table = [0; 64];
        for (number, place) in numbers.chunks_exact(bytes_each).zip(ZIGZAG) {
            table[place] = number.iter().fold(0, |value, byte| value << 8 | u16::from(*byte));
        }
        *tables.get_mut(usize::from(head & 15))? = Some(table);
        segment = rest;
    }
    Some(())
}

/// Writes a JPEG file in a style, or at quality 95 without subsampling. It is an encoder of the crate `image`, so that
/// the formats are written alike.
pub struct JpegWriter<'a> {
    encoder: Encoder<&'a mut Vec<u8>>,
}

impl<'a> JpegWriter<'a> {
    pub fn new(file: &'a mut Vec<u8>, style: Option<&JpegStyle>) -> Self {
        let mut encoder = Encoder::new(file, QUALITY);
        encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.set_optimized_huffman_tables(true);
        if let Some(style) = style {
            // The encoder writes tables of 8 bits: steps beyond are those of no photograph.
            let [luma, chroma] =
                style.tables.map(|table| QuantizationTableType::Custom(Box::new(table.map(|step| step.clamp(1, 255)))));
            encoder.set_quantization_tables(luma, chroma);
            let (across, down) = style.subsampling;
            let sampling = SamplingFactor::from_factors(across, down);
            encoder.set_sampling_factor(sampling.unwrap_or(SamplingFactor::R_4_4_4));
            encoder.set_progressive(style.progressive);
        }
        Self { encoder }
    }
}

impl ImageEncoder for JpegWriter<'_> {
    fn write_image(
        self,
        pixels: &[u8],
        width: u32,
        height: u32,
        kind: image::ExtendedColorType,
    ) -> image::ImageResult<()> {
        let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err(failed(format!("a JPEG file holds at most 65535×65535 pixels, not {width}×{height}")));
        };
        let kind = match kind {
            image::ExtendedColorType::L8 => jpeg_encoder::ColorType::Luma,
            image::ExtendedColorType::Rgb8 => jpeg_encoder::ColorType::Rgb,
            _ => return Err(failed("a JPEG file holds grey or RGB pixels of 8 bits".to_owned())),
        };
        self.encoder.encode(pixels, width, height, kind).map_err(|error| failed(error.to_string()))
    }

    fn set_icc_profile(&mut self, profile: Vec<u8>) -> Result<(), image::error::UnsupportedError> {
        self.encoder.add_icc_profile(&profile).map_err(|_| too_large("the colour profile"))
    }

    fn set_exif_metadata(&mut self, exif: Vec<u8>) -> Result<(), image::error::UnsupportedError> {
        self.encoder.add_exif_metadata(&exif).map_err(|_| too_large("the EXIF data"))
    }
}

fn failed(reason: String) -> image::ImageError {
    let format = image::ImageFormat::Jpeg.into();
    image::ImageError::Encoding(image::error::EncodingError::new(format, reason))
}

fn too_large(what: &str) -> image::error::UnsupportedError {
    image::error::UnsupportedError::from_format_and_kind(
        image::ImageFormat::Jpeg.into(),
        image::error::UnsupportedErrorKind::GenericFeature(format!("{what}: too large for a JPEG file")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(subsampling: (u8, u8), progressive: bool) -> JpegStyle {
        let table = |first: u16| std::array::from_fn(|index| first + index as u16 * 2);
        JpegStyle { tables: [table(3), table(90)], subsampling, progressive, channels: 3 }
    }

    fn written(style: Option<&JpegStyle>, kind: image::ExtendedColorType) -> Vec<u8> {
        let pixels: Vec<u8> = (0..40_u32 * 32 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let pixels = &pixels[..40 * 32 * usize::from(kind.channel_count())];
        let mut file = Vec::new();
        JpegWriter::new(&mut file, style).write_image(pixels, 40, 32, kind).unwrap();
        file
    }

    #[test]
    fn a_style_is_read_back_as_it_was_written() {
        for subsampling in [(1, 1), (2, 1), (1, 2), (2, 2)] {
            for progressive in [false, true] {
                let style = style(subsampling, progressive);
                let read = JpegStyle::from_bytes(&written(Some(&style), image::ExtendedColorType::Rgb8)).unwrap();
                assert_eq!((read.tables, read.subsampling), (style.tables, subsampling));
                assert_eq!((read.progressive, read.channels), (progressive, 3));
            }
        }
    }

    #[test]
    fn a_grey_file_has_one_table() {
        let file = written(Some(&style((1, 1), false)), image::ExtendedColorType::L8);
        let read = JpegStyle::from_bytes(&file).unwrap();
        assert_eq!(
            (read.channels, read.tables[0], read.tables[1]),
            (1, style((1, 1), false).tables[0], read.tables[0])
        );
    }

    #[test]
    fn no_prefix_of_a_file_is_trusted() {
        let file = written(None, image::ExtendedColorType::Rgb8);
        let scan = file.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        assert!((0..scan).all(|length| JpegStyle::from_bytes(&file[..length]).is_none()));
    }
}

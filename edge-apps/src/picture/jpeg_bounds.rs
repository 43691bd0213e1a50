//! Where a JPEG begins and ends in a stream of them.

use std::io::{self, BufRead, ErrorKind, Read};

/// The most bytes that a JPEG may have.
const MOST_BYTES: usize = 64 << 20;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// Reads the next JPEG into `jpeg`; what stands before it is passed over. False at the end of the stream.
///
/// Segments are gone through by their lengths, so that a small picture inside of a large one does not end it.
///
/// # Errors
/// When the stream ends within one, or one has more bytes than any camera's.
pub fn read_jpeg(stream: &mut impl BufRead, jpeg: &mut Vec<u8>) -> io::Result<bool> {
    jpeg.clear();
    if !find_start(stream)? {
        return Ok(false);
    }
    jpeg.extend([0xff, START]);
    let mut marker = next_marker(stream, jpeg)?;
    loop {
        match marker {
            END => return Ok(true),
            // these stand alone
            0x01 | 0xd0..=0xd7 => marker = next_marker(stream, jpeg)?,
            marker_of_segment => {
                let mut length = [0; 2];
                stream.read_exact(&mut length)?;
                jpeg.extend(length);
                let rest = usize::from(u16::from_be_bytes(length)).saturating_sub(2);
                let read = stream.by_ref().take(rest as u64).read_to_end(jpeg)?;
                if read < rest {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                marker = if marker_of_segment == SCAN { skip_scan(stream, jpeg)? } else { next_marker(stream, jpeg)? };
            }
        }
        if jpeg.len() > MOST_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "a JPEG without an end"));
        }
    }
}

/// Whether a JPEG has too few bytes for its size, in pixels. A decoder makes grey what is missing, and where a few bytes claim many
/// pixels, it does so for seconds.
///
/// # Source
/// ITU-T T.81: of each 8×8 pixels there is a code at least, which is a bit at least.
pub fn is_too_short(bytes: usize, (width, height): (u32, u32)) -> bool {
    let blocks = u64::from(width) * u64::from(height) / 64;
    blocks / 8 > bytes as u64
}

/// Goes on to the bytes after the start of a JPEG; false at the end of the stream.
fn find_start(stream: &mut impl BufRead) -> io::Result<bool> {
    let mut before = 0;
    loop {
        let Some(byte) = next_byte(stream)? else { return Ok(false) };
        if before == 0xff && byte == START {
            return Ok(true);
        }
        before = byte;
    }
}

/// The marker that comes next; anything before it is kept.
fn next_marker(stream: &mut impl BufRead, jpeg: &mut Vec<u8>) -> io::Result<u8> {
    let mut before = 0;
    loop {
        let byte = next_byte(stream)?.ok_or(ErrorKind::UnexpectedEof)?;
        jpeg.push(byte);
        if before == 0xff && byte != 0xff && byte != 0 {
            return Ok(byte);
        }
        before = byte;
        if jpeg.len() > MOST_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "a JPEG without an end"));
        }
    }
}

/// Reads a scan's data, and the marker after it.
fn skip_scan(stream: &mut impl BufRead, jpeg: &mut Vec<u8>) -> io::Result<u8> {
    loop {
        let buffer = stream.fill_buf()?;
        if buffer.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // up to what may be a marker
        let count = buffer.iter().position(|&byte| byte == 0xff).unwrap_or(buffer.len());
        jpeg.extend_from_slice(&buffer[..count]);
        stream.consume(count);
        if jpeg.len() > MOST_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "a JPEG without an end"));
        }
        if count == 0 {
            let mut marker = [0; 2];
            stream.read_exact(&mut marker[..1])?;
            jpeg.push(0xff);
            loop {
                stream.read_exact(&mut marker[1..])?;
                jpeg.push(marker[1]);
                if marker[1] != 0xff {
                    break;
                }
            }
            match marker[1] {
                // a byte of 255, or a place to begin again after an error
                0 | 0xd0..=0xd7 => {}
                marker => return Ok(marker),
            }
        }
    }
}

fn next_byte(stream: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        match stream.fill_buf() {
            Ok(buffer) => {
                let byte = buffer.first().copied();
                stream.consume(usize::from(byte.is_some()));
                return Ok(byte);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    fn jpeg(seed: u32) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(37, 23, |x, y| image::Rgb([x * seed, y * seed, x * y].map(|v| v as u8)));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    /// A JPEG with another one within a segment, as cameras' previews are.
    fn with_preview(seed: u32) -> Vec<u8> {
        let (outer, inner) = (jpeg(seed), jpeg(seed + 1));
        let length = u16::try_from(inner.len() + 2).unwrap().to_be_bytes();
        [&outer[..2], &[0xff, 0xe1], &length, &inner, &outer[2..]].concat()
    }

    #[test]
    fn each_is_found_whatever_stands_between() {
        let all = [jpeg(3), with_preview(5), jpeg(7)];
        let between: [&[u8]; 3] = [b"--boundary\r\nContent-Length: 9\r\n\r\n", &[0xff, 0xff, 0x00], b""];
        let stream: Vec<u8> = between.iter().zip(&all).flat_map(|(text, jpeg)| [*text, jpeg].concat()).collect();
        for buffer in [1, 7, 8192] {
            let mut stream = BufReader::with_capacity(buffer, stream.as_slice());
            let mut found = Vec::new();
            for expected in &all {
                assert!(read_jpeg(&mut stream, &mut found).unwrap());
                assert_eq!(&found, expected);
            }
            assert!(!read_jpeg(&mut stream, &mut found).unwrap());
        }
    }

    #[test]
    fn a_jpeg_of_one_colour_is_long_enough_and_one_that_claims_much_is_not() {
        let grey = image::GrayImage::from_pixel(4096, 4096, image::Luma([127]));
        let mut bytes = Cursor::new(Vec::new());
        grey.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let len = bytes.into_inner().len();
        assert!(!is_too_short(len, (4096, 4096)) && is_too_short(len, (16_384, 16_384)), "{len}");
    }

    #[test]
    fn half_of_one_is_an_error_and_garbage_is_none() {
        let whole = jpeg(3);
        let mut found = Vec::new();
        for length in 2..whole.len() {
            let error = read_jpeg(&mut &whole[..length], &mut found).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}");
        }
        assert!(!read_jpeg(&mut &b"no picture at all"[..], &mut found).unwrap());
    }
}

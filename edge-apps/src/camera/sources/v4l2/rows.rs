//! A driver's buffer without what pads its rows.

use crate::camera::pixels::PixelFormat;

/// The bytes of a frame alone. Drivers may make rows longer than their pixels, and buffers longer than their frame; what is too
/// short for a frame stays as it is.
///
/// # Units
/// `stride`: bytes from row to row of the first plane.
///
/// # Source
/// The kernel's pages on YUV formats: a plane of chroma has half the luma's padding, and rows of U and V in turns all of it.
pub fn unpadded(buffer: &[u8], format: PixelFormat, [width, height]: [u32; 2], stride: u32) -> Vec<u8> {
    let Some(bytes) = format.bytes(width, height) else { return buffer.to_vec() };
    let (width, height, stride) = (width as usize, height as usize, stride as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let row_bytes = match format {
        PixelFormat::Yuyv | PixelFormat::Uyvy => 4 * half_width,
        PixelFormat::Rgb | PixelFormat::Bgr => 3 * width,
        _ => width,
    };
    if stride <= row_bytes {
        return buffer[..bytes.min(buffer.len())].to_vec();
    }
    let chroma = match format {
        PixelFormat::Nv12 => [(2 * half_width, half_height, stride), (0, 0, 1)],
        PixelFormat::I420 => [(half_width, half_height, stride / 2); 2],
        _ => [(0, 0, 1); 2],
    };
    let mut frame = Vec::with_capacity(bytes);
    let mut rest = buffer;
    for (row_bytes, rows, stride) in [(row_bytes, height, stride)].into_iter().chain(chroma) {
        let (plane, after) = rest.split_at((rows * stride).min(rest.len()));
        plane.chunks(stride).for_each(|row| frame.extend(&row[..row_bytes.min(row.len())]));
        rest = after;
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lose_their_padding_and_nothing_else() {
        let planes = |format, stride: usize| match format {
            PixelFormat::Yuyv => vec![(12, 3, stride)],
            PixelFormat::Rgb => vec![(15, 3, stride)],
            PixelFormat::Grey => vec![(5, 3, stride)],
            PixelFormat::Nv12 => vec![(5, 3, stride), (6, 2, stride)],
            _ => vec![(5, 3, stride), (3, 2, stride / 2), (3, 2, stride / 2)],
        };
        for format in [PixelFormat::Yuyv, PixelFormat::Rgb, PixelFormat::Grey, PixelFormat::Nv12, PixelFormat::I420] {
            let (mut buffer, mut expected) = (Vec::new(), Vec::new());
            for (plane, (row_bytes, rows, stride)) in planes(format, 32).into_iter().enumerate() {
                for row in 0..rows {
                    let pixels: Vec<u8> = (0..row_bytes).map(|at| (60 * plane + 16 * row + at) as u8).collect();
                    buffer.extend(&pixels);
                    buffer.extend(vec![255; stride - row_bytes]);
                    expected.extend(pixels);
                }
            }
            // a page's rest
            buffer.extend([255; 100]);
            assert_eq!(unpadded(&buffer, format, [5, 3], 32), expected, "{format:?}");
            assert_eq!(expected.len(), format.bytes(5, 3).unwrap());
            let tight = [expected.as_slice(), &[255; 9]].concat();
            let stride = planes(format, 0)[0].0 as u32;
            assert_eq!(unpadded(&tight, format, [5, 3], stride), expected, "{format:?}");
            assert!(unpadded(&buffer[..40], format, [5, 3], 32).len() < expected.len());
        }
        assert_eq!(unpadded(&[1, 2, 3], PixelFormat::Mjpeg, [5, 3], 0), [1, 2, 3]);
    }
}

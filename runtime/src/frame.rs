//! A camera's frame, as it comes.

mod cells;

pub(crate) use cells::cells;

use ndarray::Array3;

use crate::{Error, Result};

/// How a frame's pixels lie in its bytes: rows from the top down, nothing between them.
///
/// Where there are fewer values of a colour than pixels, and the pixels are odd in number, the last value is that of fewer pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, and a byte that is not looked at.
    Rgba,
    /// Blue, green, red.
    Bgr,
    /// A byte a pixel.
    Grey,
    /// 4:2:2, two pixels in Y U Y V.
    Yuyv,
    /// 4:2:2, two pixels in U Y V Y.
    Uyvy,
    /// 4:2:0: all Y, then U and V in turns.
    Nv12,
    /// 4:2:0: all Y, all U, all V.
    I420,
    /// 4:2:2: all Y, all U, all V.
    I422,
    /// 4:4:4: all Y, all U, all V.
    I444,
}

/// What is black and what is white of Y, U and V.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColourRange {
    /// 16 and 235, as video and most cameras have it.
    #[default]
    Limited,
    /// 0 and 255, as JPEG has it.
    Full,
}

/// Values along a side of a frame, one for each pixel or for each two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Samples {
    pub(crate) pixels: usize,
    /// 1 or 2
    pub(crate) each: usize,
}

impl Samples {
    /// How many there are.
    pub(crate) const fn len(self) -> usize {
        self.pixels.div_ceil(self.each)
    }
}

/// Rows of bytes in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlaneOf {
    /// Of its first byte.
    pub(crate) start: usize,
    pub(crate) rows: Samples,
    /// Bytes of a row.
    pub(crate) row_len: usize,
    pub(crate) channels: Vec<ChannelOf>,
}

/// One of the values of a pixel, in a plane's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelOf {
    /// Of the first, in bytes from a row's beginning.
    pub(crate) offset: usize,
    /// From one to the next, in bytes.
    pub(crate) step: usize,
    /// Of a row.
    pub(crate) samples: Samples,
    /// Which it is of red, green and blue, or of Y, U and V.
    pub(crate) to: usize,
}

/// What tells frames that are prepared in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameShape {
    pub(crate) layout: Layout,
    pub(crate) range: ColourRange,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// A frame in the layout that its camera gives it in, so that no pixel is turned into colours that nobody looks at.
///
/// ```
/// use glimpse_runtime::{ColourRange, Frame, Layout};
///
/// let size = [480, 640]; // height, width
/// let frame = Frame::new(Layout::Nv12, ColourRange::Limited, size, vec![128; 640 * 480 * 3 / 2])?;
/// assert_eq!((frame.height(), frame.width()), (480, 640));
/// # Ok::<(), glimpse_runtime::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    shape: FrameShape,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Frame {
    /// A frame of so many pixels, height and width. Y, U and V are taken for BT.601's, as cameras have them; the range is theirs.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] without a pixel, [`Error::Shape`] if the layout takes another number of bytes.
    pub fn new(layout: Layout, range: ColourRange, [height, width]: [usize; 2], bytes: Vec<u8>) -> Result<Self> {
        if height == 0 || width == 0 {
            return Err(Error::EmptyPicture { what: "frame", height_px: height, width_px: width });
        }
        Error::check_shape("the frame's bytes", &[layout.bytes(height, width)], &[bytes.len()])?;
        Ok(Self { shape: FrameShape { layout, range, height, width }, bytes })
    }

    /// A frame of red, green and blue.
    ///
    /// # Shapes
    /// - `pixels`: `[H, W, 3]`, or `[H, W, 4]` of which the fourth byte of a pixel is not read
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] without a pixel, [`Error::Shape`] if it is neither.
    pub fn from_pixels(pixels: Array3<u8>) -> Result<Self> {
        let (height, width, channels) = pixels.dim();
        let layout = if channels == 4 { Layout::Rgba } else { Layout::Rgb };
        if channels != 4 {
            Error::check_shape("frame", &[height, width, 3], pixels.shape())?;
        }
        let len = pixels.len();
        let pixels = if pixels.is_standard_layout() { pixels } else { pixels.as_standard_layout().into_owned() };
        let (mut bytes, offset) = pixels.into_raw_vec_and_offset();
        // what was cut off keeps its place
        bytes.drain(..offset.unwrap_or_default());
        bytes.truncate(len);
        Self::new(layout, ColourRange::default(), [height, width], bytes)
    }

    /// In pixels.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.shape.height
    }

    /// In pixels.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.shape.width
    }

    /// How its pixels lie in its bytes.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.shape.layout
    }

    /// What is black and what is white, if it has Y, U and V.
    #[must_use]
    pub const fn range(&self) -> ColourRange {
        self.shape.range
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn shape(&self) -> FrameShape {
        self.shape
    }
}

impl Layout {
    /// Bytes of a frame of so many pixels; the most that there are if that is more than a machine's memory could have.
    #[must_use]
    pub fn bytes(self, height: usize, width: usize) -> usize {
        // no layout has more than four bytes to a pixel, whatever is rounded up
        if height.checked_mul(width).and_then(|pixels| pixels.checked_mul(8)).is_none() {
            return usize::MAX;
        }
        self.planes(height, width).last().map_or(0, |plane| plane.start + plane.rows.len() * plane.row_len)
    }

    /// Whether it is of Y, U and V.
    pub(crate) const fn is_yuv(self) -> bool {
        !matches!(self, Self::Rgb | Self::Rgba | Self::Bgr | Self::Grey)
    }

    /// Where its values lie.
    pub(crate) fn planes(self, height: usize, width: usize) -> Vec<PlaneOf> {
        let [all_rows, half_rows] = [1, 2].map(|each| Samples { pixels: height, each });
        let [all, half] = [1, 2].map(|each| Samples { pixels: width, each });
        let channel = |offset, step, samples, to| ChannelOf { offset, step, samples, to };
        // rows, bytes of a row, channels
        let planes = match self {
            Self::Rgb => vec![(all_rows, 3 * width, [0, 1, 2].map(|to| channel(to, 3, all, to)).to_vec())],
            Self::Rgba => vec![(all_rows, 4 * width, [0, 1, 2].map(|to| channel(to, 4, all, to)).to_vec())],
            Self::Bgr => vec![(all_rows, 3 * width, [0, 1, 2].map(|to| channel(2 - to, 3, all, to)).to_vec())],
            Self::Grey => vec![(all_rows, width, [0, 1, 2].map(|to| channel(0, 1, all, to)).to_vec())],
            Self::Yuyv | Self::Uyvy => {
                let [y, u, v] = if self == Self::Yuyv { [0, 1, 3] } else { [1, 0, 2] };
                vec![(
                    all_rows,
                    4 * half.len(),
                    vec![channel(y, 2, all, 0), channel(u, 4, half, 1), channel(v, 4, half, 2)],
                )]
            }
            Self::Nv12 => vec![
                (all_rows, width, vec![channel(0, 1, all, 0)]),
                (half_rows, 2 * half.len(), vec![channel(0, 2, half, 1), channel(1, 2, half, 2)]),
            ],
            Self::I420 | Self::I422 | Self::I444 => {
                let rows = if self == Self::I420 { half_rows } else { all_rows };
                let columns = if self == Self::I444 { all } else { half };
                let sizes = [(all_rows, all), (rows, columns), (rows, columns)];
                let planes = sizes.into_iter().enumerate();
                planes.map(|(to, (rows, columns))| (rows, columns.len(), vec![channel(0, 1, columns, to)])).collect()
            }
        };
        let mut start = 0;
        let placed = planes.into_iter().map(|(rows, row_len, channels)| {
            let plane = PlaneOf { start, rows, row_len, channels };
            start += rows.len() * row_len;
            plane
        });
        placed.collect()
    }
}

/// Shapes of frames whose tables and buffers are kept: sources that share a model take turns.
const MOST_SHAPES: usize = 8;

/// What is kept for frames of a shape, before all that was used longer ago; made if there is none.
pub(crate) fn for_shape<T, E>(
    kept: &mut Vec<(FrameShape, T)>,
    shape: FrameShape,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<&mut T, E> {
    if let Some(at) = kept.iter().position(|(of, _)| *of == shape) {
        kept[..=at].rotate_right(1);
    } else {
        kept.truncate(MOST_SHAPES - 1);
        kept.insert(0, (shape, make()?));
    }
    Ok(&mut kept[0].1)
}

/// Binary digits behind the point of what Y, U and V are multiplied by.
pub(crate) const COLOUR_BITS: u32 = 14;

impl ColourRange {
    /// What is taken from Y; then what Y is multiplied by, V for red, U and V for green, U for blue, each by 2¹⁴.
    ///
    /// # Source
    /// ITU-R BT.601-7, 2.5.1 to 2.5.4; for all of a byte's range, JFIF 1.02.
    pub(crate) const fn matrix(self) -> [i32; 6] {
        match self {
            Self::Limited => [16, 19_077, 26_149, 6_419, 13_320, 33_050],
            Self::Full => [0, 16_384, 22_970, 5_638, 11_700, 29_032],
        }
    }

    /// Red, green and blue of Y, U and V, to the nearest.
    pub(crate) fn rgb(self, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let [black, luma, red, green_u, green_v, blue] = self.matrix();
        let y = (i32::from(y) - black) * luma + (1 << (COLOUR_BITS - 1));
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [y + red * v, y - green_u * u - green_v * v, y + blue * u]
            .map(|value| (value >> COLOUR_BITS).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::tolerance::COLOUR;

    #[test]
    fn colours_are_those_of_the_standard_s_formula() {
        for range in [ColourRange::Limited, ColourRange::Full] {
            // black, and the steps from it to white, of Y and of U and V
            let [black, luma, chroma] =
                if range == ColourRange::Limited { [16.0, 219.0, 224.0] } else { [0.0, 255.0, 255.0] };
            for y in (0..=255).step_by(5) {
                for (u, v) in (0..=255).step_by(15).flat_map(|u| (0..=255).step_by(17).map(move |v| (u, v))) {
                    let luma = (f64::from(y) - black) / luma;
                    let [cb, cr] = [u, v].map(|value| (f64::from(value) - 128.0) / chroma);
                    let (red, blue) = (luma + 1.402 * cr, luma + 1.772 * cb);
                    let green = (luma - 0.299 * red - 0.114 * blue) / 0.587;
                    let got = range.rgb([y, u, v]);
                    for (got, wanted) in got.iter().zip([red, green, blue]) {
                        let wanted = (255.0 * wanted).clamp(0.0, 255.0);
                        assert!(
                            (f64::from(*got) - wanted).abs() <= COLOUR,
                            "{range:?} {y} {u} {v}: {got} for {wanted}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let frame = |layout, size, bytes| Frame::new(layout, ColourRange::Limited, size, vec![0; bytes]);
        for (layout, bytes) in [
            (Layout::Rgb, 45),
            (Layout::Rgba, 60),
            (Layout::Bgr, 45),
            (Layout::Grey, 15),
            (Layout::Yuyv, 36),
            (Layout::Uyvy, 36),
            (Layout::Nv12, 15 + 12),
            (Layout::I420, 15 + 12),
            (Layout::I422, 15 + 18),
            (Layout::I444, 45),
        ] {
            assert_eq!(layout.bytes(3, 5), bytes, "{layout:?}");
            assert!(frame(layout, [3, 5], bytes).is_ok());
            assert!(matches!(frame(layout, [3, 5], bytes - 1), Err(Error::Shape { .. })));
            assert!(matches!(frame(layout, [0, 5], 0), Err(Error::EmptyPicture { .. })));
        }
        // sizes whose product is that of a small frame, in as many bits as a machine has
        for size in [[1, usize::MAX / 3 + 2], [usize::MAX / 2, 4], [usize::MAX, usize::MAX]] {
            assert!(matches!(frame(Layout::Rgb, size, 2), Err(Error::Shape { .. })), "{size:?}");
        }
        assert!(matches!(Frame::from_pixels(Array3::zeros((4, 4, 2))), Err(Error::Shape { .. })));
        assert!(matches!(Frame::from_pixels(Array3::zeros((4, 0, 3))), Err(Error::EmptyPicture { .. })));
    }

    #[test]
    fn what_sources_that_take_turns_need_is_made_once() {
        let shape = |width| FrameShape { layout: Layout::Rgb, range: ColourRange::Full, height: 1, width };
        let (mut kept, mut made) = (Vec::new(), 0);
        let mut ask = |width: usize| {
            let made_before = made;
            let make = || {
                made += 1;
                if width == 77 { Err(()) } else { Ok(width) }
            };
            let got = for_shape(&mut kept, shape(width), make).copied();
            (got, made > made_before)
        };
        for turn in 0..3 {
            for width in 0..MOST_SHAPES {
                assert_eq!(ask(width), (Ok(width), turn == 0));
            }
        }
        assert_eq!(ask(0), (Ok(0), false));
        // one more than are kept: what was used longest ago is let go
        assert_eq!([ask(50), ask(0), ask(1)], [(Ok(50), true), (Ok(0), false), (Ok(1), true)]);
        assert_eq!([ask(77), ask(0)], [(Err(()), true), (Ok(0), false)]);
    }

    #[test]
    fn pixels_that_do_not_lie_in_order_are_put_in_order() {
        let pixels = Array3::from_shape_fn((2, 3, 4), |(y, x, c)| (100 * y + 10 * x + c) as u8);
        let mut turned = pixels.clone();
        turned.invert_axis(ndarray::Axis(0));
        let frame = Frame::from_pixels(turned.clone()).unwrap();
        assert_eq!(frame.bytes(), turned.iter().copied().collect::<Vec<_>>());
        assert_eq!((frame.layout(), frame.height(), frame.width()), (Layout::Rgba, 2, 3));
        let mut cut = pixels.clone();
        cut.slice_collapse(ndarray::s![1.., .., ..]);
        assert_eq!(Frame::from_pixels(cut).unwrap().bytes(), &frame.bytes()[..12]);
    }
}

//! A camera's frame, as it comes.

mod cells;
mod colours;
mod layout;

use ndarray::Array3;

pub(crate) use cells::cells;
pub use colours::ColourRange;
pub use layout::Layout;
pub(crate) use layout::{ChannelOf, PlaneOf, Samples};

use crate::{Error, Result};

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

#[cfg(test)]
mod tests {
    use super::*;

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

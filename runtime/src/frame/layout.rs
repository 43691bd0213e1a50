//! Where a frame's values lie in its bytes.

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

//! A rectangle of pixels.

/// Rows `y..y + height` and columns `x..x + width`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub y: usize,
    pub x: usize,
    pub height: usize,
    pub width: usize,
}

impl Rect {
    /// The smallest rectangle with both pixels and all of `self`.
    pub fn with_pixel(self, y: usize, x: usize) -> Self {
        let (top, left) = (self.y.min(y), self.x.min(x));
        Self {
            y: top,
            x: left,
            height: (self.y + self.height).max(y + 1) - top,
            width: (self.x + self.width).max(x + 1) - left,
        }
    }

    /// One pixel more on each side, as far as a picture of `height × width` goes.
    pub fn with_rim(self, height: usize, width: usize) -> Self {
        let (y, x) = (self.y.saturating_sub(1), self.x.saturating_sub(1));
        Self {
            y,
            x,
            height: (self.y + self.height + 1).min(height) - y,
            width: (self.x + self.width + 1).min(width) - x,
        }
    }

    /// The rows and columns as ranges.
    pub fn ranges(self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        (self.y..self.y + self.height, self.x..self.x + self.width)
    }
}

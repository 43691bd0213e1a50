//! One grid of the membrane's multigrid solver.

use ndarray::Array2;

/// The unknown pixels of one grid. The equation of an unknown pixel is
/// `neighbours · value − sum of the neighbours = source`, over those of the four neighbours that exist.
///
/// # Shapes
/// Every plane of values is `[H·W]`, row-major.
pub(super) struct GridLevel {
    height: usize,
    width: usize,
    unknown: Vec<bool>,
    /// Columns from the first to past the last unknown pixel of each row, so that a sweep skips the rest.
    spans: Vec<(usize, usize)>,
}

impl GridLevel {
    pub fn new(unknown: Array2<bool>) -> Self {
        let (height, width) = unknown.dim();
        let spans = unknown
            .rows()
            .into_iter()
            .map(|row| {
                let first = row.iter().position(|u| *u).unwrap_or(0);
                let past = row.iter().rposition(|u| *u).map_or(0, |last| last + 1);
                (first, past)
            })
            .collect();
        Self { height, width, unknown: unknown.into_iter().collect(), spans }
    }

    /// How many pixels the grid has.
    pub fn len(&self) -> usize {
        self.unknown.len()
    }

    /// The grid of every second pixel, or none if no pixel of it would be unknown.
    pub fn coarser(&self) -> Option<Self> {
        let (height, width) = (self.height, self.width);
        if height.max(width) < 3 {
            return None;
        }
        let coarse = Array2::from_shape_fn((height.div_ceil(2), width.div_ceil(2)), |(row, col)| {
            under(row, height).all(|(y, _)| under(col, width).all(|(x, _)| self.unknown[y * width + x]))
        });
        coarse.iter().any(|u| *u).then(|| Self::new(coarse))
    }

    /// The mean of the known values that touch an unknown pixel; none if there are none.
    pub fn rim_mean(&self, values: &[f32]) -> Option<f32> {
        let (mut sum, mut count) = (0.0_f64, 0_u64);
        for (y, x) in self.pixels() {
            for at in self.near(y, x).filter(|at| !self.unknown[*at]) {
                sum += f64::from(values[at]);
                count += 1;
            }
        }
        (count > 0).then(|| (sum / count as f64) as f32)
    }

    /// Sets every unknown pixel to one value.
    pub fn set_unknown(&self, values: &mut [f32], value: f32) {
        for (y, x) in self.pixels() {
            values[y * self.width + x] = value;
        }
    }

    /// One red-black Gauss–Seidel sweep. Returns how far the pixel that moved most was moved.
    pub fn sweep(&self, values: &mut [f32], source: Option<&[f32]>) -> f32 {
        let mut most = 0.0_f32;
        for colour in 0..2 {
            for (y, &(first, past)) in self.spans.iter().enumerate() {
                let start = first + (first + y + colour) % 2;
                for x in (start..past).step_by(2) {
                    let at = y * self.width + x;
                    if self.unknown[at] {
                        let (sum, count) = self.neighbours(values, y, x);
                        let value = (sum + source.map_or(0.0, |s| s[at])) / count;
                        most = most.max((value - values[at]).abs());
                        values[at] = value;
                    }
                }
            }
        }
        most
    }

    /// The finer grid's known values on this one, where it is known: the mean of those under each pixel.
    pub fn known_from(&self, finer: &Self, values: &[f32]) -> Vec<f32> {
        let mut known = vec![0.0; self.len()];
        for (at, value) in known.iter_mut().enumerate().filter(|(at, _)| !self.unknown[*at]) {
            let (mut sum, mut total) = (0.0, 0.0_f32);
            for (y, weight_y) in under(at / self.width, finer.height) {
                for (x, weight_x) in under(at % self.width, finer.width) {
                    if !finer.unknown[y * finer.width + x] {
                        sum += weight_y * weight_x * values[y * finer.width + x];
                        total += weight_y * weight_x;
                    }
                }
            }
            *value = sum / total.max(f32::MIN_POSITIVE);
        }
        known
    }

    /// Gathers the finer grid's residual on this one: the transpose of [`add_correction`](Self::add_correction).
    pub fn restrict_from(&self, finer: &Self, values: &[f32], source: Option<&[f32]>, residual: &mut [f32]) {
        for (row, col) in self.pixels() {
            let mut gathered = 0.0;
            for (y, weight_y) in under(row, finer.height) {
                for (x, weight_x) in under(col, finer.width) {
                    let at = y * finer.width + x;
                    let (sum, count) = finer.neighbours(values, y, x);
                    gathered += weight_y * weight_x * (source.map_or(0.0, |s| s[at]) + sum - count * values[at]);
                }
            }
            residual[row * self.width + col] = gathered;
        }
    }

    /// Adds a coarser grid's correction, interpolated. Returns how far the pixel that moved most was moved.
    pub fn add_correction(&self, values: &mut [f32], coarser: &Self, correction: &[f32]) -> f32 {
        let mut most = 0.0_f32;
        for (y, x) in self.pixels() {
            let top = y / 2 * coarser.width;
            let bottom = y.div_ceil(2).min(coarser.height - 1) * coarser.width;
            let (left, right) = (x / 2, x.div_ceil(2).min(coarser.width - 1));
            let sum = correction[top + left]
                + correction[top + right]
                + correction[bottom + left]
                + correction[bottom + right];
            most = most.max(sum.abs() / 4.0);
            values[y * self.width + x] += sum / 4.0;
        }
        most
    }

    /// Rows and columns of the unknown pixels, in reading order.
    fn pixels(&self) -> impl Iterator<Item = (usize, usize)> {
        self.spans.iter().enumerate().flat_map(move |(y, &(first, past))| {
            (first..past).filter(move |x| self.unknown[y * self.width + x]).map(move |x| (y, x))
        })
    }

    /// The sum of a pixel's neighbours, and how many they are (at least 1, so that it divides).
    #[inline]
    fn neighbours(&self, values: &[f32], y: usize, x: usize) -> (f32, f32) {
        let (at, width) = (y * self.width + x, self.width);
        if y > 0 && x > 0 && y + 1 < self.height && x + 1 < width {
            return (values[at - width] + values[at + width] + values[at - 1] + values[at + 1], 4.0);
        }
        let (sum, count) = self.near(y, x).fold((0.0, 0.0_f32), |(sum, count), at| (sum + values[at], count + 1.0));
        (sum, count.max(1.0))
    }

    /// The places of a pixel's neighbours.
    fn near(&self, y: usize, x: usize) -> impl Iterator<Item = usize> {
        let (height, width) = (self.height, self.width);
        [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)]
            .into_iter()
            .filter(move |&(a, b)| a < height && b < width)
            .map(move |(a, b)| a * width + b)
    }
}

/// The finer pixels that a coarser one at `index` weighs in on, along one axis of `length` pixels, with their weights.
/// An even axis ends on a pixel with one parent, which then has it whole.
#[inline]
fn under(index: usize, length: usize) -> impl Iterator<Item = (usize, f32)> {
    let centre = 2 * index;
    let after = if centre + 2 < length { 0.5 } else { 1.0 };
    let weights = [0.5, 1.0, after];
    (0..3).filter(move |k| centre + k > 0 && centre + k <= length).map(move |k| (centre + k - 1, weights[k]))
}

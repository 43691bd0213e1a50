//! One grid of the membrane's multigrid solver.

use std::array::from_fn;

use ndarray::Array2;

/// Values that are solved for side by side: a vector's worth, of which colours take three.
pub const LANES: usize = 4;
/// A pixel of a grid.
pub type Pixel = [f32; LANES];

/// The unknown pixels of one grid. The equation of an unknown pixel is
/// `neighbours · value − sum of the neighbours = source`, over those of the four neighbours that exist.
///
/// # Shapes
/// Values are `[H·W]` pixels, row-major.
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
    pub fn rim_mean(&self, values: &[Pixel]) -> Option<Pixel> {
        let (mut sum, mut count) = ([0.0_f64; LANES], 0_u64);
        for (y, x) in self.pixels() {
            for at in self.near(y, x).filter(|at| !self.unknown[*at]) {
                sum = from_fn(|lane| sum[lane] + f64::from(values[at][lane]));
                count += 1;
            }
        }
        (count > 0).then(|| sum.map(|sum| (sum / count as f64) as f32))
    }

    /// Sets every unknown pixel to one value.
    pub fn set_unknown(&self, values: &mut [Pixel], value: Pixel) {
        for (y, x) in self.pixels() {
            values[y * self.width + x] = value;
        }
    }

    /// One red-black Gauss–Seidel sweep. Returns how far the value that moved most was moved.
    pub fn sweep(&self, values: &mut [Pixel], source: Option<&[Pixel]>) -> f32 {
        let mut most = [0.0_f32; LANES];
        for colour in 0..2 {
            for (y, &(first, past)) in self.spans.iter().enumerate() {
                let start = first + (first + y + colour) % 2;
                for x in (start..past).step_by(2) {
                    let at = y * self.width + x;
                    if self.unknown[at] {
                        let (sum, share) = self.neighbours(values, y, x);
                        let source = source.map_or([0.0; LANES], |source| source[at]);
                        let value: Pixel = from_fn(|lane| (sum[lane] + source[lane]) * share);
                        most = from_fn(|lane| most[lane].max((value[lane] - values[at][lane]).abs()));
                        values[at] = value;
                    }
                }
            }
        }
        greatest(most)
    }

    /// The finer grid's known values on this one, where it is known: the mean of those under each pixel.
    pub fn known_from(&self, finer: &Self, values: &[Pixel]) -> Vec<Pixel> {
        let mut known = vec![[0.0; LANES]; self.len()];
        for (at, value) in known.iter_mut().enumerate().filter(|(at, _)| !self.unknown[*at]) {
            let (mut sum, mut total) = ([0.0; LANES], 0.0_f32);
            for (y, weight_y) in under(at / self.width, finer.height) {
                for (x, weight_x) in under(at % self.width, finer.width) {
                    if !finer.unknown[y * finer.width + x] {
                        let weight = weight_y * weight_x;
                        let finer = &values[y * finer.width + x];
                        sum = from_fn(|lane| sum[lane] + weight * finer[lane]);
                        total += weight;
                    }
                }
            }
            *value = sum.map(|sum| sum / total.max(f32::MIN_POSITIVE));
        }
        known
    }

    /// What every unknown pixel's equation is off by.
    pub fn residual(&self, values: &[Pixel], source: Option<&[Pixel]>, residual: &mut [Pixel]) {
        for (y, x) in self.pixels() {
            let at = y * self.width + x;
            let (sum, share) = self.neighbours(values, y, x);
            let source = source.map_or([0.0; LANES], |source| source[at]);
            residual[at] = from_fn(|lane| source[lane] + sum[lane] - values[at][lane] / share);
        }
    }

    /// Gathers the finer grid's residual on this one: the transpose of [`add_correction`](Self::add_correction).
    pub fn restrict(&self, finer: &Self, residual: &[Pixel], gathered: &mut [Pixel]) {
        for (row, col) in self.pixels() {
            let mut sum = [0.0; LANES];
            for (y, weight_y) in under(row, finer.height) {
                for (x, weight_x) in under(col, finer.width) {
                    let weight = weight_y * weight_x;
                    let finer = &residual[y * finer.width + x];
                    sum = from_fn(|lane| sum[lane] + weight * finer[lane]);
                }
            }
            gathered[row * self.width + col] = sum;
        }
    }

    /// Adds a coarser grid's correction, interpolated. Returns how far the value that moved most was moved.
    pub fn add_correction(&self, values: &mut [Pixel], coarser: &Self, correction: &[Pixel]) -> f32 {
        let mut most = [0.0_f32; LANES];
        for (y, x) in self.pixels() {
            let top = y / 2 * coarser.width;
            let bottom = y.div_ceil(2).min(coarser.height - 1) * coarser.width;
            let (left, right) = (x / 2, x.div_ceil(2).min(coarser.width - 1));
            let around = [top + left, top + right, bottom + left, bottom + right].map(|at| correction[at]);
            let added: Pixel = from_fn(|lane| around.iter().map(|pixel| pixel[lane]).sum::<f32>() * 0.25);
            most = from_fn(|lane| most[lane].max(added[lane].abs()));
            let value = &mut values[y * self.width + x];
            *value = from_fn(|lane| value[lane] + added[lane]);
        }
        greatest(most)
    }

    /// Rows and columns of the unknown pixels, in reading order.
    fn pixels(&self) -> impl Iterator<Item = (usize, usize)> {
        self.spans.iter().enumerate().flat_map(move |(y, &(first, past))| {
            (first..past).filter(move |x| self.unknown[y * self.width + x]).map(move |x| (y, x))
        })
    }

    /// The sum of a pixel's neighbours, and one over how many they are (at least 1).
    #[inline]
    fn neighbours(&self, values: &[Pixel], y: usize, x: usize) -> (Pixel, f32) {
        let (at, width) = (y * self.width + x, self.width);
        if y > 0 && x > 0 && y + 1 < self.height && x + 1 < width {
            let (above, below, left, right) =
                (&values[at - width], &values[at + width], &values[at - 1], &values[at + 1]);
            return (from_fn(|lane| above[lane] + below[lane] + (left[lane] + right[lane])), 0.25);
        }
        self.neighbours_at_an_edge(values, y, x)
    }

    #[cold]
    fn neighbours_at_an_edge(&self, values: &[Pixel], y: usize, x: usize) -> (Pixel, f32) {
        let (sum, count) = self.near(y, x).fold(([0.0; LANES], 0.0_f32), |(sum, count), at| {
            let near = &values[at];
            (from_fn(|lane| sum[lane] + near[lane]), count + 1.0)
        });
        (sum, count.max(1.0).recip())
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

fn greatest(pixel: Pixel) -> f32 {
    pixel.into_iter().fold(0.0, f32::max)
}

//! A plane as the two colours of a checkerboard, so that the neighbours of a row's pixels are rows themselves.
//!
//! A pixel is of half 0 if its row and column make an even number, of half 1 otherwise. Each half keeps the pixels of a row
//! side by side. The neighbours above and below a pixel then stand at its own place in the other half, a row away; those
//! beside it at its own place and at the next, or at the one before and at its own, row by row in turn.

use std::array::from_fn;
use std::ops::Range;

/// Pixels that are worked on at once.
pub(super) const STEP: usize = 8;
/// So many pixels.
pub(super) type Step = [f32; STEP];
/// Both halves.
pub(super) type Halves = [Vec<f32>; 2];

/// Where the pixels of a grid stand in its halves, and in a plane with room at its right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub height: usize,
    pub width: usize,
    /// Places of a row of a half, in whole steps.
    places: usize,
}

impl Layout {
    pub const fn new(height: usize, width: usize) -> Self {
        Self { height, width, places: width.div_ceil(2).next_multiple_of(STEP) }
    }

    /// From one row of a half to the next: a step of zeros, for a row's left, then its pixels.
    const fn stride(&self) -> usize {
        STEP + self.places
    }

    /// Two halves of zeros: with a row above the first, one below the last, and a step after that.
    pub fn halves(&self) -> Halves {
        from_fn(|_| vec![0.0; (self.height + 2) * self.stride() + STEP])
    }

    /// Where the places of row `y − 1` begin: that of −1 holds zeros.
    const fn row_before(&self, y: usize) -> usize {
        y * self.stride() + STEP
    }

    /// Where a pixel stands in its half.
    pub const fn at(&self, y: usize, x: usize) -> usize {
        self.row_before(y + 1) + x / 2
    }

    /// Where some places of a row are.
    pub const fn span(&self, y: usize, places: &Range<usize>) -> Range<usize> {
        self.row_before(y + 1) + places.start..self.row_before(y + 1) + places.end
    }

    /// What surrounds some places of a row of a half: the other half's pixels above, below, left and right of them.
    #[inline(always)]
    pub fn around<'a>(&self, other: &'a [f32], half: usize, y: usize, places: &Range<usize>) -> [&'a [Step]; 4] {
        let Range { start, end } = self.span(y, places);
        let steps = |from: usize| other[from..from + (end - start)].as_chunks::<STEP>().0;
        let right = (y + half) % 2;
        [steps(start - self.stride()), steps(start + self.stride()), steps(start + right - 1), steps(start + right)]
    }

    /// Floats from one row of a plane to the next: both halves' places, and a step.
    pub const fn plane_stride(&self) -> usize {
        2 * self.places + STEP
    }

    /// A plane of zeros.
    pub fn plane(&self) -> Vec<f32> {
        vec![0.0; self.height * self.plane_stride()]
    }

    /// Puts a plane's row into the halves.
    #[inline(always)]
    pub fn split(&self, y: usize, row: &[f32], halves: &mut Halves) {
        let [first, second] = halves.each_mut().map(|half| &mut half[self.span(y, &(0..self.places))]);
        let (even, odd) = if y.is_multiple_of(2) { (first, second) } else { (second, first) };
        for ((pair, even), odd) in row.as_chunks::<2>().0.iter().zip(even).zip(odd) {
            [*even, *odd] = *pair;
        }
    }

    /// A plane's row from the halves.
    #[inline(always)]
    pub fn join(&self, y: usize, halves: &Halves, row: &mut [f32]) {
        let [first, second] = halves.each_ref().map(|half| &half[self.span(y, &(0..self.places))]);
        let (even, odd) = if y.is_multiple_of(2) { (first, second) } else { (second, first) };
        for ((pair, even), odd) in row.as_chunks_mut::<2>().0.iter_mut().zip(even).zip(odd) {
            *pair = [*even, *odd];
        }
    }

    /// One row of the next coarser grid: each of its pixels is the sum of the nine finer ones that it lies upon, the nearer
    /// the more, of which half 1 is zeros. A grid of even length ends on pixels that lie under one coarser one, which then
    /// has them whole.
    ///
    /// # Shapes
    /// - `row`: whole steps, of which those beyond the coarser grid's width are of no meaning
    #[inline(always)]
    pub fn gather_row(&self, half: &[f32], coarse_y: usize, row: &mut [f32]) {
        let y = 2 * coarse_y;
        let below_weight = if y + 2 < self.height { 0.25 } else { 0.5 };
        let [here, above, below] = [y + 1, y, y + 2].map(|y| self.row_before(y));
        let steps = |from: usize| half[from..from + self.places].as_chunks::<STEP>().0;
        let (here, around) = (steps(here), [above - 1, above, below - 1, below].map(steps));
        let row_steps = row[..self.places].as_chunks_mut::<STEP>().0;
        for (k, row) in row_steps.iter_mut().enumerate() {
            *row = from_fn(|l| {
                here[k][l]
                    + 0.25 * (around[0][k][l] + around[1][k][l])
                    + below_weight * (around[2][k][l] + around[3][k][l])
            });
        }
        if self.width.is_multiple_of(2) {
            let last = self.width / 2 - 1;
            row[last] += 0.25 * half[above + last] + below_weight * half[below + last];
        }
    }
}

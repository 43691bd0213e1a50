//! One grid of the membrane's multigrid solver.

use std::array::from_fn;
use std::ops::Range;

use super::layout::{Halves, Layout, STEP, Step};
use super::shape::Shape;
use crate::vectorized::vectorized;

/// The equations of one grid, and room for what is solved there. That of an unknown pixel is `value = across · (left +
/// right) + along · (above + below) + share · source`; on the finest grid all three numbers are the same, and there is no
/// source. On the coarser grids the values are what the finer one is off by, so that known ones are 0.
#[derive(Debug)]
pub(super) struct Level {
    layout: Layout,
    /// The places of each row's unknown pixels in the halves, in whole steps.
    spans: Vec<Range<usize>>,
    equations: Equations,
    values: Halves,
    /// What the equations of half 0 are off by. Those of half 1 are off by nothing, since a sweep ends with them.
    residual: Vec<f32>,
    /// The values as a plane, with the last column there twice.
    plane: Vec<f32>,
}

impl Level {
    /// The finest grid, which does without what coarser ones alone need.
    pub fn finest(shape: &Shape) -> Self {
        let layout = Layout::new(shape.height, shape.width);
        let [across, along, source] = [(); 3].map(|()| Halves::default());
        let equations = Equations { across, along, share: layout.halves(), source };
        Self::with(shape, layout, equations, vec![0.0; layout.plane_stride()])
    }

    /// A coarser grid.
    pub fn coarse(shape: &Shape) -> Self {
        let layout = Layout::new(shape.height, shape.width);
        let [across, along, share, source] = [(); 4].map(|()| layout.halves());
        Self::with(shape, layout, Equations { across, along, share, source }, layout.plane())
    }

    fn with(shape: &Shape, layout: Layout, mut equations: Equations, plane: Vec<f32>) -> Self {
        let mut spans = Vec::with_capacity(shape.height);
        for (y, row) in shape.unknown.chunks_exact(shape.width).enumerate() {
            for x in (0..row.len()).filter(|x| row[*x]) {
                equations.set((y + x) % 2, layout.at(y, x), shape.equation(y, x));
            }
            let first = row.iter().position(|u| *u).unwrap_or(0);
            let past = row.iter().rposition(|u| *u).map_or(0, |last| last + 1);
            spans.push(first / 2 / STEP * STEP..past.div_ceil(2).next_multiple_of(STEP));
        }
        let [residual, _] = layout.halves();
        Self { spans, equations, values: layout.halves(), residual, plane, layout }
    }

    /// Takes the values of a plane.
    ///
    /// # Shapes
    /// - `plane`: `[H·W]`
    pub fn load(&mut self, plane: &[f32]) {
        let Self { layout, values, plane: scratch, .. } = self;
        let scratch = &mut scratch[..layout.plane_stride()];
        vectorized(
            #[inline(always)]
            || {
                for (y, row) in plane.chunks_exact(layout.width).enumerate() {
                    scratch[..layout.width].copy_from_slice(row);
                    scratch[layout.width..].fill(0.0);
                    layout.split(y, scratch, values);
                }
            },
        );
    }

    /// Puts the values into a plane.
    ///
    /// # Shapes
    /// - `plane`: `[H·W]`
    pub fn store(&mut self, plane: &mut [f32]) {
        let Self { layout, values, plane: scratch, .. } = self;
        let scratch = &mut scratch[..layout.plane_stride()];
        vectorized(
            #[inline(always)]
            || {
                for (y, row) in plane.chunks_exact_mut(layout.width).enumerate() {
                    layout.join(y, values, scratch);
                    row.copy_from_slice(&scratch[..layout.width]);
                }
            },
        );
    }

    /// Gathers the finer grid's residual as what is to be solved for here, and starts from 0.
    pub fn take_residual(&mut self, finer: &Self) {
        let Self { layout, equations, values, plane, .. } = self;
        let scratch = &mut plane[..layout.plane_stride()];
        vectorized(
            #[inline(always)]
            || {
                for y in 0..layout.height {
                    finer.layout.gather_row(&finer.residual, y, scratch);
                    layout.split(y, scratch, &mut equations.source);
                }
                for half in &mut *values {
                    half.fill(0.0);
                }
            },
        );
    }

    /// One red-black Gauss–Seidel sweep of the finest grid, or of a coarser one. Returns how far the value that moved most
    /// was moved.
    pub fn sweep<const FINEST: bool>(&mut self) -> f32 {
        let mut moved = 0.0;
        vectorized(
            #[inline(always)]
            || {
                let mut most: Step = [0.0; STEP];
                for half in 0..2 {
                    for (y, places) in self.spans.iter().enumerate() {
                        let span = self.layout.span(y, places);
                        let equations = self.equations.of::<FINEST>(half, span.clone());
                        let [first, second] = &mut self.values;
                        let (values, other) = if half == 0 { (first, &*second) } else { (second, &*first) };
                        let around = self.layout.around(other, half, y, places);
                        let values = values[span].as_chunks_mut::<STEP>().0;
                        for (k, value) in values.iter_mut().enumerate() {
                            let step = equations.step(k, around, *value);
                            most = from_fn(|l| greater(most[l], step[l].abs()));
                            *value = from_fn(|l| value[l] + step[l]);
                        }
                    }
                }
                moved = greatest(most);
            },
        );
        moved
    }

    /// What the equations are off by after a sweep: those of half 1 by nothing.
    pub fn find_residual<const FINEST: bool>(&mut self) {
        vectorized(
            #[inline(always)]
            || {
                for (y, places) in self.spans.iter().enumerate() {
                    let span = self.layout.span(y, places);
                    let equations = self.equations.of::<FINEST>(0, span.clone());
                    let [values, other] = &self.values;
                    let around = self.layout.around(other, 0, y, places);
                    let values = values[span.clone()].as_chunks::<STEP>().0;
                    let residual = self.residual[span].as_chunks_mut::<STEP>().0;
                    for (k, (residual, value)) in residual.iter_mut().zip(values).enumerate() {
                        let (step, share) = (equations.step(k, around, *value), equations.share[k]);
                        *residual = from_fn(|l| if share[l] > 0.0 { step[l] / share[l] } else { 0.0 });
                    }
                }
            },
        );
    }

    /// The values as a plane, for the finer grid.
    pub fn spread(&mut self) {
        let Self { layout, values, plane, .. } = self;
        vectorized(
            #[inline(always)]
            || {
                for (y, row) in plane.chunks_exact_mut(layout.plane_stride()).enumerate() {
                    layout.join(y, values, row);
                    row[layout.width] = row[layout.width - 1];
                }
            },
        );
    }

    /// Adds what a coarser grid has [spread](Self::spread), interpolated, to the unknown values of half 1. The next sweep
    /// begins with half 0, and reads none of its unknown values.
    pub fn add(&mut self, coarser: &Self) {
        let Self { layout, spans, equations, values, .. } = self;
        let (stride, last) = (coarser.layout.plane_stride(), coarser.layout.height - 1);
        vectorized(
            #[inline(always)]
            || {
                for (y, places) in spans.iter().enumerate() {
                    let len = places.end - places.start;
                    let row =
                        |row: usize, from: usize| coarser.plane[row * stride + from..][..len].as_chunks::<STEP>().0;
                    // a pixel of half 1 lies between two columns in an even row, between two rows in an odd one
                    let first = row(y / 2, places.start);
                    let second = if y.is_multiple_of(2) {
                        row(y / 2, places.start + 1)
                    } else {
                        row((y / 2 + 1).min(last), places.start)
                    };
                    let span = layout.span(y, places);
                    let shares = equations.share[1][span.clone()].as_chunks::<STEP>().0;
                    let values = values[1][span].as_chunks_mut::<STEP>().0;
                    for k in 0..values.len() {
                        let share: Step = shares[k];
                        let between: Step = from_fn(|l| (first[k][l] + second[k][l]) * 0.5);
                        let added: Step = from_fn(|l| if share[l] > 0.0 { between[l] } else { 0.0 });
                        values[k] = from_fn(|l| values[k][l] + added[l]);
                    }
                }
            },
        );
    }
}

/// The numbers of a grid's equations, all 0 for a known pixel. The finest grid has shares alone.
#[derive(Debug)]
struct Equations {
    across: Halves,
    along: Halves,
    share: Halves,
    source: Halves,
}

impl Equations {
    fn set(&mut self, half: usize, at: usize, numbers: [f32; 3]) {
        for (halves, number) in [&mut self.across, &mut self.along, &mut self.share].into_iter().zip(numbers) {
            if let Some(place) = halves[half].get_mut(at) {
                *place = number;
            }
        }
    }

    /// Those of some places.
    #[inline(always)]
    fn of<const FINEST: bool>(&self, half: usize, span: Range<usize>) -> Row<'_, FINEST> {
        let [across, along, share, source] = [&self.across, &self.along, &self.share, &self.source]
            .map(|halves| halves[half].get(span.clone()).unwrap_or_default().as_chunks::<STEP>().0);
        Row { across, along, share, source }
    }
}

/// The equations of some pixels that stand side by side in a half.
struct Row<'a, const FINEST: bool> {
    across: &'a [Step],
    along: &'a [Step],
    share: &'a [Step],
    source: &'a [Step],
}

impl<const FINEST: bool> Row<'_, FINEST> {
    /// How far the values of the `k`-th step are from what those around them make them.
    #[inline(always)]
    fn step(&self, k: usize, [above, below, left, right]: [&[Step]; 4], value: Step) -> Step {
        let share = self.share[k];
        let beside: Step = from_fn(|l| left[k][l] + right[k][l]);
        let over: Step = from_fn(|l| above[k][l] + below[k][l]);
        let wanted: Step = if FINEST {
            from_fn(|l| (beside[l] + over[l]) * share[l])
        } else {
            let (across, along, source) = (self.across[k], self.along[k], self.source[k]);
            from_fn(|l| across[l] * beside[l] + along[l] * over[l] + share[l] * source[l])
        };
        from_fn(|l| if share[l] > 0.0 { wanted[l] - value[l] } else { 0.0 })
    }
}

/// The greater of two numbers, as one instruction.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn greatest(step: Step) -> f32 {
    step.into_iter().fold(0.0, greater)
}

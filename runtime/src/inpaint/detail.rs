//! What the model adds to the membrane, and how it is carried from one level to the next.

use ndarray::{Array2, Array3, ArrayView1, Axis};

use super::{level::Level, rect::Rect};

/// Colours to add to the membrane, on the canvas of the level that painted them.
///
/// # Shapes
/// - `colours`: `[3, rows, cols]`
///
/// # Units
/// Grey levels of 255; 0 at the hole's rim.
pub(super) struct Detail {
    pub level: Level,
    pub colours: Array3<f32>,
}

impl Detail {
    /// The same detail on another level's canvas.
    ///
    /// # Shapes
    /// - returns `[3, rows, cols]` of `level`
    pub fn on(&self, level: &Level) -> Array3<f32> {
        let mut colours = Array3::zeros((3, level.rows, level.cols));
        let rows = Taps::new(self.level.region.y, self.level.region.height, self.level.rows);
        let cols = Taps::new(self.level.region.x, self.level.region.width, self.level.cols);
        let Rect { y, x, height, width } = level.region;
        let xs: Vec<_> = (0..level.cols).map(|col| cols.at(centre(x, width, level.cols, col))).collect();
        let mut line = vec![0.0; self.level.cols];
        for (plane, mut canvas) in self.colours.outer_iter().zip(colours.outer_iter_mut()) {
            for (row, mut out) in canvas.outer_iter_mut().enumerate() {
                mix_rows(&plane, rows.at(centre(y, height, level.rows, row)), &mut line);
                out.iter_mut().zip(&xs).for_each(|(value, taps)| *value = mix(&line, taps));
            }
        }
        colours
    }

    /// The taps of the picture's columns `x..x + width`, for [`of_row`](Self::of_row).
    pub fn columns(&self, x: usize, width: usize) -> Vec<Tap> {
        let cols = Taps::new(self.level.region.x, self.level.region.width, self.level.cols);
        (x..x + width).map(|x| cols.at(x as f64 + 0.5)).collect()
    }

    /// The detail of the pixels of one row of the picture.
    ///
    /// # Shapes
    /// - returns `[3, columns]`
    pub fn of_row(&self, y: usize, columns: &[Tap]) -> Array2<f32> {
        let rows = Taps::new(self.level.region.y, self.level.region.height, self.level.rows);
        let mut colours = Array2::zeros((3, columns.len()));
        let mut line = vec![0.0; self.level.cols];
        for (plane, mut out) in self.colours.axis_iter(Axis(0)).zip(colours.outer_iter_mut()) {
            mix_rows(&plane, rows.at(y as f64 + 0.5), &mut line);
            out.iter_mut().zip(columns).for_each(|(value, taps)| *value = mix(&line, taps));
        }
        colours
    }
}

/// The picture coordinate of the centre of a canvas pixel.
fn centre(start: usize, length: usize, canvas: usize, index: usize) -> f64 {
    start as f64 + (index as f64 + 0.5) * length as f64 / canvas as f64
}

/// Four neighbours along an axis and their weights.
pub(super) type Tap = [(usize, f32); 4];

/// Catmull–Rom interpolation along one axis of a canvas. Beyond its ends the last value is repeated.
struct Taps {
    start: f64,
    scale: f64,
    canvas: usize,
}

impl Taps {
    fn new(start: usize, length: usize, canvas: usize) -> Self {
        Self { start: start as f64, scale: canvas as f64 / length as f64, canvas }
    }

    /// The taps at a picture coordinate.
    fn at(&self, coordinate: f64) -> Tap {
        let place = (coordinate - self.start) * self.scale - 0.5;
        let t = (place - place.floor()) as f32;
        let weights = [
            ((2.0 - t) * t - 1.0) * t / 2.0,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
            (t - 1.0) * t * t / 2.0,
        ];
        let first = place.floor() as isize - 1;
        let last = self.canvas as isize - 1;
        std::array::from_fn(|k| ((first + k as isize).clamp(0, last) as usize, weights[k]))
    }
}

fn mix_rows(plane: &ndarray::ArrayView2<f32>, taps: Tap, line: &mut [f32]) {
    line.fill(0.0);
    for (row, weight) in taps {
        let row: ArrayView1<f32> = plane.row(row);
        line.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
    }
}

fn mix(line: &[f32], taps: &Tap) -> f32 {
    taps.iter().map(|(at, weight)| line[*at] * weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(level: Level) -> Detail {
        let Rect { y, x, height, width } = level.region;
        let colours = Array3::from_shape_fn((3, level.rows, level.cols), |(c, row, col)| {
            let down = centre(y, height, level.rows, row);
            let right = centre(x, width, level.cols, col);
            (c as f64 + down + 2.0 * right) as f32
        });
        Detail { level, colours }
    }

    #[test]
    fn a_ramp_stays_a_ramp_at_every_scale() {
        let coarse = Level { region: Rect { y: 10, x: 20, height: 90, width: 120 }, rows: 30, cols: 40 };
        let fine = Level { region: Rect { y: 30, x: 50, height: 50, width: 60 }, rows: 33, cols: 44 };
        let carried = ramp(coarse).on(&fine);
        let direct = ramp(fine).colours;
        assert!(carried.iter().zip(&direct).all(|(a, b)| (a - b).abs() < 1e-3));
        let row = ramp(coarse).of_row(50, &ramp(coarse).columns(60, 30));
        for ((c, column), value) in row.indexed_iter() {
            let exact = c as f32 + 50.5 + 2.0 * (60.5 + column as f32);
            assert!((value - exact).abs() < 1e-3);
        }
    }

    #[test]
    fn the_same_canvas_is_carried_unchanged() {
        let level = Level { region: Rect { y: 3, x: 4, height: 17, width: 9 }, rows: 17, cols: 9 };
        let detail = ramp(level);
        assert!(detail.on(&level).iter().zip(&detail.colours).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

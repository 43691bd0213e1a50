//! Holes that lie near each other are painted together.

use std::collections::VecDeque;

use ndarray::{Array2, ArrayView2};

use super::rect::Rect;

/// The holes of a picture, in groups that share windows.
///
/// Pixels are sorted into square cells; cells that hold hole pixels and touch, corners included, are one group. So a
/// connected component is never divided, and the cost does not depend on how many components there are.
pub(super) struct Groups {
    cell_px: usize,
    /// The group of each cell, counted from 1; 0 where no hole is.
    labels: Array2<u32>,
    bounds: Vec<Rect>,
}

impl Groups {
    /// Groups the hole pixels of a mask, in reading order of their first cell.
    ///
    /// # Shapes
    /// - `hole`: `[H, W]`
    pub fn from_hole(hole: ArrayView2<bool>, cell_px: usize) -> Self {
        let (height, width) = hole.dim();
        let mut tight: Array2<Option<Rect>> =
            Array2::from_elem((height.div_ceil(cell_px), width.div_ceil(cell_px)), None);
        for ((y, x), _) in hole.indexed_iter().filter(|(_, is_hole)| **is_hole) {
            let pixel = Rect { y, x, height: 1, width: 1 };
            let cell = &mut tight[[y / cell_px, x / cell_px]];
            *cell = Some(cell.map_or(pixel, |bounds| bounds.with_pixel(y, x)));
        }
        let mut labels = Array2::zeros(tight.dim());
        let mut bounds = Vec::new();
        for ((row, col), cell) in tight.indexed_iter() {
            if cell.is_some() && labels[[row, col]] == 0 {
                bounds.extend(flood(&tight, &mut labels, (row, col), bounds.len() as u32 + 1));
            }
        }
        Self { cell_px, labels, bounds }
    }

    /// The tight bounds of each group's hole pixels.
    pub fn bounds(&self) -> &[Rect] {
        &self.bounds
    }

    /// Whether a hole pixel belongs to the group at `index` of [`bounds`](Self::bounds).
    pub fn holds(&self, index: usize, y: usize, x: usize) -> bool {
        self.labels[[y / self.cell_px, x / self.cell_px]] as usize == index + 1
    }
}

/// Labels all cells that are joined to `start`, and returns the bounds of their pixels.
fn flood(tight: &Array2<Option<Rect>>, labels: &mut Array2<u32>, start: (usize, usize), label: u32) -> Option<Rect> {
    let (rows, cols) = tight.dim();
    let mut bounds: Option<Rect> = None;
    let mut waiting = VecDeque::from([start]);
    labels[start] = label;
    while let Some((row, col)) = waiting.pop_front() {
        let Some(cell) = tight[[row, col]] else { continue };
        bounds = Some(bounds.map_or(cell, |all| {
            all.with_pixel(cell.y, cell.x).with_pixel(cell.y + cell.height - 1, cell.x + cell.width - 1)
        }));
        for near_row in row.saturating_sub(1)..(row + 2).min(rows) {
            for near_col in col.saturating_sub(1)..(col + 2).min(cols) {
                if tight[[near_row, near_col]].is_some() && labels[[near_row, near_col]] == 0 {
                    labels[[near_row, near_col]] = label;
                    waiting.push_back((near_row, near_col));
                }
            }
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(height: usize, width: usize, boxes: &[Rect]) -> Array2<bool> {
        let inside = |y, x| boxes.iter().any(|b| b.ranges().0.contains(&y) && b.ranges().1.contains(&x));
        Array2::from_shape_fn((height, width), |(y, x)| inside(y, x))
    }

    #[test]
    fn far_holes_are_apart_and_near_ones_together() {
        let a = Rect { y: 3, x: 5, height: 4, width: 4 };
        let b = Rect { y: 14, x: 12, height: 2, width: 3 };
        let c = Rect { y: 80, x: 90, height: 9, width: 1 };
        let groups = Groups::from_hole(hole(100, 100, &[a, b, c]).view(), 10);
        assert_eq!(groups.bounds(), [Rect { y: 3, x: 5, height: 13, width: 10 }, c]);
        assert!(groups.holds(0, 15, 13) && groups.holds(1, 88, 90) && !groups.holds(0, 88, 90));
    }

    #[test]
    fn a_diagonal_line_is_one_group() {
        let line = Array2::from_shape_fn((90, 90), |(y, x)| y == x);
        let groups = Groups::from_hole(line.view(), 8);
        assert_eq!(groups.bounds(), [Rect { y: 0, x: 0, height: 90, width: 90 }]);
    }

    #[test]
    fn an_empty_mask_has_no_groups() {
        assert!(Groups::from_hole(hole(5, 7, &[]).view(), 4).bounds().is_empty());
    }
}

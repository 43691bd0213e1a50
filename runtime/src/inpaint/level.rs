//! The scales at which a group of holes is painted.

use super::{blend::Blend, rect::Rect};

/// One scale: a rectangle of the picture, and the grid of coarser pixels, the canvas, that it is brought to.
///
/// # Units
/// `region` in pixels of the picture, `rows` and `cols` in pixels of the canvas, which are the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub region: Rect,
    pub rows: usize,
    pub cols: usize,
}

/// What the model looks at: its side and its patch's, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub side: usize,
    pub patch: usize,
}

/// Pixels of a canvas are no smaller than this many of the picture: in a picture far smaller than the model, more would
/// only repeat what is there.
const FINEST: f64 = 0.25;

/// The scales for one group of holes, from the one whose windows reach its deepest pixel down to, at most, the picture's
/// own resolution or the one that [`Blend::most_windows`] allows.
///
/// # Units
/// `bounds` and `deepest` in pixels of the picture.
pub(super) fn plan(
    (height, width): (usize, usize),
    bounds: Rect,
    deepest: f32,
    sight: Sight,
    blend: &Blend,
) -> Vec<Level> {
    let side = sight.side as f64;
    let of_hole = f64::from(deepest) / (f64::from(blend.reach) * side);
    let of_picture = height.min(width) as f64 / side * blend.stretch;
    // Windows stand half a side apart.
    let half = side / 2.0;
    let finest =
        (bounds.height as f64 * bounds.width as f64 / (blend.most_windows as f64 * half * half)).sqrt().max(1.0);
    let coarsest = of_hole.max(finest).min(of_picture.max(FINEST));
    (0..blend.levels.max(1) as u32)
        .map(|index| coarsest / f64::from(1 << index.min(30)))
        .enumerate()
        .take_while(|(index, scale)| *index == 0 || *scale >= finest)
        .map(|(_, scale)| Level::new((height, width), bounds, scale, sight, blend))
        .collect()
}

impl Level {
    fn new((height, width): (usize, usize), bounds: Rect, scale: f64, sight: Sight, blend: &Blend) -> Self {
        let jitter = f64::from(blend.jitter) * sight.patch as f64;
        let margin = f64::from(blend.context) * sight.side as f64 + jitter / 2.0;
        let axis = |start: usize, length: usize, limit: usize| {
            let wanted = (sight.side as f64 + jitter).max(length as f64 / scale + 2.0 * margin);
            let span = ((wanted * scale).round() as usize).clamp(length, limit);
            let first = (start + length / 2).saturating_sub(span / 2).min(limit - span);
            let canvas = ((span as f64 / scale).round() as usize).max(sight.side);
            (first.min(start), span, canvas)
        };
        let (y, region_height, rows) = axis(bounds.y, bounds.height, height);
        let (x, region_width, cols) = axis(bounds.x, bounds.width, width);
        Self { region: Rect { y, x, height: region_height, width: region_width }, rows, cols }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGHT: Sight = Sight { side: 128, patch: 16 };

    #[test]
    fn a_small_hole_in_a_large_photograph_is_painted_at_its_own_resolution() {
        let bounds = Rect { y: 1000, x: 2000, height: 30, width: 40 };
        let levels = plan((3000, 4000), bounds, 15.0, SIGHT, &Blend::default());
        assert_eq!(levels, [Level { region: Rect { y: 947, x: 1952, height: 136, width: 136 }, rows: 136, cols: 136 }]);
    }

    #[test]
    fn a_large_hole_goes_from_coarse_to_fine() {
        let bounds = Rect { y: 1000, x: 1500, height: 1024, width: 1024 };
        let levels = plan((3000, 4000), bounds, 512.0, SIGHT, &Blend::default());
        assert_eq!(levels.len(), 3);
        let scale = |level: &Level| level.region.height as f64 / level.rows as f64;
        assert!((scale(&levels[0]) - 20.0).abs() < 0.1 && (scale(&levels[2]) - 5.0).abs() < 0.1);
    }

    #[test]
    fn every_level_covers_the_hole_inside_the_picture() {
        let edges = [1, 7, 100, 5000];
        for (height, width) in edges.into_iter().flat_map(|h| edges.map(|w| (h, w))) {
            for bounds in [
                Rect { y: 0, x: 0, height, width },
                Rect { y: height - 1, x: width / 2, height: 1, width: 1 },
                Rect { y: 0, x: width / 3, height: height.div_ceil(2), width: width.div_ceil(9) },
            ] {
                for level in plan((height, width), bounds, 1000.0, SIGHT, &Blend::default()) {
                    let Rect { y, x, height: rows, width: cols } = level.region;
                    assert!(y <= bounds.y && y + rows >= bounds.y + bounds.height && y + rows <= height);
                    assert!(x <= bounds.x && x + cols >= bounds.x + bounds.width && x + cols <= width);
                    assert!(level.rows >= 128 && level.cols >= 128);
                }
            }
        }
    }
}

//! Operations that move pixels, all of them one affine map: that much code of our own is lighter than `imageproc`, which
//! would bring further crates for its warp alone.

use std::array;

/// Where a pixel comes from: its column and its row are sums of these parts of the new column, the new row and 1, all
/// counted from the upper left corner, centres of pixels lying at halves.
pub type Source = [[f64; 3]; 2];

/// A turn by `degrees` about the centre of a picture of `side` pixels.
pub fn turned(degrees: f64, side: usize) -> Source {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let centre = side as f64 / 2.0;
    [[cos, -sin, centre * (1.0 - cos + sin)], [sin, cos, centre * (1.0 - cos - sin)]]
}

/// Takes each pixel from its source, between four pixels bilinearly; outside the picture lies `fill`.
///
/// # Shapes
/// - `pixels`: `[S, S]` of three channels, 8-bit; `side` is `S`
pub fn warp(pixels: &mut [[u8; 3]], side: usize, fill: [u8; 3], source: Source) {
    let old = pixels.to_vec();
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (column, row) = ((index % side) as f64 + 0.5, (index / side) as f64 + 0.5);
        let [x, y] = source.map(|[columns, rows, shift]| columns * column + rows * row + shift - 0.5);
        *pixel = between(&old, side, fill, x, y);
    }
}

/// The colour at a place between centres of pixels.
fn between(pixels: &[[u8; 3]], side: usize, fill: [u8; 3], x: f64, y: f64) -> [u8; 3] {
    let (left, top) = (x.floor(), y.floor());
    let (right_part, lower_part) = (x - left, y - top);
    let inside = 0.0..side as f64;
    let at = |x: f64, y: f64| {
        let seen = inside.contains(&x) && inside.contains(&y);
        (if seen { pixels[y as usize * side + x as usize] } else { fill }).map(f64::from)
    };
    let [upper, lower] = [top, top + 1.0].map(|row| {
        let (this, next) = (at(left, row), at(left + 1.0, row));
        array::from_fn::<_, 3, _>(|channel| this[channel] + right_part * (next[channel] - this[channel]))
    });
    array::from_fn(|channel| (upper[channel] + lower_part * (lower[channel] - upper[channel])).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: [u8; 3] = [124, 116, 104];
    const STILL: Source = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];

    /// A picture of `side` pixels whose levels tell the place.
    fn picture(side: usize) -> Vec<[u8; 3]> {
        (0..side * side).map(|index| [(index % side * 10) as u8, (index / side * 10) as u8, 200]).collect()
    }

    fn warped(side: usize, source: Source) -> Vec<[u8; 3]> {
        let mut pixels = picture(side);
        warp(&mut pixels, side, FILL, source);
        pixels
    }

    #[test]
    fn what_stands_still_and_a_turn_by_nothing_are_the_picture() {
        for side in [1, 4, 5] {
            assert_eq!(warped(side, STILL), picture(side));
            assert_eq!(warped(side, turned(0.0, side)), picture(side));
            assert_eq!(warped(side, turned(360.0, side)), picture(side));
        }
    }

    #[test]
    fn a_quarter_of_a_turn_swaps_rows_and_columns() {
        let source = turned(90.0, 4).map(|row| row.map(f64::round));
        let turned = warped(4, source);
        let right = |column: usize, row: usize| [(30 - row * 10) as u8, (column * 10) as u8, 200];
        for (index, pixel) in turned.into_iter().enumerate() {
            assert_eq!(pixel, right(index % 4, index / 4));
        }
    }

    #[test]
    fn a_shift_moves_pixels_and_fills_what_is_left() {
        let right = warped(3, [[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]);
        assert_eq!(right[..3], [FILL, [0, 0, 200], [10, 0, 200]]);
        let up = warped(3, [[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]);
        assert_eq!((up[1], &up[3..]), ([10, 20, 200], [FILL; 6].as_slice()));
        assert_eq!(warped(3, [[1.0, 0.0, 40.0], [0.0, 1.0, 0.0]]), [FILL; 9]);
    }

    #[test]
    fn between_pixels_lies_their_mean() {
        let half = warped(3, [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]);
        assert_eq!(half[0], [5, 5, 200]);
        // at the rim, that of the picture and what is filled in
        assert_eq!(half[2], [72, 61, 152]);
    }

    #[test]
    fn a_shear_moves_each_row_farther() {
        let sheared = warped(4, [[1.0, 1.0, -0.5], [0.0, 1.0, 0.0]]);
        for (row, pixels) in sheared.chunks_exact(4).enumerate() {
            for (column, pixel) in pixels.iter().enumerate() {
                let seen = row + column < 4;
                assert_eq!(*pixel, if seen { picture(4)[row * 4 + row + column] } else { FILL });
            }
        }
    }
}

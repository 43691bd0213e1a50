//! Operations that bring a picture nearer to a dull one, or farther from it: a factor of 0 is the dull one, 1 the picture.

use std::array;

/// The dull picture is grey.
pub fn color(pixels: &mut [[u8; 3]], factor: f32) {
    for pixel in pixels {
        *pixel = blended([luminance(*pixel); 3], *pixel, factor);
    }
}

/// The dull picture has one grey, the mean of the picture's.
pub fn contrast(pixels: &mut [[u8; 3]], factor: f32) {
    let sum: usize = pixels.iter().map(|pixel| usize::from(luminance(*pixel))).sum();
    let count = pixels.len().max(1);
    let mean = ((sum + count / 2) / count) as u8;
    for pixel in pixels {
        *pixel = blended([mean; 3], *pixel, factor);
    }
}

/// The dull picture is black.
pub fn brightness(pixels: &mut [[u8; 3]], factor: f32) {
    for pixel in pixels {
        *pixel = blended([0; 3], *pixel, factor);
    }
}

/// The dull picture is blurred: in a pixel and its eight neighbours, the pixel counts five times. Pixels on the rim are left.
///
/// # Shapes
/// - `pixels`: `[S, S]` of three channels; `side` is `S`
pub fn sharpness(pixels: &mut [[u8; 3]], side: usize, factor: f32) {
    let source = pixels.to_vec();
    for row in 1..side.saturating_sub(1) {
        for column in 1..side - 1 {
            let pixel = source[row * side + column];
            let blurred = array::from_fn(|channel| {
                let above = (row - 1) * side + column;
                let around =
                    [above, above + side, above + 2 * side].into_iter().flat_map(|at| &source[at - 1..=at + 1]);
                let sum: u16 = around.map(|near| u16::from(near[channel])).sum();
                ((sum + 4 * u16::from(pixel[channel]) + 6) / 13) as u8
            });
            pixels[row * side + column] = blended(blurred, pixel, factor);
        }
    }
}

/// How bright a pixel is.
///
/// # Source
/// ITU-R BT.601: its weights of red, green and blue.
fn luminance([red, green, blue]: [u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((299 * red + 587 * green + 114 * blue + 500) / 1000) as u8
}

fn blended(dull: [u8; 3], pixel: [u8; 3], factor: f32) -> [u8; 3] {
    array::from_fn(|channel| {
        let [dull, own] = [dull, pixel].map(|pixel| f32::from(pixel[channel]));
        (dull + factor * (own - dull)).round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(operation: impl Fn(&mut [[u8; 3]]), pixels: &[[u8; 3]]) -> Vec<[u8; 3]> {
        let mut pixels = pixels.to_vec();
        operation(&mut pixels);
        pixels
    }

    #[test]
    fn a_factor_of_one_is_the_picture() {
        let pixels: Vec<[u8; 3]> = (0..25_u8).map(|index| [index * 10, 255 - index, index * 7]).collect();
        assert_eq!(after(|p| color(p, 1.0), &pixels), pixels);
        assert_eq!(after(|p| contrast(p, 1.0), &pixels), pixels);
        assert_eq!(after(|p| brightness(p, 1.0), &pixels), pixels);
        assert_eq!(after(|p| sharpness(p, 5, 1.0), &pixels), pixels);
    }

    #[test]
    fn colour_leaves_and_comes_back_stronger() {
        let red = [[200, 0, 0], [90, 90, 90]];
        assert_eq!(after(|p| color(p, 0.0), &red), [[60; 3], [90; 3]]);
        assert_eq!(after(|p| color(p, 0.5), &red), [[130, 30, 30], [90; 3]]);
        assert_eq!(after(|p| color(p, 1.5), &red), [[255, 0, 0], [90; 3]]);
    }

    #[test]
    fn contrast_is_about_the_mean() {
        let pixels = [[100; 3], [201; 3]];
        assert_eq!(after(|p| contrast(p, 0.0), &pixels), [[151; 3]; 2]);
        assert_eq!(after(|p| contrast(p, 2.0), &pixels), [[49; 3], [251; 3]]);
        assert!(after(|p| contrast(p, 2.0), &[]).is_empty());
    }

    #[test]
    fn brightness_multiplies() {
        assert_eq!(after(|p| brightness(p, 0.1), &[[100, 200, 255]]), [[10, 20, 26]]);
        assert_eq!(after(|p| brightness(p, 1.9), &[[100, 200, 255]]), [[190, 255, 255]]);
    }

    #[test]
    fn sharpness_blurs_or_sharpens_all_but_the_rim() {
        let mut dot = [[20; 3]; 9];
        dot[4] = [150; 3];
        let mut blurred = dot;
        blurred[4] = [70; 3]; // (8·20 + 5·150) / 13
        assert_eq!(after(|p| sharpness(p, 3, 0.0), &dot), blurred);
        let mut sharpened = dot;
        sharpened[4] = [230; 3];
        assert_eq!(after(|p| sharpness(p, 3, 2.0), &dot), sharpened);
        assert_eq!(after(|p| sharpness(p, 1, 2.0), &dot[..1]), dot[..1]);
    }
}

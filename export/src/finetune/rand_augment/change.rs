//! The operations, and how far each goes.

use super::{blend, levels, warp};

/// Bits of a level that the gentlest posterizing keeps.
const MOST_BITS: f64 = 4.0;
/// Levels of a channel: the strongest solarizing inverts them all.
const LEVELS: f64 = 256.0;
/// What the strongest brightening of dark pixels adds to their levels.
const MOST_ADDED: f64 = 110.0;
/// How far from 1 the factor of the strongest blend lies.
const MOST_BLENDED: f64 = 0.9;
/// Angle of the strongest turn, in degrees.
const MOST_TURNED: f64 = 30.0;
/// Pixels that the strongest shear moves a row, or a column, farther than the one before it.
const MOST_SHEARED: f64 = 0.3;
/// Part of the picture's side that the strongest shift moves it.
const MOST_SHIFTED: f64 = 0.45;

/// What can be done to a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Each channel is stretched over all levels.
    AutoContrast,
    /// Each channel's levels are spread so that all are as frequent.
    Equalize,
    /// The negative.
    Invert,
    /// Only the highest bits of each level are kept.
    Posterize,
    /// Levels from a threshold on are inverted.
    Solarize,
    /// Something is added to levels of the lower half.
    SolarizeAdd,
    /// Less colour or more.
    Color,
    /// Less contrast or more.
    Contrast,
    /// Darker or brighter.
    Brightness,
    /// Blurred or sharpened.
    Sharpness,
    /// Turned about the centre.
    Rotate,
    /// Each row is moved farther than the one above.
    ShearX,
    /// Each column is moved farther than the one before it.
    ShearY,
    /// Moved to the left or the right.
    TranslateX,
    /// Moved up or down.
    TranslateY,
}

impl Operation {
    /// All that there are.
    ///
    /// # Source
    /// What timm's `inc1` draws from: the operations of Cubuk et al. 2019, arXiv:1909.13719, section 3, with `Invert` and
    /// `SolarizeAdd` in place of none at all.
    pub const ALL: [Self; 15] = [
        Self::AutoContrast,
        Self::Equalize,
        Self::Invert,
        Self::Posterize,
        Self::Solarize,
        Self::SolarizeAdd,
        Self::Color,
        Self::Contrast,
        Self::Brightness,
        Self::Sharpness,
        Self::Rotate,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
    ];
}

/// An operation and how it is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What is done.
    pub operation: Operation,
    /// How far it goes: 0 to 1. Some operations know only one way.
    pub strength: f64,
    /// Whether it goes the other way, where there are two.
    pub reversed: bool,
}

impl Change {
    /// Makes the change; `fill` is the colour of what moves in.
    ///
    /// # Shapes
    /// - `pixels`: `[S, S]` of three channels, 8-bit; `side` is `S`
    ///
    /// # Source
    /// The ranges of timm's `inc1`: all operations go farther with the magnitude.
    pub fn apply(self, pixels: &mut [[u8; 3]], side: usize, fill: [u8; 3]) {
        let Self { operation, strength, reversed } = self;
        let signed = if reversed { -strength } else { strength };
        let factor = (1.0 + MOST_BLENDED * signed) as f32;
        let mut moved = |source| warp::warp(pixels, side, fill, source);
        match operation {
            Operation::Rotate => moved(warp::turned(MOST_TURNED * signed, side)),
            Operation::ShearX => moved([[1.0, MOST_SHEARED * signed, 0.0], [0.0, 1.0, 0.0]]),
            Operation::ShearY => moved([[1.0, 0.0, 0.0], [MOST_SHEARED * signed, 1.0, 0.0]]),
            Operation::TranslateX => moved([[1.0, 0.0, MOST_SHIFTED * signed * side as f64], [0.0, 1.0, 0.0]]),
            Operation::TranslateY => moved([[1.0, 0.0, 0.0], [0.0, 1.0, MOST_SHIFTED * signed * side as f64]]),
            Operation::AutoContrast => levels::auto_contrast(pixels),
            Operation::Equalize => levels::equalize(pixels),
            Operation::Invert => levels::invert(pixels),
            Operation::Posterize => levels::posterize(pixels, (MOST_BITS - (MOST_BITS * strength).floor()) as u32),
            Operation::Solarize => levels::solarize(pixels, (LEVELS - (LEVELS * strength).floor()) as u16),
            Operation::SolarizeAdd => levels::solarize_add(pixels, (MOST_ADDED * strength).floor() as u8),
            Operation::Color => blend::color(pixels, factor),
            Operation::Contrast => blend::contrast(pixels, factor),
            Operation::Brightness => blend::brightness(pixels, factor),
            Operation::Sharpness => blend::sharpness(pixels, side, factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 20;
    const FILL: [u8; 3] = [124, 116, 104];

    fn picture() -> Vec<[u8; 3]> {
        (0..SIDE * SIDE)
            .map(|index| [index % 256, index * 7 % 256, index * 31 % 256].map(|level| level as u8))
            .collect()
    }

    fn changed(operation: Operation, strength: f64, reversed: bool) -> Vec<[u8; 3]> {
        let mut pixels = picture();
        Change { operation, strength, reversed }.apply(&mut pixels, SIDE, FILL);
        pixels
    }

    #[test]
    fn no_strength_leaves_the_picture_where_strength_decides() {
        for operation in Operation::ALL {
            let same = changed(operation, 0.0, true) == picture();
            // those without a strength, and posterizing, which keeps half of the bits at most
            let other = [Operation::AutoContrast, Operation::Equalize, Operation::Invert, Operation::Posterize];
            // the test's picture has all levels, so that there is nothing to stretch
            assert_eq!(same, !other.contains(&operation) || operation == Operation::AutoContrast, "{operation:?}");
        }
    }

    #[test]
    fn strength_changes_the_picture_and_some_operations_have_two_ways() {
        let two_ways = Operation::ALL.into_iter().filter(|operation| {
            let [forth, back] = [false, true].map(|reversed| changed(*operation, 0.9, reversed));
            assert_eq!(forth != picture(), *operation != Operation::AutoContrast, "{operation:?}");
            forth != back
        });
        assert_eq!(two_ways.collect::<Vec<_>>(), Operation::ALL[6..]);
    }

    #[test]
    fn operations_go_as_far_as_the_published_ones() {
        let first = |operation, strength| changed(operation, strength, false)[65];
        assert_eq!(picture()[65], [65, 199, 223]);
        assert_eq!(first(Operation::Posterize, 0.9), [0, 128, 128]); // 1 bit
        assert_eq!(first(Operation::Posterize, 0.2), [64, 192, 208]); // 4 bits
        assert_eq!(first(Operation::Posterize, 1.0), [0; 3]); // none
        assert_eq!(first(Operation::Solarize, 0.75), [190, 56, 32]); // from 64 on
        assert_eq!(first(Operation::Solarize, 0.74), [65, 56, 32]); // from 67 on
        assert_eq!(first(Operation::SolarizeAdd, 1.0), [175, 199, 223]);
        assert_eq!(changed(Operation::Brightness, 1.0, true)[65], [7, 20, 22]); // a tenth
        assert_eq!(first(Operation::Brightness, 0.5), [94, 255, 255]);
        // 0.45 of 20 pixels
        let moved = changed(Operation::TranslateX, 1.0, false);
        assert_eq!((moved[0], moved[10], moved[11]), (picture()[9], picture()[19], FILL));
        let moved = changed(Operation::TranslateY, 1.0, true);
        assert_eq!((moved[8 * SIDE], moved[9 * SIDE]), (FILL, picture()[0]));
        // 0.1 of 2.5 pixels, counted to the middle of the third row or column
        assert_eq!(changed(Operation::ShearX, 1.0 / 3.0, false)[2 * SIDE + 3], [43, 47, 61]);
        assert_eq!(changed(Operation::ShearY, 1.0 / 3.0, false)[3 * SIDE + 2], [67, 149, 157]);
        let turned = changed(Operation::Rotate, 1.0, false);
        let mut right = picture();
        warp::warp(&mut right, SIDE, FILL, warp::turned(30.0, SIDE));
        assert_eq!((&turned, turned[0]), (&right, FILL));
    }
}

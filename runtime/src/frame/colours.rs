//! Y, U and V to red, green and blue.

/// What is black and what is white of Y, U and V.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColourRange {
    /// 16 and 235, as video and most cameras have it.
    #[default]
    Limited,
    /// 0 and 255, as JPEG has it.
    Full,
}

/// Binary digits behind the point of what Y, U and V are multiplied by.
pub(crate) const COLOUR_BITS: u32 = 14;

impl ColourRange {
    /// What is taken from Y; then what Y is multiplied by, V for red, U and V for green, U for blue, each by 2¹⁴.
    ///
    /// # Source
    /// ITU-R BT.601-7, 2.5.1 to 2.5.4; for all of a byte's range, JFIF 1.02.
    pub(crate) const fn matrix(self) -> [i32; 6] {
        match self {
            Self::Limited => [16, 19_077, 26_149, 6_419, 13_320, 33_050],
            Self::Full => [0, 16_384, 22_970, 5_638, 11_700, 29_032],
        }
    }

    /// Red, green and blue of Y, U and V, to the nearest.
    pub(crate) fn rgb(self, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let [black, luma, red, green_u, green_v, blue] = self.matrix();
        let y = (i32::from(y) - black) * luma + (1 << (COLOUR_BITS - 1));
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [y + red * v, y - green_u * u - green_v * v, y + blue * u]
            .map(|value| (value >> COLOUR_BITS).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::tolerance::COLOUR;

    #[test]
    fn colours_are_those_of_the_standard_s_formula() {
        for range in [ColourRange::Limited, ColourRange::Full] {
            // black, and the steps from it to white, of Y and of U and V
            let [black, luma, chroma] =
                if range == ColourRange::Limited { [16.0, 219.0, 224.0] } else { [0.0, 255.0, 255.0] };
            for y in (0..=255).step_by(5) {
                for (u, v) in (0..=255).step_by(15).flat_map(|u| (0..=255).step_by(17).map(move |v| (u, v))) {
                    let luma = (f64::from(y) - black) / luma;
                    let [cb, cr] = [u, v].map(|value| (f64::from(value) - 128.0) / chroma);
                    let (red, blue) = (luma + 1.402 * cr, luma + 1.772 * cb);
                    let green = (luma - 0.299 * red - 0.114 * blue) / 0.587;
                    let got = range.rgb([y, u, v]);
                    for (got, wanted) in got.iter().zip([red, green, blue]) {
                        let wanted = (255.0 * wanted).clamp(0.0, 255.0);
                        assert!(
                            (f64::from(*got) - wanted).abs() <= COLOUR,
                            "{range:?} {y} {u} {v}: {got} for {wanted}"
                        );
                    }
                }
            }
        }
    }
}

//! Rows of f32 to bytes.

/// Added to a number of small size, it leaves the nearest integer in the lowest bits, ties to even.
const ROUND: f32 = 12_582_912.0;
const LANES: usize = 16;

/// What a row of bytes stands for: `scale · (byte − zero)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    pub scale: f32,
    pub zero: i32,
}

/// Quantizes a row to the bytes 0 to 255, each as `value` makes it of a byte.
///
/// The range reaches from the row's least to its greatest value, and always holds 0.
#[inline(always)]
pub fn quantize<V: Copy>(x: &[f32], bytes: &mut [V], value: impl Fn(u8) -> V) -> Row {
    let (least, most) = range(x);
    let scale = (most - least) / 255.0;
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    let zero = (-least * inverse + ROUND) - ROUND;
    for (byte, &x) in bytes.iter_mut().zip(x) {
        let quantized = x.mul_add(inverse, zero).clamp(0.0, 255.0) + ROUND;
        *byte = value(quantized.to_bits() as u8);
    }
    Row { scale, zero: zero as i32 }
}

/// The least and the greatest value, and 0. Numbers that are none are passed over.
#[inline(always)]
fn range(x: &[f32]) -> (f32, f32) {
    let (mut least, mut most) = ([0.0f32; LANES], [0.0f32; LANES]);
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            least[lane] = if chunk[lane] < least[lane] { chunk[lane] } else { least[lane] };
            most[lane] = if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] };
        }
    }
    let first = (least.into_iter().fold(0.0, f32::min), most.into_iter().fold(0.0, f32::max));
    rest.iter().fold(first, |(least, most), &x| (least.min(x), most.max(x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(x: &[f32]) -> (Row, Vec<u8>) {
        let mut bytes = vec![0; x.len()];
        (quantize(x, &mut bytes, |byte| byte), bytes)
    }

    #[test]
    fn a_row_comes_back_within_half_a_step() {
        for len in [1, 15, 16, 17, 100] {
            let x: Vec<f32> = (0..len).map(|i| (i as f32 * 0.7).sin() * 3.0 + 1.0).collect();
            let (row, bytes) = bytes(&x);
            for (&byte, &x) in bytes.iter().zip(&x) {
                let back = row.scale * (i32::from(byte) - row.zero) as f32;
                assert!((back - x).abs() <= 1.01 * row.scale, "{back} {x}");
            }
        }
    }

    #[test]
    fn the_ends_of_a_rows_range_are_bytes() {
        assert_eq!(bytes(&[0.0, 255.0, 3.0]), (Row { scale: 1.0, zero: 0 }, vec![0, 255, 3]));
        assert_eq!(bytes(&[-127.0, 128.0]), (Row { scale: 1.0, zero: 127 }, vec![0, 255]));
        assert_eq!(bytes(&[5.1, 5.1]).1, [255, 255]);
    }

    #[test]
    fn a_row_of_zeros_is_zeros() {
        assert_eq!(bytes(&[0.0; 20]), (Row { scale: 0.0, zero: 0 }, vec![0; 20]));
    }
}

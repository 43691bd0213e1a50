//! e^x and the normal distribution without branches or calls, so that a loop over them becomes vector code.

/// Added to a number of small size, it leaves the nearest integer in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts: the first has few bits, so that its products with small integers are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// e^x for `x` of at most 0; below −87, where f32 runs out, it is as good as 0.
#[must_use]
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.max(-87.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN_2[1], n.mul_add(-LN_2[0], x)); // |r| ≤ ln 2 / 2
    // minimax, within 1.1e-7
    let mut p = 8.312_522e-3;
    for coefficient in [4.189_016e-2, 1.666_711_4e-1, 4.999_923_3e-1, 1.0, 1.0] {
        p = r.mul_add(p, coefficient);
    }
    // 2^n, from its exponent's bits
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    p * f32::from_bits(exponent << 23)
}

/// Φ(x) and φ(x) of the normal distribution: the share of it below `x`, and its density there.
///
/// # Source
/// Abramowitz and Stegun 1964, 7.1.26: within 1.5e-7 of erf.
#[must_use]
#[inline(always)]
pub fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / z.mul_add(0.327_591_1, 1.0);
    let mut p = 1.061_405_4;
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = t.mul_add(p, coefficient);
    }
    let bell = exp(-z * z);
    let above = 0.5 * p * t * bell; // the share above |x|
    let below = if x < 0.0 { above } else { 1.0 - above };
    (below, bell * 0.398_942_3)
}

/// GELU: x times the share of the normal distribution below x, within 2e-7 of it for |x| up to 1, and of |x| beyond.
///
/// erf is a quotient of two polynomials here: minimax on −4 to 4, where it is 1 to f32.
///
/// # Source
/// Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
#[must_use]
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let z = (x * std::f32::consts::FRAC_1_SQRT_2).clamp(-4.0, 4.0);
    let t = z * z;
    let (mut above, mut below) = (1.974_911_6e-6, 3.748_099e-5);
    for (p, q) in [
        (2.880_275_7e-4, 1.216_221_4e-3),
        (4.003_084e-3, 1.544_329_8e-2),
        (5.346_574e-2, 1.164_710_3e-1),
        (1.962_359_7e-1, 5.072_408e-1),
        (std::f32::consts::FRAC_2_SQRT_PI, 1.0),
    ] {
        above = t.mul_add(above, p);
        below = t.mul_add(below, q);
    }
    let erf = z * above / below;
    let half = 0.5 * x;
    half.mul_add(erf, half)
}

/// The largest of some numbers; below all of them if there are none.
#[must_use]
#[inline(always)]
pub fn most(x: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Sum of `f(i)` over `0..len`, in lanes, so that additions do not wait for each other.
#[must_use]
#[inline(always)]
pub fn sum(len: usize, f: impl Fn(usize) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0f32; LANES];
    let whole = len / LANES * LANES;
    let mut start = 0;
    while start < whole {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += f(start + lane);
        }
        start += LANES;
    }
    let rest: f32 = (whole..len).map(&f).sum();
    lanes.iter().sum::<f32>() + rest
}

/// [`sum`] of what `f` makes of some numbers.
#[must_use]
#[inline(always)]
pub fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0f32; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for (sum, &x) in lanes.iter_mut().zip(chunk) {
            *sum += f(x);
        }
    }
    let rest: f32 = rest.iter().map(|&x| f(x)).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_to_a_few_bits() {
        for i in 0..20_000 {
            let x = -(i as f32) * 0.004;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 4e-7, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) < 1e-37);
    }

    #[test]
    fn the_normal_distribution_agrees_with_its_integral() {
        // Simpson's rule from 0, where the share below is a half. Half of what the formula is off, and as much again for
        // coefficients above 1 in f32, whose sum is to be 1.
        const CLOSE: f64 = 3e-7;
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let (mut below, h) = (0.5, 1e-3);
        for i in 0..6000 {
            let x = f64::from(i) * h;
            let (found, bell) = normal(x as f32);
            assert!((f64::from(found) - below).abs() < CLOSE, "{x}: {found} {below}");
            assert!((f64::from(bell) - density(x)).abs() < 1e-7, "{x}");
            assert!((normal(-x as f32).0 + found - 1.0).abs() < 1e-7, "{x}");
            below += h / 6.0 * (density(x) + 4.0 * density(x + h / 2.0) + density(x + h));
        }
    }

    #[test]
    fn gelu_is_its_formula() {
        for i in -40_000..40_000 {
            let x = i as f32 * 5e-4;
            let error = (f64::from(gelu(x)) - f64::from(x) * f64::from(normal(x).0)).abs();
            // as far as the normal distribution is from its own formula, and half as far again
            assert!(error <= 4.5e-7 * f64::from(x.abs().max(0.1)), "{x}: {error}");
        }
        assert_eq!([gelu(-50.0), gelu(50.0), gelu(0.0)], [0.0, 50.0, 0.0]);
    }

    #[test]
    fn lanes_leave_nothing_out() {
        for len in [0, 1, 15, 16, 17, 40] {
            let x: Vec<f32> = (0..len).map(|i| i as f32).collect();
            assert_eq!([sum(len, |i| i as f32), sum_of(&x, |x| x)], [(0..len).sum::<usize>() as f32; 2]);
            for largest in 0..len {
                let x: Vec<f32> = (0..len).map(|i| if i == largest { -1.0 } else { -2.0 }).collect();
                assert_eq!(most(&x), -1.0);
            }
        }
    }
}

//! How far one answer is from another.

use anyhow::bail;

use super::tensors::Tensor;

/// The largest difference over the largest reference: max|a − b| / max|b|. NaN if a number on either side is none.
///
/// # Errors
/// When the shapes differ.
pub fn relative_error(answer: &Tensor, reference: &Tensor) -> anyhow::Result<f64> {
    check_shapes(answer, reference)?;
    let pairs = answer.values.iter().zip(&reference.values);
    let differences = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    let magnitudes = reference.values.iter().map(|&b| f64::from(b).abs());
    let difference = extreme(0.0, f64::max, differences);
    let scale = extreme(0.0, f64::max, magnitudes);
    if difference == 0.0 && scale == 0.0 {
        return Ok(0.0);
    }
    Ok(difference / scale)
}

/// The least cosine between a row of the answer and the same row of the reference; a row is along the last axis.
/// NaN if a row on either side is zero or has a number that is none.
///
/// # Errors
/// When the shapes differ.
pub fn least_cosine(answer: &Tensor, reference: &Tensor) -> anyhow::Result<f64> {
    check_shapes(answer, reference)?;
    let width = answer.shape.last().copied().unwrap_or(1).max(1);
    let rows = answer.values.chunks(width).zip(reference.values.chunks(width));
    Ok(extreme(1.0, f64::min, rows.map(|(a, b)| cosine(a, b))))
}

/// The mean of the rows' cosines. NaN where [`least_cosine`] is.
///
/// # Errors
/// When the shapes differ.
pub fn mean_cosine(answer: &Tensor, reference: &Tensor) -> anyhow::Result<f64> {
    check_shapes(answer, reference)?;
    let width = answer.shape.last().copied().unwrap_or(1).max(1);
    let rows = answer.values.chunks(width).zip(reference.values.chunks(width));
    let count = rows.len().max(1) as f64;
    Ok(rows.map(|(a, b)| cosine(a, b)).sum::<f64>() / count)
}

/// The cosine of all values as one row. NaN where [`least_cosine`] is.
///
/// # Errors
/// When the shapes differ.
pub fn whole_cosine(answer: &Tensor, reference: &Tensor) -> anyhow::Result<f64> {
    check_shapes(answer, reference)?;
    Ok(cosine(&answer.values, &reference.values))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

/// The extreme of `start` and the numbers, or NaN if one of them is none: `f64::max` and `f64::min` would pass over it,
/// and with it over a broken answer.
fn extreme(start: f64, of_two: fn(f64, f64) -> f64, numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(
        start,
        |extreme, number| {
            if extreme.is_nan() || number.is_nan() { f64::NAN } else { of_two(extreme, number) }
        },
    )
}

fn check_shapes(answer: &Tensor, reference: &Tensor) -> anyhow::Result<()> {
    if answer.shape != reference.shape {
        bail!("shapes differ: {:?} and {:?}", answer.shape, reference.shape);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor<const N: usize>(values: [f32; N]) -> Tensor {
        Tensor { shape: vec![1, N], values: values.to_vec() }
    }

    fn assert_near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
    }

    #[test]
    fn relative_error_is_the_largest_difference_over_the_largest_reference() {
        let error = |a, b| relative_error(&tensor(a), &tensor(b)).unwrap();
        assert_near(error([1.0, -3.5, 0.0], [1.0, -4.0, 0.25]), 0.5 / 4.0);
        assert_near(error([1.0, -4.0, 0.25], [1.0, -3.5, 0.0]), 0.5 / 3.5);
        assert_near(error([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), 0.0);
    }

    #[test]
    fn zeros_agree_with_zeros_and_with_nothing_else() {
        let error = |a, b| relative_error(&tensor(a), &tensor(b)).unwrap();
        assert_near(error([0.0, 0.0], [0.0, 0.0]), 0.0);
        assert!(error([0.0, 1e-30], [0.0, 0.0]).is_infinite());
    }

    #[test]
    fn what_is_no_number_is_not_passed_over() {
        let whole = tensor([1.0, 1.0, 1.0]);
        for place in 0..3 {
            let mut broken = whole.clone();
            broken.values[place] = f32::NAN;
            assert!(relative_error(&broken, &whole).unwrap().is_nan());
            assert!(relative_error(&whole, &broken).unwrap().is_nan());
            for cosine in [least_cosine, mean_cosine, whole_cosine] {
                assert!(cosine(&broken, &whole).unwrap().is_nan());
            }
        }
    }

    #[test]
    fn cosine_is_that_of_the_row_that_turned_most() {
        let matrix = |values: [f32; 4]| Tensor { shape: vec![2, 2], values: values.to_vec() };
        let reference = matrix([1.0, 0.0, 0.0, 2.0]);
        let cosine = |values| least_cosine(&matrix(values), &reference).unwrap();
        assert_near(cosine([3.0, 0.0, 0.0, 1.0]), 1.0);
        assert_near(cosine([1.0, 0.0, 1.0, 1.0]), 0.5_f64.sqrt());
        assert_near(cosine([-1.0, 0.0, 0.0, 1.0]), -1.0);
        let turned = matrix([1.0, 0.0, 1.0, 1.0]);
        assert_near(mean_cosine(&turned, &reference).unwrap(), f64::midpoint(1.0, 0.5_f64.sqrt()));
        assert_near(whole_cosine(&turned, &reference).unwrap(), 3.0 / 15_f64.sqrt());
    }

    #[test]
    fn other_shapes_are_an_error_even_with_as_many_numbers() {
        let flat = tensor([1.0, 2.0]);
        let tall = Tensor { shape: vec![2, 1], ..flat.clone() };
        let error = relative_error(&flat, &tall).unwrap_err();
        assert_eq!(error.to_string(), "shapes differ: [1, 2] and [2, 1]");
        assert!(least_cosine(&flat, &tall).is_err());
    }
}

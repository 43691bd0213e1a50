//! Lays the model's windows over a canvas and averages their answers.

use glimpse_models::ModelSpec;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, Zip, s};

use super::blend::Blend;
use super::smooth;
use crate::{Error, Mask, Result, patchify, unpatchify};

/// Answers `[L, P·P·3]` normalized patches with all of them reconstructed.
pub(super) type Reconstruct<'a> = dyn FnMut(ArrayView2<f32>, &Mask) -> Result<Array2<f32>> + 'a;

/// The mean of the windows' answers.
pub(super) struct Answer {
    /// `[3, rows, cols]`, in grey levels of 255; 0 where no window answered.
    pub colours: Array3<f32>,
    /// `[rows, cols]`: whether a window answered.
    pub given: Array2<bool>,
}

/// Has the model paint the asked pixels of a canvas. Windows stand half a side apart or closer, each weighs most in its
/// middle, and one that holds nothing wanted, or shows too little, is left out.
///
/// # Shapes
/// - `canvas`: `[3, rows, cols]`, both at least the model's side
/// - `asked`, `wanted`: `[rows, cols]`; what is hidden from the model, and the part of it whose answer is used
///
/// # Units
/// Grey levels of 255.
///
/// # Errors
/// Whatever `reconstruct` returns.
pub(super) fn paint(
    reconstruct: &mut Reconstruct<'_>,
    spec: &ModelSpec,
    canvas: ArrayView3<f32>,
    asked: ArrayView2<bool>,
    wanted: ArrayView2<bool>,
    blend: &Blend,
) -> Result<Answer> {
    let (_, rows, cols) = canvas.dim();
    let side = spec.image_side();
    let weights = Array2::from_shape_fn((side, side), |(y, x)| tent(y, side) * tent(x, side));
    let mut colours = Array3::<f32>::zeros(canvas.dim());
    let mut total = Array2::<f32>::zeros((rows, cols));
    for top in offsets(rows, side) {
        for left in offsets(cols, side) {
            let window = s![top..top + side, left..left + side];
            let asked = asked.slice(window);
            if !wanted.slice(window).iter().any(|w| *w) {
                continue;
            }
            let mask = match Mask::from_pixels(spec.grid(), asked) {
                Ok(mask) => mask,
                Err(Error::NothingVisible { .. }) => continue,
                Err(error) => return Err(error),
            };
            if (mask.visible().len() as f32) < blend.least_visible * mask.grid().len() as f32 {
                continue;
            }
            let image = canvas.slice(s![.., top..top + side, left..left + side]);
            let deviation = blend.smooth * spec.patch_side() as f32;
            let mut painted = answer(reconstruct, spec, image, &mask, deviation)?;
            if blend.mirror {
                let flipped = asked.slice(s![.., ..;-1]).as_standard_layout().into_owned();
                let flipped = Mask::from_pixels(spec.grid(), flipped.view())?;
                let twin = answer(reconstruct, spec, image.slice(s![.., .., ..;-1]), &flipped, deviation)?;
                Zip::from(&mut painted).and(twin.slice(s![.., .., ..;-1])).for_each(|a, b| *a = f32::midpoint(*a, *b));
            }
            for (channel, painted) in painted.outer_iter().enumerate() {
                Zip::from(colours.slice_mut(s![channel, top..top + side, left..left + side]))
                    .and(painted)
                    .and(&weights)
                    .and(asked)
                    .for_each(|sum, value, weight, asked| *sum += if *asked { value * weight } else { 0.0 });
            }
            Zip::from(total.slice_mut(window))
                .and(&weights)
                .and(asked)
                .for_each(|sum, weight, asked| *sum += if *asked { *weight } else { 0.0 });
        }
    }
    for mut plane in colours.axis_iter_mut(Axis(0)) {
        plane.zip_mut_with(&total, |value, weight| *value /= weight.max(f32::MIN_POSITIVE));
    }
    Ok(Answer { colours, given: total.mapv(|weight| weight > 0.0) })
}

/// One window through the model: `[3, S, S]` in, `[3, S, S]` out, both in grey levels of 255.
fn answer(
    reconstruct: &mut Reconstruct<'_>,
    spec: &ModelSpec,
    image: ArrayView3<f32>,
    mask: &Mask,
    deviation: f32,
) -> Result<Array3<f32>> {
    let mut normalized = image.to_owned();
    for ((mut plane, mean), std) in normalized.outer_iter_mut().zip(spec.mean()).zip(spec.std()) {
        plane.mapv_inplace(|grey| (grey / 255.0 - mean) / std);
    }
    let patches = reconstruct(patchify(normalized.view(), spec.grid())?.view(), mask)?;
    let mut painted = unpatchify(patches.view(), spec.grid())?;
    for ((mut plane, mean), std) in painted.outer_iter_mut().zip(spec.mean()).zip(spec.std()) {
        plane.mapv_inplace(|value| ((value * std + mean) * 255.0).clamp(0.0, 255.0));
    }
    let hidden = mask.masked_pixels();
    for plane in painted.outer_iter_mut() {
        smooth::gaussian(plane, hidden.view(), deviation);
    }
    Ok(painted)
}

/// Where windows start along an axis: evenly from end to end, at most half a side apart.
fn offsets(length: usize, side: usize) -> Vec<usize> {
    let room = length.saturating_sub(side);
    let steps = room.div_ceil((side / 2).max(1));
    (0..=steps).map(|step| (room * step).checked_div(steps).unwrap_or(0)).collect()
}

/// Falls from the middle of a window to its ends, where it is small but not 0: at a canvas' end no other window helps.
fn tent(at: usize, side: usize) -> f32 {
    (at.min(side - 1 - at) as f32 + 0.5) / side as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_axis_and_stand_close() {
        for length in [128, 129, 136, 192, 193, 1000] {
            let starts = offsets(length, 128);
            assert_eq!((starts[0], starts[starts.len() - 1]), (0, length - 128));
            assert!(starts.windows(2).all(|pair| pair[0] < pair[1] && pair[1] - pair[0] <= 64));
        }
    }

    #[test]
    fn a_window_weighs_most_in_its_middle() {
        assert!(tent(0, 128) > 0.0 && tent(0, 128) == tent(127, 128) && tent(63, 128) > tent(20, 128));
    }
}

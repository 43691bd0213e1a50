//! Operations that give each level of a channel another one.

/// Stretches each channel so that its lowest level is 0 and its highest 255; one of a single level is left.
pub fn auto_contrast(pixels: &mut [[u8; 3]]) {
    for channel in 0..3 {
        let levels = || pixels.iter().map(|pixel| f32::from(pixel[channel]));
        let (low, high) =
            levels().fold((255.0, 0.0), |(low, high): (f32, f32), level| (low.min(level), high.max(level)));
        if low < high {
            change_channel(pixels, channel, |level| ((f32::from(level) - low) * 255.0 / (high - low)).round() as u8);
        }
    }
}

/// Gives each level of a channel the part that is lower, of all that is lower than the highest level: the lowest becomes 0
/// and the highest 255. A channel of a single level is left.
pub fn equalize(pixels: &mut [[u8; 3]]) {
    for channel in 0..3 {
        let mut counts = [0; 256];
        for pixel in &*pixels {
            counts[usize::from(pixel[channel])] += 1;
        }
        let highest = counts.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
        let below_highest = pixels.len() - highest;
        if below_highest == 0 {
            continue;
        }
        let mut lower = 0;
        let equal = counts.map(|count| {
            let level = (255 * lower + below_highest / 2) / below_highest;
            lower += count;
            level as u8
        });
        change_channel(pixels, channel, |level| equal[usize::from(level)]);
    }
}

/// The negative.
pub fn invert(pixels: &mut [[u8; 3]]) {
    change(pixels, |level| 255 - level);
}

/// Keeps the highest `bits` of each level, at most 8.
pub fn posterize(pixels: &mut [[u8; 3]], bits: u32) {
    let kept = u8::MAX.checked_shr(bits).map_or(u8::MAX, |lost| !lost);
    change(pixels, |level| level & kept);
}

/// Inverts levels from `threshold` on; at 256, none.
pub fn solarize(pixels: &mut [[u8; 3]], threshold: u16) {
    change(pixels, |level| if u16::from(level) < threshold { level } else { 255 - level });
}

/// Adds `added` to levels of the lower half.
pub fn solarize_add(pixels: &mut [[u8; 3]], added: u8) {
    change(pixels, |level| if level < 128 { level.saturating_add(added) } else { level });
}

fn change(pixels: &mut [[u8; 3]], level: impl Fn(u8) -> u8) {
    for value in pixels.as_flattened_mut() {
        *value = level(*value);
    }
}

fn change_channel(pixels: &mut [[u8; 3]], channel: usize, level: impl Fn(u8) -> u8) {
    for pixel in pixels {
        pixel[channel] = level(pixel[channel]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(operation: impl Fn(&mut [[u8; 3]]), mut pixels: Vec<[u8; 3]>) -> Vec<[u8; 3]> {
        operation(&mut pixels);
        pixels
    }

    #[test]
    fn contrast_reaches_from_end_to_end_in_each_channel() {
        let pixels = vec![[100, 0, 7], [150, 255, 7], [200, 51, 7]];
        assert_eq!(after(auto_contrast, pixels), [[0, 0, 7], [128, 255, 7], [255, 51, 7]]);
    }

    #[test]
    fn equalized_levels_are_evenly_frequent() {
        assert_eq!(
            after(equalize, vec![[10, 3, 0], [10, 3, 1], [12, 3, 2], [10, 3, 3]]),
            [[0, 3, 0], [0, 3, 85], [255, 3, 170], [0, 3, 255]]
        );
        // a level as frequent as four others takes as much room as they do
        let crowded = after(equalize, [5, 5, 5, 5, 6, 7, 8, 9, 255].map(|level| [level; 3]).to_vec());
        assert_eq!(crowded, [0, 0, 0, 0, 128, 159, 191, 223, 255].map(|level| [level; 3]));
        assert_eq!(after(equalize, Vec::new()), Vec::<[u8; 3]>::new());
    }

    #[test]
    fn inverting_twice_is_nothing() {
        let pixels = vec![[0, 100, 255], [1, 2, 3]];
        let once = after(invert, pixels.clone());
        assert_eq!(once, [[255, 155, 0], [254, 253, 252]]);
        assert_eq!(after(invert, once), pixels);
    }

    #[test]
    fn posterizing_keeps_the_highest_bits() {
        let kept = |bits| after(|pixels| posterize(pixels, bits), vec![[0b1011_0111, 255, 64]])[0];
        assert_eq!(kept(4), [0b1011_0000, 0b1111_0000, 64]);
        assert_eq!((kept(1), kept(0)), ([128, 128, 0], [0; 3]));
        assert_eq!(kept(8), [0b1011_0111, 255, 64]);
    }

    #[test]
    fn solarizing_inverts_from_the_threshold_on() {
        let solarized = |threshold| after(|pixels| solarize(pixels, threshold), vec![[99, 100, 255]])[0];
        assert_eq!((solarized(100), solarized(256), solarized(0)), ([99, 155, 0], [99, 100, 255], [156, 155, 0]));
        assert_eq!(after(|pixels| solarize_add(pixels, 110), vec![[0, 127, 128]]), [[110, 237, 128]]);
    }
}

//! Numbers that look random and follow from a seed.

/// A number that looks random, from one that does not.
///
/// # Source
/// Steele et al. 2014, "Fast splittable pseudorandom number generators" (`SplitMix64`).
pub fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

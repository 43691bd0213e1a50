//! Bytes to normalized values.

/// `(byte / 255 − mean) / std` for one value of a channel.
///
/// # Units
/// In: 0 to 255. Out: standard deviations of the training data's channel.
#[must_use]
pub fn normalize(byte: u8, mean: f32, std: f32) -> f32 {
    (f32::from(byte) / 255.0 - mean) / std
}

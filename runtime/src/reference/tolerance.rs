//! How far a fast version may be from its twin, and the engine from a golden answer.

/// Relative error (`‖got − expected‖ / ‖expected‖`) of an answer in f32: the same operations summed in another order,
/// through all of a model's layers.
pub const F32_RELATIVE_ERROR: f64 = 1e-5;

/// Smallest cosine between an int8 model's token and the f32 one: eight bits a weight and a value leave a token's direction
/// as it was.
pub const INT8_COSINE: f64 = 0.999;

/// Root mean square by which an int8 model's painted values may differ from the f32 ones, normalized: less than one grey
/// level of 255. A cosine would say nothing here, since the right answer to almost no picture has almost no contrast.
pub const INT8_PAINTED_RMS: f64 = 0.015;

/// Absolute error of a normalized pixel: two float formulas of the same three operations.
pub const PIXEL: f32 = 1e-5;

/// Grey levels by which a colour may be off that is made of Y, U and V: rounding, and factors of fourteen binary digits.
pub const COLOUR: f64 = 0.52;

/// Grey levels by which colours of resized Y, U and V may differ from resized colours, the most and their mean: each of the three is
/// rounded twice more, and U counts twice in blue.
pub const RESIZED_COLOUR: [f32; 2] = [4.0, 0.7];

/// Relative error of a GPU's answer in f32: as [`F32_RELATIVE_ERROR`], and its exponentials and divisions may be off by a few
/// units in the last place.
pub const GPU_F32: f64 = 1e-4;

/// Relative error of a GPU's answer with weights in f16: eleven bits of each are kept.
pub const GPU_F16: f64 = 2e-3;

/// Relative error of a GPU's answer multiplied in f16: rows are rounded too, and sums of sixteen products.
pub const GPU_F16_PRODUCTS: f64 = 4e-3;

/// Relative error of a GPU's answer with int8 weights: [`INT8_COSINE`] as a distance, `√(2 − 2·0.999)`.
pub const GPU_INT8: f64 = 0.045;

/// Relative error of a GPU's tokens in int8 beside the CPU's in int8: the same bytes, but for one that lies between two and is
/// rounded the other way; or, in whole blocks, for the values between a block's last two layers, of which a part at a time has a
/// range of its own.
pub const GPU_INT8_AS_ON_CPU: f64 = 2e-3;

/// Root mean square of grey levels by which a picture that a GPU put together may differ from the one that the CPU puts together
/// around the same model: a membrane that ends a tenth of a level earlier, and rounding.
pub const GPU_PICTURE_RMS: f64 = 0.5;

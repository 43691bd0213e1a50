//! What groups of a graph's operators are made into, as data: an engine brings it into the form that it runs.

use glimpse_models::onnx::Bytes;

/// An operator that makes a row of f32 for each row of f32.
#[derive(Debug)]
pub(crate) enum Operator {
    Linear(Linear),
    LayerNorm(LayerNorm),
    Attention(Attention),
    HeadsApart(HeadsApart),
}

/// A linear layer with what follows it: `[R, K]` to `[R, C]`. What is added to its answer last, if anything is, is its
/// second input.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weights: Weights,
    /// `[C]`, or empty
    pub(crate) bias: Vec<f32>,
    /// The answer goes through GELU.
    pub(crate) gelu: bool,
}

/// Layer norm over a row: `[R, C]` to `[R, C]`.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    /// `[C]`
    pub(crate) weight: Vec<f32>,
    /// `[C]`
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// Queries, keys and values side by side: `[R, 3·C]` to `[R, C]`.
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) heads: usize,
    pub(crate) head_width: usize,
    pub(crate) scale: f32,
}

/// Queries and values head after head, `[…, T, d]`, and keys `[…, d, T]`, to `[…, T, d]`.
#[derive(Debug)]
pub(crate) struct HeadsApart {
    pub(crate) scale: f32,
}

/// A layer's weights as the file has them, row-major: `[K, C]`, neither of them 0.
#[derive(Debug)]
pub(crate) enum Weights {
    F32 {
        /// `K`
        inputs: usize,
        /// `[K, C]`, little endian
        values: Bytes,
    },
    Int8 {
        /// `K`
        inputs: usize,
        /// `[K, C]`
        codes: Bytes,
        /// `[C]`
        scale: Vec<f32>,
    },
}

impl Operator {
    /// How it is called.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Linear(_) => Linear::NAME,
            Self::LayerNorm(_) => "LayerNorm",
            Self::Attention(_) | Self::HeadsApart(_) => "Attention",
        }
    }

    /// Values in a row of the first input, and in a row of the answer; none where the answer's rows are as long as the
    /// input's, whatever that is.
    pub(crate) fn widths(&self) -> Option<[usize; 2]> {
        match self {
            Self::Linear(linear) => Some([linear.weights.inputs(), linear.weights.outputs()]),
            Self::LayerNorm(norm) => Some([norm.weight.len(); 2]),
            Self::Attention(attention) => Some([3 * attention.width(), attention.width()]),
            Self::HeadsApart(_) => None,
        }
    }
}

impl Linear {
    pub(crate) const NAME: &'static str = "Linear";
}

impl Attention {
    /// `C`
    pub(crate) const fn width(&self) -> usize {
        self.heads * self.head_width
    }
}

impl Weights {
    /// `K`
    pub(crate) const fn inputs(&self) -> usize {
        match self {
            Self::F32 { inputs, .. } | Self::Int8 { inputs, .. } => *inputs,
        }
    }

    /// `C`
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::F32 { inputs, values } => values.len() / size_of::<f32>() / inputs.max(&1),
            Self::Int8 { scale, .. } => scale.len(),
        }
    }

    /// `[K, C]` in f32; int8 ones widened.
    pub(crate) fn widened(&self) -> Vec<f32> {
        match self {
            Self::F32 { values, .. } => {
                values.as_chunks().0.iter().map(|&bytes: &[u8; 4]| f32::from_le_bytes(bytes)).collect()
            }
            Self::Int8 { codes, scale, .. } => {
                let rows = codes.chunks_exact(scale.len().max(1));
                let widen = |(&code, scale): (&u8, &f32)| f32::from(code.cast_signed()) * scale;
                rows.flat_map(|row| row.iter().zip(scale).map(widen)).collect()
            }
        }
    }
}

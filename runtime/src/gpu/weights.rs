//! Weights in the shaders' order: blocks of four columns.

use std::fmt;

use half::f16;

use super::kernels::Form;
use crate::fuse::{Linear, Weights};

/// Columns of a block, and rows of one of int8.
const BLOCK: usize = 4;

/// What a linear layer is multiplied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Product {
    /// f32, whatever the weights lie in memory as.
    Wide(Form),
    /// f16, as the weights lie in memory; sums of many are f32.
    Half,
    /// Bytes, rows quantized as they come.
    Bytes,
}

/// A layer as a kernel reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) weights: Vec<u8>,
    /// What each column's sum is multiplied by, and what is added.
    pub(super) columns: Vec<u8>,
}

impl Packed {
    /// A layer's weights and columns. Weights that are f32 in the file are bytes in no product.
    pub(super) fn new(layer: &Linear, product: Product) -> Self {
        let columns = layer.weights.outputs();
        let bias = |column: usize| layer.bias.get(column).copied().unwrap_or_default();
        match (&layer.weights, product) {
            (Weights::Int8 { codes, scale, .. }, Product::Bytes) => {
                let mut sums = vec![0i32; columns];
                for row in codes.chunks_exact(columns) {
                    for (sum, code) in sums.iter_mut().zip(row) {
                        *sum += i32::from(code.cast_signed());
                    }
                }
                let column = |at: usize| [scale[at], bias(at), f32::from_bits(sums[at].cast_unsigned()), 0.0];
                Self { weights: quads(codes, columns, true), columns: bytes((0..columns).flat_map(column)) }
            }
            (Weights::Int8 { codes, scale, .. }, Product::Wide(Form::Int8)) => {
                let column = |at: usize| [scale[at], bias(at)];
                Self { weights: quads(codes, columns, false), columns: bytes((0..columns).flat_map(column)) }
            }
            (weights, product) => {
                let column = |at: usize| [1.0, bias(at)];
                let weights = match (product, weights) {
                    (Product::Wide(Form::F16) | Product::Half, _) => halves(&weights.widened(), columns),
                    (_, Weights::F32 { values, .. }) => values.to_vec(),
                    (_, Weights::Int8 { .. }) => bytes(weights.widened()),
                };
                Self { weights, columns: bytes((0..columns).flat_map(column)) }
            }
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wide(Form::F32) => "f32",
            Self::Wide(Form::F16) => "f16 widened",
            Self::Wide(Form::Int8) => "int8 widened",
            Self::Half => "f16",
            Self::Bytes => "int8",
        })
    }
}

impl Product {
    /// Bytes of a weight.
    pub(super) const fn weight_bytes(self) -> u64 {
        match self {
            Self::Wide(Form::F32) => 4,
            Self::Wide(Form::F16) | Self::Half => 2,
            Self::Wide(Form::Int8) | Self::Bytes => 1,
        }
    }

    /// The product that a layer's weights are good for: f32 ones are not made bytes.
    pub(super) const fn of(self, weights: &Weights) -> Self {
        match (weights, self) {
            (Weights::F32 { .. }, Self::Bytes | Self::Wide(Form::Int8)) => Self::Wide(Form::F32),
            (_, product) => product,
        }
    }
}

/// f32 as bytes.
pub(super) fn bytes(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// Two rows of four columns to a vector, the first row first.
fn halves(values: &[f32], columns: usize) -> Vec<u8> {
    let mut packed = Vec::with_capacity(values.len() * size_of::<f16>());
    for rows in values.chunks(2 * columns) {
        for block in (0..columns).step_by(BLOCK) {
            for row in rows.chunks(columns) {
                packed.extend(row[block..block + BLOCK].iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()));
            }
        }
    }
    packed
}

/// Four rows of four columns to a vector: a word a row, or, turned, a word a column.
fn quads(codes: &[u8], columns: usize, turned: bool) -> Vec<u8> {
    let mut packed = Vec::with_capacity(codes.len());
    for rows in codes.chunks(BLOCK * columns) {
        for block in (0..columns).step_by(BLOCK) {
            for word in 0..BLOCK {
                for byte in 0..BLOCK {
                    let (row, column) = if turned { (byte, word) } else { (word, byte) };
                    packed.push(rows[row * columns + block + column]);
                }
            }
        }
    }
    packed
}

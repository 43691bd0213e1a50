//! What a dispatch does: a kernel, its parameters, and its workgroups.

use bytemuck::bytes_of;

use super::compile::Rows;
use super::kernels::{BlockShape, Kernel, Tile};
use super::params;
use super::weights::Product;

/// Invocations of a workgroup of the kernels that make one value or vector each.
pub(super) const LINE: u32 = 64;
/// Queries of a workgroup of `attention`.
pub(super) const QUERIES: u32 = 16;

/// Rows of a workgroup of `transformer_block`.
pub(super) const BLOCK_ROWS: u32 = 4;

/// Workgroups of `copy` side by side.
const COPY_ROW: u32 = 1 << 10;

/// Workgroups of a linear layer.
pub(super) const fn linear_groups(side: u32, rows: u32, outputs: u32) -> [u32; 3] {
    [outputs.div_ceil(4 * side), rows.div_ceil(4 * side), 1]
}

/// A dispatch's work. How large it is follows from the number of visible patches.
#[derive(Debug, Clone, Copy)]
pub(super) enum Job {
    Linear {
        product: Product,
        tile: Tile,
        rows: Rows,
        inputs: u32,
        outputs: u32,
        first: u32,
        finish: u32,
    },
    Quantize {
        rows: Rows,
        width: u32,
        subgroups: bool,
    },
    LayerNorm {
        rows: Rows,
        width: u32,
        epsilon: f32,
        subgroups: bool,
    },
    /// Layer norm, then quantized.
    LayerNormInt8 {
        rows: Rows,
        width: u32,
        epsilon: f32,
        subgroups: bool,
    },
    Attention {
        rows: Rows,
        heads: u32,
        head_width: u32,
        scale: f32,
        /// Groups of invocations that share a head's keys.
        groups: u32,
    },
    /// The rest of a transformer block, and what follows it, as the parameters say.
    Block {
        rows: Rows,
        shape: BlockShape,
        product: Product,
        /// The most tokens.
        most: u32,
        params: params::Block,
    },
    Place {
        rows: Rows,
        width: u32,
        places: u32,
    },
    Restore {
        rows: Rows,
        width: u32,
    },
    /// Bytes that are read and written come first.
    ResizeRows(u32, params::ResizeRows),
    /// Bytes of all lines, and patches that there are, come first.
    ResizePatches([u32; 2], params::ResizePatches),
    Planes(params::Planes),
    Membrane {
        places: u32,
        params: params::Membrane,
        invocations: u32,
        /// Cells in the workgroup's memory.
        near: u32,
    },
    Composite(params::Composite),
    Copy {
        vectors: u32,
    },
    FmaRate {
        groups: u32,
        params: params::FmaRate,
    },
}

impl Job {
    /// The kernel that does it.
    pub(super) const fn kernel(self) -> Kernel {
        match self {
            Self::Linear { product: Product::Wide(form), tile, .. } => Kernel::Linear { form, tile },
            Self::Linear { product: Product::Half, tile: Tile { side, .. }, .. } => Kernel::LinearF16 { side },
            Self::Linear { product: Product::Bytes, tile, .. } => Kernel::LinearInt8 { tile },
            Self::Quantize { subgroups, .. } => Kernel::Quantize { subgroups },
            Self::LayerNorm { subgroups, .. } => Kernel::LayerNorm { subgroups },
            Self::LayerNormInt8 { subgroups, .. } => Kernel::LayerNormInt8 { subgroups },
            Self::Attention { head_width, groups, .. } => Kernel::Attention { parts: head_width / 16, groups },
            Self::Block { shape, product, most, .. } => Kernel::Block { shape, product, tokens: most },
            Self::Place { .. } => Kernel::Place,
            Self::Restore { .. } => Kernel::Restore,
            Self::ResizeRows(..) => Kernel::ResizeRows,
            Self::ResizePatches(..) => Kernel::ResizePatches,
            Self::Planes(_) => Kernel::Planes,
            Self::Membrane { invocations, near, .. } => Kernel::Membrane { invocations, near },
            Self::Composite(_) => Kernel::Composite,
            Self::Copy { .. } => Kernel::Copy,
            Self::FmaRate { .. } => Kernel::FmaRate,
        }
    }

    /// The kernel's parameters.
    pub(super) fn params(self, visible: usize) -> Vec<u8> {
        let count = |rows: Rows| rows.of(visible) as u32;
        match self {
            Self::Linear { rows, inputs, outputs, first, finish, .. } => {
                bytes_of(&params::Linear { rows: count(rows), inputs, outputs, first, finish }).to_vec()
            }
            Self::Quantize { width, .. } => bytes_of(&params::Quantize { width }).to_vec(),
            Self::LayerNorm { width, epsilon, .. } | Self::LayerNormInt8 { width, epsilon, .. } => {
                bytes_of(&params::LayerNorm { width, epsilon }).to_vec()
            }
            Self::Attention { rows, heads, scale, .. } => {
                bytes_of(&params::Attention { tokens: count(rows), heads, scale }).to_vec()
            }
            Self::Block { rows, params, .. } => bytes_of(&params::Block { tokens: count(rows), ..params }).to_vec(),
            Self::Place { rows, width, places } => {
                bytes_of(&params::Place { rows: count(rows), width, places }).to_vec()
            }
            Self::Restore { rows, width } => bytes_of(&params::Restore { rows: count(rows), width }).to_vec(),
            Self::ResizeRows(_, params) => bytes_of(&params).to_vec(),
            Self::ResizePatches(_, params) => bytes_of(&params).to_vec(),
            Self::Planes(params) => bytes_of(&params).to_vec(),
            Self::Membrane { places, params, .. } => {
                bytes_of(&params::Membrane { masked: places - visible as u32, ..params }).to_vec()
            }
            Self::Composite(params) => bytes_of(&params).to_vec(),
            Self::Copy { vectors } => bytes_of(&params::Copying { vectors }).to_vec(),
            Self::FmaRate { params, .. } => bytes_of(&params).to_vec(),
        }
    }

    /// Workgroups.
    pub(super) fn groups(self, visible: usize) -> [u32; 3] {
        let count = |rows: Rows| rows.of(visible) as u32;
        match self {
            Self::Linear { tile: Tile { side, .. }, rows, outputs, .. } => linear_groups(side, count(rows), outputs),
            Self::Quantize { rows, .. } | Self::LayerNorm { rows, .. } | Self::LayerNormInt8 { rows, .. } => {
                [count(rows), 1, 1]
            }
            Self::Attention { rows, heads, .. } => [count(rows).div_ceil(QUERIES), heads, 1],
            Self::Block { rows, .. } => [count(rows).div_ceil(BLOCK_ROWS), 1, 1],
            Self::Place { rows, width, .. } | Self::Restore { rows, width } => {
                [(width / 4).div_ceil(LINE), count(rows), 1]
            }
            Self::ResizeRows(_, params) => [params.words.div_ceil(LINE), params.rows, 1],
            Self::ResizePatches(_, params) => {
                [(params.patch_side * params.patch_side).div_ceil(LINE), visible as u32, 1]
            }
            Self::Planes(params::Planes { side, .. }) | Self::Composite(params::Composite { side, .. }) => {
                [side.div_ceil(LINE), side, 1]
            }
            Self::Membrane { .. } => [1, 1, 1],
            // more groups than one side may have
            Self::Copy { vectors } => [COPY_ROW, vectors.div_ceil(LINE * COPY_ROW), 1],
            Self::FmaRate { groups, .. } => [groups, 1, 1],
        }
    }

    /// Multiplications that it takes, each with its addition; 0 where they are not what it does.
    pub(super) fn products(self, visible: usize) -> u64 {
        let count = |rows: Rows| rows.of(visible) as u64;
        match self {
            Self::Linear { rows, inputs, outputs, .. } => count(rows) * u64::from(inputs) * u64::from(outputs),
            Self::Attention { rows, heads, head_width, .. } => {
                2 * count(rows).pow(2) * u64::from(heads) * u64::from(head_width)
            }
            Self::Block { rows, shape, params, .. } => {
                let [rest, layer] = shape.weights();
                let layers = u64::from(params.rest) * rest + u64::from(params.layers) * layer;
                let keys = u64::from(params.rest) * 2 * count(rows) * u64::from(shape.width);
                count(rows) * (layers + keys)
            }
            _ => 0,
        }
    }

    /// Bytes that it must read and write at least.
    pub(super) fn bytes(self, visible: usize) -> u64 {
        let area = |rows: Rows, width: u32| rows.of(visible) as u64 * u64::from(width);
        let square = |side: u32| u64::from(side) * u64::from(side);
        match self {
            Self::Linear { product, rows, inputs, outputs, finish, .. } => {
                let value_bytes = if product == Product::Bytes { 1 } else { 4 };
                let weight_bytes = product.weight_bytes();
                let passes = 1 + u64::from(finish & params::RESIDUAL != 0);
                value_bytes * area(rows, inputs)
                    + weight_bytes * u64::from(inputs) * u64::from(outputs)
                    + 4 * passes * area(rows, outputs)
            }
            Self::Quantize { rows, width, .. } | Self::LayerNormInt8 { rows, width, .. } => 5 * area(rows, width),
            Self::LayerNorm { rows, width, .. } => 8 * area(rows, width),
            Self::Attention { rows, heads, head_width, .. } => 16 * area(rows, heads * head_width),
            Self::Block { rows, shape, product, params, .. } => {
                let [rest, layer] = shape.weights();
                let layers = u64::from(params.rest) * rest + u64::from(params.layers) * layer;
                // x to and fro, queries, keys and values, and what follows
                product.weight_bytes() * layers
                    + 4 * u64::from(2 + 3 * params.rest + params.layers) * area(rows, shape.width)
            }
            Self::Place { rows, width, .. } | Self::Restore { rows, width } => 12 * area(rows, width),
            Self::ResizeRows(bytes, _) => bytes.into(),
            Self::ResizePatches([line_bytes, places], params) => {
                u64::from(line_bytes) * visible as u64 / u64::from(places)
                    + 16 * visible as u64 * square(params.patch_side)
            }
            Self::Planes(params) => 20 * square(params.side),
            Self::Membrane { places, params, .. } => {
                32 * u64::from(places - visible as u32) * square(params.patch_side)
            }
            Self::Composite(params) => 32 * square(params.side),
            Self::Copy { vectors } => 32 * u64::from(vectors),
            Self::FmaRate { groups, .. } => 16 * u64::from(groups),
        }
    }
}

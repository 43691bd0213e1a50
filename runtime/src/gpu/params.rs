//! The shaders' parameters, field by field as their `Params` have them.

use bytemuck::{Pod, Zeroable};

/// The answer goes through GELU.
pub(super) const GELU: u32 = 1;
/// What stands where the answer goes is added to it.
pub(super) const RESIDUAL: u32 = 2;

/// Of `linear.wgsl` and `linear_int8.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Linear {
    pub(super) rows: u32,
    pub(super) inputs: u32,
    pub(super) outputs: u32,
    pub(super) first: u32,
    pub(super) finish: u32,
}

/// Of `quantize.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Quantize {
    pub(super) width: u32,
}

/// Of `layer_norm.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct LayerNorm {
    pub(super) width: u32,
    pub(super) epsilon: f32,
}

/// Of `attention.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Attention {
    pub(super) tokens: u32,
    pub(super) heads: u32,
    pub(super) scale: f32,
}

/// Of `transformer_block.wgsl` and `transformer_block_int8.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Block {
    pub(super) tokens: u32,
    pub(super) rest: u32,
    pub(super) norm: u32,
    pub(super) layers: u32,
    pub(super) norm_at: u32,
    pub(super) first: u32,
    pub(super) scale: f32,
    pub(super) epsilon: f32,
    pub(super) norm_epsilon: f32,
}

/// Of `place.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Place {
    pub(super) rows: u32,
    pub(super) width: u32,
    pub(super) places: u32,
}

/// Of `restore.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Restore {
    pub(super) rows: u32,
    pub(super) width: u32,
}

/// Of `resize_rows.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct ResizeRows {
    pub(super) words: u32,
    pub(super) rows: u32,
    pub(super) entry: u32,
}

/// Of a channel, in `resize_patches.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct Channel {
    pub(super) table: u32,
    pub(super) step: u32,
    pub(super) lines: u32,
    pub(super) words: u32,
    pub(super) shift: u32,
    pub(super) padding: [u32; 3],
}

/// Of `resize_patches.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct ResizePatches {
    pub(super) scale: [f32; 4],
    pub(super) offset: [f32; 4],
    pub(super) channels: [Channel; 3],
    pub(super) chroma: [i32; 4],
    pub(super) black: i32,
    pub(super) luma: i32,
    pub(super) is_yuv: u32,
    pub(super) taps: u32,
    pub(super) side: u32,
    pub(super) patch_side: u32,
    pub(super) padding: [u32; 2],
}

/// Of `planes.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Planes {
    pub(super) start: [f32; 4],
    pub(super) side: u32,
    pub(super) patch_side: u32,
    pub(super) padding: [u32; 2],
}

/// Of `membrane.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Membrane {
    pub(super) side: u32,
    pub(super) patch_side: u32,
    pub(super) masked: u32,
    pub(super) coarser: u32,
    pub(super) far: u32,
    pub(super) tolerance: f32,
}

/// Of `composite.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Composite {
    pub(super) scale: [f32; 4],
    pub(super) side: u32,
    pub(super) patch_side: u32,
    pub(super) padding: [u32; 2],
}

/// Of `copy.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Copying {
    pub(super) vectors: u32,
}

/// Of `fma_rate.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct FmaRate {
    pub(super) factor: f32,
    pub(super) summand: f32,
}

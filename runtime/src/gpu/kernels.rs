//! The shaders, their constants and bindings.

use std::collections::HashMap;

use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use wgpu::{
    ComputePipeline, ComputePipelineDescriptor, Device, ErrorFilter, Limits, PipelineCompilationOptions,
    ShaderModuleDescriptor, ShaderSource,
};

use super::GpuError;
use super::compiled::{Compiled, Known};
use super::context::of_wgpu;
use super::jobs::{QUERIES, linear_groups};
use super::weights::Product;

/// A shader on disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shader {
    /// Its file's stem, and its entry point.
    pub(super) name: &'static str,
    pub(super) source: &'static str,
}

impl Shader {
    /// The source for naga, which has subgroups and does not know yet how WGSL asks for them.
    pub(super) fn for_naga(self) -> String {
        self.source.replace("enable subgroups;", "")
    }
}

macro_rules! shader {
    ($name:literal) => {
        Shader { name: $name, source: include_str!(concat!("../../shaders/", $name, ".wgsl")) }
    };
}

/// How a layer's weights lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// f32.
    F32,
    /// f16, two to a word; sums are f32.
    F16,
    /// int8, four to a word, widened as they come.
    Int8,
}

/// A linear layer of fewer tiles than this keeps a large GPU waiting.
const FEW_TILES: u32 = 256;
/// Bytes of a vector of four words.
const VECTOR: u32 = 16;

/// How a workgroup shares out a linear layer's tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Invocations along a side.
    pub(super) side: u32,
    /// Invocations that share the summands of a value.
    pub(super) split: u32,
}

impl Tile {
    /// The tile of a layer: its summands are shared where there are few tiles.
    pub(super) fn of(self, rows: u32, outputs: u32) -> Self {
        let [x, y, _] = linear_groups(self.side, rows, outputs);
        if x * y < FEW_TILES { self } else { Self { split: 1, ..self } }
    }

    /// Whether a GPU has workgroups that large: invocations, and the tiles of x and w, sixteen of k and a place more to a row.
    pub(super) fn fits(self, limits: &Limits) -> bool {
        let Self { side, split } = self;
        let bytes = VECTOR * split * (4 * side * 5 + side * 17);
        side * side * split <= limits.max_compute_invocations_per_workgroup
            && split <= limits.max_compute_workgroup_size_z
            && bytes <= limits.max_compute_workgroup_storage_size
    }
}

/// Groups of invocations that share a head's keys: as many as a GPU's workgroups have place for.
pub(super) fn attention_groups(parts: u32, limits: &Limits) -> u32 {
    let bytes = |groups: u32| VECTOR * QUERIES * (4 * parts + groups * (4 * parts + 1 + 4));
    let fits = |&groups: &u32| {
        4 * QUERIES * groups <= limits.max_compute_invocations_per_workgroup
            && bytes(groups) <= limits.max_compute_workgroup_storage_size
    };
    [4, 2].into_iter().find(fits).unwrap_or(1)
}

/// Sizes of a transformer block that is one dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BlockShape {
    pub(super) width: u32,
    pub(super) heads: u32,
    /// Values of a row between the two layers of the block's perceptron.
    pub(super) hidden: u32,
}

impl BlockShape {
    /// Weights of the layers behind queries, keys and values, and of one that is as wide as a row.
    pub(super) const fn weights(self) -> [u64; 2] {
        let (width, hidden) = (self.width as u64, self.hidden as u64);
        [width * (width + 2 * hidden), width * width]
    }

    /// Whether a GPU has place for it: invocations that make four values each, a tile of them and one to exchange, bytes of them,
    /// scores of so many tokens, and sums over rows.
    pub(super) fn fits(self, tokens: u32, limits: &Limits) -> bool {
        let Self { width, heads, .. } = self;
        let bytes = VECTOR * (2 * width + width / 4 + heads * tokens + width / 2);
        width <= limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x)
            && bytes <= limits.max_compute_workgroup_storage_size
    }
}

/// A shader with its constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    Linear {
        form: Form,
        tile: Tile,
    },
    /// Products in f16.
    LinearF16 {
        side: u32,
    },
    LinearInt8 {
        tile: Tile,
    },
    Quantize {
        subgroups: bool,
    },
    LayerNorm {
        subgroups: bool,
    },
    /// Layer norm, then quantized.
    LayerNormInt8 {
        subgroups: bool,
    },
    Attention {
        parts: u32,
        groups: u32,
    },
    /// A transformer block for up to so many tokens.
    Block {
        shape: BlockShape,
        product: Product,
        tokens: u32,
    },
    Place,
    Restore,
    ResizeRows,
    ResizePatches,
    Planes,
    /// With so many cells in the workgroup's memory.
    Membrane {
        invocations: u32,
        near: u32,
    },
    Composite,
    Copy,
    FmaRate,
}

impl Kernel {
    pub(super) const fn shader(self) -> Shader {
        match self {
            Self::Linear { .. } => shader!("linear"),
            Self::LinearF16 { .. } => shader!("linear_f16"),
            Self::LinearInt8 { .. } => shader!("linear_int8"),
            Self::Quantize { subgroups: false } => shader!("quantize"),
            Self::Quantize { subgroups: true } => shader!("quantize_subgroups"),
            Self::LayerNorm { subgroups: false } => shader!("layer_norm"),
            Self::LayerNorm { subgroups: true } => shader!("layer_norm_subgroups"),
            Self::LayerNormInt8 { subgroups: false } => shader!("layer_norm_int8"),
            Self::LayerNormInt8 { subgroups: true } => shader!("layer_norm_int8_subgroups"),
            Self::Attention { .. } => shader!("attention"),
            Self::Block { product: Product::Bytes, .. } => shader!("transformer_block_int8"),
            Self::Block { .. } => shader!("transformer_block"),
            Self::Place => shader!("place"),
            Self::Restore => shader!("restore"),
            Self::ResizeRows => shader!("resize_rows"),
            Self::ResizePatches => shader!("resize_patches"),
            Self::Planes => shader!("planes"),
            Self::Membrane { .. } => shader!("membrane"),
            Self::Composite => shader!("composite"),
            Self::Copy => shader!("copy"),
            Self::FmaRate => shader!("fma_rate"),
        }
    }

    pub(super) fn constants(self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Linear { form, tile: Tile { side, split } } => {
                vec![("FORM", f64::from(form as u32)), ("SIDE", f64::from(side)), ("SPLIT", f64::from(split))]
            }
            Self::LinearF16 { side } => vec![("SIDE", f64::from(side))],
            Self::LinearInt8 { tile: Tile { side, split } } => {
                vec![("SIDE", f64::from(side)), ("SPLIT", f64::from(split))]
            }
            Self::Attention { parts, groups } => vec![("PARTS", f64::from(parts)), ("GROUPS", f64::from(groups))],
            Self::Block { shape: BlockShape { width, heads, hidden }, product, tokens } => {
                let form = match product {
                    Product::Wide(form) => Some(("FORM", f64::from(form as u32))),
                    Product::Half | Product::Bytes => None,
                };
                let sizes = [("WIDTH", width), ("HEADS", heads), ("HIDDEN", hidden), ("TOKENS", tokens)];
                sizes.map(|(name, size)| (name, f64::from(size))).into_iter().chain(form).collect()
            }
            Self::Membrane { invocations, near } => {
                vec![("INVOCATIONS", f64::from(invocations)), ("NEAR", f64::from(near))]
            }
            _ => Vec::new(),
        }
    }
}

/// Kernels as a GPU runs them, each compiled once.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    known: HashMap<Kernel, ComputePipeline>,
    /// From start to start, where that is kept.
    compiled: Option<Compiled>,
}

impl Pipelines {
    /// Keeps from here on what the driver compiles.
    pub(super) fn keep(&mut self, compiled: Option<Compiled>) {
        self.compiled = compiled;
    }

    /// Where that is.
    pub(super) fn compiled(&self) -> Option<Compiled> {
        self.compiled.clone()
    }

    /// Compiles all anew from here on, if something was kept before; where that was.
    pub(super) fn forget(&mut self) -> Option<Compiled> {
        let was_kept = self.compiled.take_if(|compiled| compiled.forget());
        if was_kept.is_some() {
            self.known.clear();
        }
        was_kept
    }

    /// Kernels' pipelines. Those that are new are compiled side by side: it is what a start waits for.
    ///
    /// # Errors
    /// What the driver says of one that it refuses.
    pub(super) fn get(&mut self, device: &Device, kernels: &[Kernel]) -> Result<Vec<ComputePipeline>, GpuError> {
        let mut unknown: Vec<Kernel> = Vec::new();
        for kernel in kernels {
            if !self.known.contains_key(kernel) && !unknown.contains(kernel) {
                unknown.push(*kernel);
            }
        }
        let compiled = |&kernel: &Kernel| (kernel, compile(device, kernel, self.compiled.as_ref()));
        // where there are no threads to be had, this one does it
        let pool = (unknown.len() > 1).then(|| ThreadPoolBuilder::new().build().ok()).flatten();
        let compiled: Vec<(Kernel, Result<ComputePipeline, GpuError>)> = match pool {
            Some(pool) => pool.install(|| unknown.par_iter().map(compiled).collect()),
            None => unknown.iter().map(compiled).collect(),
        };
        let mut refused = Ok(());
        for (kernel, compiled) in compiled {
            match compiled {
                Ok(pipeline) => drop(self.known.insert(kernel, pipeline)),
                Err(error) => refused = refused.and(Err(error)),
            }
        }
        refused?;
        Ok(kernels.iter().filter_map(|kernel| self.known.get(kernel).cloned()).collect())
    }
}

/// Compiles a kernel.
fn compile(device: &Device, kernel: Kernel, compiled: Option<&Compiled>) -> Result<ComputePipeline, GpuError> {
    let Shader { name, .. } = kernel.shader();
    let known = compiled.and_then(|compiled| compiled.of(device, kernel));
    // what goes wrong with one is no other's trouble
    let scopes = [ErrorFilter::OutOfMemory, ErrorFilter::Internal, ErrorFilter::Validation]
        .map(|filter| device.push_error_scope(filter));
    let source = ShaderSource::Wgsl(kernel.shader().for_naga().into());
    let module = device.create_shader_module(ShaderModuleDescriptor { label: Some(name), source });
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: Some(name),
        layout: None,
        module: &module,
        entry_point: Some(name),
        // what a kernel reads of workgroup memory it has written
        compilation_options: PipelineCompilationOptions {
            constants: &kernel.constants(),
            zero_initialize_workgroup_memory: false,
        },
        cache: known.as_ref().map(|known| &known.cache),
    });
    // that there is no memory is said last, and is what the others come of
    let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
    if let Some(error) = errors.last() {
        known.into_iter().for_each(Known::forget);
        return Err(of_wgpu(error));
    }
    if let Some(known) = known {
        known.keep();
    }
    Ok(pipeline)
}

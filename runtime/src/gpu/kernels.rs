//! The shaders, their constants and bindings.

use std::collections::HashMap;

use wgpu::{
    ComputePipeline, ComputePipelineDescriptor, PipelineCompilationOptions, ShaderModule, ShaderModuleDescriptor,
    ShaderSource,
};

use super::GpuError;
use super::context::Context;

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

/// A shader with its constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    Linear {
        form: Form,
        side: u32,
    },
    /// Products in f16.
    LinearF16 {
        side: u32,
    },
    LinearInt8 {
        side: u32,
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
    },
    Place,
    Restore,
    Resize,
    Patchify,
    Planes,
    Membrane,
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
            Self::Place => shader!("place"),
            Self::Restore => shader!("restore"),
            Self::Resize => shader!("resize"),
            Self::Patchify => shader!("patchify"),
            Self::Planes => shader!("planes"),
            Self::Membrane => shader!("membrane"),
            Self::Composite => shader!("composite"),
            Self::Copy => shader!("copy"),
            Self::FmaRate => shader!("fma_rate"),
        }
    }

    pub(super) fn constants(self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Linear { form, side } => vec![("FORM", f64::from(form as u32)), ("SIDE", f64::from(side))],
            Self::LinearF16 { side } | Self::LinearInt8 { side } => vec![("SIDE", f64::from(side))],
            Self::Attention { parts } => vec![("PARTS", f64::from(parts))],
            _ => Vec::new(),
        }
    }
}

/// Kernels as a GPU runs them, each compiled once.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    modules: HashMap<&'static str, ShaderModule>,
    pipelines: HashMap<Kernel, ComputePipeline>,
}

impl Pipelines {
    /// A kernel's pipeline.
    pub(super) fn get(&mut self, context: &Context, kernel: Kernel) -> Result<ComputePipeline, GpuError> {
        if let Some(pipeline) = self.pipelines.get(&kernel) {
            return Ok(pipeline.clone());
        }
        let shader = kernel.shader();
        let name = shader.name;
        let module = self.modules.entry(name).or_insert_with(|| {
            let source = ShaderSource::Wgsl(shader.for_naga().into());
            context.device.create_shader_module(ShaderModuleDescriptor { label: Some(name), source })
        });
        let constants = kernel.constants();
        let pipeline = context.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module,
            entry_point: Some(name),
            // what a kernel reads of workgroup memory it has written
            compilation_options: PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        context.check()?;
        self.pipelines.insert(kernel, pipeline.clone());
        Ok(pipeline)
    }
}

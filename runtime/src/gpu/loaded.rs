//! A part of a model with its weights on the GPU.

use wgpu::Buffer;

use super::compile::{Kind, Operation, Program, Value};
use super::context::Context;
use super::kernels::{BlockShape, Form};
use super::weights::{self, Packed, Product};
use super::{GpuError, params};
use crate::Step;

/// A part's operations, their weights on the GPU.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) operations: Vec<LoadedOperation>,
    pub(super) values: Vec<Value>,
    pub(super) output: usize,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) struct LoadedOperation {
    pub(super) work: Work,
    /// Weights and columns of a linear layer, the one table of others, none of attention's.
    pub(super) constants: Vec<Buffer>,
    /// Places in [`Loaded::values`].
    pub(super) x: usize,
    pub(super) out: usize,
    pub(super) onto: Option<usize>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Linear { product: Product, inputs: u32, outputs: u32, first: u32, finish: u32 },
    LayerNorm { epsilon: f32 },
    Attention { heads: u32, head_width: u32, scale: f32 },
    Block { shape: BlockShape, product: Product, params: params::Block },
    Place { places: u32 },
    Restore,
}

impl Loaded {
    /// Moves a program's weights to the GPU.
    pub(super) fn new(context: &Context, program: Program, product: Product) -> Result<Self, GpuError> {
        // beside whole blocks few layers are left, and each would take a dispatch that makes bytes for it alone
        let has_blocks = program.operations.iter().any(|operation| matches!(operation.kind, Kind::Block(_)));
        let around = if has_blocks && product == Product::Bytes { Product::Wide(Form::Int8) } else { product };
        let mut steps = Vec::with_capacity(program.operations.len());
        let mut operations = Vec::with_capacity(program.operations.len());
        for Operation { name, fused, kind, x, out, onto } in program.operations {
            let product = if matches!(kind, Kind::Block(_)) { product } else { around };
            let (work, operator, detail, constants) = load(context, &name, kind, onto.is_some(), product)?;
            steps.push(Step { name, operator: operator.to_owned(), detail, fused });
            operations.push(LoadedOperation { work, constants, x, out, onto });
        }
        context.check()?;
        Ok(Self { operations, values: program.values, output: program.output, steps })
    }

    /// Whether an operation is a layer norm that a layer of bytes reads next, and nothing else.
    pub(super) fn makes_bytes(&self, at: usize) -> bool {
        let LoadedOperation { work, out, .. } = self.operations[at];
        let is_norm = matches!(work, Work::LayerNorm { .. }) && out != self.output;
        let reads = |other: &&LoadedOperation| other.x == out || other.onto == Some(out);
        let next = self.operations.get(at + 1).filter(reads);
        let is_of_bytes = next.is_some_and(|next| matches!(next.work, Work::Linear { product: Product::Bytes, .. }));
        is_norm && is_of_bytes && self.operations.iter().filter(reads).count() == 1
    }
}

/// An operation's weights, moved.
fn load(
    context: &Context,
    name: &str,
    kind: Kind,
    onto: bool,
    product: Product,
) -> Result<(Work, &'static str, String, Vec<Buffer>), GpuError> {
    let constant = |values: Vec<f32>| context.constant(name, &weights::bytes(values));
    Ok(match kind {
        Kind::Linear { layer, first } => {
            let product = product.of(&layer.weights);
            let (inputs, outputs) = (layer.weights.inputs(), layer.weights.outputs());
            let packed = Packed::new(&layer, product);
            let constants = vec![context.constant(name, &packed.weights)?, context.constant(name, &packed.columns)?];
            let finish = u32::from(layer.gelu) * params::GELU + u32::from(onto) * params::RESIDUAL;
            let detail = format!("{inputs} → {outputs}, {product}{}", if layer.gelu { ", GELU" } else { "" });
            let (inputs, outputs, first) = (inputs as u32, outputs as u32, first as u32);
            (Work::Linear { product, inputs, outputs, first, finish }, "Linear", detail, constants)
        }
        Kind::LayerNorm(norm) => {
            let detail = norm.weight.len().to_string();
            let affine = constant([norm.weight, norm.bias].concat())?;
            (Work::LayerNorm { epsilon: norm.epsilon }, "LayerNorm", detail, vec![affine])
        }
        Kind::Attention(attention) => {
            let detail = format!("{} heads of {}", attention.heads, attention.head_width);
            let (heads, head_width) = (attention.heads as u32, attention.head_width as u32);
            (Work::Attention { heads, head_width, scale: attention.scale }, "Attention", detail, Vec::new())
        }
        Kind::Block(block) => {
            let (shape, product) = (block.shape, block.product(product));
            let (packed, norm_at) = block.pack(product);
            let (rest, after) = (block.rest.as_ref(), block.after.as_ref());
            let params = params::Block {
                tokens: 0,
                rest: u32::from(rest.is_some()),
                norm: u32::from(after.is_some()),
                layers: after.map_or(0, |after| after.layers(shape.width as usize)) as u32,
                norm_at: (norm_at / size_of::<[f32; 4]>()) as u32,
                first: after.map_or(0, |after| after.first) as u32,
                scale: rest.map_or(0.0, |rest| rest.attention.scale),
                epsilon: rest.map_or(0.0, |rest| rest.norm.epsilon),
                norm_epsilon: after.map_or(0.0, |after| after.norm.epsilon),
            };
            let BlockShape { width, heads, hidden } = shape;
            let detail = format!("{heads} heads, {width} → {hidden} → {width}, {product}");
            (Work::Block { shape, product, params }, "Block", detail, vec![context.constant(name, &packed)?])
        }
        Kind::Place { table, places } => {
            (Work::Place { places: places as u32 }, "Place", format!("{places} places"), vec![constant(table)?])
        }
        Kind::Restore { table, places } => {
            (Work::Restore, "Restore", format!("{places} places"), vec![constant(table)?])
        }
    })
}

//! Transformer blocks in one operation each.

use wgpu::Limits;

use super::compile::{Kind, Operation, Program};
use super::kernels::{BlockShape, Form};
use super::weights::{Packed, Product, bytes};
use crate::fuse::{Attention, LayerNorm, Linear, Weights};

/// Operations of a block, otherwise.
const OPERATIONS: usize = 7;

/// What is done at once: the rest of a block, and what follows it.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) shape: BlockShape,
    pub(super) rest: Option<Rest>,
    pub(super) after: Option<After>,
}

/// From queries, keys and values to a block's answer.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) attention: Attention,
    pub(super) proj: Linear,
    pub(super) norm: LayerNorm,
    pub(super) fc1: Linear,
    pub(super) fc2: Linear,
}

/// A norm, and maybe a layer that reads it: queries, keys and values of the next block, or a model's head.
#[derive(Debug)]
pub(super) struct After {
    pub(super) norm: LayerNorm,
    pub(super) layer: Option<Linear>,
    /// Rows that the layer leaves out.
    pub(super) first: usize,
}

impl After {
    /// Layers of a row's width that the layer is.
    pub(super) fn layers(&self, width: usize) -> usize {
        self.layer.as_ref().map_or(0, |layer| layer.weights.outputs() / width)
    }
}

impl Block {
    /// What its layers are multiplied in: what is asked for, if the weights of all are good for it.
    pub(super) fn product(&self, product: Product) -> Product {
        let rest = self.rest.iter().flat_map(|rest| [&rest.proj, &rest.fc1, &rest.fc2]);
        let mut layers = rest.chain(self.after.iter().filter_map(|after| after.layer.as_ref()));
        match product {
            Product::Wide(Form::Int8) | Product::Bytes => {
                let is_int8 = layers.all(|layer| matches!(layer.weights, Weights::Int8 { .. }));
                if is_int8 { product } else { Product::Wide(Form::F32) }
            }
            Product::Half => Product::Wide(Form::F16),
            Product::Wide(_) => product,
        }
    }

    /// Its weights, in the order of `transformer_block.wgsl`, and the byte at which those of what follows it begin.
    pub(super) fn pack(&self, product: Product) -> (Vec<u8>, usize) {
        let width = self.shape.width as usize;
        let parts = (self.shape.hidden / self.shape.width) as usize;
        let layer = |layer: &Linear, row: usize, column: usize| {
            let Packed { weights, columns } = Packed::new(&square(layer, row * width, column * width, width), product);
            [columns, weights].concat()
        };
        let affine = |norm: &LayerNorm| bytes([norm.weight.as_slice(), &norm.bias].concat());
        let mut packed = Vec::new();
        if let Some(Rest { proj, norm, fc1, fc2, .. }) = &self.rest {
            packed.extend([layer(proj, 0, 0), affine(norm)].concat());
            packed.extend((0..parts).flat_map(|part| [layer(fc1, 0, part), layer(fc2, part, 0)].concat()));
        }
        let after_at = packed.len();
        if let Some(after) = &self.after {
            packed.extend(affine(&after.norm));
            let parts = 0..after.layers(width);
            packed.extend(after.layer.iter().flat_map(|linear| parts.clone().flat_map(|part| layer(linear, 0, part))));
        }
        (packed, after_at)
    }
}

/// Some of a layer's rows and columns, from these on; the bias goes with the first row.
fn square(layer: &Linear, row: usize, column: usize, width: usize) -> Linear {
    let outputs = layer.weights.outputs();
    let of_rows = |values: &[u8], value_bytes: usize| -> Vec<u8> {
        let rows = values.chunks_exact(value_bytes * outputs).skip(row).take(width);
        rows.flat_map(|row| &row[value_bytes * column..value_bytes * (column + width)]).copied().collect()
    };
    let weights = match &layer.weights {
        Weights::Int8 { codes, scale, .. } => {
            let scale = scale[column..column + width].to_vec();
            Weights::Int8 { inputs: width, codes: of_rows(codes, 1).into(), scale }
        }
        Weights::F32 { values, .. } => Weights::F32 { inputs: width, values: of_rows(values, size_of::<f32>()).into() },
    };
    let bias = layer.bias.get(column..column + width).filter(|_| row == 0);
    Linear { weights, bias: bias.unwrap_or_default().to_vec(), gelu: false }
}

/// A program whose blocks are one operation each, from a block's queries, keys and values to those of the next; `None` if it has
/// no blocks that a GPU of these limits has place for, with as many as `most` patches visible.
pub(super) fn whole(program: Program, most: usize, limits: &Limits) -> Option<Program> {
    let count = program.operations.len();
    let fits = |at: usize, shape: &BlockShape| {
        let rows = program.values[program.operations[at].x].rows;
        shape.fits(rows.of(most) as u32, limits)
    };
    let shapes: Vec<Option<BlockShape>> =
        (0..count).map(|at| shape(&program, at).filter(|shape| fits(at, shape))).collect();
    shapes.iter().flatten().next()?;
    let mut all = program.operations.into_iter();
    let mut operations: Vec<Operation> = Vec::with_capacity(count);
    while let Some(first) = all.next() {
        let Some(shape) = shapes[count - 1 - all.len()] else {
            operations.push(first);
            continue;
        };
        let [lead, rest] = parts(first, all.by_ref().take(OPERATIONS - 1).collect(), shape)?;
        // the block before ends where this one begins
        match operations.last_mut() {
            Some(Operation { kind: Kind::Block(before), out, fused, .. })
                if before.shape == shape && before.after.is_none() && *out == lead.x =>
            {
                let Kind::Block(block) = lead.kind else { return None };
                before.after = block.after;
                fused.extend(lead.fused);
            }
            _ => operations.push(lead),
        }
        operations.push(rest);
    }
    Some(with_ends(Program { operations, ..program }))
}

/// Takes what follows a block into it: a norm that alone reads its answer, and then a layer that alone reads that.
fn with_ends(program: Program) -> Program {
    let readers: Vec<usize> = (0..program.values.len()).map(|value| readers(&program, value)).collect();
    let is_alone = |value: usize| readers[value] == 1 && value != program.output;
    let mut operations = Vec::with_capacity(program.operations.len());
    let mut all = program.operations.into_iter().peekable();
    while let Some(mut operation) = all.next() {
        if let Kind::Block(block) = &mut operation.kind
            && block.after.is_none()
            && is_alone(operation.out)
            && let Some(next) = all.next_if(|next| {
                next.x == operation.out && next.onto.is_none() && matches!(next.kind, Kind::LayerNorm(_))
            })
            && let Kind::LayerNorm(norm) = next.kind
        {
            let mut after = After { norm, layer: None, first: 0 };
            (operation.name, operation.out) = (next.name, next.out);
            operation.fused.extend(next.fused);
            if is_alone(operation.out)
                && let Some(next) = all.next_if(|next| {
                    next.x == operation.out && next.onto.is_none() && is_of_width(&next.kind, block.shape.width)
                })
                && let Kind::Linear { layer, first } = next.kind
            {
                (after.layer, after.first) = (Some(layer), first);
                (operation.name, operation.out, operation.onto) = (next.name, next.out, None);
                operation.fused.extend(next.fused);
            }
            block.after = Some(after);
        }
        operations.push(operation);
    }
    Program { operations, ..program }
}

/// How many operations read a value, or are added to it.
fn readers(program: &Program, value: usize) -> usize {
    program.operations.iter().filter(|operation| operation.x == value || operation.onto == Some(value)).count()
}

/// Whether it is a layer that is layers of a row's width, side by side.
fn is_of_width(kind: &Kind, width: u32) -> bool {
    let width = width as usize;
    let Kind::Linear { layer, .. } = kind else { return false };
    !layer.gelu && layer.weights.inputs() == width && layer.weights.outputs().is_multiple_of(width)
}

/// A block's operations as two, up to its queries, keys and values, and from there.
fn parts(first: Operation, others: Vec<Operation>, shape: BlockShape) -> Option<[Operation; 2]> {
    let x = first.x;
    let [qkv, mixed, proj, second, fc1, fc2] = <[Operation; OPERATIONS - 1]>::try_from(others).ok()?;
    let operation = |name: String, out: usize, fused: Vec<Vec<String>>, block: Block| Operation {
        name,
        fused: fused.concat(),
        kind: Kind::Block(Box::new(block)),
        x,
        out,
        onto: Some(x),
    };
    let fused = vec![mixed.fused, proj.fused, second.fused, fc1.fused, fc2.fused];
    let (Kind::LayerNorm(norm), Kind::Linear { layer, .. }) = (first.kind, qkv.kind) else { return None };
    let lead = Block { shape, rest: None, after: Some(After { norm, layer: Some(layer), first: 0 }) };
    let lead = operation(qkv.name, x, vec![first.fused, qkv.fused], lead);
    let (
        Kind::Attention(attention),
        Kind::Linear { layer: proj, .. },
        Kind::LayerNorm(norm),
        Kind::Linear { layer: fc1, .. },
        Kind::Linear { layer: last, .. },
    ) = (mixed.kind, proj.kind, second.kind, fc1.kind, fc2.kind)
    else {
        return None;
    };
    let rest = Block { shape, rest: Some(Rest { attention, proj, norm, fc1, fc2: last }), after: None };
    Some([lead, operation(fc2.name, fc2.out, fused, rest)])
}

/// The shape of the block that begins with an operation, if one does that a dispatch can do whole.
fn shape(program: &Program, at: usize) -> Option<BlockShape> {
    let all = &program.operations;
    let [first, qkv, mixed, proj, second, fc1, fc2] = all.get(at..at + OPERATIONS)?.as_array()?;
    let (Kind::LayerNorm(_), Kind::Attention(attention), Kind::LayerNorm(_)) = (&first.kind, &mixed.kind, &second.kind)
    else {
        return None;
    };
    let sizes = |operation: &Operation, gelu: bool| match &operation.kind {
        Kind::Linear { layer, first: 0 } if layer.gelu == gelu => {
            Some([layer.weights.inputs(), layer.weights.outputs()])
        }
        _ => None,
    };
    let width = program.values[first.x].width;
    let [_, hidden] = sizes(fc1, true)?;
    let layers = [(qkv, false), (proj, false), (fc1, true), (fc2, false)].map(|(layer, gelu)| sizes(layer, gelu));
    let expected = [[width, 3 * width], [width, width], [width, hidden], [hidden, width]].map(Some);
    // each reads what the one before it made, and nothing else does
    let chain = [first, qkv, mixed, proj, second, fc1, fc2];
    let is_chain = chain.windows(2).all(|pair| pair[1].x == pair[0].out);
    let is_alone = |operation: &Operation| readers(program, operation.out) == 1 && operation.out != program.output;
    let ontos = [first, qkv, mixed, second, fc1].map(|operation| operation.onto);
    let fits = layers == expected
        && is_chain
        && ontos == [None; 5]
        && (proj.onto, fc2.onto) == (Some(first.x), Some(proj.out))
        && [first, qkv, mixed, second, fc1].into_iter().all(is_alone)
        && readers(program, proj.out) == 2
        && attention.width() == width
        && hidden.is_multiple_of(width);
    let [width, heads, hidden] = [width, attention.heads, hidden].map(|size| size as u32);
    fits.then_some(BlockShape { width, heads, hidden })
}

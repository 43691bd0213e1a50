//! A transformer block in one dispatch against its scalar twins, layer by layer.

use glimpse_models::onnx::Bytes;
use glimpse_models::{Bundle, Part, Precision};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};
use wgpu::Limits;

use super::model::TINY;
use super::run::{flat, rows, run_for, values};
use super::{contexts, relative_error};
use crate::fuse::{Attention, LayerNorm, Linear, Weights};
use crate::gpu::blocks::{After, Block, Rest, whole};
use crate::gpu::compile::{Kind, Program};
use crate::gpu::jobs::Job;
use crate::gpu::kernels::{BlockShape, Form};
use crate::gpu::params;
use crate::gpu::weights::{Product, bytes};
use crate::reference;

/// Of the norm before the perceptron, and of the one after the block.
const EPSILONS: [f32; 2] = [1e-6, 0.5];

fn norm(width: usize, epsilon: f32, seed: u32) -> LayerNorm {
    let affine = values(2, width, seed);
    LayerNorm { weight: affine.row(0).to_vec(), bias: affine.row(1).to_vec(), epsilon }
}

/// A layer with weights in int8, or those widened to f32.
fn linear(inputs: usize, outputs: usize, is_int8: bool, gelu: bool, seed: u32) -> Linear {
    let codes = values(inputs, outputs, seed).iter().map(|value| ((value * 127.0) as i8).cast_unsigned()).collect();
    let scale =
        values(1, outputs, seed + 1).iter().map(|value| (0.01 + 0.005 * value) / (inputs as f32).sqrt()).collect();
    let int8 = Weights::Int8 { inputs, codes, scale };
    let weights = if is_int8 { int8 } else { Weights::F32 { inputs, values: Bytes::from(bytes(int8.widened())) } };
    Linear { weights, bias: values(1, outputs, seed + 2).into_iter().collect(), gelu }
}

/// A layer, of whose input each row is quantized in parts of so many values, if it is.
fn apply_linear(x: &Array2<f32>, layer: &Linear, part: Option<usize>) -> Array2<f32> {
    let (inputs, outputs) = (layer.weights.inputs(), layer.weights.outputs());
    let weights = layer.weights.widened();
    let weights = ArrayView2::from_shape((inputs, outputs), &weights).unwrap();
    let mut x = x.clone();
    for mut row in x.rows_mut() {
        let Some(part) = part else { break };
        for mut values in row.axis_chunks_iter_mut(Axis(0), part) {
            let [least, most] = values.iter().fold([0f32; 2], |[a, b], &value| [a.min(value), b.max(value)]);
            let scale = (most - least) / 255.0;
            let zero = (-least / scale).round();
            values.mapv_inplace(|value| scale * ((value / scale + zero).round().clamp(0.0, 255.0) - zero));
        }
    }
    let y = reference::linear(x.view(), weights, ArrayView1::from(&layer.bias));
    if layer.gelu { y.mapv(reference::gelu) } else { y }
}

fn apply_norm(x: &Array2<f32>, norm: &LayerNorm) -> Array2<f32> {
    let [weight, bias] = [&norm.weight, &norm.bias].map(|values| ArrayView1::from(values.as_slice()));
    reference::layer_norm(x.view(), weight, bias, f64::from(norm.epsilon))
}

#[test]
#[ignore = "needs a GPU"]
fn a_transformer_block() {
    for context in contexts() {
        for [tokens, width, heads, hidden] in [[1, 16, 1, 16], [5, 32, 2, 96], [65, 192, 3, 768], [7, 240, 3, 240]] {
            let shape = BlockShape { width: width as u32, heads: heads as u32, hidden: hidden as u32 };
            assert!(shape.fits(tokens as u32 + 2, &context.device.limits()));
            let qkv = values(tokens, 3 * width, 7).mapv(|value| value * 4.0);
            let x = values(tokens, width, 1).mapv(|value| value * 3.0 + 0.5);
            for (product, tolerance) in [
                (Product::Wide(Form::F32), 3e-6),
                (Product::Wide(Form::F16), 2e-3),
                (Product::Wide(Form::Int8), 3e-6),
                // a byte is rounded the other way now and then
                (Product::Bytes, 1e-3),
            ] {
                let is_int8 = matches!(product, Product::Wide(Form::Int8) | Product::Bytes);
                let part = (product == Product::Bytes).then_some(width);
                let layer = |inputs, outputs, gelu, seed| linear(inputs, outputs, is_int8, gelu, seed);
                let scale = 1.0 / ((width / heads) as f32).sqrt();
                let rest = || Rest {
                    attention: Attention { heads, head_width: width / heads, scale },
                    proj: layer(width, width, false, 10),
                    norm: norm(width, EPSILONS[0], 20),
                    fc1: layer(width, hidden, true, 30),
                    fc2: layer(hidden, width, false, 40),
                };
                // queries, keys and values; a norm alone; a head, which leaves out a row if there are more
                let norm = || norm(width, EPSILONS[1], 50);
                let after = |layers: usize, first| {
                    let layer = (layers > 0).then(|| layer(width, layers * width, false, 60));
                    Some(After { norm: norm(), layer, first })
                };
                for (rest, after) in [
                    (Some(rest()), after(3, 0)),
                    (Some(rest()), None),
                    (None, after(3, 0)),
                    (Some(rest()), after(0, 0)),
                    (Some(rest()), after(4, 1.min(tokens - 1))),
                ] {
                    let mut expected = x.clone();
                    if let Some(Rest { proj, norm, fc1, fc2, .. }) = &rest {
                        expected += &apply_linear(&reference::attention(qkv.view(), heads), proj, part);
                        let hidden = apply_linear(&apply_norm(&expected, norm), fc1, part);
                        expected += &apply_linear(&hidden, fc2, part);
                    }
                    let unset = Array2::from_elem((tokens, 4 * width), 8.0);
                    let mut next = Vec::new();
                    if let Some(After { norm, layer, first }) = &after {
                        let normed = apply_norm(&expected, norm);
                        match layer {
                            Some(layer) => {
                                let read = normed.slice(s![*first.., ..]).to_owned();
                                next.extend(apply_linear(&read, layer, part));
                            }
                            None => expected = normed,
                        }
                    }
                    let block = Block { shape, rest, after };
                    assert_eq!(block.product(product), product);
                    let (packed, norm_at) = block.pack(product);
                    let after = block.after.as_ref();
                    let params = params::Block {
                        tokens: 0,
                        rest: u32::from(block.rest.is_some()),
                        norm: u32::from(after.is_some()),
                        layers: after.map_or(0, |after| after.layers(width)) as u32,
                        norm_at: (norm_at / 16) as u32,
                        first: after.map_or(0, |after| after.first) as u32,
                        scale,
                        epsilon: EPSILONS[0],
                        norm_epsilon: EPSILONS[1],
                    };
                    let job = Job::Block { rows: rows(tokens), shape, product, most: tokens as u32 + 2, params };
                    let buffers = [&flat(&qkv)[..], &packed, &flat(&x), &flat(&unset)];
                    for (which, expected) in [(2, expected.as_slice().unwrap()), (3, &next)] {
                        let got: Vec<f32> = run_for(&context, job, 0, &buffers, which);
                        let (got, untouched) = got.split_at(expected.len());
                        assert!(untouched.iter().all(|&value| value.to_bits() == 8f32.to_bits()), "{job:?}");
                        let error = if got.is_empty() { 0.0 } else { relative_error(got, expected) };
                        assert!(error <= tolerance, "{job:?} {which}: {error:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn weights_that_are_not_all_int8_are_widened() {
    let shape = BlockShape { width: 16, heads: 1, hidden: 16 };
    let layer = |is_int8| Some(linear(16, 48, is_int8, false, 2));
    let after = |is_int8| Some(After { norm: norm(16, 1e-6, 1), layer: layer(is_int8), first: 0 });
    for (is_int8, asked, expected, column_bytes) in [
        (true, Product::Bytes, Product::Bytes, 16),
        (true, Product::Wide(Form::Int8), Product::Wide(Form::Int8), 8),
        (false, Product::Bytes, Product::Wide(Form::F32), 8),
        (false, Product::Wide(Form::Int8), Product::Wide(Form::F32), 8),
        (true, Product::Half, Product::Wide(Form::F16), 8),
    ] {
        let block = Block { shape, rest: None, after: after(is_int8) };
        assert_eq!(block.product(asked), expected);
        let (packed, norm_at) = block.pack(expected);
        // weight and bias of the norm, columns, and weights
        let weights = 16 * 48 * expected.weight_bytes() as usize;
        assert_eq!((packed.len(), norm_at), (4 * 2 * 16 + column_bytes * 48 + weights, 0));
    }
}

#[test]
fn one_layer_that_is_not_int8_widens_all() {
    let shape = BlockShape { width: 16, heads: 1, hidden: 16 };
    for f32_layer in [None, Some(0), Some(1), Some(2)] {
        let layer = |at, gelu| linear(16, 16, f32_layer != Some(at), gelu, 2);
        let rest = Rest {
            attention: Attention { heads: 1, head_width: 16, scale: 0.25 },
            proj: layer(0, false),
            norm: norm(16, 1e-6, 1),
            fc1: layer(1, true),
            fc2: layer(2, false),
        };
        let block = Block { shape, rest: Some(rest), after: None };
        let expected = if f32_layer.is_some() { Product::Wide(Form::F32) } else { Product::Bytes };
        assert_eq!(block.product(Product::Bytes), expected);
    }
}

fn block(kind: &Kind) -> Option<&Block> {
    if let Kind::Block(block) = kind { Some(block) } else { None }
}

#[test]
fn blocks_of_a_model_are_found_and_what_is_around_them_stays() {
    let bundle = Bundle::open(TINY).unwrap();
    let most = bundle.spec().grid().len();
    let program = |part| {
        let graph = bundle.graph(part, Precision::Int8).unwrap();
        Program::compile(part, bundle.spec(), graph).unwrap()
    };
    let floor = Limits::downlevel_defaults();
    let count = |program| whole(program, most, &floor).map_or(0, |program| program.operations.len());
    let depths = [bundle.spec().encoder().depth, bundle.spec().decoder().unwrap().depth];
    for (part, depth) in [Part::Encoder, Part::Decoder].into_iter().zip(depths) {
        let before = program(part).operations.len();
        let after = whole(program(part), most, &floor).unwrap();
        // a block that follows another begins where that one ends, and the last one takes the norm behind it, and a head
        let behind = if part == Part::Decoder { 2 } else { 1 };
        assert_eq!(after.operations.len(), before - 7 * depth + depth + 1 - behind);
        assert_eq!(after.operations.last().unwrap().out, after.output);
        let blocks = after.operations.iter().filter_map(|operation| block(&operation.kind));
        let layers = |block: &Block| block.after.as_ref().map(|after| after.layers(block.shape.width as usize));
        let has = blocks.map(|block| (block.rest.is_some(), layers(block)));
        let last = if part == Part::Decoder { 6 } else { 0 };
        assert!(has.eq((0..=depth).map(|at| (at > 0, Some(if at < depth { 3 } else { last })))), "{part}");
        let fused = |program: &Program| program.operations.iter().map(|one| one.fused.len()).sum::<usize>();
        assert_eq!(fused(&after), fused(&program(part)));

        for small in [
            Limits { max_compute_workgroup_storage_size: 8192, ..floor.clone() },
            Limits { max_compute_invocations_per_workgroup: 64, ..floor.clone() },
        ] {
            assert!(whole(program(part), most, &small).is_none(), "{part}");
        }
    }

    // what something else reads too (an answer that is given, one that is read twice), nothing that is added to, no activation, another
    // width of heads, of the layer before the last or of the rows
    let spoil: [fn(&mut Program); 7] = [
        |program| program.output = program.operations[3].out,
        |program| {
            let again = program.operations[5].out;
            program.operations.last_mut().unwrap().x = again;
        },
        |program| program.operations.iter_mut().for_each(|operation| operation.onto = None),
        |program| {
            for operation in &mut program.operations {
                if let Kind::Linear { layer, .. } = &mut operation.kind {
                    layer.gelu = false;
                }
            }
        },
        |program| {
            for operation in &mut program.operations {
                if let Kind::Attention(attention) = &mut operation.kind {
                    attention.heads += 1;
                }
            }
        },
        |program| {
            for operation in &mut program.operations {
                match &mut operation.kind {
                    Kind::Linear { layer, .. } if layer.gelu => *layer = linear(128, 192, true, true, 1),
                    Kind::Linear { layer, .. } if layer.weights.inputs() == 512 => {
                        *layer = linear(192, 128, true, false, 1);
                    }
                    _ => {}
                }
            }
        },
        |program| program.values.iter_mut().for_each(|value| value.width += 4),
    ];
    let all = count(program(Part::Decoder));
    for (at, spoil) in spoil.into_iter().enumerate() {
        let mut spoiled = program(Part::Decoder);
        spoil(&mut spoiled);
        assert_ne!(count(spoiled), all, "{at}");
    }
}

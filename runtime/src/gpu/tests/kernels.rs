//! Each of a model's kernels against its scalar twin: at the least size, an odd one, one past a tile, and that of a model.

use glimpse_kernels::{Family, Finish, Rows, int8};
use glimpse_models::onnx::Bytes;
use ndarray::{Array2, ArrayView1, ArrayView2, s};
use wgpu::Features;

use super::run::{flat, rows, run, values};
use super::{contexts, relative_error, with_and_without_subgroups};
use crate::fuse::{Linear, Weights};
use crate::gpu::context::Context;
use crate::gpu::jobs::Job;
use crate::gpu::kernels::{Form, Tile, attention_groups};
use crate::gpu::params;
use crate::gpu::weights::{Packed, Product, bytes};
use crate::reference;

/// Rows, inputs, outputs, and the first row that is read.
const LINEAR: [[usize; 4]; 5] = [[1, 4, 4, 0], [3, 12, 20, 2], [33, 20, 36, 0], [65, 768, 192, 1], [7, 100, 68, 0]];

/// Tiles that a GPU has place for.
fn tiles(context: &Context) -> Vec<Tile> {
    let all = [(8, 1), (16, 1), (8, 2), (8, 4)].map(|(side, split)| Tile { side, split });
    let fits = |tile: &Tile| tile.fits(&context.device.limits());
    all.into_iter().filter(fits).collect()
}

/// What a linear layer is made of: weights in int8, what they are scaled by, what is added.
struct Layer {
    inputs: usize,
    codes: Vec<i8>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Layer {
    fn new(inputs: usize, outputs: usize) -> Self {
        Self {
            inputs,
            codes: values(inputs, outputs, 2).iter().map(|value| (value * 127.0) as i8).collect(),
            scale: values(1, outputs, 3).iter().map(|value| 0.01 + 0.005 * value).collect(),
            bias: values(1, outputs, 4).into_iter().collect(),
        }
    }

    fn of(&self, weights: Weights) -> Linear {
        Linear { weights, bias: self.bias.clone(), gelu: false }
    }

    fn int8(&self) -> Weights {
        let codes: Vec<u8> = self.codes.iter().map(|code| code.cast_unsigned()).collect();
        Weights::Int8 { inputs: self.inputs, codes: codes.into(), scale: self.scale.clone() }
    }

    fn f32(&self) -> Weights {
        Weights::F32 { inputs: self.inputs, values: Bytes::from(bytes(self.int8().widened())) }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn linear() {
    for context in contexts() {
        for [count, inputs, outputs, first] in LINEAR {
            let (x, residual) = (values(first + count, inputs, 1), values(count, outputs, 5));
            let layer = Layer::new(inputs, outputs);
            let weight = layer.int8().widened();
            let weight = ArrayView2::from_shape((inputs, outputs), &weight).unwrap();
            let linear = reference::linear(x.slice(s![first.., ..]), weight, ArrayView1::from(&layer.bias));
            for (finish, expected) in [
                (0, linear.clone()),
                (params::GELU, linear.mapv(reference::gelu)),
                (params::RESIDUAL, &linear + &residual),
                (params::GELU | params::RESIDUAL, linear.mapv(reference::gelu) + &residual),
            ] {
                let half = context.device.features().contains(Features::SHADER_F16);
                for (product, weights, tolerance) in [
                    (Product::Wide(Form::F32), layer.f32(), 1e-6),
                    (Product::Wide(Form::F16), layer.f32(), 2e-3),
                    (Product::Wide(Form::Int8), layer.int8(), 1e-6),
                    (Product::Half, layer.f32(), 2e-3),
                ] {
                    if product == Product::Half && !half {
                        continue;
                    }
                    let packed = Packed::new(&layer.of(weights), product);
                    for tile in tiles(&context) {
                        let [inputs, outputs, first] = [inputs, outputs, first].map(|size| size as u32);
                        let job = Job::Linear { product, tile, rows: rows(count), inputs, outputs, first, finish };
                        let reads: [&[u8]; 3] = [&flat(&x), &packed.weights, &packed.columns];
                        let got = run(&context, job, 0, &reads, residual.as_slice().unwrap());
                        let error = relative_error(&got, expected.as_slice().unwrap());
                        assert!(error <= tolerance, "{job:?}: {error:e}");
                    }
                }
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn bytes_are_multiplied_as_on_the_cpu() {
    for context in contexts() {
        for [count, inputs, outputs, first] in LINEAR {
            let x = values(first + count, inputs, 1);
            let layer = Layer::new(inputs, outputs);
            let Layer { codes, scale, bias, .. } = &layer;
            let packed = int8::Weights::pack(Family::Portable, inputs, codes, scale, bias).unwrap();
            let mut expected = Array2::zeros((count, outputs));
            let read = Rows::new(&x.as_slice().unwrap()[first * inputs..], inputs);
            let finish = Finish { gelu: true, residual: None };
            int8::linear(read, &packed, 0, finish, &mut int8::Scratch::default(), expected.view_mut());

            let all = first + count;
            let empty = vec![0u32; all * 4 * (1 + inputs.div_ceil(16))];
            let [quantized, same] = [false, with_and_without_subgroups(&context).contains(&true)].map(|subgroups| {
                let job = Job::Quantize { rows: rows(all), width: inputs as u32, subgroups };
                run(&context, job, 0, &[&flat(&x)], &empty)
            });
            assert_eq!(quantized, same);
            let packed = Packed::new(&layer.of(layer.int8()), Product::Bytes);
            let reads = [bytemuck::cast_slice(&quantized), &packed.weights, &packed.columns];
            for tile in tiles(&context) {
                let [inputs, outputs, first] = [inputs, outputs, first].map(|size| size as u32);
                let finish = params::GELU;
                let product = Product::Bytes;
                let job = Job::Linear { product, tile, rows: rows(count), inputs, outputs, first, finish };
                let got = run(&context, job, 0, &reads, &vec![0.0; expected.len()]);
                // the sums are the same integers; only what is made of them is rounded
                let error = relative_error(&got, expected.as_slice().unwrap());
                assert!(error <= 1e-6, "{job:?}: {error:e}");
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn layer_norm() {
    for context in contexts() {
        for [count, width] in [[1, 4], [3, 20], [5, 260], [65, 768]] {
            let x = values(count, width, 1).mapv(|value| value * 3.0 + 0.5);
            let affine = values(2, width, 2);
            let expected = reference::layer_norm(x.view(), affine.row(0), affine.row(1), 1e-6);
            for subgroups in with_and_without_subgroups(&context) {
                let job = Job::LayerNorm { rows: rows(count), width: width as u32, epsilon: 1e-6, subgroups };
                let got = run(&context, job, 0, &[&flat(&x), &flat(&affine)], &vec![0.0; count * width]);
                let error = relative_error(&got, expected.as_slice().unwrap());
                assert!(error <= 1e-5, "{job:?}: {error:e}");
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn layer_norm_to_bytes() {
    for context in contexts() {
        for [count, width] in [[1, 4], [3, 20], [5, 260], [65, 768]] {
            let x = values(count, width, 1).mapv(|value| value * 3.0 + 0.5);
            let affine = values(2, width, 2);
            let expected = reference::layer_norm(x.view(), affine.row(0), affine.row(1), 1e-6);
            let words = 4 + 4 * width.div_ceil(16);
            for subgroups in with_and_without_subgroups(&context) {
                let job = Job::LayerNormInt8 { rows: rows(count), width: width as u32, epsilon: 1e-6, subgroups };
                let empty = vec![u32::MAX; count * words];
                let got = run(&context, job, 0, &[&flat(&x), &flat(&affine)], &empty);
                for (row, expected) in got.chunks_exact(words).zip(expected.rows()) {
                    let (scale, zero) = (f32::from_bits(row[0]), row[1].cast_signed());
                    let range = expected.iter().fold([0f32; 2], |[a, b], &value| [a.min(value), b.max(value)]);
                    assert!((scale * 255.0 / (range[1] - range[0]) - 1.0).abs() < 1e-5, "{job:?}: {scale} {range:?}");
                    let codes: &[i8] = bytemuck::cast_slice(&row[4..]);
                    for (&code, value) in codes.iter().zip(expected) {
                        let error = scale * (i32::from(code) - zero) as f32 - value;
                        assert!(error.abs() <= 0.501 * scale, "{job:?}: {code} for {value}");
                    }
                    assert!(row[2..4].iter().all(|&word| word == 0) && codes[width..].iter().all(|&code| code == 0));
                }
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn attention() {
    for context in contexts() {
        for [tokens, heads, parts] in [[1, 1, 1], [5, 3, 2], [17, 2, 3], [65, 3, 4], [33, 2, 5], [50, 1, 6]] {
            let head_width = 16 * parts;
            let width = heads * head_width;
            // some scores far above the others, as outliers make them
            let x = values(tokens, 3 * width, 7).mapv(|value| value * 4.0);
            let expected = reference::attention(x.view(), heads);
            let scale = 1.0 / (head_width as f32).sqrt();
            let (heads, head_width) = (heads as u32, head_width as u32);
            for groups in [1, attention_groups(parts as u32, &context.device.limits())] {
                let job = Job::Attention { rows: rows(tokens), heads, head_width, scale, groups };
                let got = run(&context, job, 0, &[&flat(&x)], &vec![f32::NAN; tokens * width]);
                let error = relative_error(&got, expected.as_slice().unwrap());
                assert!(error <= 1e-5, "{job:?}: {error:e}");
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn place_and_restore() {
    for context in contexts() {
        for (places, visible, width) in [(1, vec![0u32], 4), (9, vec![1, 2, 8], 20), (64, (3..40).collect(), 516)] {
            let table = values(places + 1, width, 1);
            let x = values(visible.len(), width, 2);
            let positions: Vec<i64> = visible.iter().map(|&place| i64::from(place)).collect();
            let placed = reference::place(x.view(), table.view(), table.row(places), &positions);
            let job = Job::Place { rows: rows(visible.len() + 1), width: width as u32, places: places as u32 };
            let reads = [&flat(&x), &flat(&table), bytemuck::cast_slice(&visible)];
            let got = run(&context, job, 0, &reads, &vec![0.0; placed.len()]);
            assert_eq!(got, placed.as_slice().unwrap());

            let mut order = vec![0u32; places];
            for (token, &place) in visible.iter().enumerate() {
                order[place as usize] = token as u32 + 1;
            }
            let wide: Vec<i64> = order.iter().map(|&token| i64::from(token)).collect();
            let restored = reference::restore(placed.view(), table.view(), table.row(places), &wide);
            let job = Job::Restore { rows: rows(places + 1), width: width as u32 };
            let reads = [&flat(&placed), &flat(&table), bytemuck::cast_slice(&order)];
            let got = run(&context, job, 0, &reads, &vec![0.0; restored.len()]);
            assert_eq!(got, restored.as_slice().unwrap());
        }
    }
}

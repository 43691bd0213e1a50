//! Each kernel against its scalar twin: at the least size, an odd one, one past a tile, and that of a model.

use std::time::Duration;

use bytemuck::{Pod, bytes_of};
use glimpse_kernels::{Family, Finish, Rows, int8};
use glimpse_models::onnx::Bytes;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use wgpu::{BindGroupDescriptor, BindGroupEntry, BufferUsages, CommandEncoderDescriptor, MapMode};

use super::{contexts, relative_error};
use crate::fuse::{Linear, Weights};
use crate::gpu::context::Context;
use crate::gpu::kernels::{Form, Kernel};
use crate::gpu::params;
use crate::gpu::weights::{Packed, Product, bytes};
use crate::reference;

/// Runs a kernel once: what it makes of the buffers that it reads, and of what stood where it writes.
fn run(
    context: &Context,
    kernel: Kernel,
    params: &impl Pod,
    reads: &[&[u8]],
    out: &[f32],
    groups: [u32; 3],
) -> Vec<f32> {
    let pipeline = context.pipeline(kernel).unwrap();
    let usage = BufferUsages::UNIFORM | BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    let size = size_of_val(out) as u64;
    let mut buffers = Vec::new();
    for contents in [bytes_of(params)].iter().chain(reads).chain(&[bytemuck::cast_slice(out)]) {
        let buffer = context.buffer("test", contents.len() as u64, usage);
        context.queue.write_buffer(&buffer, 0, contents);
        buffers.push(buffer);
    }
    let staging = context.buffer("staging", size, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
    let entries: Vec<BindGroupEntry> = buffers
        .iter()
        .enumerate()
        .map(|(at, buffer)| BindGroupEntry { binding: at as u32, resource: buffer.as_entire_binding() })
        .collect();
    let layout = &pipeline.get_bind_group_layout(0);
    let group = context.device.create_bind_group(&BindGroupDescriptor { label: None, layout, entries: &entries });
    let mut encoder = context.device.create_command_encoder(&CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
    drop(pass);
    encoder.copy_buffer_to_buffer(&buffers[buffers.len() - 1], 0, &staging, 0, size);
    context.queue.submit([encoder.finish()]);
    staging.slice(..size).map_async(MapMode::Read, |_| ());
    context.wait(Duration::from_mins(1)).unwrap();
    bytemuck::cast_slice(&staging.slice(..size).get_mapped_range().unwrap()).to_vec()
}

/// Values that look like activations, other ones for each seed.
fn values(rows: usize, width: usize, seed: u32) -> Array2<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    Array2::from_shape_fn((rows, width), |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

fn flat(matrix: &Array2<f32>) -> Vec<u8> {
    bytes(matrix.iter().copied())
}

/// Rows, inputs, outputs, and the first row that is read.
const LINEAR: [[usize; 4]; 5] = [[1, 4, 4, 0], [3, 12, 20, 2], [33, 20, 36, 0], [65, 768, 192, 1], [7, 100, 68, 0]];

#[test]
#[ignore = "needs a GPU"]
fn linear() {
    for context in contexts() {
        for [rows, inputs, outputs, first] in LINEAR {
            let x = values(first + rows, inputs, 1);
            let codes: Vec<i8> = values(inputs, outputs, 2).iter().map(|value| (value * 127.0) as i8).collect();
            let scale: Vec<f32> = values(1, outputs, 3).iter().map(|value| 0.01 + 0.005 * value).collect();
            let bias: Vec<f32> = values(1, outputs, 4).into_iter().collect();
            let residual = values(rows, outputs, 5);
            let weights = Weights::Int8 {
                inputs,
                codes: codes.iter().map(|code| code.cast_unsigned()).collect::<Vec<u8>>().into(),
                scale: scale.clone(),
            };
            let weight = weights.widened();
            let floats = Weights::F32 { inputs, values: Bytes::from(bytes(weight.iter().copied())) };
            let weight = ArrayView2::from_shape((inputs, outputs), &weight).unwrap();
            let linear = reference::linear(x.slice(ndarray::s![first.., ..]), weight, ArrayView1::from(&bias));
            for (finish, expected) in [
                (0, linear.clone()),
                (params::GELU, linear.mapv(reference::gelu)),
                (params::RESIDUAL, &linear + &residual),
                (params::GELU | params::RESIDUAL, linear.mapv(reference::gelu) + &residual),
            ] {
                for (form, weights, tolerance) in
                    [(Form::F32, &floats, 1e-6), (Form::F16, &floats, 2e-3), (Form::Int8, &weights, 1e-6)]
                {
                    for side in [8, 16] {
                        let layer = Linear { weights: clone(weights), bias: bias.clone(), gelu: false };
                        let packed = Packed::new(&layer, Product::Wide(form));
                        let params = params::Linear {
                            rows: rows as u32,
                            inputs: inputs as u32,
                            outputs: outputs as u32,
                            first: first as u32,
                            finish,
                        };
                        let got = run(
                            &context,
                            Kernel::Linear { form, side },
                            &params,
                            &[&flat(&x), &packed.weights, &packed.columns],
                            residual.as_slice().unwrap(),
                            [(outputs as u32).div_ceil(4 * side), (rows as u32).div_ceil(4 * side), 1],
                        );
                        let error = relative_error(&got, expected.as_slice().unwrap());
                        assert!(error <= tolerance, "{rows} {inputs} {outputs} {finish} {form:?} {side}: {error:e}");
                    }
                }
            }
        }
    }
}

fn clone(weights: &Weights) -> Weights {
    match weights {
        Weights::F32 { inputs, values } => Weights::F32 { inputs: *inputs, values: values.clone() },
        Weights::Int8 { inputs, codes, scale } => {
            Weights::Int8 { inputs: *inputs, codes: codes.clone(), scale: scale.clone() }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn bytes_are_multiplied_as_on_the_cpu() {
    for context in contexts() {
        for [rows, inputs, outputs, first] in LINEAR {
            let x = values(first + rows, inputs, 1);
            let codes: Vec<i8> = values(inputs, outputs, 2).iter().map(|value| (value * 127.0) as i8).collect();
            let scale: Vec<f32> = values(1, outputs, 3).iter().map(|value| 0.01 + 0.005 * value).collect();
            let bias: Vec<f32> = values(1, outputs, 4).into_iter().collect();
            let packed = int8::Weights::pack(Family::Portable, inputs, &codes, &scale, &bias).unwrap();
            let mut expected = Array2::zeros((rows, outputs));
            let read = Rows::new(&x.as_slice().unwrap()[first * inputs..], inputs);
            let finish = Finish { gelu: true, residual: None };
            int8::linear(read, &packed, 0, finish, &mut int8::Scratch::default(), expected.view_mut());

            let all = first + rows;
            let stride = 4 * (1 + inputs.div_ceil(16));
            let quantize = params::Quantize { width: inputs as u32 };
            let empty = vec![0.0; all * stride];
            let quantized = run(&context, Kernel::Quantize, &quantize, &[&flat(&x)], &empty, [all as u32, 1, 1]);
            let codes = codes.iter().map(|code| code.cast_unsigned()).collect::<Vec<u8>>().into();
            let layer = Linear { weights: Weights::Int8 { inputs, codes, scale }, bias, gelu: true };
            let packed = Packed::new(&layer, Product::Bytes);
            for side in [8, 16] {
                let params = params::Linear {
                    rows: rows as u32,
                    inputs: inputs as u32,
                    outputs: outputs as u32,
                    first: first as u32,
                    finish: params::GELU,
                };
                let got = run(
                    &context,
                    Kernel::LinearInt8 { side },
                    &params,
                    &[bytemuck::cast_slice(&quantized), &packed.weights, &packed.columns],
                    &vec![0.0; rows * outputs],
                    [(outputs as u32).div_ceil(4 * side), (rows as u32).div_ceil(4 * side), 1],
                );
                // the sums are the same integers; only what is made of them is rounded
                let error = relative_error(&got, expected.as_slice().unwrap());
                assert!(error <= 1e-6, "{rows} {inputs} {outputs} {side}: {error:e}");
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn layer_norm() {
    for context in contexts() {
        for [rows, width] in [[1, 4], [3, 20], [5, 260], [65, 768]] {
            let x = values(rows, width, 1).mapv(|value| value * 3.0 + 0.5);
            let affine = values(2, width, 2);
            let expected = reference::layer_norm(x.view(), affine.row(0), affine.row(1), 1e-6);
            let params = params::LayerNorm { width: width as u32, epsilon: 1e-6 };
            let got = run(
                &context,
                Kernel::LayerNorm,
                &params,
                &[&flat(&x), &flat(&affine)],
                &vec![0.0; rows * width],
                [rows as u32, 1, 1],
            );
            let error = relative_error(&got, expected.as_slice().unwrap());
            assert!(error <= 1e-5, "{rows} {width}: {error:e}");
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
            let params = params::Attention { tokens: tokens as u32, heads: heads as u32, scale };
            let got = run(
                &context,
                Kernel::Attention { parts: parts as u32 },
                &params,
                &[&flat(&x)],
                &vec![f32::NAN; tokens * width],
                [tokens.div_ceil(16) as u32, heads as u32, 1],
            );
            let error = relative_error(&got, expected.as_slice().unwrap());
            assert!(error <= 1e-5, "{tokens} {heads} {parts}: {error:e}");
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn place_and_restore() {
    for context in contexts() {
        for (places, visible, width) in [(1, vec![0], 4), (9, vec![1, 2, 8], 20), (64, (3..40).collect(), 516)] {
            let table = values(places + 1, width, 1);
            let positions = bytemuck::cast_slice::<u32, u8>(&visible).to_vec();
            let x = values(visible.len(), width, 2);
            let class = table.row(places);
            let expected = reference::place(
                x.view(),
                table.view(),
                class,
                &visible.iter().map(|&v| i64::from(v)).collect::<Vec<_>>(),
            );
            let rows = visible.len() as u32 + 1;
            let groups = |rows: u32| [(width as u32).div_ceil(256), rows, 1];
            let params = params::Place { rows, width: width as u32, places: places as u32 };
            let reads = [flat(&x), flat(&table), positions];
            let reads: Vec<&[u8]> = reads.iter().map(Vec::as_slice).collect();
            let got = run(&context, Kernel::Place, &params, &reads, &vec![0.0; expected.len()], groups(rows));
            assert_eq!(got, expected.as_slice().unwrap());

            let tokens = expected;
            let mut order = Array1::<u32>::zeros(places);
            for (token, &place) in visible.iter().enumerate() {
                order[place as usize] = token as u32 + 1;
            }
            let wide: Vec<i64> = order.iter().map(|&token| i64::from(token)).collect();
            let expected = reference::restore(tokens.view(), table.view(), table.row(places), &wide);
            let rows = places as u32 + 1;
            let params = params::Restore { rows, width: width as u32 };
            let reads = [flat(&tokens), flat(&table), bytemuck::cast_slice(order.as_slice().unwrap()).to_vec()];
            let reads: Vec<&[u8]> = reads.iter().map(Vec::as_slice).collect();
            let got = run(&context, Kernel::Restore, &params, &reads, &vec![0.0; expected.len()], groups(rows));
            assert_eq!(got, expected.as_slice().unwrap());
        }
    }
}

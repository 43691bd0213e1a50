//! Each operation beside the one that burn puts together, forward and back.

use burn::backend::TensorMetadata as _;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use super::*;

/// Largest difference of two tensors, over the largest value of the second.
fn apart<const D: usize>(found: Tensor<D>, wanted: Tensor<D>) -> f32 {
    assert_eq!(found.dims(), wanted.dims());
    let values = |t: Tensor<D>| t.into_data().try_into_vec::<f32>().unwrap();
    let (found, wanted) = (values(found), values(wanted));
    let largest = wanted.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    found.iter().zip(&wanted).fold(0.0f32, |most, (f, w)| most.max((f - w).abs())) / largest
}

/// The same values in every run, of both signs and not around zero: a mean that is forgotten is seen.
fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut rng = Pcg64::seed_from_u64(shape.iter().fold(7, |seed, &side| seed * 31 + side as u64));
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-4.0..4.6)).collect();
    Tensor::from_data(TensorData::new(values, shape), device).require_grad()
}

const CLOSE: f32 = 2e-6;

#[test]
fn layer_norm_is_burns_forward_and_back() {
    let device = Device::flex().autodiff();
    for [rows, c] in [[1, 1], [3, 5], [4, 16], [7, 33], [2, 192]] {
        let (x, weight, bias) = (random([rows, c], &device), random([c], &device), random([c], &device));
        let along = random([rows, c], &device);
        let epsilon = 1e-3;
        let ours = layer_norm(x.clone(), weight.clone(), bias.clone(), epsilon);
        let theirs = module::layer_norm(x.clone(), weight.clone(), Some(bias.clone()), epsilon);
        assert!(apart(ours.clone().inner(), theirs.clone().inner()) < CLOSE, "{rows}×{c}");
        let back = |y: Tensor<2>| {
            let grads = (y * along.clone()).sum().backward();
            (x.grad(&grads).unwrap(), weight.grad(&grads).unwrap(), bias.grad(&grads).unwrap())
        };
        let (found, wanted) = (back(ours), back(theirs));
        assert!(c == 1 || apart(found.0, wanted.0) < 1e-4, "{rows}×{c}");
        assert!(c == 1 || apart(found.1, wanted.1) < 1e-5, "{rows}×{c}");
        assert!(apart(found.2, wanted.2) < CLOSE, "{rows}×{c}");
    }
}

#[test]
fn a_linear_layer_is_burns_forward_and_back() {
    let device = Device::flex().autodiff();
    for [b, t, c, k] in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 17, 33, 16], [2, 31, 64, 192]] {
        let (x, weight, bias) = (random([b, t, c], &device), random([c, k], &device), random([k], &device));
        let along = random([b, t, k], &device);
        // what comes from a permuted tensor lies in memory in another order
        let turned = |x: Tensor<3>| x.swap_dims(1, 2).mul_scalar(1.0).swap_dims(1, 2);
        let ours = linear(turned(x.clone()), weight.clone(), bias.clone());
        let theirs = module::linear(x.clone(), weight.clone(), Some(bias.clone()));
        assert!(apart(ours.clone().inner(), theirs.clone().inner()) < CLOSE, "{b} {t} {c} {k}");
        let back = |y: Tensor<3>| {
            let grads = (y * along.clone()).sum().backward();
            (x.grad(&grads).unwrap(), weight.grad(&grads).unwrap(), bias.grad(&grads).unwrap())
        };
        let (found, wanted) = (back(ours), back(theirs));
        assert!(apart(found.0, wanted.0) < CLOSE, "{b} {t} {c} {k}");
        assert!(apart(found.1, wanted.1) < CLOSE, "{b} {t} {c} {k}");
        assert!(apart(found.2, wanted.2) < CLOSE, "{b} {t} {c} {k}");
    }
}

#[test]
fn gelus_gradient_is_its_slope() {
    let device = Device::flex().autodiff();
    let x: Tensor<1> = random([257], &device);
    let y = gelu(x.clone());
    assert!(apart(y.clone().inner(), activation::gelu(x.clone()).inner()) < CLOSE);
    let slope = x.grad(&y.sum().backward()).unwrap();
    let exact: Vec<f32> = x
        .inner()
        .into_data()
        .try_into_vec::<f32>()
        .unwrap()
        .into_iter()
        .map(|x| gelu_slope(f64::from(x)) as f32)
        .collect();
    assert!(apart(slope, Tensor::from_data(TensorData::new(exact, [257]), &Device::flex())) < CLOSE);
}

/// `Φ(x) + x·φ(x)`
fn gelu_slope(x: f64) -> f64 {
    let below = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    below + x * density
}

#[test]
fn attention_is_its_formula_forward_and_back() {
    let device = Device::flex().autodiff();
    for [b, t, h, d] in [[1, 1, 1, 2], [2, 5, 3, 4], [1, 17, 2, 16], [3, 40, 3, 8]] {
        let qkv = random([b, t, 3 * h * d], &device);
        let along = random([b, t, h * d], &device);
        let parts = qkv.clone().reshape([b, t, 3, h, d]).permute([2, 0, 3, 1, 4]);
        let part = |i: usize| parts.clone().slice(s![i..=i]).reshape([b, h, t, d]);
        let scores = part(0).matmul(part(1).swap_dims(2, 3)) / (d as f64).sqrt();
        let wanted = activation::softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([b, t, h * d]);
        let found = attention(qkv.clone(), h, Products::F32);
        assert_eq!(found.clone().into_dispatch().shape().dims(), [b, t, h * d]);
        assert!(apart(found.clone().inner(), wanted.clone().inner()) < CLOSE, "{b} {t} {h} {d}");
        let back = |y: Tensor<3>| qkv.grad(&(y * along.clone()).sum().backward()).unwrap();
        assert!(apart(back(found), back(wanted)) < 1e-5, "{b} {t} {h} {d}");
    }
}

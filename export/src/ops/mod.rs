//! A transformer block's operations, each with a backward pass of its own, for the CPU.
//!
//! burn puts layer norm, GELU and attention together from smaller operations, each of which reads and writes all of its
//! tensor, and takes the same way back. On a CPU that costs as much as the matrix products. Here each is one pass forward
//! and one back. Other devices take burn's operations, whose steps its compiler joins.
//!
//! The arithmetic is in `export/kernels`; `backward.rs` is how burn's automatic differentiation finds it.

mod backward;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Device, Tensor, TensorData, activation, module, s};
use glimpse_export_kernels as kernels;
use glimpse_kernels::product::{Finish, Matrix, product};

use crate::model::Products;

/// The operations, as burn sees them: on the CPU, with and without gradients.
#[backend_extension(Flex, Autodiff)]
pub trait BlockOps: Backend {
    /// [`layer_norm`], of tensors of the backend.
    fn block_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    /// [`linear`], of tensors of the backend.
    fn block_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    /// [`gelu`], of tensors of the backend.
    fn block_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// [`attention`], of tensors of the backend.
    fn block_attention(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self>;
}

impl BlockOps for Flex {
    fn block_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let y = kernels::layer_norm::forward(values(&x), values(&weight), values(&bias), epsilon as f32);
        tensor(y, &x)
    }

    fn block_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let [c, outputs] = weight.shape().dims();
        let mut shape = x.shape();
        let sizes = [shape.num_elements() / c, c, outputs];
        let (left, right) = (Matrix::new(values(&x), c), Matrix::new(values(&weight), outputs));
        let y = product(sizes, left, right, Finish::Bias(values(&bias)));
        let last = shape.num_dims() - 1;
        shape[last] = outputs;
        FloatTensor::<Self>::from_data(TensorData::new(y, shape))
    }

    fn block_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        tensor(kernels::gelu::forward(values(&x)), &x)
    }

    fn block_attention(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        let qkv = qkv.to_contiguous();
        let [b, t, c] = sizes(&qkv);
        let mixed = kernels::attention::forward(values(&qkv), kernels::attention::Shape { b, t, c, heads });
        FloatTensor::<Self>::from_data(TensorData::new(mixed, [b, t, c]))
    }
}

/// Takes the mean from each row and divides it by its deviation, then scales and shifts it.
///
/// # Shapes
/// - `x`: `[…, C]`
/// - `weight`, `bias`: `[C]`
/// - returns `[…, C]`
///
/// # Source
/// Ba et al. 2016, arXiv:1607.06450.
#[must_use]
pub fn layer_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<D> {
    if !on_cpu(&x.device()) {
        return module::layer_norm(x, weight, Some(bias), epsilon);
    }
    let [x, weight, bias] = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    Tensor::from_dispatch(<Dispatch as BlockOps>::block_layer_norm(x, weight, bias, epsilon))
}

/// `x·W + b`.
///
/// # Shapes
/// - `x`: `[…, C]`
/// - `weight`: `[C, K]`
/// - `bias`: `[K]`
/// - returns `[…, K]`
#[must_use]
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    if !on_cpu(&x.device()) {
        return module::linear(x, weight, Some(bias));
    }
    let [x, weight, bias] = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    Tensor::from_dispatch(<Dispatch as BlockOps>::block_linear(x, weight, bias))
}

/// `x·Φ(x)`, with Φ the normal distribution: the erf form of GELU.
///
/// # Source
/// Hendrycks and Gimpel 2016, arXiv:1606.08415.
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if on_cpu(&x.device()) {
        Tensor::from_dispatch(<Dispatch as BlockOps>::block_gelu(x.into_dispatch()))
    } else {
        activation::gelu(x)
    }
}

/// Scaled dot-product attention of each head on its own, the heads' answers side by side.
///
/// # Shapes
/// - `qkv`: `[B, T, 3·C]`, queries, keys and values side by side, each of them head by head
/// - returns `[B, T, C]`
///
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
#[must_use]
pub fn attention(qkv: Tensor<3>, heads: usize, products: Products) -> Tensor<3> {
    if on_cpu(&qkv.device()) && products == Products::F32 {
        return Tensor::from_dispatch(<Dispatch as BlockOps>::block_attention(qkv.into_dispatch(), heads));
    }
    let [b, t, width] = qkv.dims();
    let (h, d) = (heads, width / 3 / heads);
    let qkv = qkv.reshape([b, t, 3, h, d]).permute([2, 0, 3, 1, 4]); // [3, B, h, T, d]
    let part = |i: usize| qkv.clone().slice(s![i..=i]).reshape([b, h, t, d]);
    let (q, k, v) = (part(0), part(1), part(2)); // [B, h, T, d]
    let scores = products.matmul(q * (d as f64).powf(-0.5), k.swap_dims(2, 3)); // [B, h, T, T]
    let mixed = products.matmul(activation::softmax(scores, 3), v); // [B, h, T, d]
    mixed.swap_dims(1, 2).reshape([b, t, h * d])
}

fn on_cpu(device: &Device) -> bool {
    // burn compares devices without their gradients
    *device == Device::flex()
}

fn values(tensor: &FloatTensor<Flex>) -> &[f32] {
    let values = tensor.storage::<f32>();
    let start = tensor.layout().start_offset();
    &values[start..start + tensor.layout().num_elements()]
}

/// Values in the shape of another tensor.
fn tensor(values: Vec<f32>, like: &FloatTensor<Flex>) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(values, like.shape()))
}

/// `[B, T, C]` of queries, keys and values side by side.
fn sizes(qkv: &FloatTensor<Flex>) -> [usize; 3] {
    let [b, t, width] = qkv.shape().dims();
    [b, t, width / 3]
}

#[cfg(test)]
mod tests;

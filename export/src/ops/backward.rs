//! The same operations under burn's automatic differentiation: forward on the CPU, and how to come back.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata as _};
use burn::tensor::TensorData;
use glimpse_export_kernels::product::{Finish, Matrix, product};
use glimpse_export_kernels::{attention, bias, gelu, layer_norm};

use super::{BlockOps, sizes, tensor, values};

type Plain = FloatTensor<Flex>;

impl<C: CheckpointStrategy> BlockOps for Autodiff<Flex, C> {
    fn block_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let forward = Flex::block_layer_norm;
        match LayerNorm.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                let y = forward(x.clone(), weight.clone(), bias.into_primitive(), epsilon);
                prep.finish((x, weight, epsilon as f32), y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(forward(x.into_primitive(), weight.into_primitive(), bias.into_primitive(), epsilon))
            }
        }
    }

    fn block_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        match Linear.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                let y = Flex::block_linear(x.clone(), weight.clone(), bias.into_primitive());
                prep.finish((x, weight), y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Flex::block_linear(x.into_primitive(), weight.into_primitive(), bias.into_primitive()))
            }
        }
    }

    fn block_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Gelu.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = x.into_primitive();
                prep.finish(x.clone(), Flex::block_gelu(x))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::block_gelu(x.into_primitive())),
        }
    }

    fn block_attention(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        match Attention.prepare::<C>([qkv.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let qkv = qkv.into_primitive();
                prep.finish((qkv.clone(), heads), Flex::block_attention(qkv, heads))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::block_attention(qkv.into_primitive(), heads)),
        }
    }
}

#[derive(Debug)]
struct LayerNorm;

impl Backward<Flex, 3> for LayerNorm {
    type State = (Plain, Plain, f32);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, weight, epsilon) = ops.state;
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let found = layer_norm::backward(values(&x), values(&weight), values(&grad), epsilon);
        let [to_x, to_weight, to_bias] = ops.parents;
        for (node, found, like) in
            [(to_x, found.x, &x), (to_weight, found.weight, &weight), (to_bias, found.bias, &weight)]
        {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, tensor(found, like));
            }
        }
    }
}

#[derive(Debug)]
struct Linear;

impl Backward<Flex, 3> for Linear {
    type State = (Plain, Plain);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, weight) = ops.state;
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let [to_x, to_weight, to_bias] = ops.parents;
        let [c, outputs] = weight.shape().dims();
        let rows = x.shape().num_elements() / c;
        let (along, whole) = (Matrix::new(values(&grad), outputs), Finish::Scale(1.0));
        if let Some(node) = to_bias {
            let found = bias::backward(values(&grad), outputs);
            grads.register::<Flex>(node.id, Plain::from_data(TensorData::new(found, [outputs])));
        }
        if let Some(node) = to_weight {
            let found = product([c, rows, outputs], Matrix::new(values(&x), c).t(), along, whole);
            grads.register::<Flex>(node.id, tensor(found, &weight));
        }
        if let Some(node) = to_x {
            let found = product([rows, outputs, c], along, Matrix::new(values(&weight), outputs).t(), whole);
            grads.register::<Flex>(node.id, tensor(found, &x));
        }
    }
}

#[derive(Debug)]
struct Gelu;

impl Backward<Flex, 1> for Gelu {
    type State = Plain;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let x = ops.state.to_contiguous();
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, tensor(gelu::backward(values(&x), values(&grad)), &x));
        }
    }
}

#[derive(Debug)]
struct Attention;

impl Backward<Flex, 1> for Attention {
    type State = (Plain, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (qkv, heads) = ops.state;
        let qkv = qkv.to_contiguous();
        let [b, t, c] = sizes(&qkv);
        if let [Some(node)] = ops.parents {
            let found = attention::backward(values(&qkv), values(&grad), attention::Shape { b, t, c, heads });
            grads.register::<Flex>(node.id, tensor(found, &qkv));
        }
    }
}

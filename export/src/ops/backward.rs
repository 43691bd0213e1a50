//! The same operations under burn's automatic differentiation: forward on the CPU, and how to come back.
//!
//! The way back needs what went in. Under gradient checkpointing, layer norm and GELU are computed anew where it is their
//! answer that the next operation's way back needs: they cost little, and GELU's answer is the widest tensor of a block.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata as _};
use burn::tensor::TensorData;
use glimpse_export_kernels::{attention, bias, gelu, layer_norm};
use glimpse_kernels::product::{Finish, Matrix, product};

use super::{BlockOps, sizes, tensor, values};

type Plain = FloatTensor<Flex>;

impl<C: CheckpointStrategy> BlockOps for Autodiff<Flex, C> {
    fn block_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let anew = LayerNormAnew { parents: nodes.each_ref().map(NodeGuard::id), epsilon };
        let prepared = LayerNorm.prepare::<C>(nodes).memory_bound().retro_forward(anew).parents([&x, &weight, &bias]);
        match prepared.stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), epsilon as f32);
                let [x, weight, bias] = [x, weight, bias].map(FloatTensor::<Self>::into_primitive);
                prep.finish(state, Flex::block_layer_norm(x, weight, bias, epsilon))
            }
            OpsKind::UnTracked(prep) => {
                let [x, weight, bias] = [x, weight, bias].map(FloatTensor::<Self>::into_primitive);
                prep.finish(Flex::block_layer_norm(x, weight, bias, epsilon))
            }
        }
    }

    fn block_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        match Linear.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight));
                let [x, weight, bias] = [x, weight, bias].map(FloatTensor::<Self>::into_primitive);
                prep.finish(state, Flex::block_linear(x, weight, bias))
            }
            OpsKind::UnTracked(prep) => {
                let [x, weight, bias] = [x, weight, bias].map(FloatTensor::<Self>::into_primitive);
                prep.finish(Flex::block_linear(x, weight, bias))
            }
        }
    }

    fn block_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let anew = GeluAnew { parent: node.id() };
        match Gelu.prepare::<C>([node]).memory_bound().retro_forward(anew).parents([&x]).stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, Flex::block_gelu(x.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::block_gelu(x.into_primitive())),
        }
    }

    fn block_attention(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        match Attention.prepare::<C>([qkv.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&qkv), heads);
                prep.finish(state, Flex::block_attention(qkv.into_primitive(), heads))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::block_attention(qkv.into_primitive(), heads)),
        }
    }
}

/// Computes a layer norm a second time, for the way back.
#[derive(Debug)]
struct LayerNormAnew {
    /// What is normalized, its weight, its bias.
    parents: [NodeId; 3],
    epsilon: f64,
}

impl RetroForward for LayerNormAnew {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let [x, weight, bias] = self.parents.map(|parent| states.get_state::<Plain>(&parent));
        states.save(out, Flex::block_layer_norm(x, weight, bias, self.epsilon));
    }
}

/// Computes a GELU a second time, for the way back.
#[derive(Debug)]
struct GeluAnew {
    parent: NodeId,
}

impl RetroForward for GeluAnew {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let x = states.get_state::<Plain>(&self.parent);
        states.save(out, Flex::block_gelu(x));
    }
}

#[derive(Debug)]
struct LayerNorm;

impl Backward<Flex, 3> for LayerNorm {
    type State = (NodeId, NodeId, f32);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, weight, epsilon) = ops.state;
        let [x, weight] = [x, weight].map(|node| kept(checkpointer, node));
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
    type State = (NodeId, NodeId);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let [x, weight] = <[NodeId; 2]>::from(ops.state).map(|node| kept(checkpointer, node));
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
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let x = kept(checkpointer, ops.state);
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, tensor(gelu::backward(values(&x), values(&grad)), &x));
        }
    }
}

#[derive(Debug)]
struct Attention;

impl Backward<Flex, 1> for Attention {
    type State = (NodeId, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (qkv, heads) = ops.state;
        let qkv = kept(checkpointer, qkv);
        let [b, t, c] = sizes(&qkv);
        if let [Some(node)] = ops.parents {
            let found = attention::backward(values(&qkv), values(&grad), attention::Shape { b, t, c, heads });
            grads.register::<Flex>(node.id, tensor(found, &qkv));
        }
    }
}

/// What went into an operation: kept, or computed anew.
fn kept(checkpointer: &mut Checkpointer, node: NodeId) -> Plain {
    checkpointer.retrieve_node_output::<Plain>(node).to_contiguous()
}

//! A fused graph, as tract reads it.

use std::cell::RefCell;
use std::collections::HashSet;

use glimpse_kernels::{int8, linear};
use glimpse_models::onnx::{Bytes, GraphProto, Message as _, NodeProto};
use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb;
use tract_onnx::prelude::{Framework as _, InferenceModel, TractResult};
use tract_onnx::tract_hir::internal::{InferenceOp, bail, format_err};

use super::Arithmetic;
use super::ops::{self, Layer, Linear, Operator as _};
use crate::Step;
use crate::fuse::{self, Made, Operator, PLACEHOLDER, Patterns, Weights, placeholder};

thread_local! {
    /// Operators of the file that tract is reading, each taken out once.
    static SLOTS: RefCell<Vec<Option<Box<dyn InferenceOp>>>> = const { RefCell::new(Vec::new()) };
}

/// Reads an ONNX file and fuses what it knows in it. int8 weights are widened where the arithmetic is to be in f32.
pub(super) fn read(
    onnx: &Bytes,
    arithmetic: Arithmetic,
    patterns: Patterns,
) -> TractResult<(InferenceModel, Vec<Step>)> {
    let fuse::Fused { model, made } = fuse::read(onnx, patterns)?;
    // tract takes it for granted
    if let Some(name) = model.graph.as_ref().and_then(unmade) {
        bail!("no node makes its output `{name}`");
    }
    let (slots, made) =
        made.into_iter().map(|made| brought(made, arithmetic)).collect::<TractResult<(Vec<_>, Vec<_>)>>()?;
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    let steps = nodes.map(|node| step(node, &made)).collect();
    let rest = model.encode_to_vec();
    drop(model);
    SLOTS.set(slots);
    let reader = reader();
    let read = reader.proto_model_for_read(&mut rest.as_slice()).and_then(|model| reader.model_for_proto_model(&model));
    SLOTS.take();
    Ok((read?, steps))
}

/// An output that nothing in the graph makes.
fn unmade(graph: &GraphProto) -> Option<&str> {
    let inputs = graph.input.iter().map(|input| &input.name);
    let constants = graph.initializer.iter().map(|constant| &constant.name);
    let made: HashSet<&String> =
        graph.node.iter().flat_map(|node| &node.output).chain(inputs).chain(constants).collect();
    graph.output.iter().find(|output| !made.contains(&output.name)).map(|output| output.name.as_str())
}

/// An operator as tract runs it, and what is to be said of it, but for its name.
fn brought(made: Made, arithmetic: Arithmetic) -> TractResult<(Option<Box<dyn InferenceOp>>, Step)> {
    let operator = made.operator.name().to_owned();
    let (detail, node) = match made.operator {
        Operator::Linear(linear) => {
            let layer = packed(&linear, arithmetic).ok_or_else(|| format_err!("a linear layer of no size"))?;
            let linear = Linear { layer, gelu: linear.gelu };
            (linear.detail(), ops::node(linear))
        }
        Operator::LayerNorm(norm) => (norm.detail(), ops::node(norm)),
        Operator::Attention(attention) => (attention.detail(), ops::node(attention)),
        Operator::HeadsApart(attention) => (attention.detail(), ops::node(attention)),
    };
    Ok((Some(node), Step { name: String::new(), operator, detail, fused: made.fused }))
}

/// A layer's weights as they are multiplied. int8 ones are widened, too, where a row is longer than the kernels can sum up.
fn packed(linear: &fuse::Linear, arithmetic: Arithmetic) -> Option<Layer> {
    if let (Weights::Int8 { inputs, codes, scale }, Arithmetic::Int8(family)) = (&linear.weights, arithmetic) {
        let codes: Vec<i8> = codes.iter().map(|byte| byte.cast_signed()).collect();
        if let Some(packed) = int8::Weights::pack(family, *inputs, &codes, scale, &linear.bias) {
            return Some(Layer::Int8(packed));
        }
    }
    let weights = &linear.weights;
    linear::Weights::pack(weights.inputs(), &weights.widened(), &linear.bias).map(Layer::F32)
}

/// tract's reader of ONNX files, which knows our operators too.
fn reader() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(PLACEHOLDER, operator);
    onnx
}

/// The operator in a placeholder's slot.
fn operator(_: &ParsingContext, node: &pb::NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let slot: usize = node.get_attr(fuse::SLOT)?;
    let operator = SLOTS.with_borrow_mut(|slots| slots.get_mut(slot).and_then(Option::take));
    Ok((operator.ok_or_else(|| format_err!("no operator was made for {}", node.name))?, Vec::new()))
}

/// What is to be said of a node.
fn step(node: &NodeProto, made: &[Step]) -> Step {
    let name = fuse::output(node).unwrap_or_default().to_owned();
    match placeholder(node).and_then(|placed| made.get(placed.slot)) {
        Some(step) => Step { name, ..step.clone() },
        None => Step { name, operator: node.op_type.clone(), detail: String::new(), fused: Vec::new() },
    }
}

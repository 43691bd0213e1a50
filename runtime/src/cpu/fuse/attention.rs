//! From queries, keys and values side by side to mixed values: one operator for a dozen.

use std::cell::RefCell;

use glimpse_kernels::attention::{Heads, Scratch, attend};
use ndarray::{ArrayViewMut2, Axis};
use rayon::prelude::*;
use tract_linalg::multithread::{Executor, current_tract_executor};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use tract_onnx::tract_hir::internal::{
    Datum, DatumExt, EvalContext, EvalOp, Expansion, InferenceOp, InferenceResult, IntoTValue, Op, OutletId, Solver,
    SpecialOps as _, StaticName, TValue, TVec, Tensor, TensorProxy, TractResult, TypedFact, TypedModel, TypedOp,
    args_1, as_op, check_input_arity, check_output_arity, expand, format_err, op_as_typed_op, op_out_of_plan, tvec,
};

use super::graph::{Replacement, Values, int, ints};

/// The operator's name.
pub(super) const NAME: &str = "GlimpseAttention";
const HEADS: &str = "heads";
const SCALE: &str = "scale";

/// Multiply-adds below which a second thread costs more than it gains.
const WORTH_THREADS: usize = 1 << 19;

/// Finds each of a graph's attentions, as Glimpse's own exporter writes them: a matrix of queries, keys and values is split,
/// each part is split into heads, and the heads' answers are joined again.
pub(super) fn find(values: &Values) -> Vec<Replacement> {
    let softmaxes = values.nodes.iter().enumerate().filter(|(_, node)| node.op_type == "Softmax");
    softmaxes.filter_map(|(at, node)| around(values, at, node)).collect()
}

/// The attention around a softmax.
fn around(values: &Values, at: usize, softmax: &NodeProto) -> Option<Replacement> {
    let mut replaced = vec![at];
    let mut take = |found: Option<(usize, &NodeProto)>| -> Option<NodeProto> {
        let (at, node) = found?;
        replaced.push(at);
        Some(node.clone())
    };
    let input = |node: &NodeProto, index: usize| node.input.get(index).cloned();
    let output = |node: &NodeProto| node.output.first().cloned();
    if ![-1, 2].contains(&int(softmax, "axis")?) {
        return None;
    }
    let scores = take(values.only("MatMul", &input(softmax, 0)?))?;
    let scaled = take(values.only("Mul", &input(&scores, 0)?))?;
    let scale = values.scalar(&input(&scaled, 1)?)?;
    let mixed = take(values.reader("MatMul", &output(softmax)?))?;
    if mixed.input.first() != softmax.output.first() {
        return None;
    }
    let rows = take(values.reader("Transpose", &output(&mixed)?))?;
    let joined = take(values.reader("Reshape", &output(&rows)?))?;
    let mut heads = None;
    let mut parts = Vec::new();
    for (value, order) in
        [(input(&scaled, 0)?, [1, 0, 2]), (input(&scores, 1)?, [1, 2, 0]), (input(&mixed, 1)?, [1, 0, 2])]
    {
        let turned = take(values.only("Transpose", &value))?;
        let apart = take(values.only("Reshape", &input(&turned, 0)?))?;
        let [0, h, d] = values.i64s(&input(&apart, 1)?)?[..] else { return None };
        if ints(&turned, "perm")? != order || *heads.get_or_insert((h, d)) != (h, d) {
            return None;
        }
        parts.push(input(&apart, 0)?);
    }
    let (h, d) = heads?;
    let split = take(values.only("Split", parts.first()?))?;
    let read_once = parts.iter().all(|part| values.only("Split", part).is_some());
    let widths = values.i64s(&input(&split, 1)?)?;
    let fits = read_once
        && split.output == parts
        && [1, -1].contains(&int(&split, "axis")?)
        && widths == [h * d; 3]
        && ints(&rows, "perm")? == [1, 0, 2]
        && values.i64s(&input(&joined, 1)?)? == [0, h * d];
    let node = NodeProto {
        op_type: NAME.to_owned(),
        name: joined.name.clone(),
        input: vec![input(&split, 0)?],
        output: joined.output.clone(),
        attribute: vec![
            AttributeProto { name: HEADS.to_owned(), i: h, r#type: AttributeType::Int.into(), ..Default::default() },
            AttributeProto {
                name: SCALE.to_owned(),
                f: scale,
                r#type: AttributeType::Float.into(),
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    fits.then_some(Replacement { node, replaced })
}

/// Reads the operator for tract.
pub(super) fn read(_: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let attention = Attention { heads: node.get_attr(HEADS)?, scale: node.get_attr(SCALE)? };
    Ok((expand(attention), Vec::new()))
}

/// `[T, 3·C]` to `[T, C]`.
#[derive(Debug, Clone, PartialEq)]
struct Attention {
    heads: usize,
    scale: f32,
}

// the scale is a number
impl Eq for Attention {}

impl Expansion for Attention {
    fn name(&self) -> StaticName {
        NAME.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, f32::datum_type())?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].rank, 2)?;
        solver.equals(&outputs[0].rank, 2)?;
        solver.equals(&inputs[0].shape[0], &outputs[0].shape[0])?;
        solver.given(&inputs[0].shape[1], move |solver, width| solver.equals(&outputs[0].shape[1], width / 3))
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for Attention {
    fn name(&self) -> StaticName {
        NAME.into()
    }

    op_as_typed_op!();
}

impl EvalOp for Attention {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let qkv = args_1!(inputs);
        let (tokens, width) = (qkv.shape()[0], qkv.shape()[1] / 3);
        let values = qkv.try_as_plain_ram()?;
        let heads = Heads::new(values.as_slice::<f32>()?, width, self.heads)
            .ok_or_else(|| format_err!("{} heads do not share the width of {:?}", self.heads, qkv.shape()))?;
        let mut mixed = Tensor::zero::<f32>(&[tokens, width])?;
        let mut plain = mixed.try_as_plain_ram_mut()?;
        let mut out = ArrayViewMut2::from_shape((tokens, width), plain.as_slice_mut::<f32>()?)?;
        let each = out.axis_chunks_iter_mut(Axis(1), heads.head_width()).enumerate();
        match current_tract_executor() {
            Executor::MultiThread(pool) if 2 * tokens * tokens * width >= WORTH_THREADS => {
                let each: Vec<_> = each.collect();
                pool.install(|| each.into_par_iter().for_each(|(head, out)| self.one(heads, head, out)));
            }
            _ => each.for_each(|(head, out)| self.one(heads, head, out)),
        }
        Ok(tvec![mixed.into_tvalue()])
    }
}

impl Attention {
    fn one(&self, heads: Heads, head: usize, out: ArrayViewMut2<f32>) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        SCRATCH.with_borrow_mut(|scratch| attend(heads, head, 0, self.scale, scratch, out));
    }
}

impl TypedOp for Attention {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = &inputs[0].shape;
        Ok(tvec![f32::fact([shape[0].clone(), shape[1].clone() / 3])])
    }
}

//! Layer norm over the last axis: one pass instead of tract's several.

use glimpse_kernels::layer_norm::layer_norm;
use tract_linalg::multithread::par_chunks_mut;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::tract_hir::internal::{
    Datum, DatumExt, EvalContext, EvalOp, Expansion, InferenceOp, InferenceResult, IntoTValue, Op, OutletId, Solver,
    SpecialOps as _, StaticName, TValue, TVec, Tensor, TensorProxy, TractResult, TypedFact, TypedModel, TypedOp,
    args_3, as_op, check_input_arity, check_output_arity, ensure, expand, op_as_typed_op, op_out_of_plan, tvec,
};

use super::graph::int;

/// The operator's name.
pub(super) const NAME: &str = "GlimpseLayerNorm";
const ONNX_NAME: &str = "LayerNormalization";
const EPSILON: &str = "epsilon";

/// Takes over the layer norms of rows that have a weight and a bias; returns how many there are.
pub(super) fn rename(graph: &mut GraphProto) -> usize {
    let constants: std::collections::HashSet<&str> =
        graph.initializer.iter().map(|constant| constant.name.as_str()).collect();
    let mut renamed = 0;
    for node in &mut graph.node {
        let known = node.op_type == ONNX_NAME
            && node.input.len() == 3
            && node.input[1..].iter().all(|name| constants.contains(name.as_str()))
            && node.output.len() == 1
            && int(node, "axis").is_none_or(|axis| axis == -1)
            && int(node, "stash_type").is_none_or(|kind| kind == 1);
        if known {
            NAME.clone_into(&mut node.op_type);
            renamed += 1;
        }
    }
    renamed
}

/// Reads the operator for tract.
pub(super) fn read(_: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(LayerNorm { epsilon: node.get_attr_opt(EPSILON)?.unwrap_or(1e-5) }), Vec::new()))
}

/// `[…, C]`, weight `[C]` and bias `[C]` to `[…, C]`.
#[derive(Debug, Clone, PartialEq)]
struct LayerNorm {
    epsilon: f32,
}

// the epsilon is a number
impl Eq for LayerNorm {}

impl Expansion for LayerNorm {
    fn name(&self) -> StaticName {
        NAME.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 3)?;
        check_output_arity(outputs, 1)?;
        for input in inputs {
            solver.equals(&input.datum_type, f32::datum_type())?;
        }
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for LayerNorm {
    fn name(&self) -> StaticName {
        NAME.into()
    }

    op_as_typed_op!();
}

impl EvalOp for LayerNorm {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (x, weight, bias) = args_3!(inputs);
        let [x_values, weight, bias] = [&x, &weight, &bias].map(|tensor| tensor.try_as_plain_ram());
        let (x_values, weight, bias) = (x_values?.as_slice::<f32>()?, weight?, bias?);
        let (weight, bias) = (weight.as_slice::<f32>()?, bias.as_slice::<f32>()?);
        ensure!(
            weight.len() == bias.len() && x.shape().last() == Some(&weight.len()),
            "{:?} by {}",
            x.shape(),
            weight.len()
        );
        let mut normed = Tensor::zero::<f32>(x.shape())?;
        let mut plain = normed.try_as_plain_ram_mut()?;
        let row = weight.len().max(1);
        par_chunks_mut(plain.as_slice_mut::<f32>()?, row, x_values.len(), |first, out| {
            let x = &x_values[first * row..][..out.len()];
            layer_norm(x, weight, bias, self.epsilon, out);
            Ok(())
        })?;
        Ok(tvec![normed.into_tvalue()])
    }
}

impl TypedOp for LayerNorm {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(inputs[0].shape.clone())])
    }
}

//! Our own operators, as tract runs them.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `attention.rs`, `layer_norm.rs`, `linear.rs` | the operators |
//! | `buffers.rs` | where their answers lie, from frame to frame |
//! | `pieces.rs` | work cut into pieces for several threads |

mod attention;
mod buffers;
mod layer_norm;
mod linear;
mod pieces;

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};
use tract_linalg::multithread::{Executor, current_tract_executor};
use tract_onnx::prelude::{IntoTValue, PlainView};
use tract_onnx::tract_hir::internal::{
    Datum, DatumExt, EvalContext, EvalOp, Expansion, InferenceOp, InferenceResult, Op, OutletId, Solver,
    SpecialOps as _, StaticName, TDim, TValue, TVec, Tensor, TensorProxy, ToDim as _, TractResult, TypedFact,
    TypedModel, TypedOp, as_op, bail, check_output_arity, expand, op_as_typed_op, op_out_of_plan, tvec,
};

pub(super) use self::buffers::KeepBuffers;
pub(super) use self::linear::{Layer, Linear};

/// An operator that makes a row of f32 for each row of f32.
pub(super) trait Operator: fmt::Debug + Send + Sync + 'static {
    /// How it is called.
    const NAME: &'static str;

    /// Values in a row of the first input, and in a row of the answer; none where the answer's rows are as long as the
    /// input's, whatever that is.
    fn widths(&self) -> Option<[usize; 2]>;

    /// The shapes of the inputs after the first one, if there are any.
    fn others(&self, _x: &[TDim], _answer: &[TDim]) -> TVec<TVec<TDim>> {
        TVec::new()
    }

    /// Which form of it this is, in a few words.
    fn detail(&self) -> String;

    /// Does the work: writes all of the answer.
    ///
    /// # Errors
    /// When the inputs are not of the operator's shapes.
    fn run(&self, call: Call) -> TractResult<()>;
}

/// What an operator is to work on.
pub(super) struct Call<'a> {
    /// `[R, C]`: the width is the operator's first
    pub(super) x: ArrayView2<'a, f32>,
    /// Rows of one picture, of which there may be several.
    pub(super) tokens: usize,
    /// The inputs after the first one.
    pub(super) others: &'a [&'a [f32]],
    /// `[R, C]`: the width is the operator's second
    pub(super) out: ArrayViewMut2<'a, f32>,
    /// Threads that may share the work.
    pub(super) threads: usize,
}

/// An operator as a node of tract's.
///
/// # Shapes
/// - first input: `[…, T, C]`
/// - output: `[…, T, C]`, of the operator's other width
pub(super) fn node<O: Operator>(operator: O) -> Box<dyn InferenceOp> {
    expand(Frame(Arc::new(operator)))
}

/// What all operators have in common.
#[derive(Debug)]
struct Frame<O>(Arc<O>);

impl<O> Clone for Frame<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O> PartialEq for Frame<O> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<O> Eq for Frame<O> {}

impl<O: Operator> Expansion for Frame<O> {
    fn name(&self) -> StaticName {
        O::NAME.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        for value in inputs.iter().chain(outputs) {
            solver.equals(&value.datum_type, f32::datum_type())?;
        }
        solver.given(&inputs[0].shape, move |solver, shape| {
            let answer = self.answer(&shape)?;
            for (other, shape) in inputs[1..].iter().zip(self.0.others(&shape, &answer)) {
                solver.equals(&other.shape, shape)?;
            }
            solver.equals(&outputs[0].shape, answer)
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl<O: Operator> Frame<O> {
    /// Values in a row of the answer to an input.
    fn width(&self, shape: &[usize]) -> Option<usize> {
        let last = shape.last().copied();
        match self.0.widths() {
            Some([taken, given]) => last.filter(|&width| width == taken).map(|_| given),
            None => last,
        }
    }

    /// The shape of the answer to an input.
    fn answer(&self, shape: &[TDim]) -> TractResult<TVec<TDim>> {
        let Some([taken, given]) = self.0.widths() else { return Ok(shape.into()) };
        match shape {
            [rows @ .., width] if *width == taken.to_dim() => {
                Ok(rows.iter().cloned().chain([given.to_dim()]).collect())
            }
            _ => bail!("{} takes rows of {taken} values, not {shape:?}", O::NAME),
        }
    }
}

impl<O: Operator> Op for Frame<O> {
    fn name(&self) -> StaticName {
        O::NAME.into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![self.0.detail()])
    }

    op_as_typed_op!();
}

impl<O: Operator> EvalOp for Frame<O> {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let shape = inputs[0].shape();
        let (&[ref before @ .., taken], Some(given)) = (shape, self.width(shape)) else {
            bail!("{} of {shape:?}", O::NAME);
        };
        // a vector is a row
        let tokens = before.last().copied().unwrap_or(1);
        let rows = shape[..shape.len() - 1].iter().product();
        let mut answer: TVec<usize> = shape.into();
        if let Some(width) = answer.last_mut() {
            *width = given;
        }
        let plain = inputs.iter().map(|input| Tensor::try_as_plain_ram(input)).collect::<TractResult<TVec<_>>>()?;
        let x = ArrayView2::from_shape((rows, taken), plain[0].as_slice::<f32>()?)?;
        let others = plain[1..].iter().map(PlainView::as_slice::<f32>).collect::<TractResult<TVec<_>>>()?;
        let threads = match current_tract_executor() {
            Executor::MultiThread(pool) => pool.current_num_threads(),
            _ => 1,
        };
        let value = buffers::filled(context, &answer, |values| {
            let out = ArrayViewMut2::from_shape((rows, given), values)?;
            if out.is_empty() {
                return Ok(());
            }
            self.0.run(Call { x, tokens, others: &others, out, threads })
        })?;
        Ok(tvec![value.into_tvalue()])
    }
}

impl<O: Operator> TypedOp for Frame<O> {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(self.answer(&inputs[0].shape)?)])
    }
}

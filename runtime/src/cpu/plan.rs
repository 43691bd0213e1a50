//! A graph, optimized once for every token count.

use glimpse_models::{ModelSpec, Part};
use tract_onnx::prelude::{
    Datum, DatumExt as _, InferenceFact, InferenceModelExt as _, RunOptions, TDim, TValue, ToDim as _, TractResult,
    TypedSimpleState, tvec,
};

use super::{Threads, fuse};

/// A graph ready to run, with the state that it keeps from run to run.
#[derive(Debug)]
pub(crate) struct Plan {
    state: TypedSimpleState,
}

impl Plan {
    /// Reads and optimizes a part's ONNX file. The token count stays a symbol, so that there is one plan and one packed
    /// copy of the weights however many patches are visible.
    pub(crate) fn new(part: Part, spec: &ModelSpec, onnx: &[u8], threads: &Threads) -> TractResult<Self> {
        let mut graph = fuse::read(onnx)?;
        let visible = graph.symbols.sym("N").to_dim();
        for (index, fact) in inputs(part, spec, &visible).into_iter().enumerate() {
            graph.set_input_fact(index, fact)?;
        }
        let options = RunOptions { executor: Some(threads.executor()), ..RunOptions::default() };
        let plan = graph.into_optimized()?.into_runnable_with_options(&options)?;
        Ok(Self { state: plan.spawn()? })
    }

    /// The same graph with a state of its own: the weights are shared.
    pub(crate) fn twin(&self) -> TractResult<Self> {
        Ok(Self { state: self.state.plan().spawn()? })
    }

    /// Runs the graph on its two inputs.
    pub(crate) fn run(&mut self, first: TValue, second: TValue) -> TractResult<TValue> {
        let mut outputs = self.state.run(tvec![first, second])?;
        Ok(outputs.remove(0))
    }
}

/// The contract's inputs, with `visible` for `N`.
fn inputs(part: Part, spec: &ModelSpec, visible: &TDim) -> [InferenceFact; 2] {
    let grid = spec.grid();
    match part {
        Part::Encoder => {
            [fact::<f32>(&[visible.clone(), grid.patch_len().to_dim()]), fact::<i64>(std::slice::from_ref(visible))]
        }
        Part::Decoder => {
            let tokens = visible.clone() + 1;
            [fact::<f32>(&[tokens, spec.encoder().width.to_dim()]), fact::<i64>(&[grid.len().to_dim()])]
        }
    }
}

fn fact<T: Datum>(shape: &[TDim]) -> InferenceFact {
    T::fact(shape).into()
}

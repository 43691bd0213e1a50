//! The graph that reads classes off an encoder's tokens.

use glimpse_models::{Classifier, ModelSpec};
use tract_onnx::prelude::{
    DatumExt as _, InferenceModelExt as _, RunOptions, TValue, ToDim as _, TractResult, TypedSimpleState, tvec,
};

use super::{Threads, fuse};

/// A classifier ready to run, for any number of tokens.
#[derive(Debug)]
pub(crate) struct ClassifierPlan {
    state: TypedSimpleState,
    /// `K`
    classes: usize,
}

impl ClassifierPlan {
    /// Reads and optimizes a classifier's ONNX file; the token count stays a symbol.
    pub(crate) fn new(classifier: &Classifier, spec: &ModelSpec, onnx: &[u8], threads: &Threads) -> TractResult<Self> {
        let mut graph = fuse::read(onnx)?;
        let tokens = graph.symbols.sym("N").to_dim() + 1;
        graph.set_input_fact(0, f32::fact([tokens, spec.encoder().width.to_dim()]).into())?;
        let options = RunOptions { executor: Some(threads.executor()), ..RunOptions::default() };
        let plan = graph.into_optimized()?.into_runnable_with_options(&options)?;
        Ok(Self { state: plan.spawn()?, classes: classifier.classes })
    }

    /// The same plan with a state of its own.
    pub(crate) fn twin(&self) -> TractResult<Self> {
        Ok(Self { state: self.state.plan().spawn()?, classes: self.classes })
    }

    /// `[N+1, C]` to `[K]`.
    pub(crate) fn run(&mut self, tokens: TValue) -> TractResult<TValue> {
        Ok(self.state.run(tvec![tokens])?.remove(0))
    }

    /// `K`
    pub(crate) fn classes(&self) -> usize {
        self.classes
    }
}

//! The graph that reads classes off an encoder's tokens.

use glimpse_models::onnx::Bytes;
use glimpse_models::{Classifier, ModelSpec};
use tract_onnx::prelude::{DatumExt as _, TValue, ToDim as _, TractResult, tvec};

use super::{Arithmetic, Network, Threads};

/// A classifier ready to run, for any number of tokens.
#[derive(Debug)]
pub(crate) struct ClassifierPlan {
    network: Network,
    /// `K`
    classes: usize,
}

impl ClassifierPlan {
    /// Reads and optimizes a classifier's ONNX file.
    pub(crate) fn new(classifier: &Classifier, spec: &ModelSpec, onnx: &Bytes, threads: &Threads) -> TractResult<Self> {
        let network = Network::new(onnx, Arithmetic::F32, threads, |graph| {
            let tokens = graph.symbols.sym("N").to_dim() + 1;
            graph.set_input_fact(0, f32::fact([tokens, spec.encoder().width.to_dim()]).into())
        })?;
        Ok(Self { network, classes: classifier.classes })
    }

    /// The same plan with a state of its own.
    pub(crate) fn twin(&self) -> TractResult<Self> {
        Ok(Self { network: self.network.twin()?, classes: self.classes })
    }

    /// `[N+1, C]` to `[K]`.
    pub(crate) fn run(&mut self, tokens: TValue) -> TractResult<TValue> {
        Ok(self.network.run(tvec![tokens])?.remove(0))
    }

    /// `K`
    pub(crate) fn classes(&self) -> usize {
        self.classes
    }
}

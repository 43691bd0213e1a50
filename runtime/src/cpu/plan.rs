//! A part's graph, with the contract's inputs.

use glimpse_models::onnx::Bytes;
use glimpse_models::{ModelSpec, Part};
use tract_onnx::prelude::{Datum, DatumExt as _, InferenceFact, TDim, TValue, ToDim as _, TractResult, tvec};

use super::{Arithmetic, Network, Threads};
use crate::Step;

/// An encoder or a decoder, ready to run.
#[derive(Debug)]
pub(crate) struct Plan(Network);

impl Plan {
    /// Reads and optimizes a part's ONNX file.
    pub(crate) fn new(
        part: Part,
        spec: &ModelSpec,
        onnx: &Bytes,
        arithmetic: Arithmetic,
        threads: &Threads,
    ) -> TractResult<Self> {
        let network = Network::new(onnx, arithmetic, threads, |graph| {
            let visible = graph.symbols.sym("N").to_dim();
            let mut facts = inputs(part, spec, &visible).into_iter().enumerate();
            facts.try_for_each(|(index, fact)| graph.set_input_fact(index, fact))
        })?;
        Ok(Self(network))
    }

    /// The same graph with a state of its own: the weights are shared.
    pub(crate) fn twin(&self) -> TractResult<Self> {
        self.0.twin().map(Self)
    }

    /// Runs the graph on its two inputs.
    pub(crate) fn run(&mut self, first: TValue, second: TValue) -> TractResult<TValue> {
        Ok(self.0.run(tvec![first, second])?.remove(0))
    }

    /// What is run, in order.
    pub(crate) fn steps(&self) -> &[Step] {
        self.0.steps()
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

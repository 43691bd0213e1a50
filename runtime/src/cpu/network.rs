//! A graph ready to run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use glimpse_models::onnx::Bytes;
use tract_onnx::prelude::{
    InferenceModel, InferenceModelExt as _, RunOptions, TValue, TVec, TractResult, TypedSimpleState,
};

use tract_onnx::tract_hir::internal::format_err;

use super::ops::KeepBuffers;
use super::{Arithmetic, Threads, read};
use crate::Step;
use crate::fuse::Patterns;

/// A graph, optimized once for every token count, with the state that it keeps from run to run.
#[derive(Debug)]
pub(crate) struct Network {
    state: TypedSimpleState,
    steps: Arc<[Step]>,
    threads: Threads,
}

/// What comes of reading a file or of running it, where some files that are none make tract panic. A program that ends at a panic,
/// as ours do with a sentence, ends here too.
fn unbroken<T>(work: impl FnOnce() -> TractResult<T>) -> TractResult<T> {
    // what it leaves half done is thrown away
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format_err!("the file broke what reads it: {}", said.unwrap_or("it does not say how")))
    })
}

impl Network {
    /// Reads and optimizes an ONNX file. `shape` sets the inputs that the file leaves open.
    ///
    /// A token count stays a symbol, so that there is one plan and one packed copy of the weights however many patches are
    /// visible.
    pub(crate) fn new(
        onnx: &Bytes,
        arithmetic: Arithmetic,
        threads: &Threads,
        shape: impl Fn(&mut InferenceModel) -> TractResult<()>,
    ) -> TractResult<Self> {
        let planned = |patterns| {
            let (mut graph, steps) = read::read(onnx, arithmetic, patterns)?;
            shape(&mut graph)?;
            let options = RunOptions { executor: Some(threads.executor()), ..RunOptions::default() };
            let plan = graph.into_optimized()?.into_runnable_with_options(&options)?;
            let plan = Arc::unwrap_or_clone(plan).with_turn_handler(KeepBuffers);
            Ok(Self { state: Arc::new(plan).spawn()?, steps: steps.into(), threads: threads.clone() })
        };
        // what is wrong with the file itself is wrong either way
        unbroken(|| planned(Patterns::All)).or_else(|error| unbroken(|| planned(Patterns::Sure)).map_err(|_| error))
    }

    /// The same graph with a state of its own: the weights are shared.
    pub(crate) fn twin(&self) -> TractResult<Self> {
        let state = self.state.plan().spawn()?;
        Ok(Self { state, steps: Arc::clone(&self.steps), threads: self.threads.clone() })
    }

    /// Runs the graph.
    pub(crate) fn run(&mut self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let state = &mut self.state;
        let answer = self.threads.run(|| unbroken(|| state.run(inputs)));
        if answer.is_err() {
            // a run that failed leaves its token count in the state, which would be asked of the next one
            self.state = self.state.plan().spawn()?;
        }
        answer
    }

    /// What is run, in order.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

//! Any ONNX file, run by the same engine as a bundle's graphs.

use std::fmt;

use glimpse_models::onnx::Bytes;
use ndarray::{ArrayD, ArrayViewD};
use tract_onnx::prelude::{IntoTValue as _, TVec, Tensor, TractError, TractResult};

use crate::cpu::{Arithmetic, Network, Threads};
use crate::{Error, Options, Result, Step};

/// A graph of f32 tensors that is not part of a bundle: a vision transformer of another exporter, say.
///
/// What is known of transformers in it is fused as in a bundle's graphs; the rest is run as it is.
pub struct Graph {
    network: Network,
}

impl Graph {
    /// Reads an ONNX file. Its inputs' shapes are taken from it; a length with a name may change from run to run.
    ///
    /// # Errors
    /// [`Error::Threads`] if that many threads cannot be had, [`Error::Kernels`] if they are for other CPUs, [`Error::Onnx`] if
    /// the engine refuses the file.
    pub fn load(onnx: &Bytes, options: &Options) -> Result<Self> {
        Self::load_on(onnx, options, &Threads::new(options.threads)?)
    }

    /// Reads an ONNX file, to run on threads that models may share, whatever `options` say of their number.
    ///
    /// # Errors
    /// As [`Graph::load`].
    pub fn load_on(onnx: &Bytes, options: &Options, threads: &Threads) -> Result<Self> {
        let network = Network::new(onnx, Arithmetic::of(options)?, threads, |_| Ok(())).map_err(failed("planning"))?;
        Ok(Self { network })
    }

    /// What is run, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.network.steps()
    }

    /// Runs the graph.
    ///
    /// # Shapes
    /// - `inputs`: as the file has them, in its order
    /// - returns the file's outputs, in its order
    ///
    /// # Errors
    /// [`Error::Onnx`] if the engine fails, as it does on inputs of other shapes or outputs that are not f32.
    pub fn run(&mut self, inputs: &[ArrayViewD<f32>]) -> Result<Vec<ArrayD<f32>>> {
        self.answers(inputs).map_err(failed("running"))
    }

    fn answers(&mut self, inputs: &[ArrayViewD<f32>]) -> TractResult<Vec<ArrayD<f32>>> {
        let tensor = |input: &ArrayViewD<f32>| {
            let values = input.as_standard_layout();
            Ok(Tensor::from_shape(input.shape(), values.as_slice().unwrap_or_default())?.into_tvalue())
        };
        let outputs = self.network.run(inputs.iter().map(tensor).collect::<TractResult<TVec<_>>>()?)?;
        let array = |output: &Tensor| {
            let values = output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
            Ok(ArrayD::from_shape_vec(output.shape(), values)?)
        };
        outputs.iter().map(|output| array(output)).collect()
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("steps", &self.steps().len()).finish_non_exhaustive()
    }
}

fn failed(doing: &'static str) -> impl Fn(TractError) -> Error {
    move |source| Error::Onnx { doing, source: source.into() }
}

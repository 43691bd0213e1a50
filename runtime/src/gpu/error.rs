//! What can go wrong between a model and a GPU.

use std::time::Duration;

use glimpse_models::Part;
use thiserror::Error;

/// Everything that can keep a GPU from giving a right answer.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum GpuError {
    /// There is no GPU, or no driver for it.
    #[error("no GPU was found: there is none, or its Vulkan driver is not installed")]
    NoAdapter,

    /// There are fewer GPUs than that.
    #[error("there is no GPU {index}: {count} were found, the first is 0 (`glimpse info` lists them)")]
    NoSuchAdapter {
        /// The one that was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },

    /// The driver would not open the GPU.
    #[error("the GPU {adapter} cannot be opened: {reason}")]
    Closed {
        /// Its name.
        adapter: String,
        /// What the driver says.
        reason: String,
    },

    /// The model does what no kernel can.
    #[error("the GPU has no kernel for {operator} at `{value}` of the {part}: {reason}")]
    Operator {
        /// Which of the model's graphs.
        part: Part,
        /// The operator, by its name.
        operator: String,
        /// The value that it makes.
        value: String,
        /// Why.
        reason: &'static str,
    },

    /// A graph is no graph.
    #[error("the {part} cannot be read: {reason}")]
    Graph {
        /// Which of the model's graphs.
        part: Part,
        /// Why.
        reason: String,
    },

    /// There is too little memory.
    #[error("the GPU is out of memory: {reason}")]
    Memory {
        /// What the driver says.
        reason: String,
    },

    /// The GPU is gone: unplugged, reset, or its driver crashed.
    #[error("the GPU was lost: {reason}")]
    Lost {
        /// What the driver says.
        reason: String,
    },

    /// The GPU does not come to an end.
    #[error("the GPU gave no answer within {limit:?}")]
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
    },

    /// The driver refused something.
    #[error("the GPU's driver refused: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },

    /// The GPU's answer to a question with a known answer is another one.
    #[error(
        "the GPU computes wrong: its answer to a question with a known answer is off by {error:.1e}, {tolerance:.0e} is allowed"
    )]
    Wrong {
        /// Relative error of the tokens, or root mean square of painted values.
        error: f64,
        /// The largest that is allowed.
        tolerance: f64,
    },

    /// There is nothing to tell by whether the GPU is right.
    #[error("the bundle's golden file has no question that a GPU could be checked with")]
    Unchecked,
}

impl GpuError {
    /// `Ok` if an error is within a tolerance, [`GpuError::Wrong`] otherwise.
    pub(crate) fn check(error: f64, tolerance: f64) -> Result<(), Self> {
        // NaN is wrong, too
        if error <= tolerance { Ok(()) } else { Err(Self::Wrong { error, tolerance }) }
    }

    /// Whether it may come of kernels that are not what they should be.
    pub(crate) const fn is_of_kernels(&self) -> bool {
        matches!(self, Self::Wrong { .. } | Self::Refused { .. } | Self::Lost { .. } | Self::TimedOut { .. })
    }

    /// Whether it will be so at the next start, too, as long as driver and model are the same.
    pub(crate) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Wrong { .. } | Self::Unchecked | Self::Operator { .. } | Self::Graph { .. })
    }
}

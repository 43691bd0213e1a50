//! The numbers that linear layers are computed in.

use glimpse_kernels::Family;
use glimpse_models::Precision;

use crate::{Error, Options, Result};

/// The numbers that linear layers are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    /// f32; int8 weights are widened.
    F32,
    /// int8 where weights are, by these CPUs' kernels.
    Int8(Family),
}

impl Arithmetic {
    /// What is asked for.
    ///
    /// # Errors
    /// [`Error::Kernels`] if this machine is none of those CPUs.
    pub(crate) fn of(options: &Options) -> Result<Self> {
        let family = options.kernels.unwrap_or_else(Family::best);
        if !Family::available().any(|here| here == family) {
            return Err(Error::Kernels { kernels: family.name() });
        }
        Ok(match options.precision {
            Precision::F32 => Self::F32,
            Precision::Int8 => Self::Int8(family),
        })
    }
}

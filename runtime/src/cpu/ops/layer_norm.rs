//! Layer norm over the last axis, in one pass.

use glimpse_kernels::layer_norm::layer_norm;
use ndarray::Axis;
use tract_onnx::prelude::TractResult;

use super::pieces::in_pieces;
use super::{Call, Operator};
use crate::fuse::LayerNorm;

/// Values below which a second thread costs more than it gains.
const WORTH_THREADS: usize = 1 << 15;

impl Operator for LayerNorm {
    const NAME: &'static str = "LayerNorm";

    fn widths(&self) -> Option<[usize; 2]> {
        Some([self.weight.len(); 2])
    }

    fn detail(&self) -> String {
        format!("{}", self.weight.len())
    }

    fn run(&self, call: Call) -> TractResult<()> {
        let Call { x, out, threads, .. } = call;
        let pieces = if x.len() >= WORTH_THREADS { threads } else { 1 };
        let c = self.weight.len();
        let x = x.to_slice().unwrap_or(&[]);
        in_pieces(out, Axis(0), 1, pieces, &|first, mut out| {
            let out = out.as_slice_mut().unwrap_or(&mut []);
            layer_norm(&x[first * c..][..out.len()], &self.weight, &self.bias, self.epsilon, out);
        });
        Ok(())
    }
}

//! From queries, keys and values to mixed values.

use std::cell::RefCell;

use glimpse_kernels::attention::{Heads, Scratch, attend};
use ndarray::{ArrayViewMut2, Axis};
use tract_onnx::prelude::{TDim, TVec, TractResult, tvec};
use tract_onnx::tract_hir::internal::{bail, format_err};

use super::pieces::in_pieces;
use super::{Call, Operator};
use crate::fuse::{Attention, HeadsApart};

/// Multiply-adds below which a second thread costs more than it gains.
const WORTH_THREADS: usize = 1 << 19;

impl Operator for Attention {
    const NAME: &'static str = "Attention";

    fn widths(&self) -> Option<[usize; 2]> {
        let width = self.heads * self.head_width;
        Some([3 * width, width])
    }

    fn detail(&self) -> String {
        format!("{} heads of {}", self.heads, self.head_width)
    }

    fn run(&self, call: Call) -> TractResult<()> {
        let Call { x, tokens, mut out, threads, .. } = call;
        let width = self.heads * self.head_width;
        let pieces = worth(tokens, width, threads);
        let pictures = out.axis_chunks_iter_mut(Axis(0), tokens.max(1));
        for (out, x) in pictures.zip(x.axis_chunks_iter(Axis(0), tokens.max(1))) {
            let heads = Heads::side_by_side(x.to_slice().unwrap_or(&[]), width, self.heads);
            let heads = heads.ok_or_else(|| format_err!("{} heads in rows of {width} values", self.heads))?;
            let by_rows = by_rows(pieces, self.heads);
            in_pieces(out, Axis(1), self.head_width, pieces, &|first, mut out| {
                for (head, out) in out.axis_chunks_iter_mut(Axis(1), self.head_width).enumerate() {
                    rows(heads, first / self.head_width + head, self.scale, by_rows, out);
                }
            });
        }
        Ok(())
    }
}

impl Operator for HeadsApart {
    const NAME: &'static str = "Attention";

    fn widths(&self) -> Option<[usize; 2]> {
        None
    }

    fn others(&self, x: &[TDim], _: &[TDim]) -> TVec<TVec<TDim>> {
        let mut keys: TVec<TDim> = x.into();
        let last = keys.len().saturating_sub(1);
        keys.swap(last.saturating_sub(1), last);
        tvec![keys, x.into()]
    }

    fn detail(&self) -> String {
        "queries, keys and values apart".to_owned()
    }

    fn run(&self, call: Call) -> TractResult<()> {
        let Call { x, tokens, others, out, threads } = call;
        let (queries, &[keys, values]) = (x.to_slice().unwrap_or(&[]), others) else {
            bail!("queries without keys and values");
        };
        let count = x.nrows().checked_div(tokens).unwrap_or_default();
        let heads = Heads::apart([queries, keys, values], count, tokens, x.ncols());
        let heads = heads.ok_or_else(|| format_err!("queries, keys and values of different sizes"))?;
        let pieces = worth(tokens, count * x.ncols(), threads);
        let by_rows = by_rows(pieces, count);
        in_pieces(out, Axis(0), tokens, pieces, &|first, mut out| {
            for (head, out) in out.axis_chunks_iter_mut(Axis(0), tokens).enumerate() {
                rows(heads, first / tokens + head, self.scale, by_rows, out);
            }
        });
        Ok(())
    }
}

/// Pieces that the work is to be cut into.
fn worth(tokens: usize, width: usize, threads: usize) -> usize {
    if 2 * tokens * tokens * width >= WORTH_THREADS { threads } else { 1 }
}

/// Pieces that each head's rows are cut into: more than one if there are few heads for many threads.
fn by_rows(pieces: usize, heads: usize) -> usize {
    if heads.is_multiple_of(pieces) { 1 } else { pieces.div_ceil(heads) + 1 }
}

/// A head.
fn rows(heads: Heads, head: usize, scale: f32, pieces: usize, out: ArrayViewMut2<f32>) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    in_pieces(out, Axis(0), 1, pieces, &|first, out| {
        SCRATCH.with_borrow_mut(|scratch| attend(heads, head, first, scale, scratch, out));
    });
}

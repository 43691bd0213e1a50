//! From queries, keys and values side by side to mixed values.

use std::cell::RefCell;

use glimpse_kernels::attention::{Heads, Scratch, attend};
use ndarray::{ArrayViewMut2, Axis};

use super::pieces::in_pieces;
use super::{Call, Operator};

/// Multiply-adds below which a second thread costs more than it gains.
const WORTH_THREADS: usize = 1 << 19;

/// `[R, 3·C]` to `[R, C]`.
#[derive(Debug)]
pub(in super::super) struct Attention {
    pub(in super::super) heads: usize,
    pub(in super::super) head_width: usize,
    pub(in super::super) scale: f32,
}

impl Operator for Attention {
    const NAME: &'static str = "Attention";

    fn widths(&self) -> [usize; 2] {
        let width = self.heads * self.head_width;
        [3 * width, width]
    }

    fn detail(&self) -> String {
        format!("{} heads of {}", self.heads, self.head_width)
    }

    fn run(&self, call: Call) {
        let Call { x, tokens, mut out, threads, .. } = call;
        let [_, width] = self.widths();
        let pieces = if 2 * tokens * tokens * width >= WORTH_THREADS { threads } else { 1 };
        let pictures = out.axis_chunks_iter_mut(Axis(0), tokens.max(1));
        for (out, x) in pictures.zip(x.axis_chunks_iter(Axis(0), tokens.max(1))) {
            let Some(heads) = Heads::new(x.to_slice().unwrap_or(&[]), width, self.heads) else { continue };
            // each head, and its rows too if there are few heads for many threads
            let by_rows = if self.heads.is_multiple_of(pieces) { 1 } else { pieces.div_ceil(self.heads) + 1 };
            in_pieces(out, Axis(1), self.head_width, pieces, &|first, mut out| {
                for (head, out) in out.axis_chunks_iter_mut(Axis(1), self.head_width).enumerate() {
                    in_pieces(out, Axis(0), 1, by_rows, &|row, out| {
                        self.rows(heads, first / self.head_width + head, row, out);
                    });
                }
            });
        }
    }
}

impl Attention {
    /// Some rows of a head.
    fn rows(&self, heads: Heads, head: usize, first: usize, out: ArrayViewMut2<f32>) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        SCRATCH.with_borrow_mut(|scratch| attend(heads, head, first, self.scale, scratch, out));
    }
}

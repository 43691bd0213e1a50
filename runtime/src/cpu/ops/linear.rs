//! A linear layer, with what follows it.

use std::cell::RefCell;

use glimpse_kernels::{Finish, Rows, int8, linear};
use ndarray::{ArrayViewMut2, Axis};
use tract_onnx::prelude::{TDim, TVec, TractResult, tvec};

use super::pieces::in_pieces;
use super::{Call, Operator};

/// Multiply-adds below which a second thread costs more than it gains.
const WORTH_THREADS: usize = 1 << 21;
/// Rows that threads share are cut at multiples of it: of the rows of a tile, whatever the CPU.
const TILE_ROWS: usize = 12;

/// The weights of a layer.
#[derive(Debug)]
pub(in super::super) enum Layer {
    /// int8, multiplied with rows that are quantized as they come.
    Int8(int8::Weights),
    /// f32.
    F32(linear::Weights),
}

/// `[R, K]` to `[R, C]`.
#[derive(Debug)]
pub(in super::super) struct Linear {
    pub(in super::super) layer: Layer,
    /// The answer goes through GELU.
    pub(in super::super) gelu: bool,
}

impl Operator for Linear {
    const NAME: &'static str = "Linear";

    fn widths(&self) -> Option<[usize; 2]> {
        Some(self.sizes())
    }

    fn detail(&self) -> String {
        let [inputs, outputs] = self.sizes();
        let form = match &self.layer {
            Layer::Int8(weights) => format!("int8 ({})", weights.family().name()),
            Layer::F32(_) => "f32".to_owned(),
        };
        format!("{inputs} → {outputs}, {form}{}", if self.gelu { ", GELU" } else { "" })
    }

    fn others(&self, _: &[TDim], answer: &[TDim]) -> TVec<TVec<TDim>> {
        tvec![answer.into()]
    }

    fn run(&self, call: Call) -> TractResult<()> {
        let Call { x, others, out, threads, .. } = call;
        let [inputs, outputs] = self.sizes();
        let rows = x.nrows();
        let pieces = if rows * inputs * outputs >= WORTH_THREADS { threads } else { 1 };
        let x = x.to_slice().unwrap_or(&[]);
        let residual = others.first();
        let part = |row: usize, column: usize, out: ArrayViewMut2<f32>| {
            let residual = residual.map(|values| Rows::new(&values[row * outputs + column..], outputs));
            let finish = Finish { gelu: self.gelu, residual };
            self.part(Rows::new(&x[row * inputs..], inputs), column, finish, out);
        };
        let [down, across] = cut(pieces, rows.div_ceil(TILE_ROWS), outputs.div_ceil(self.panel_columns()));
        in_pieces(out, Axis(0), TILE_ROWS, down, &|row, out| {
            in_pieces(out, Axis(1), self.panel_columns(), across, &|column, out| part(row, column, out));
        });
        Ok(())
    }
}

/// How many pieces the rows and the columns are cut into, so that the largest piece is least. Columns before rows: a thread
/// that has some of the columns reads some of the weights, and to quantize the rows again costs little.
fn cut(pieces: usize, tiles: usize, panels: usize) -> [usize; 2] {
    let down = (1..=pieces).filter(|down| pieces.is_multiple_of(*down));
    let largest = |down: &usize| tiles.div_ceil(*down) * panels.div_ceil(pieces / down);
    let down = down.min_by_key(largest).unwrap_or(1);
    [down, pieces / down.max(1)]
}

impl Linear {
    /// `K` and `C`
    fn sizes(&self) -> [usize; 2] {
        match &self.layer {
            Layer::Int8(weights) => [weights.inputs(), weights.outputs()],
            Layer::F32(weights) => [weights.inputs(), weights.outputs()],
        }
    }

    /// Some columns of some rows.
    fn part(&self, x: Rows, column: usize, finish: Finish, out: ArrayViewMut2<f32>) {
        thread_local! {
            static SCRATCH: RefCell<(int8::Scratch, linear::Scratch)> = RefCell::default();
        }
        SCRATCH.with_borrow_mut(|(int8, f32)| match &self.layer {
            Layer::Int8(weights) => int8::linear(x, weights, column, finish, int8, out),
            Layer::F32(weights) => linear::linear(x, weights, column, finish, f32, out),
        });
    }

    /// Columns at multiples of which threads share the work.
    fn panel_columns(&self) -> usize {
        match &self.layer {
            Layer::Int8(weights) => weights.panel_columns(),
            Layer::F32(weights) => weights.panel_columns(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_shared_first_and_evenly() {
        assert_eq!(cut(1, 17, 12), [1, 1]);
        assert_eq!(cut(2, 17, 12), [1, 2]);
        assert_eq!(cut(8, 17, 12), [2, 4]);
        assert_eq!(cut(4, 17, 1), [4, 1]);
        assert_eq!(cut(3, 1, 2), [1, 3]);
    }
}

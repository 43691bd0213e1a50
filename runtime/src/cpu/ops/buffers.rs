//! Where operators' answers lie, from frame to frame.

use std::cell::RefCell;
use std::sync::Arc;

use tract_onnx::tract_core::plan::{TurnState, TurnStateHandler};
use tract_onnx::tract_hir::internal::{EvalContext, TVec, Tensor, TractResult, bail};

/// Frames that a buffer is kept for without being used.
const IDLE_FRAMES: u64 = 4;

/// A plan's buffers. One that nothing reads any longer takes the next answer of its shape, so a few of them go round.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    kept: Vec<Kept>,
    frame: u64,
}

#[derive(Debug)]
struct Kept {
    tensor: Arc<Tensor>,
    /// The last frame that used it.
    frame: u64,
}

impl Buffers {
    /// A tensor of a shape, filled. What was in it is left to `fill` to overwrite.
    fn filled(
        &mut self,
        shape: &[usize],
        fill: impl FnOnce(&mut [f32]) -> TractResult<()>,
    ) -> TractResult<Arc<Tensor>> {
        // the last one that was used is the likeliest to be in a cache still
        let free = self
            .kept
            .iter_mut()
            .rposition(|kept| kept.tensor.shape() == shape && Arc::get_mut(&mut kept.tensor).is_some());
        let mut kept = match free {
            Some(free) => self.kept.remove(free),
            None => Kept { tensor: Arc::new(Tensor::zero::<f32>(shape)?), frame: 0 },
        };
        let Some(tensor) = Arc::get_mut(&mut kept.tensor) else { bail!("a buffer that is in use was taken") };
        fill(tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?)?;
        kept.frame = self.frame;
        let tensor = Arc::clone(&kept.tensor);
        self.kept.push(kept);
        Ok(tensor)
    }
}

/// A tensor of a shape, filled: one of the plan's buffers, or a new one where there is no plan.
pub(super) fn filled(
    context: &EvalContext,
    shape: &TVec<usize>,
    fill: impl FnOnce(&mut [f32]) -> TractResult<()>,
) -> TractResult<Arc<Tensor>> {
    match context.shared.and_then(|shared| shared.get::<RefCell<Buffers>>()) {
        Some(buffers) => buffers.borrow_mut().filled(shape, fill),
        None => Buffers::default().filled(shape, fill),
    }
}

/// Gives each of a plan's states its buffers.
#[derive(Debug)]
pub(in super::super) struct KeepBuffers;

impl TurnStateHandler for KeepBuffers {
    fn before_plan_eval(&self, turn: &mut TurnState) -> TractResult<()> {
        let buffers = turn.shared.entry::<RefCell<Buffers>>().or_default().get_mut();
        buffers.frame += 1;
        let oldest = buffers.frame.saturating_sub(IDLE_FRAMES);
        buffers.kept.retain(|kept| kept.frame >= oldest);
        Ok(())
    }

    fn after_plan_eval(&self, _: &mut TurnState) -> TractResult<()> {
        Ok(())
    }
}

//! A graph's input, kept from run to run.

use std::sync::Arc;

use tract_onnx::prelude::{Datum, IntoTValue, TValue, Tensor, TractResult};

/// A tensor that is written anew for each run. Its memory is reused as long as its shape stays.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Option<Arc<Tensor>>);

impl Buffer {
    /// Has `write` fill the values, row-major, and lends the tensor for a run.
    pub(crate) fn fill<T: Datum>(&mut self, shape: &[usize], write: impl FnOnce(&mut [T])) -> TractResult<TValue> {
        // A tensor that somebody still holds, or one of another shape, is left to them.
        let kept = self.0.take().and_then(Arc::into_inner);
        let mut tensor = match kept.filter(|tensor| tensor.shape() == shape) {
            Some(tensor) => tensor,
            None => Tensor::zero_dt(T::datum_type(), shape)?,
        };
        write(tensor.try_as_plain_ram_mut()?.as_slice_mut::<T>()?);
        let tensor = Arc::new(tensor);
        self.0 = Some(Arc::clone(&tensor));
        Ok(tensor.into_tvalue())
    }
}

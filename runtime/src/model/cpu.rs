//! A model's graphs on the CPU, with the buffers between them.

use glimpse_models::{Bundle, Part, Precision};
use ndarray::{ArrayView2, ArrayViewMut1};
use tract_onnx::prelude::{TValue, TractError, TractResult};

use super::Options;
use crate::cpu::{Arithmetic, Buffer, Plan, Threads};
use crate::{Error, Mask, Result, Step};

/// Encoder and decoder on the CPU.
#[derive(Debug)]
pub(super) struct CpuModel {
    bundle: String,
    encoder: Plan,
    decoder: Option<Plan>,
    patches: Buffer,
    positions: Buffer,
    restore: Buffer,
    tokens: Buffer,
    answer: Option<TValue>,
}

impl CpuModel {
    /// Plans a bundle's graphs.
    pub(super) fn load(bundle: &Bundle, form: Precision, options: &Options, threads: &Threads) -> Result<Self> {
        let arithmetic = Arithmetic::of(options)?;
        let plan = |part| {
            let missing = || Error::FormMissing { bundle: bundle.name().to_owned(), precision: options.precision };
            let onnx = bundle.graph(part, form).ok_or_else(missing)?;
            Plan::new(part, bundle.spec(), onnx, arithmetic, threads).map_err(engine(bundle.name(), part, "planning"))
        };
        let decoder = bundle.spec().decoder().map(|_| plan(Part::Decoder)).transpose()?;
        Ok(Self::of(bundle.name(), plan(Part::Encoder)?, decoder))
    }

    /// The same graphs with buffers of their own: the weights are shared.
    pub(super) fn twin(&self) -> Result<Self> {
        let twin = |part, plan: &Plan| plan.twin().map_err(engine(&self.bundle, part, "planning"));
        let decoder = self.decoder.as_ref().map(|decoder| twin(Part::Decoder, decoder)).transpose()?;
        Ok(Self::of(&self.bundle, twin(Part::Encoder, &self.encoder)?, decoder))
    }

    fn of(bundle: &str, encoder: Plan, decoder: Option<Plan>) -> Self {
        Self {
            bundle: bundle.to_owned(),
            encoder,
            decoder,
            patches: Buffer::default(),
            positions: Buffer::default(),
            restore: Buffer::default(),
            tokens: Buffer::default(),
            answer: None,
        }
    }

    /// What a part runs, in order.
    pub(super) fn steps(&self, part: Part) -> &[Step] {
        match part {
            Part::Encoder => self.encoder.steps(),
            Part::Decoder => self.decoder.as_ref().map_or(&[], Plan::steps),
        }
    }

    /// Runs the encoder: `[N+1, C]`.
    pub(super) fn tokens(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<TValue> {
        let (visible, patch_len) = (mask.visible(), patches.ncols());
        let gather = |rows: &mut [f32]| {
            for (row, &index) in rows.chunks_exact_mut(patch_len).zip(visible) {
                ArrayViewMut1::from(row).assign(&patches.row(index));
            }
        };
        let mut run = || -> TractResult<TValue> {
            let patches = self.patches.fill(&[visible.len(), patch_len], gather)?;
            let positions = self.positions.fill(&[visible.len()], |p| p.copy_from_slice(mask.positions()))?;
            self.encoder.run(patches, positions)
        };
        run().map_err(engine(&self.bundle, Part::Encoder, "running"))
    }

    /// Tokens that come from elsewhere, as the decoder reads them.
    pub(super) fn tokens_from(&mut self, tokens: ArrayView2<f32>) -> Result<TValue> {
        let copy = |values: &mut [f32]| values.iter_mut().zip(&tokens).for_each(|(value, token)| *value = *token);
        self.tokens.fill(tokens.shape(), copy).map_err(engine(&self.bundle, Part::Decoder, "running"))
    }

    /// Runs the decoder: `[L, P·P·3]`.
    pub(super) fn painted(&mut self, tokens: TValue, mask: &Mask) -> Result<TValue> {
        let missing = || Error::DecoderMissing { bundle: self.bundle.clone() };
        let decoder = self.decoder.as_mut().ok_or_else(missing)?;
        let restore = |places: &mut [i64]| places.copy_from_slice(mask.restore());
        self.restore
            .fill(&[mask.restore().len()], restore)
            .and_then(|restore| decoder.run(tokens, restore))
            .map_err(engine(&self.bundle, Part::Decoder, "running"))
    }

    /// Keeps an answer, to be lent as a matrix.
    pub(super) fn lend(&mut self, part: Part, answer: TValue, shape: [usize; 2]) -> Result<ArrayView2<'_, f32>> {
        matrix(self.answer.insert(answer), shape).map_err(engine(&self.bundle, part, "running"))
    }
}

/// An answer as a matrix.
fn matrix(answer: &TValue, shape: [usize; 2]) -> TractResult<ArrayView2<'_, f32>> {
    Ok(ArrayView2::from_shape(shape, answer.try_as_plain_ram()?.as_slice::<f32>()?)?)
}

/// Says which graph the engine failed in.
fn engine(bundle: &str, part: Part, doing: &'static str) -> impl Fn(TractError) -> Error {
    move |source| Error::Engine { bundle: bundle.to_owned(), part, doing, source: source.into() }
}

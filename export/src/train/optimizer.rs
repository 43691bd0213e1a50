//! `AdamW` as the paper sets it, and clipping by the norm of the whole gradient.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use super::adamw::AdamW;
use crate::model::parameters;

/// Decay of the two running means of `AdamW`.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, table 8.
const BETAS: [f32; 2] = [0.9, 0.95];
/// Keeps `AdamW`'s division from zero; burn's own default is a thousand times larger and slows small gradients down.
const EPSILON: f32 = 1e-8;

/// `AdamW` for a model that is trained from nothing: weight decay on the matrices, none on biases, norms and tokens.
#[must_use]
pub fn adamw<M: Module>(model: &M, weight_decay: f32) -> ModuleOptimizer {
    adamw_with(model, BETAS, weight_decay)
}

/// `AdamW` whose two running means decay by `betas`.
#[must_use]
pub fn adamw_with<M: Module>(model: &M, betas: [f32; 2], weight_decay: f32) -> ModuleOptimizer {
    let with_decay = |weight_decay| AdamW::new(betas, EPSILON, weight_decay);
    ModuleOptimizer::from(with_decay(0.0)).with_group(
        ParamGroup::from_ids(parameters::decayed(model)),
        with_decay(weight_decay),
        None,
    )
}

/// Scales all gradients down together so that their common norm is at most `limit`. Nothing is read back from the
/// device.
#[must_use]
pub fn clip_by_global_norm<M: Module>(model: &M, grads: GradientsParams, limit: f64) -> GradientsParams {
    let mut norm = SquaredNorm { grads: &grads, total: None };
    model.visit(&mut norm);
    let Some(total) = norm.total else {
        return grads;
    };
    let scale = (total.sqrt() + 1e-6).recip().mul_scalar(limit).clamp_max(1.0);
    let mut scaler = Scaler { grads, scale };
    model.visit(&mut scaler);
    scaler.grads
}

/// All gradients times `scale`.
#[must_use]
pub fn scaled<M: Module>(model: &M, grads: GradientsParams, scale: f64) -> GradientsParams {
    if (scale - 1.0).abs() < f64::EPSILON {
        return grads;
    }
    let mut multiplier = Multiplier { grads, scale };
    model.visit(&mut multiplier);
    multiplier.grads
}

struct Multiplier {
    grads: GradientsParams,
    scale: f64,
}

impl ModuleVisitor for Multiplier {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, grad * self.scale);
        }
    }
}

struct SquaredNorm<'a> {
    grads: &'a GradientsParams,
    total: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let squares = grad.square().sum();
            self.total = Some(match self.total.take() {
                Some(total) => total + squares,
                None => squares,
            });
        }
    }
}

struct Scaler {
    grads: GradientsParams,
    scale: Tensor<1>,
}

impl ModuleVisitor for Scaler {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let scaled = grad * self.scale.clone().reshape([1; D]);
            self.grads.register(param.id, scaled);
        }
    }
}

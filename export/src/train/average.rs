//! An exponential moving average of the weights: what wobbles from step to step is averaged out.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::model::Mae;

/// Averages from few steps forget faster: the first ones are of a model that knows nothing.
const WARM_UP_STEPS: f64 = 10.0;

/// The average, on the model's device and without gradients.
#[derive(Debug)]
pub struct Average {
    decay: f64,
    model: Mae,
}

impl Average {
    /// Starts from `model`. After each step, `decay` of the average is kept.
    #[must_use]
    pub fn start(model: &Mae, decay: f64) -> Self {
        Self { decay, model: model.clone().valid() }
    }

    /// Takes the weights after step `step` in.
    #[must_use]
    pub fn after(self, model: &Mae, step: u64) -> Self {
        let step = step as f64;
        let decay = self.decay.min(step / (WARM_UP_STEPS + step));
        let mut current = Collector::default();
        model.visit(&mut current);
        Self { model: self.model.map(&mut Mixer { current: current.0, decay }), ..self }
    }

    /// The averaged model.
    #[must_use]
    pub fn model(&self) -> &Mae {
        &self.model
    }
}

/// Parameters by id. burn keeps tensors of any rank by id in this type alone.
#[derive(Default)]
struct Collector(GradientsParams);

impl ModuleVisitor for Collector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val().inner());
    }
}

struct Mixer {
    current: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Mixer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, average, mapper) = param.consume();
        let average = match self.current.remove::<D>(id) {
            Some(current) => average * self.decay + current * (1.0 - self.decay),
            None => average,
        };
        Param::from_mapped_value(id, average, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::emit::tests::{small_spec, small_weights};

    #[test]
    fn an_average_lies_between_where_it_was_and_where_the_model_is() {
        let spec = small_spec(true);
        let device = Device::flex().autodiff();
        let model = |seed| Mae::from_weights(&spec, &small_weights(&spec, seed), &device).unwrap();
        let (from, to) = (model(1), model(2));
        let average = Average::start(&from, 0.9).after(&to, 1_000_000);
        let value = |model: &Mae| model.to_weights().unwrap().get("norm.weight").unwrap().values.clone();
        for ((from, to), mixed) in value(&from).iter().zip(value(&to)).zip(value(average.model())) {
            assert!((0.9 * from + 0.1 * to - mixed).abs() < 1e-6, "{from} {to} {mixed}");
        }
    }
}

//! `AdamW` that passes over a parameter once, where its values lie in this machine's memory.

use burn::optim::{
    AdamW as Burns, AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer, RecordState, StateSink,
    StateSource,
};
use burn::tensor::{Device, Tensor, TensorData};
use glimpse_export_kernels::adamw::{self, Step};

/// `AdamW`: on the CPU in one pass, elsewhere burn's own, whose steps its compiler joins. Both keep the same state.
#[derive(Clone)]
pub struct AdamW {
    betas: [f32; 2],
    epsilon: f32,
    weight_decay: f32,
    burns: Burns,
}

/// The running means of one parameter, in burn's form.
///
/// They are read from a file onto the CPU. burn would read them onto the best device that the program was built with, whatever
/// the run's is, and a step brings them to their parameter's device in any case.
#[derive(Clone)]
pub struct State<const D: usize>(AdamWState<D>);

impl<const D: usize> RecordState for State<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, _device: &Device) -> Option<Self> {
        AdamWState::state_unflatten(prefix, source, &Device::flex()).map(Self)
    }
}

impl AdamW {
    /// - `betas`: the part of each running mean that a step keeps
    /// - `epsilon`: keeps the division from zero
    /// - `weight_decay`: scaled by the learning rate
    #[must_use]
    pub fn new(betas: [f32; 2], epsilon: f32, weight_decay: f32) -> Self {
        let burns = AdamWConfig::new()
            .with_beta_1(betas[0])
            .with_beta_2(betas[1])
            .with_epsilon(epsilon)
            .with_weight_decay(weight_decay)
            .build();
        Self { betas, epsilon, weight_decay, burns }
    }

    fn in_one_pass<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, AdamWState<D>) {
        let (device, shape) = (tensor.device(), tensor.dims());
        let (mut parameter, grad) = (values(tensor), values(grad));
        let (time, mut mean, mut square) = match state {
            Some(AdamWState { momentum }) => (momentum.time, values(momentum.moment_1), values(momentum.moment_2)),
            None => (0, vec![0.0; grad.len()], vec![0.0; grad.len()]),
        };
        let time = time + 1;
        let step = Step {
            rate: rate as f32,
            betas: self.betas,
            epsilon: self.epsilon,
            decay: self.weight_decay,
            time: time as i32,
        };
        adamw::step(&mut parameter, &grad, &mut mean, &mut square, step);
        let tensor = |values| Tensor::from_data(TensorData::new(values, shape), &device);
        let momentum = AdaptiveMomentumState::new(time, tensor(mean), tensor(square));
        (tensor(parameter), AdamWState::new(momentum))
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = State<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let state = state.map(|State(state)| state);
        if tensor.device() != Device::flex() {
            let (tensor, state) = self.burns.step(rate, tensor, grad, state);
            return (tensor, state.map(State));
        }
        let (tensor, state) = self.in_one_pass(rate, tensor, grad, state);
        (tensor, Some(State(state)))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        State(Burns::to_device(state.0, device))
    }
}

/// A tensor's values, moved out where nothing else holds them.
fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    #[expect(clippy::expect_used, reason = "parameters, gradients and their means are f32")]
    tensor.into_data().try_into_vec().expect("values in f32")
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<const D: usize> From<State<D>> for AdamWState<D> {
        fn from(state: State<D>) -> Self {
            state.0
        }
    }

    #[test]
    fn a_state_is_read_onto_the_cpu_whatever_burn_says() {
        let tensor = || Tensor::<1>::from_data(TensorData::new(vec![1.0f32, 2.0], [2]), &Device::flex());
        let mut sink = StateSink::default();
        State(AdamWState::new(AdaptiveMomentumState::new(3, tensor(), tensor()))).state_flatten("p", &mut sink);
        let mut source = StateSource::new(sink.scalars.into_iter().collect());
        for (name, data) in sink.tensors {
            source.insert_tensor(name, data);
        }
        // of the devices that a program for the CPU has, the one that is told from the plain one
        let other = Device::flex().autodiff();
        let State(AdamWState { momentum }) = State::<1>::state_unflatten("p", &mut source, &other).unwrap();
        assert!(!momentum.moment_1.device().is_autodiff() && !momentum.moment_2.device().is_autodiff());
        assert_eq!((momentum.time, values(momentum.moment_1)), (3, vec![1.0, 2.0]));
    }

    /// A parameter and its state after some steps, as `optimizer` takes them.
    fn walked<O: Optimizer<State<1>: Into<AdamWState<1>>>>(optimizer: &O, steps: usize) -> [Vec<f32>; 3] {
        let device = Device::flex();
        let wave = |phase: f32| {
            let values: Vec<f32> = (0..37).map(|i| (i as f32 * 0.7 + phase).sin()).collect();
            Tensor::<1>::from_data(TensorData::new(values, [37]), &device)
        };
        let (mut tensor, mut state) = (wave(0.0), None);
        for step in 0..steps {
            (tensor, state) = optimizer.step(1e-2, tensor, wave(step as f32) * 1e-3, state);
        }
        let momentum = state.unwrap().into().momentum;
        assert_eq!(momentum.time, steps);
        [tensor, momentum.moment_1, momentum.moment_2].map(values)
    }

    #[test]
    fn one_pass_goes_where_burn_goes() {
        let ours = AdamW::new([0.9, 0.95], 1e-8, 0.05);
        for steps in [1, 2, 9] {
            for (found, wanted) in walked(&ours, steps).iter().zip(walked(&ours.burns, steps)) {
                let most = wanted.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                assert!(found.iter().zip(&wanted).all(|(f, w)| (f - w).abs() < 2e-6 * most), "{steps} steps");
            }
        }
    }
}

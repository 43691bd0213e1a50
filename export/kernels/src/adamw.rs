//! A step of `AdamW` in one pass over a parameter.

use glimpse_kernels::vectorized::vectorized;

/// The numbers of a step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Learning rate.
    pub rate: f32,
    /// Part of each running mean that is kept.
    pub betas: [f32; 2],
    /// Keeps the division from zero.
    pub epsilon: f32,
    /// Weight decay, which the learning rate scales.
    pub decay: f32,
    /// Steps so far, this one among them.
    pub time: i32,
}

/// Moves a parameter, and the running means of its gradient and of its gradient's square.
///
/// # Shapes
/// All of one length.
///
/// # Source
/// Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
pub fn step(parameter: &mut [f32], grad: &[f32], mean: &mut [f32], square: &mut [f32], step: Step) {
    let Step { rate, betas: [beta_1, beta_2], epsilon, decay, time } = step;
    let kept = 1.0 - rate * decay;
    let [scale_1, scale_2] = [1.0 / (1.0 - beta_1.powi(time)), 1.0 / (1.0 - beta_2.powi(time))];
    let rate = rate * scale_1;
    vectorized(
        #[inline(always)]
        || {
            for (((parameter, &grad), mean), square) in
                parameter.iter_mut().zip(grad).zip(mean.iter_mut()).zip(square.iter_mut())
            {
                *mean = beta_1 * *mean + (1.0 - beta_1) * grad;
                *square = beta_2 * *square + (1.0 - beta_2) * grad * grad;
                *parameter = kept * *parameter - rate * *mean / ((scale_2 * *square).sqrt() + epsilon);
            }
        },
    );
}

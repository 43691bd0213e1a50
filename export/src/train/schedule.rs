//! The learning rate of each step.

/// Linear warm-up from nothing, then half a cosine down to nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Learning rate at the end of the warm-up.
    pub peak: f64,
    /// Steps of the warm-up.
    pub warmup_steps: u64,
    /// Steps in all.
    pub steps: u64,
}

impl Schedule {
    /// Learning rate of the step of that number, counted from 0.
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, table 8; Loshchilov and Hutter 2016, arXiv:1608.03983.
    #[must_use]
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let rest = (self.steps - self.warmup_steps).max(1) as f64;
        let done = ((step - self.warmup_steps) as f64 / rest).min(1.0);
        self.peak * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_to_nothing() {
        let schedule = Schedule { peak: 2.0, warmup_steps: 10, steps: 110 };
        let rate = |step| schedule.learning_rate(step);
        assert_eq!(rate(0), 0.0);
        assert_eq!(rate(5), 1.0);
        assert_eq!(rate(10), 2.0);
        assert!((rate(60) - 1.0).abs() < 1e-12);
        assert!(rate(110) < 1e-12);
        assert!((11..110).all(|step| rate(step) > rate(step + 1)));
    }

    #[test]
    fn no_warm_up_starts_at_the_peak() {
        assert_eq!(Schedule { peak: 1.0, warmup_steps: 0, steps: 5 }.learning_rate(0), 1.0);
    }
}

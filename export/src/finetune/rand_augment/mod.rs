//! `RandAugment`: each picture's colours and geometry are changed at random, by operations drawn for it alone.
//!
//! | file | what it does |
//! | --- | --- |
//! | `change.rs` | the operations, and how far each goes |
//! | `levels.rs` | those that give each level of a channel another one |
//! | `blend.rs` | those that bring a picture nearer to a dull one, or farther from it |
//! | `warp.rs` | those that move pixels |

mod blend;
mod change;
mod levels;
mod warp;

use anyhow::ensure;
use glimpse_models::ModelSpec;
use rand::RngExt;
use rand_pcg::Pcg64;

use self::change::{Change, Operation};
use crate::model::normal;

/// Largest magnitude.
///
/// # Source
/// Cubuk et al. 2019, arXiv:1909.13719, section 3.
const MOST: f64 = 10.0;
/// Deviation of magnitudes from the one that is asked for.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, table 9: `RandAug (9, 0.5)`, which is timm's `mstd0.5`.
const DEVIATION: f64 = 0.5;
/// Operations that are drawn for a picture.
///
/// # Source
/// timm's `rand-m9-mstd0.5-inc1`, where nothing else is said.
const DRAWN: usize = 2;
/// How likely one that is drawn is done.
///
/// # Source
/// timm's `rand-m9-mstd0.5-inc1`, where nothing else is said.
const LIKELY: f64 = 0.5;

/// How far pictures are changed.
#[derive(Clone, Copy, Debug)]
pub struct RandAugment {
    magnitude: f64,
}

impl RandAugment {
    /// Changes of about this magnitude, 0 to 10; 0 to leave pictures as they are.
    ///
    /// # Errors
    /// When `magnitude` is out of range.
    pub fn new(magnitude: f64) -> anyhow::Result<Self> {
        ensure!(
            (0.0..=MOST).contains(&magnitude),
            "--rand-augment {magnitude} is no magnitude from 0 to {MOST}: give 0 to go without, or a number such as 9"
        );
        Ok(Self { magnitude })
    }

    /// Draws changes and makes them; what moves in from outside a picture has the model's mean colour.
    ///
    /// # Shapes
    /// - `pixels`: `[S, S, 3]`, 8-bit
    ///
    /// # Source
    /// Cubuk et al. 2019, arXiv:1909.13719, section 3.
    pub fn apply(self, pixels: &mut [u8], model: &ModelSpec, rng: &mut Pcg64) {
        let fill = model.mean().map(|level| (level * 255.0).round() as u8);
        let (pixels, _) = pixels.as_chunks_mut();
        for change in self.draw(rng) {
            change.apply(pixels, model.image_side(), fill);
        }
    }

    /// Changes of one picture, in their order; an operation may come twice.
    fn draw(self, rng: &mut Pcg64) -> Vec<Change> {
        if self.magnitude == 0.0 {
            return Vec::new();
        }
        let mut changes = Vec::with_capacity(DRAWN);
        for _ in 0..DRAWN {
            let operation = Operation::ALL[rng.random_range(0..Operation::ALL.len())];
            let done = rng.random::<f64>() < LIKELY;
            let magnitude = (self.magnitude + DEVIATION * f64::from(normal(rng))).clamp(0.0, MOST);
            let change = Change { operation, strength: magnitude / MOST, reversed: rng.random() };
            changes.extend(done.then_some(change));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::emit::tests::small_spec;

    fn draws(magnitude: f64, seed: u64, count: usize) -> Vec<Vec<Change>> {
        let (augment, mut rng) = (RandAugment::new(magnitude).unwrap(), Pcg64::seed_from_u64(seed));
        (0..count).map(|_| augment.draw(&mut rng)).collect()
    }

    #[test]
    fn two_are_drawn_and_each_is_done_half_of_the_time() {
        let draws = draws(9.0, 1, 30_000);
        for (done, right) in [(0, 0.25), (1, 0.5), (2, 0.25)] {
            let part = draws.iter().filter(|changes| changes.len() == done).count() as f64 / draws.len() as f64;
            assert!((part - right).abs() < 0.01, "{part} of the pictures take {done}");
        }
        let changes: Vec<Change> = draws.into_iter().flatten().collect();
        let part = |is: &dyn Fn(&Change) -> bool| {
            changes.iter().filter(|change| is(change)).count() as f64 / changes.len() as f64
        };
        for operation in Operation::ALL {
            let part = part(&|change| change.operation == operation);
            assert!((part - 1.0 / 15.0).abs() < 0.01, "{operation:?}: {part}");
        }
        assert!((part(&|change| change.reversed) - 0.5).abs() < 0.01);
    }

    #[test]
    fn magnitudes_lie_about_the_one_that_is_asked_for_and_within_bounds() {
        let strengths = |magnitude| -> Vec<f64> {
            draws(magnitude, 2, 20_000).into_iter().flatten().map(|change| change.strength).collect()
        };
        let middle = strengths(5.0);
        let mean = middle.iter().sum::<f64>() / middle.len() as f64;
        let variance = middle.iter().map(|strength| (strength - mean).powi(2)).sum::<f64>() / middle.len() as f64;
        assert!((mean - 0.5).abs() < 0.002 && (variance.sqrt() - 0.05).abs() < 0.002, "{mean} {variance}");
        for (magnitude, bound) in [(0.1, 0.0), (10.0, 1.0)] {
            let strengths = strengths(magnitude);
            assert!(strengths.iter().all(|strength| (0.0..=1.0).contains(strength)));
            assert!(strengths.contains(&bound), "{magnitude} never reaches {bound}");
        }
    }

    #[test]
    fn draws_follow_from_the_seed_and_a_magnitude_of_zero_draws_nothing() {
        assert_eq!(draws(9.0, 3, 50), draws(9.0, 3, 50));
        assert_ne!(draws(9.0, 3, 50), draws(9.0, 4, 50));
        let mut rng = Pcg64::seed_from_u64(3);
        assert_eq!(RandAugment::new(0.0).unwrap().draw(&mut rng), []);
        assert_eq!(rng, Pcg64::seed_from_u64(3));
    }

    #[test]
    fn what_moves_in_has_the_model_s_mean_colour() {
        let (model, augment) = (small_spec(false), RandAugment::new(9.0).unwrap());
        let mean = model.mean().map(|level| (level * 255.0).round() as u8);
        let seen = (0..100).any(|seed| {
            let mut pixels = vec![7; model.image_side() * model.image_side() * 3];
            augment.apply(&mut pixels, &model, &mut Pcg64::seed_from_u64(seed));
            pixels.as_chunks::<3>().0.contains(&mean)
        });
        assert!(seen);
    }

    #[test]
    fn what_is_no_magnitude_is_refused() {
        for wrong in [-1.0, 10.5, f64::NAN] {
            let said = RandAugment::new(wrong).unwrap_err().to_string();
            assert!(said.contains("--rand-augment") && said.contains("from 0 to 10"), "{said}");
        }
    }
}

//! Stochastic depth: each sample of a batch goes without some branches of some blocks.

use anyhow::ensure;
use rand::RngExt;
use rand_pcg::Pcg64;

/// Branches of a block: attention and perceptron.
pub const BRANCHES: usize = 2;

/// How likely each block's branches are dropped: never in the first block, and more so the deeper it is.
///
/// # Source
/// Huang et al. 2016, arXiv:1603.09382, section 3.
#[derive(Clone, Debug, PartialEq)]
pub struct DropPath {
    rates: Vec<f64>,
}

impl DropPath {
    /// Rates that rise evenly over `depth` blocks, from 0 to `last`.
    ///
    /// # Errors
    /// When `last` is no probability below 1.
    pub fn new(depth: usize, last: f64) -> anyhow::Result<Self> {
        ensure!((0.0..1.0).contains(&last), "--drop-path {last} is no probability below 1: give 0 to 1, such as 0.1");
        let rate = |block: usize| last * block as f64 / (depth.max(2) - 1) as f64;
        Ok(Self { rates: if last > 0.0 { (0..depth).map(rate).collect() } else { Vec::new() } })
    }

    /// What a sample's branches are multiplied by: 0 for one that is dropped, and for one that is kept the inverse of how
    /// likely that is, so that the mean is 1. Nothing where no branch is ever dropped.
    ///
    /// # Shapes
    /// - returns `[depth, 2]`
    pub fn draw(&self, rng: &mut Pcg64) -> Vec<f32> {
        let branches = self.rates.iter().flat_map(|rate| [rate; BRANCHES]);
        branches.map(|rate| if rng.random::<f64>() < *rate { 0.0 } else { (1.0 - rate).recip() as f32 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn rates_rise_with_depth_and_the_mean_is_one() {
        let drop_path = DropPath::new(5, 0.4).unwrap();
        let draws = 20_000;
        let mut rng = Pcg64::seed_from_u64(3);
        let (mut sums, mut dropped) = (vec![0.0; 10], vec![0; 10]);
        for _ in 0..draws {
            for (branch, value) in drop_path.draw(&mut rng).into_iter().enumerate() {
                sums[branch] += f64::from(value);
                dropped[branch] += usize::from(value == 0.0);
            }
        }
        for (branch, (sum, dropped)) in sums.into_iter().zip(dropped).enumerate() {
            let rate = 0.1 * (branch / BRANCHES) as f64;
            assert!((sum / f64::from(draws) - 1.0).abs() < 0.02, "branch {branch}");
            assert!((dropped as f64 / f64::from(draws) - rate).abs() < 0.02, "branch {branch}");
        }
    }

    #[test]
    fn draws_follow_from_the_seed_and_none_are_made_of_nothing() {
        let drop_path = DropPath::new(4, 0.5).unwrap();
        let draw = |seed| drop_path.draw(&mut Pcg64::seed_from_u64(seed));
        assert_eq!(draw(1), draw(1));
        assert!((2..20).any(|seed| draw(seed) != draw(1)));
        assert!(DropPath::new(4, 0.0).unwrap().draw(&mut Pcg64::seed_from_u64(1)).is_empty());
        assert_eq!(DropPath::new(1, 0.5).unwrap().draw(&mut Pcg64::seed_from_u64(1)), [1.0, 1.0]);
        for wrong in [1.0, -0.1, f64::NAN] {
            assert!(DropPath::new(4, wrong).is_err(), "{wrong}");
        }
    }
}

//! Two pictures in one, their targets mixed alike: mixup, cutmix, and label smoothing.

use anyhow::{Context, ensure};
use rand::RngExt;
use rand_distr::{Beta, Distribution};
use rand_pcg::Pcg64;

/// How pictures and their targets are mixed.
#[derive(Clone, Copy, Debug)]
pub struct Mixing {
    mixup: Option<Beta<f64>>,
    cutmix: Option<Beta<f64>>,
    label_smoothing: f64,
}

/// What is done to a whole batch: each sample takes some of the one that stands as far from the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mix {
    /// Nothing.
    Nothing,
    /// Every number is a mean of both pictures'; this is its own picture's part.
    Blend(f32),
    /// The rectangle comes from the other picture.
    Paste(Area),
}

/// A rectangle in pixels: its end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// First column, and the one after the last.
    pub columns: [usize; 2],
    /// First row, and the one after the last.
    pub rows: [usize; 2],
}

impl Mixing {
    /// Mixes by shares drawn from `Beta(α, α)`, `mixup` and `cutmix` each being their α, or 0 to go without; with both, each
    /// batch takes one of them, half of the time either.
    ///
    /// # Errors
    /// When an α is negative, or `label_smoothing` is no part below 1.
    pub fn new(mixup: f64, cutmix: f64, label_smoothing: f64) -> anyhow::Result<Self> {
        let beta = |option: &str, alpha: f64| -> anyhow::Result<Option<Beta<f64>>> {
            ensure!(
                alpha >= 0.0 && alpha.is_finite(),
                "{option} {alpha} is no shape of a distribution: give 0 to go without, or a number above it, such as 0.8"
            );
            let beta = || Beta::new(alpha, alpha).with_context(|| format!("{option} {alpha}"));
            (alpha > 0.0).then(beta).transpose()
        };
        ensure!(
            (0.0..1.0).contains(&label_smoothing),
            "--label-smoothing {label_smoothing} is no part of a target: give 0 to 1, such as 0.1"
        );
        Ok(Self { mixup: beta("--mixup", mixup)?, cutmix: beta("--cutmix", cutmix)?, label_smoothing })
    }

    /// Draws what is done to a batch of pictures whose side is `side` pixels.
    ///
    /// # Source
    /// Zhang et al. 2017, arXiv:1710.09412, section 2; Yun et al. 2019, arXiv:1905.04899, section 3.1.
    pub fn draw(&self, side: usize, rng: &mut Pcg64) -> Mix {
        let cuts = match (self.mixup, self.cutmix) {
            (None, None) => return Mix::Nothing,
            (Some(_), Some(_)) => rng.random::<bool>(),
            (mixup, _) => mixup.is_none(),
        };
        let beta = if cuts { self.cutmix } else { self.mixup };
        let own = beta.map_or(1.0, |beta| beta.sample(rng));
        if cuts { Mix::Paste(area(side, own, rng)) } else { Mix::Blend(own as f32) }
    }

    /// The target of a class: its own number is near 1, and all together make 1.
    ///
    /// # Shapes
    /// - returns `[K]`
    ///
    /// # Source
    /// Szegedy et al. 2015, arXiv:1512.00567, section 7.
    #[must_use]
    pub fn target(&self, label: usize, classes: usize) -> Vec<f32> {
        let off = self.label_smoothing / classes as f64;
        let mut target = vec![off as f32; classes];
        target[label] = (1.0 - self.label_smoothing + off) as f32;
        target
    }
}

impl Mix {
    /// The part of the target that is the picture's own.
    ///
    /// # Units
    /// 0 to 1.
    #[must_use]
    pub fn own_part(&self, side: usize) -> f32 {
        match self {
            Self::Nothing => 1.0,
            Self::Blend(own) => *own,
            Self::Paste(Area { columns: [left, right], rows: [top, bottom] }) => {
                1.0 - ((right - left) * (bottom - top)) as f32 / (side * side) as f32
            }
        }
    }
}

/// A rectangle of the picture's own shape, of which `1 − own` would be covered were it not cut off at the rim.
fn area(side: usize, own: f64, rng: &mut Pcg64) -> Area {
    let length = (side as f64 * (1.0 - own).max(0.0).sqrt()) as usize;
    let mut ends = || {
        let middle = rng.random_range(0..side);
        [middle.saturating_sub(length / 2), (middle + length / 2).min(side)]
    };
    Area { rows: ends(), columns: ends() }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn shares_are_drawn_from_the_beta_distribution() {
        let mut rng = Pcg64::seed_from_u64(1);
        for alpha in [0.8, 0.2, 3.0] {
            let mixing = Mixing::new(alpha, 0.0, 0.0).unwrap();
            let shares: Vec<f64> = (0..40_000).map(|_| f64::from(mixing.draw(8, &mut rng).own_part(8))).collect();
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / shares.len() as f64;
            let right = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.01 && (variance - right).abs() < 0.005, "{alpha}: {mean} {variance}");
        }
    }

    #[test]
    fn both_are_taken_equally_often_and_either_alone_always() {
        let mut rng = Pcg64::seed_from_u64(2);
        let mut pasted = |mixup, cutmix| {
            let mixing = Mixing::new(mixup, cutmix, 0.0).unwrap();
            (0..2000).filter(|_| matches!(mixing.draw(16, &mut rng), Mix::Paste(_))).count()
        };
        assert!((900..1100).contains(&pasted(0.8, 1.0)));
        assert_eq!((pasted(0.8, 0.0), pasted(0.0, 1.0)), (0, 2000));
        assert_eq!(Mixing::new(0.0, 0.0, 0.1).unwrap().draw(16, &mut rng), Mix::Nothing);
    }

    #[test]
    fn rectangles_lie_within_the_picture() {
        let mut rng = Pcg64::seed_from_u64(3);
        let mixing = Mixing::new(0.0, 1.0, 0.0).unwrap();
        for _ in 0..2000 {
            let mix = mixing.draw(12, &mut rng);
            let Mix::Paste(Area { columns, rows }) = mix else { panic!("{mix:?}") };
            assert!(columns[0] <= columns[1] && columns[1] <= 12 && rows[0] <= rows[1] && rows[1] <= 12);
            assert!((0.0..=1.0).contains(&mix.own_part(12)));
        }
        let quarter = Mix::Paste(Area { columns: [0, 6], rows: [6, 12] });
        assert_eq!(quarter.own_part(12), 0.75);
    }

    #[test]
    fn a_smoothed_target_sums_to_one() {
        let target = Mixing::new(0.0, 0.0, 0.1).unwrap().target(2, 4);
        assert_eq!(target, [0.025, 0.025, 0.925, 0.025]);
        assert_eq!(Mixing::new(0.0, 0.0, 0.0).unwrap().target(0, 2), [1.0, 0.0]);
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert!(Mixing::new(-1.0, 0.0, 0.0).unwrap_err().to_string().contains("--mixup"));
        assert!(Mixing::new(0.0, f64::NAN, 0.0).unwrap_err().to_string().contains("--cutmix"));
        assert!(Mixing::new(0.0, 0.0, 1.0).unwrap_err().to_string().contains("--label-smoothing"));
    }
}

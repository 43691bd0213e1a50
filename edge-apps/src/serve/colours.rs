//! Features as colours: their three main directions as red, green and blue.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::camera::random::mixed;

/// What was not looked at.
pub const DARK: [u8; 3] = [22, 24, 29];
/// How much a frame turns the directions: they follow the scene in some seconds, and no frame makes them jump.
const NEWEST: f32 = 0.02;
/// How often the first frame turns them, until they are its own.
const FIRST_TURNS: usize = 40;
/// The fewest tokens that have three directions.
const LEAST_TOKENS: usize = 4;
/// What rounding alone makes of tokens that are all the same.
const LEAST_VARIANCE: f32 = 1e-9;
/// How many of their deviations colours reach.
const REACH: f32 = 2.2;

/// Main directions that follow the tokens slowly: a direction turns into its next, so that signs and order stay.
#[derive(Debug, Clone, Default)]
pub struct Colours {
    learned: Option<Learned>,
}

#[derive(Debug, Clone)]
struct Learned {
    /// `[C]`
    mean: Array1<f32>,
    /// `[3, C]`: each as long as the variance along it.
    axes: Array2<f32>,
    /// Of what is seen along each.
    variance: [f32; 3],
}

impl Colours {
    /// Colours of a frame's patches, whose tokens turn the directions a little.
    ///
    /// # Shapes
    /// - `tokens`: `[N, C]`, without the class token
    ///
    /// # Source
    /// Orthogonal iteration on a mean that forgets: Golub and Van Loan, Matrix Computations, section 8.2.4; Weng et al. 2003,
    /// Candid covariance-free incremental PCA.
    pub fn of(&mut self, tokens: ArrayView2<f32>) -> Vec<[u8; 3]> {
        let (rows, width) = tokens.dim();
        if self.learned.as_ref().is_some_and(|learned| learned.mean.len() != width) {
            self.learned = None;
        }
        if rows >= LEAST_TOKENS {
            match &mut self.learned {
                Some(learned) => learned.turn(tokens, NEWEST),
                // a frame of one colour has no directions that others could turn: the next one is tried
                None => self.learned = Some(Learned::from(tokens)).filter(Learned::is_spread),
            }
        }
        let Some(learned) = &self.learned else { return vec![[127; 3]; rows] };
        let along = (&tokens - &learned.mean).dot(&learned.directions().t()); // [N, 3]
        along.rows().into_iter().map(|row| learned.colour(row)).collect()
    }
}

impl Learned {
    fn from(tokens: ArrayView2<f32>) -> Self {
        let width = tokens.ncols();
        let mean = tokens.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(width));
        let axes = Array2::from_shape_fn((3, width), |(axis, place)| {
            mixed((axis * width + place) as u64) as i32 as f32 / i32::MAX as f32
        });
        let mut learned = Self { mean, axes, variance: [1.0; 3] };
        for _ in 0..FIRST_TURNS {
            learned.turn(tokens, 1.0);
        }
        learned
    }

    fn is_spread(&self) -> bool {
        self.variance.iter().all(|&variance| variance > LEAST_VARIANCE)
    }

    /// Goes a share of the way to a frame's own mean, directions and variances.
    fn turn(&mut self, tokens: ArrayView2<f32>, share: f32) {
        let rows = tokens.nrows() as f32;
        if let Some(mean) = tokens.mean_axis(Axis(0)) {
            self.mean.zip_mut_with(&mean, |old, new| *old = (1.0 - share) * *old + share * new);
        }
        let apart = &tokens - &self.mean; // [N, C]
        let along = apart.dot(&self.directions().t()); // [N, 3]
        let turned = along.t().dot(&apart) / rows; // [3, C]
        self.axes.zip_mut_with(&turned, |old, new| *old = (1.0 - share) * *old + share * new);
        for (variance, along) in self.variance.iter_mut().zip(along.columns()) {
            *variance = (1.0 - share) * *variance + share * along.dot(&along) / rows;
        }
    }

    /// `[3, C]`: at right angles, of length 1.
    fn directions(&self) -> Array2<f32> {
        let mut directions = self.axes.clone();
        for axis in 0..3 {
            let (before, mut rest) = directions.view_mut().split_at(Axis(0), axis);
            let mut direction = rest.row_mut(0);
            for other in before.rows() {
                let shared = direction.dot(&other);
                direction.scaled_add(-shared, &other);
            }
            let length = direction.dot(&direction).sqrt();
            direction.mapv_inplace(|value| if length > f32::MIN_POSITIVE { value / length } else { 0.0 });
        }
        directions
    }

    fn colour(&self, along: ArrayView1<f32>) -> [u8; 3] {
        std::array::from_fn(|axis| {
            let deviation = self.variance[axis].sqrt().max(f32::MIN_POSITIVE);
            (255.0 * (0.5 + along[axis] / (2.0 * REACH * deviation))).clamp(0.0, 255.0) as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 24;

    /// A number from -1 to 1 that follows from others.
    fn random(seed: usize, place: usize) -> f32 {
        (mixed(mixed(seed as u64) ^ place as u64) % 2001) as f32 / 1000.0 - 1.0
    }

    /// Tokens that spread along three places most, and a little along all.
    fn tokens(rows: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, WIDTH), |(row, place)| {
            let spread = [9.0, 5.0, 2.5].get(place / 3).filter(|_| place % 3 == 0).unwrap_or(&0.2);
            4.0 + spread * random(seed, row * WIDTH + place)
        })
    }

    #[test]
    fn main_directions_are_found_and_kept() {
        let mut colours = Colours::default();
        colours.of(tokens(64, 0).view());
        let first = colours.learned.clone().unwrap().directions();
        for (axis, place) in [0, 3, 6].into_iter().enumerate() {
            assert!(first[[axis, place]].abs() > 0.95, "{first}");
        }
        for seed in 1..500 {
            colours.of(tokens(1 + seed % 64, seed).view());
            let now = colours.learned.clone().unwrap().directions();
            for axis in 0..3 {
                assert!(now.row(axis).dot(&first.row(axis)) > 0.9, "{seed} {axis}");
            }
        }
    }

    #[test]
    fn the_same_patch_keeps_its_colour_whatever_else_is_seen() {
        let mut colours = Colours::default();
        let all = tokens(64, 0);
        let before = colours.of(all.view());
        assert!(before.iter().any(|colour| colour[0] > 180) && before.iter().any(|colour| colour[0] < 75));
        for seed in 0..30 {
            // half of them, another half each time
            let rows: Vec<usize> = (0..64).filter(|&row| random(seed, row) > 0.0).collect();
            let now = colours.of(all.select(Axis(0), &rows).view());
            for (&row, now) in rows.iter().zip(now) {
                let apart = before[row].iter().zip(now).map(|(before, now)| before.abs_diff(now)).max();
                assert!(apart.unwrap() < 45, "{seed} {row}: {:?} {now:?}", before[row]);
            }
        }
    }

    #[test]
    fn what_has_no_directions_has_a_colour() {
        let mut colours = Colours::default();
        assert_eq!(colours.of(Array2::zeros((0, WIDTH)).view()), Vec::<[u8; 3]>::new());
        assert_eq!(colours.of(Array2::zeros((2, WIDTH)).view()), [[127; 3]; 2]);
        assert_eq!(colours.of(Array2::ones((9, WIDTH)).view()), [[127; 3]; 9]);
        // and finds them when they come
        (0..300).for_each(|seed| drop(colours.of(tokens(64, seed).view())));
        assert!(colours.of(tokens(64, 0).view()).iter().any(|colour| colour[0] > 180));
    }
}

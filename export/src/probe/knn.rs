//! The nearest neighbours' vote: what features are worth without learning anything.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Neighbours that vote.
pub const NEIGHBOURS: usize = 20;
/// A neighbour's vote is `exp(cosine / TEMPERATURE)`.
pub const TEMPERATURE: f32 = 0.07;
/// Pictures that are compared with all others at a time.
const LOT: usize = 128;

/// The class of each picture of `test`, by the vote of its nearest neighbours in `train`.
///
/// # Shapes
/// - `train`: `[n, C]`, `labels`: `[n]`
/// - `test`: `[m, C]`
/// - returns `[m]`
///
/// # Source
/// Wu et al. 2018, arXiv:1805.01978, section 3.4, temperature 0.07; 20 neighbours as Caron et al. 2021, arXiv:2104.14294,
/// section 4.1.
#[must_use]
pub fn classify(train: &Array2<f32>, labels: &[usize], test: &Array2<f32>, classes: usize) -> Vec<usize> {
    let (train, test) = (unit_rows(train), unit_rows(test));
    let lots: Vec<ArrayView2<f32>> = test.axis_chunks_iter(Axis(0), LOT).collect();
    let vote_all = |lot: &ArrayView2<f32>| {
        let cosines = lot.dot(&train.t()); // [LOT, n]
        cosines.rows().into_iter().map(|row| vote(&row.to_vec(), labels, classes)).collect::<Vec<usize>>()
    };
    lots.par_iter().flat_map_iter(vote_all).collect()
}

fn vote(cosines: &[f32], labels: &[usize], classes: usize) -> usize {
    let mut order: Vec<usize> = (0..cosines.len()).collect();
    // The lower number wins among equals, so that the answer does not depend on how they are sorted.
    let nearer = |a: &usize, b: &usize| cosines[*b].total_cmp(&cosines[*a]).then(a.cmp(b));
    if order.len() > NEIGHBOURS {
        order.select_nth_unstable_by(NEIGHBOURS - 1, nearer);
        order.truncate(NEIGHBOURS);
    }
    order.sort_unstable_by(nearer);
    let mut votes = vec![0.0; classes];
    for neighbour in order {
        votes[labels[neighbour]] += (cosines[neighbour] / TEMPERATURE).exp();
    }
    let mut best = 0;
    for (class, vote) in votes.iter().enumerate() {
        if *vote > votes[best] {
            best = class;
        }
    }
    best
}

/// Each row over its length; a row of zeros stays one.
fn unit_rows(rows: &Array2<f32>) -> Array2<f32> {
    let lengths: Array1<f32> = rows.map_axis(Axis(1), |row| row.dot(&row).sqrt().max(f32::MIN_POSITIVE));
    rows / &lengths.insert_axis(Axis(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn direction_counts_and_length_does_not() {
        let train = array![[1.0, 0.1], [0.1, 1.0]];
        let test = array![[0.02, 0.0], [1.0, 200.0], [0.0, 0.0]];
        assert_eq!(classify(&train, &[1, 0], &test, 2), [1, 0, 0]);
    }

    #[test]
    fn the_twenty_nearest_vote_and_a_nearer_one_counts_more() {
        // One of class 0 at the picture's own place, then neighbours of class 1 farther and farther off.
        let fan = |count: usize, cosine: f32| {
            let mut train = Array2::zeros((count + 1, 2));
            let mut labels = vec![1; count + 1];
            labels[0] = 0;
            train.row_mut(0).assign(&array![1.0, 0.0]);
            for number in 1..=count {
                train.row_mut(number).assign(&array![cosine, (1.0 - cosine * cosine).sqrt()]);
            }
            classify(&train, &labels, &array![[1.0, 0.0]], 2)[0]
        };
        // 2 · exp(-0.1 / 0.07) < 1 < 5 · exp(-0.1 / 0.07); and of very many far ones, only 19 vote.
        assert_eq!([fan(2, 0.9), fan(5, 0.9)], [0, 1]);
        assert_eq!(fan(1000, 1.0 - TEMPERATURE * 19.5_f32.ln()), 0);
        assert_eq!(fan(1000, 1.0 - TEMPERATURE * 18.5_f32.ln()), 1);
    }

    #[test]
    fn lots_do_not_show() {
        let spread = |n: usize, seed: f32| Array2::from_shape_fn((n, 5), |(i, j)| ((i * 5 + j) as f32 * seed).sin());
        let (train, test) = (spread(300, 1.3), spread(2 * LOT + 3, 0.7));
        let labels: Vec<usize> = (0..300).map(|i| i % 4).collect();
        let together = classify(&train, &labels, &test, 4);
        let one_by_one =
            test.axis_chunks_iter(Axis(0), 1).flat_map(|row| classify(&train, &labels, &row.to_owned(), 4));
        assert!(one_by_one.eq(together));
    }
}

//! A mask is a partition of its grid, however it is made.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

use glimpse_models::PatchGrid;
use glimpse_runtime::{Error, Mask, reference};
use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;

fn grids() -> impl Strategy<Value = PatchGrid> {
    (1_usize..12, 1_usize..12, 1_usize..6)
        .prop_map(|(rows, cols, patch)| PatchGrid::new(rows * patch, cols * patch, patch).unwrap())
}

/// A grid and a flag for each of its patches.
fn flagged() -> impl Strategy<Value = (PatchGrid, Vec<bool>)> {
    grids().prop_flat_map(|grid| (Just(grid), prop::collection::vec(any::<bool>(), grid.len())))
}

fn named(flags: &[bool]) -> Vec<usize> {
    flags.iter().enumerate().filter_map(|(index, &flag)| flag.then_some(index)).collect()
}

fn is_partition(mask: &Mask) {
    let (visible, masked) = (mask.visible(), mask.masked());
    assert!(visible.is_sorted_by(|a, b| a < b) && masked.is_sorted_by(|a, b| a < b));
    let mut all = [visible, masked].concat();
    all.sort_unstable();
    assert_eq!(all, (0..mask.grid().len()).collect::<Vec<_>>());
    assert!(!visible.is_empty());
}

/// `restore` sends each place to the token that came from it, and masked places to the mask token.
fn restore_inverts_positions(mask: &Mask) {
    for (token, &place) in mask.positions().iter().enumerate() {
        assert_eq!(mask.restore()[place as usize], token as i64 + 1);
    }
    for &place in mask.masked() {
        assert_eq!(mask.restore()[place], 0);
    }
    assert_eq!(mask.restore().len(), mask.grid().len());
}

proptest! {
    #[test]
    fn drawn_masks_hide_what_was_asked_for(grid in grids(), ratio in 0.0_f32..1.0, seed: u64) {
        let count = (grid.len() as f64 * f64::from(ratio)).round() as usize;
        for draw in [Mask::random, Mask::blocks] {
            let mask = draw(grid, ratio, seed).unwrap();
            is_partition(&mask);
            restore_inverts_positions(&mask);
            prop_assert_eq!(mask.masked().len(), count.min(grid.len() - 1));
            prop_assert_eq!(mask, draw(grid, ratio, seed).unwrap());
        }
    }

    #[test]
    fn named_masks_hide_what_is_named((grid, hidden) in flagged(), seed: u64) {
        let visible: Vec<bool> = hidden.iter().map(|hidden| !hidden).collect();
        let from_masked = Mask::from_masked(grid, &named(&hidden));
        // The order of the names does not matter.
        let mut names = named(&visible);
        let places = names.len().max(1);
        names.rotate_left(seed as usize % places);
        let from_visible = Mask::from_visible(grid, &names);
        if hidden.iter().all(|&hidden| hidden) {
            let nothing = |made| matches!(made, Err(Error::NothingVisible { .. }));
            prop_assert!(nothing(from_masked) && nothing(from_visible));
        } else {
            let mask = from_masked.unwrap();
            is_partition(&mask);
            restore_inverts_positions(&mask);
            prop_assert_eq!(mask.masked(), named(&hidden));
            prop_assert_eq!(mask, from_visible.unwrap());
        }
    }

    #[test]
    fn a_patch_is_hidden_if_any_of_its_pixels_is(
        (grid, hole) in grids().prop_flat_map(|grid| {
            let pixels = grid.height() * grid.width();
            (Just(grid), prop::collection::vec(prop::bool::weighted(0.1), pixels))
        })
    ) {
        let pixels = ArrayView2::from_shape((grid.height(), grid.width()), &hole).unwrap();
        let expected = named(&reference::hidden_from_pixels(grid, &hole));
        match Mask::from_pixels(grid, pixels) {
            Ok(mask) => {
                is_partition(&mask);
                prop_assert_eq!(mask.masked(), expected);
            }
            Err(error) => {
                prop_assert!(matches!(error, Error::NothingVisible { .. }), "{}", error);
                prop_assert_eq!(expected.len(), grid.len());
            }
        }
    }
}

fn grid() -> PatchGrid {
    PatchGrid::new(128, 128, 16).unwrap()
}

#[test]
fn a_seed_is_a_mask_for_ever() {
    let random = Mask::random(grid(), 0.1, 7).unwrap();
    assert_eq!(random.masked(), RANDOM_OF_SEED_7);
    let blocks = Mask::blocks(grid(), 0.1, 7).unwrap();
    assert_eq!(blocks.masked(), BLOCKS_OF_SEED_7);
}

const RANDOM_OF_SEED_7: [usize; 6] = [7, 23, 36, 37, 41, 53];
const BLOCKS_OF_SEED_7: [usize; 6] = [14, 43, 44, 51, 52, 56];

#[test]
fn all_visible_hides_nothing() {
    let mask = Mask::all_visible(grid());
    is_partition(&mask);
    assert!(mask.masked().is_empty());
}

#[test]
fn blocks_hang_together_more_than_single_patches_do() {
    let neighbours = |mask: &Mask| {
        let hidden = |row: usize, col: usize| mask.restore()[mask.grid().index(row, col)] == 0;
        let pairs = (0..8).flat_map(|row| (0..7).map(move |col| (row, col)));
        pairs.filter(|&(row, col)| hidden(row, col) && hidden(row, col + 1)).count()
    };
    let total = |draw: fn(PatchGrid, f32, u64) -> Result<Mask, Error>| -> usize {
        (0..50).map(|seed| neighbours(&draw(grid(), 0.4, seed).unwrap())).sum()
    };
    assert!(total(Mask::blocks) * 2 > total(Mask::random) * 3);
}

#[test]
fn wrong_masks_are_refused() {
    for ratio in [-0.1, 1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(Mask::random(grid(), ratio, 1), Err(Error::Ratio { .. })));
        assert!(matches!(Mask::blocks(grid(), ratio, 1), Err(Error::Ratio { .. })));
    }
    let outside = Mask::from_masked(grid(), &[3, 64]);
    assert!(matches!(outside, Err(Error::PatchOutside { index: 64, len: 64 })));
    let repeated = Mask::from_visible(grid(), &[3, 5, 3]);
    assert!(matches!(repeated, Err(Error::PatchRepeated { index: 3 })));
    let small = Array2::from_elem((128, 127), false);
    assert!(matches!(Mask::from_pixels(grid(), small.view()), Err(Error::Shape { .. })));
}

//! Between frames, images and patches.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

use glimpse_models::{Base, Family, ModelSpec, PatchGrid, RawSpec, Transformer};
use glimpse_runtime::reference::tolerance;
use glimpse_runtime::{Error, Mask, Preprocessor, composite, patchify, reference, resize, unpatchify};
use ndarray::{Array2, Array3, Axis, s};
use proptest::prelude::*;

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

fn preprocessor(side: usize) -> Preprocessor {
    Preprocessor::new(&spec(side, side))
}

fn spec(side: usize, patch_side: usize) -> ModelSpec {
    ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: side,
        patch_side,
        encoder: Transformer { width: 4, depth: 1, heads: 1 },
        decoder: None,
        mlp_ratio: 4,
        mean: MEAN,
        std: STD,
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap()
}

fn bytes(height: usize, width: usize) -> impl Strategy<Value = Array3<u8>> {
    prop::collection::vec(any::<u8>(), height * width * 3)
        .prop_map(move |values| Array3::from_shape_vec((height, width, 3), values).unwrap())
}

fn frames() -> impl Strategy<Value = Array3<u8>> {
    (1_usize..20, 1_usize..20).prop_flat_map(|(height, width)| bytes(height, width))
}

fn flags(height: usize, width: usize) -> impl Strategy<Value = Array2<bool>> {
    prop::collection::vec(any::<bool>(), height * width)
        .prop_map(move |values| Array2::from_shape_vec((height, width), values).unwrap())
}

fn images() -> impl Strategy<Value = (PatchGrid, Array3<f32>)> {
    (1_usize..5, 1_usize..5, 1_usize..7).prop_flat_map(|(rows, cols, patch)| {
        let (height, width) = (rows * patch, cols * patch);
        let values = prop::collection::vec(-3.0_f32..3.0, 3 * height * width);
        values.prop_map(move |values| {
            let grid = PatchGrid::new(height, width, patch).unwrap();
            (grid, Array3::from_shape_vec((3, height, width), values).unwrap())
        })
    })
}

proptest! {
    #[test]
    fn unpatchify_undoes_patchify((grid, image) in images()) {
        let patches = patchify(image.view(), grid).unwrap();
        prop_assert_eq!(unpatchify(patches.view(), grid).unwrap(), image);
    }

    #[test]
    fn patches_are_the_reference_s((grid, image) in images()) {
        let patches = patchify(image.view(), grid).unwrap();
        let expected = reference::patchify(image.as_slice().unwrap(), grid);
        prop_assert_eq!(patches.as_slice().unwrap(), &expected[..]);
        let image = unpatchify(patches.view(), grid).unwrap();
        prop_assert_eq!(image.as_slice().unwrap(), &reference::unpatchify(&expected, grid)[..]);
    }

    #[test]
    fn composite_leaves_visible_pixels_as_they_are(
        (original, painted, hole) in (1_usize..20, 1_usize..20)
            .prop_flat_map(|(height, width)| (bytes(height, width), bytes(height, width), flags(height, width)))
    ) {
        let picture = composite(original.view(), painted.view(), hole.view()).unwrap();
        for ((y, x), &inside) in hole.indexed_iter() {
            let source = if inside { &painted } else { &original };
            prop_assert_eq!(picture.slice(s![y, x, ..]), source.slice(s![y, x, ..]));
        }
    }

    #[test]
    fn a_frame_of_the_model_s_side_is_the_reference_s_normalization(frame in bytes(9, 9)) {
        let mut preprocessor = preprocessor(9);
        let image = preprocessor.image_from_frame(frame.view()).unwrap().to_owned();
        for ((y, x, channel), &byte) in frame.indexed_iter() {
            let expected = reference::normalize(byte, MEAN[channel], STD[channel]);
            prop_assert!((image[[channel, y, x]] - expected).abs() <= tolerance::PIXEL);
        }
        prop_assert_eq!(preprocessor.frame_from_image(image.view()).unwrap(), frame);
    }

    #[test]
    fn patches_in_one_pass_are_those_of_the_image(frame in frames(), across in 1_usize..6, patch in 1_usize..6) {
        let spec = spec(across * patch, patch);
        let mut preprocessor = Preprocessor::new(&spec);
        let image = preprocessor.image_from_frame(frame.view()).unwrap();
        let expected = patchify(image, spec.grid()).unwrap();
        let mut patches = Array2::from_elem(expected.dim(), f32::NAN);
        preprocessor.patches_from_frame(frame.view(), patches.view_mut()).unwrap();
        prop_assert_eq!(patches, expected);
    }

    #[test]
    fn what_is_visible_is_prepared_as_the_whole_is(
        (height, width) in (1_usize..150, 1_usize..150),
        (across, patch) in (1_usize..9, prop_oneof![1_usize..40, Just(16)]),
        with_alpha: bool,
        share in 0.0_f32..1.0,
        seed: u64,
    ) {
        let spec = spec(across * patch, patch);
        let noise = |place: u64| (place ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) as u8;
        let frame = Array3::from_shape_fn((height, width, 4), |(y, x, channel)| {
            // hard edges: sums go beyond a byte
            if (y / 3 + x / 5) % 2 == 0 { 255 * (channel as u8 % 2) } else { noise((y * 700 + x * 4 + channel) as u64) }
        });
        let colours = frame.slice(s![.., .., ..3]);
        let mask = Mask::random(spec.grid(), share, seed).unwrap_or_else(|_| Mask::all_visible(spec.grid()));
        let mut whole = Array2::zeros((spec.grid().len(), spec.grid().patch_len()));
        let mut visible = Array2::from_elem(whole.dim(), f32::NAN);
        let mut preprocessor = Preprocessor::new(&spec);
        preprocessor.patches_from_frame(colours, whole.view_mut()).unwrap();
        // another shape before, whose tables are not to be kept
        preprocessor.visible_patches_from_frame(Array3::zeros((9, 7, 3)).view(), &mask, visible.view_mut()).unwrap();
        let given = if with_alpha { frame.view() } else { colours };
        visible.fill(f32::NAN);
        preprocessor.visible_patches_from_frame(given, &mask, visible.view_mut()).unwrap();
        for &place in mask.visible() {
            prop_assert_eq!(visible.row(place), whole.row(place), "patch {}", place);
        }
        for &place in mask.masked() {
            prop_assert!(visible.row(place).iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    fn any_frame_becomes_an_image(frame in frames(), side in 1_usize..20) {
        let mut preprocessor = preprocessor(side);
        let image = preprocessor.image_from_frame(frame.view()).unwrap();
        prop_assert_eq!(image.dim(), (3, side, side));
    }

    #[test]
    fn one_colour_stays_one_colour(colour: [u8; 3], height in 1_usize..40, width in 1_usize..40) {
        let frame = Array3::from_shape_fn((7, 5, 3), |(_, _, channel)| colour[channel]);
        let resized = resize(frame.view(), height, width).unwrap();
        prop_assert_eq!(resized.dim(), (height, width, 3));
        prop_assert!(resized.lanes(Axis(2)).into_iter().all(|pixel| pixel.as_slice().unwrap() == colour));
    }
}

#[test]
fn a_part_of_a_frame_is_resized_as_if_it_were_alone() {
    let frame = Array3::from_shape_fn((40, 30, 3), |(y, x, channel)| (y * 5 + x * 3 + channel) as u8);
    let part = frame.slice(s![3..33, 4..24, ..]);
    let alone = resize(part.to_owned().view(), 16, 16).unwrap();
    assert_eq!(resize(part, 16, 16).unwrap(), alone);
}

#[test]
fn shrinking_averages() {
    // Without antialiasing, every second pixel of a checkerboard is one colour.
    let board = Array3::from_shape_fn((64, 64, 3), |(y, x, _)| if (y + x) % 2 == 0 { 255 } else { 0 });
    let grey = resize(board.view(), 8, 8).unwrap();
    assert!(grey.iter().all(|&value| value.abs_diff(127) <= 2), "{grey}");
}

#[test]
fn values_beyond_a_byte_are_cut_off() {
    let preprocessor = preprocessor(1);
    for (value, byte) in [(-100.0, 0), (100.0, 255)] {
        let image = Array3::from_elem((3, 1, 1), value);
        let frame = preprocessor.frame_from_image(image.view()).unwrap();
        assert!(frame.iter().all(|&got| got == byte));
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let grid = PatchGrid::new(8, 8, 4).unwrap();
    let shape = |error| matches!(error, Error::Shape { .. });
    assert!(shape(patchify(Array3::zeros((3, 8, 9)).view(), grid).unwrap_err()));
    assert!(shape(unpatchify(Array2::zeros((4, 47)).view(), grid).unwrap_err()));
    let (rgb, rgba) = (Array3::zeros((2, 2, 3)), Array3::zeros((2, 2, 4)));
    let hole = Array2::from_elem((2, 2), true);
    assert!(shape(composite(rgba.view(), rgb.view(), hole.view()).unwrap_err()));
    let mut preprocessor = preprocessor(4);
    assert!(shape(preprocessor.image_from_frame(rgba.view()).unwrap_err()));
    let empty = preprocessor.image_from_frame(Array3::zeros((0, 5, 3)).view());
    assert!(matches!(empty, Err(Error::EmptyPicture { .. })));
    assert!(matches!(resize(rgb.view(), 0, 4), Err(Error::EmptyPicture { .. })));
}

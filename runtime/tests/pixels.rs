//! Between frames, images and patches.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

use glimpse_models::{Base, Family, ModelSpec, PatchGrid, RawSpec, Transformer};
use glimpse_runtime::reference::tolerance;
use glimpse_runtime::{
    ColourRange, Error, Frame, Layout, Mask, Preprocessor, composite, patchify, reference, resize, unpatchify,
};
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
        let other = Frame::from_pixels(Array3::zeros((9, 7, 3))).unwrap();
        preprocessor.visible_patches_from_frame(&other, &mask, visible.view_mut()).unwrap();
        let given = if with_alpha { frame.clone() } else { colours.to_owned() };
        visible.fill(f32::NAN);
        preprocessor.visible_patches_from_frame(&Frame::from_pixels(given).unwrap(), &mask, visible.view_mut()).unwrap();
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

/// What a model gets of a frame whose values are these, of so many rows and columns of each of Y, U and V, or red, green and blue.
fn prepared(layout: Layout, size: [usize; 2], value: impl Fn(usize, [usize; 2]) -> u8) -> Array2<f32> {
    let [height, width] = size;
    let (half_height, half_width) = (height.div_ceil(2), width.div_ceil(2));
    let plane = |channel: usize, height: usize, width: usize| -> Vec<u8> {
        (0..height * width).map(|place| value(channel, [place / width, place % width])).collect()
    };
    let pixels = |order: &[usize]| -> Vec<u8> {
        let places = (0..height * width).map(|place| [place / width, place % width]);
        places.flat_map(|place| order.iter().map(|&channel| value(channel, place)).collect::<Vec<_>>()).collect()
    };
    // Y, U and V at these places of two pixels
    let packed = |order: [(usize, usize); 4]| -> Vec<u8> {
        let pairs = (0..height * half_width).map(|place| [place / half_width, place % half_width]);
        let bytes = pairs.flat_map(|[y, x]| {
            order.map(|(channel, pixel)| value(channel, [y, if channel == 0 { 2 * x + pixel } else { x }]))
        });
        bytes.collect()
    };
    let bytes = match layout {
        Layout::Rgb => pixels(&[0, 1, 2]),
        Layout::Rgba => pixels(&[0, 1, 2, 0]),
        Layout::Bgr => pixels(&[2, 1, 0]),
        Layout::Grey => pixels(&[0]),
        Layout::Yuyv => packed([(0, 0), (1, 0), (0, 1), (2, 0)]),
        Layout::Uyvy => packed([(1, 0), (0, 0), (2, 0), (0, 1)]),
        Layout::Nv12 => {
            let [u, v] = [1, 2].map(|channel| plane(channel, half_height, half_width));
            [plane(0, height, width), u.into_iter().zip(v).flat_map(|(u, v)| [u, v]).collect()].concat()
        }
        Layout::I420 => {
            let [u, v] = [1, 2].map(|channel| plane(channel, half_height, half_width));
            [plane(0, height, width), u, v].concat()
        }
        Layout::I422 => {
            let [u, v] = [1, 2].map(|channel| plane(channel, height, half_width));
            [plane(0, height, width), u, v].concat()
        }
        Layout::I444 => [0, 1, 2].map(|channel| plane(channel, height, width)).concat(),
        _ => Vec::new(),
    };
    let spec = spec(48, 16);
    let mut patches = Array2::zeros((spec.grid().len(), spec.grid().patch_len()));
    let frame = Frame::new(layout, ColourRange::Limited, size, bytes).unwrap();
    let mask = Mask::all_visible(spec.grid());
    Preprocessor::new(&spec).visible_patches_from_frame(&frame, &mask, patches.view_mut()).unwrap();
    patches
}

#[test]
fn the_same_pixels_are_the_same_in_each_layout_that_has_them() {
    for size in [[150, 200], [37, 53], [10, 8], [1, 1]] {
        let value = |channel: usize, [y, x]: [usize; 2]| (y * 7 + x * (3 + channel) + (x / 5 + y / 3) % 2 * 110) as u8;
        let same = |one, other, value: &dyn Fn(usize, [usize; 2]) -> u8| {
            assert_eq!(prepared(one, size, value), prepared(other, size, value), "{one:?} and {other:?} {size:?}");
        };
        same(Layout::Rgb, Layout::Rgba, &value);
        same(Layout::Rgb, Layout::Bgr, &value);
        same(Layout::I422, Layout::Yuyv, &value);
        same(Layout::I422, Layout::Uyvy, &value);
        same(Layout::I420, Layout::Nv12, &value);
        same(Layout::Rgb, Layout::Grey, &|_, place| value(0, place));
    }
}

/// Resized first or turned into colours first: the same but for rounding, where no colour is cut off.
#[test]
fn colours_are_resized_as_well_before_they_are_made_as_after() {
    let wave = |x: f64, period: f64| (x * std::f64::consts::TAU / period).sin();
    // of a place in pixels
    let yuv = |channel: usize, [y, x]: [f64; 2]| match channel {
        0 => 125.0 + 50.0 * wave(x, 60.0) * wave(y, 45.0),
        1 => 128.0 + 25.0 * wave(x + y, 80.0),
        _ => 128.0 + 25.0 * wave(x + 2.0 * y, 120.0),
    };
    for size in [[150, 200], [151, 203]] {
        let expected = prepared(Layout::Rgb, size, |channel, place| {
            let [y, u, v] = [0, 1, 2].map(|channel| yuv(channel, place.map(|at| at as f64)));
            let (y, u, v) = (1.164_383 * (y - 16.0), u - 128.0, v - 128.0);
            [y + 1.596_027 * v, y - 0.391_762 * u - 0.812_968 * v, y + 2.017_232 * u][channel].round() as u8
        });
        for (layout, each) in [
            (Layout::I444, [1.0, 1.0]),
            (Layout::I422, [1.0, 2.0]),
            (Layout::Yuyv, [1.0, 2.0]),
            (Layout::I420, [2.0, 2.0]),
            (Layout::Nv12, [2.0, 2.0]),
        ] {
            let got = prepared(layout, size, |channel, place| {
                let each = if channel == 0 { [1.0, 1.0] } else { each };
                // the middle of what a value is for
                let middle = [0, 1].map(|side| (place[side] as f64 + 0.5) * each[side] - 0.5);
                yuv(channel, middle).round() as u8
            });
            let apart =
                got.indexed_iter().map(|((patch, at), got)| 255.0 * STD[at % 3] * (got - expected[[patch, at]]).abs());
            let (most, sum) = apart.fold((0.0, 0.0), |(most, sum): (f32, f32), apart| (most.max(apart), sum + apart));
            let mean = sum / got.len() as f32;
            assert!(
                most <= tolerance::RESIZED_COLOUR[0] && mean <= tolerance::RESIZED_COLOUR[1],
                "{layout:?} {size:?}: {most} grey levels at most, {mean} each"
            );
        }
    }
}

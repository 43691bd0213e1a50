//! The painting whole, with simple answers in place of a model: what must hold whatever the model says.

use glimpse_models::{Base, Family, RawSpec, Transformer};
use ndarray::{Array2, Array3, ArrayView2};

use super::*;
use crate::Mask;

fn spec() -> ModelSpec {
    let stack = Transformer { width: 64, depth: 1, heads: 1 };
    ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 64,
        patch_side: 8,
        encoder: stack,
        decoder: Some(stack),
        mlp_ratio: 4,
        mean: [0.5, 0.4, 0.3],
        std: [0.2, 0.25, 0.3],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap()
}

/// A soft pattern, different in each channel.
fn picture(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(y, x, c)| {
        let wave = (y as f32 / 9.0).sin() + (x as f32 / (7.0 + c as f32)).cos();
        (128.0 + 50.0 * wave) as u8
    })
}

/// A model that is far off: every patch is as bright as it can be.
#[expect(clippy::unnecessary_wraps, reason = "a model's answer is a result")]
fn glare(patches: ArrayView2<f32>, _: &Mask) -> Result<Array2<f32>> {
    Ok(Array2::from_elem(patches.dim(), 9.0))
}

fn paint(
    picture: &Array3<u8>,
    hole: impl Fn(usize, usize) -> bool,
    reconstruct: &mut Reconstruct<'_>,
) -> Result<Array3<u8>> {
    let (height, width, _) = picture.dim();
    let hole = Array2::from_shape_fn((height, width), |(y, x)| hole(y, x));
    let painted = paint_with(reconstruct, &spec(), picture.view(), hole.view(), &PaintOptions::default())?;
    for ((y, x), is_hole) in hole.indexed_iter() {
        let same = painted.slice(s![y, x, ..]) == picture.slice(s![y, x, ..]);
        assert!(*is_hole || same, "visible pixel {y} {x} was touched");
    }
    Ok(painted)
}

#[test]
fn pictures_and_holes_of_many_sizes_keep_their_visible_pixels() {
    for (height, width) in [(1, 2), (1, 300), (300, 1), (5, 9), (64, 64), (70, 501), (230, 250)] {
        let picture = picture(height, width);
        paint(&picture, |y, x| y > 0 || x > 0, &mut glare).unwrap();
        paint(&picture, |y, x| (y, x) == (height / 2, width / 2), &mut glare).unwrap();
        paint(&picture, |y, x| (y * 5 + x * 3) % 7 == 0, &mut glare).unwrap();
        paint(&picture, |y, x| (y + x) % 90 < 40 && y + x > 0, &mut glare).unwrap();
        paint(&picture, |y, x| y + x >= usize::midpoint(height, width), &mut glare).unwrap();
    }
}

#[test]
fn nothing_to_paint_and_nothing_to_paint_from_are_refused() {
    let picture = picture(20, 30);
    assert!(matches!(paint(&picture, |_, _| false, &mut glare), Err(Error::EmptyHole { .. })));
    assert!(matches!(paint(&picture, |_, _| true, &mut glare), Err(Error::NothingAround { .. })));
    let hole = Array2::from_elem((20, 31), false);
    let result = paint_with(&mut glare, &spec(), picture.view(), hole.view(), &PaintOptions::default());
    assert!(matches!(result, Err(Error::Shape { what: "picture", .. })));
}

#[test]
fn an_offset_of_the_model_is_taken_away_at_the_rim() {
    let picture = picture(200, 200);
    let hole = |y: usize, x: usize| (50..150).contains(&y) && (50..150).contains(&x);
    let flat = |value: f32| move |patches: ArrayView2<f32>, _: &Mask| Ok(Array2::from_elem(patches.dim(), value));
    let dark = paint(&picture, hole, &mut flat(-1.0)).unwrap();
    let light = paint(&picture, hole, &mut flat(1.0)).unwrap();
    let apart = dark.iter().zip(&light).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(apart <= Some(1), "a flat answer adds nothing, whatever its value: {apart:?}");
}

#[test]
fn detail_of_the_model_arrives_in_the_middle_of_the_hole() {
    let grey = Array3::from_elem((256, 256, 3), 100_u8);
    let hole = |y: usize, x: usize| (78..178).contains(&y) && (78..178).contains(&x);
    let grid = spec().grid();
    let mut spot = |patches: ArrayView2<f32>, mask: &Mask| {
        let mut answer = patches.to_owned();
        for index in mask.masked() {
            let (row, col) = grid.position(*index);
            let middle = (3..5).contains(&row) && (3..5).contains(&col);
            answer.row_mut(*index).fill(if middle { 1.0 } else { -1.0 });
        }
        Ok(answer)
    };
    let painted = paint(&grey, hole, &mut spot).unwrap();
    assert!(painted[[128, 128, 0]] > 130, "{}", painted[[128, 128, 0]]);
    assert!(painted[[79, 128, 0]].abs_diff(100) <= 2);
}

#[test]
fn a_thin_line_around_a_hole_is_left_to_the_membrane() {
    let picture = picture(400, 400);
    let blob = |y: usize, x: usize| (180..220).contains(&y) && (180..220).contains(&x);
    let line = |y: usize, x: usize| {
        let at = (y as i32 - 200).abs().max((x as i32 - 200).abs());
        (160..163).contains(&at)
    };
    let windows = |hole: &dyn Fn(usize, usize) -> bool| {
        let mut windows = 0;
        let mut counted = |patches: ArrayView2<f32>, mask: &Mask| {
            windows += 1;
            glare(patches, mask)
        };
        paint(&picture, hole, &mut counted).unwrap();
        windows
    };
    assert!(windows(&blob) > 0);
    assert_eq!(windows(&|y, x| blob(y, x) || line(y, x)), windows(&blob));
}

#[test]
fn the_model_is_shown_none_of_the_hole() {
    let clean = picture(150, 150);
    let hole = |y: usize, x: usize| y.abs_diff(x) < 30;
    let mut smeared = clean.clone();
    for ((y, x, _), value) in smeared.indexed_iter_mut() {
        *value = if hole(y, x) { 255 } else { *value };
    }
    let mut shown = Vec::new();
    for picture in [&clean, &smeared] {
        let mut seen = Vec::new();
        let mut watch = |patches: ArrayView2<f32>, _: &Mask| {
            seen.push(patches.to_owned());
            Ok(patches.to_owned())
        };
        paint(picture, hole, &mut watch).unwrap();
        shown.push(seen);
    }
    assert!(!shown[0].is_empty() && shown[0] == shown[1]);
}

#[test]
fn the_error_of_a_model_comes_through() {
    let mut fails = |_: ArrayView2<f32>, _: &Mask| Err(Error::PatchRepeated { index: 7 });
    let result = paint(&picture(90, 90), |y, _| y > 40, &mut fails);
    assert!(matches!(result, Err(Error::PatchRepeated { index: 7 })));
}

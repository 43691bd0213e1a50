//! Frames through a model, as a camera's program gives them.

#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

use glimpse_models::Bundle;
use glimpse_runtime::{Error, Frame, Give, Mask, Model, Options, Preprocessor, Stream, composite, resize, unpatchify};
use ndarray::{Array2, Array3, s};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/glimpse-tiny");

fn model() -> Model {
    Model::load(&Bundle::open(TINY).unwrap(), &Options::default()).unwrap()
}

fn frame(height: usize, width: usize, channels: usize, seed: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, channels), |(y, x, c)| (x * (c + seed) + y * 2 + (x / 9) % 2 * 60) as u8)
}

fn given(height: usize, width: usize, channels: usize, seed: usize) -> Frame {
    Frame::from_pixels(frame(height, width, channels, seed)).unwrap()
}

#[test]
fn a_stream_says_of_each_frame_what_its_parts_say() {
    let mut model = model();
    let spec = *model.spec();
    let (grid, side) = (spec.grid(), spec.image_side());
    let mut preprocessor = Preprocessor::new(&spec);
    let mut stream = Stream::new(self::model(), Give::Both).unwrap();
    for (seed, channels) in [(1, 3), (2, 4), (3, 3)] {
        let frame = frame(70 + seed, 110, channels, seed);
        let given = Frame::from_pixels(frame.clone()).unwrap();
        let mask = Mask::random(grid, 0.2 * seed as f32, 9).unwrap();
        let rgb = frame.slice(s![.., .., ..3]);
        let mut patches = Array2::zeros((grid.len(), grid.patch_len()));
        preprocessor.patches_from_frame(rgb, patches.view_mut()).unwrap();
        let tokens = model.encode(patches.view(), &mask).unwrap().to_owned();
        let painted = model.reconstruct(patches.view(), &mask).unwrap();
        let painted = preprocessor.frame_from_image(unpatchify(painted, grid).unwrap().view()).unwrap();
        let hole = Array2::from_shape_fn((side, side), |(y, x)| {
            mask.masked().contains(&(y / grid.patch() * grid.cols() + x / grid.patch()))
        });
        let picture = composite(resize(rgb, side, side).unwrap().view(), painted.view(), hole.view()).unwrap();

        stream.submit(given.clone(), mask.clone()).unwrap();
        let answer = stream.receive().unwrap().unwrap();
        assert_eq!((&answer.frame, &answer.mask), (&given, &mask));
        assert_eq!(answer.tokens, tokens);
        assert_eq!(answer.picture, picture);
    }
    assert!(stream.receive().unwrap().is_none());
}

#[test]
fn only_what_is_asked_for_is_made() {
    for (give, tokens, sides) in [(Give::Tokens, true, false), (Give::Picture, false, true)] {
        let mut stream = Stream::new(model(), give).unwrap();
        let mask = Mask::random(stream.model().grid(), 0.5, 1).unwrap();
        stream.submit(given(40, 50, 3, 1), mask).unwrap();
        let answer = stream.receive().unwrap().unwrap();
        assert_eq!((!answer.tokens.is_empty(), !answer.picture.is_empty()), (tokens, sides));
    }
}

#[test]
fn what_is_asked_for_may_change_with_frames_under_way() {
    let mut stream = Stream::new(model(), Give::Tokens).unwrap();
    let mut fixed = Stream::new(model(), Give::Both).unwrap();
    let mask = Mask::random(stream.model().grid(), 0.5, 1).unwrap();
    let gives = [Give::Tokens, Give::Both, Give::Picture, Give::Tokens, Give::Picture, Give::Both];
    for (seed, pair) in gives.windows(2).enumerate() {
        for give in pair {
            stream.set_give(*give).unwrap();
            stream.submit(given(40, 50, 3, seed), mask.clone()).unwrap();
        }
        for give in pair {
            fixed.submit(given(40, 50, 3, seed), mask.clone()).unwrap();
            let (got, all) = (stream.receive().unwrap().unwrap(), fixed.receive().unwrap().unwrap());
            assert_eq!((got.tokens.is_empty(), got.picture.is_empty()), (!give.tokens(), !give.picture()));
            assert!(!give.tokens() || got.tokens == all.tokens);
            assert!(!give.picture() || got.picture == all.picture);
        }
    }
}

#[test]
fn a_frame_too_many_or_with_another_mask_is_refused_and_the_others_are_kept() {
    let mut stream = Stream::new(model(), Give::Tokens).unwrap();
    let mask = Mask::all_visible(stream.model().grid());
    let mut give = |frame: Frame| stream.submit(frame, mask.clone());
    let other = glimpse_models::PatchGrid::new(32, 32, 16).unwrap();
    for seed in 0..Stream::MOST {
        give(given(9, 9, 3, seed)).unwrap();
    }
    assert!(matches!(give(given(9, 9, 3, 7)), Err(Error::UnderWay { most: 2 })));
    for seed in 0..Stream::MOST {
        assert_eq!(stream.receive().unwrap().unwrap().frame, given(9, 9, 3, seed));
    }
    assert!(matches!(stream.submit(given(9, 9, 3, 1), Mask::all_visible(other)), Err(Error::OtherGrid { .. })));
    assert_eq!(stream.under_way(), 0);
}

//! Painting with the shipped bundle.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::path::{Path, PathBuf};

use glimpse_models::{Bundle, Precision};
use glimpse_runtime::inpaint::{Inpainter, PaintOptions};
use glimpse_runtime::{Error, Options};
use ndarray::{Array2, Array3, s};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/glimpse-tiny")
}

fn inpainter(threads: usize) -> Inpainter {
    let options = Options { precision: Precision::Int8, threads: Some(threads), ..Options::default() };
    Inpainter::new(&Bundle::open(folder()).unwrap(), &options).unwrap()
}

/// Soft hills with a horizon: smooth below, waves above.
fn landscape(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(y, x, c)| {
        let horizon = 0.6 * height as f32 + 9.0 * (x as f32 / 40.0).sin();
        let wave = (y as f32 / 6.0 + c as f32).sin() + (x as f32 / 11.0).cos();
        let above = 180.0 - 20.0 * c as f32 + 12.0 * wave;
        let below = 60.0 + 25.0 * c as f32 + 0.1 * y as f32;
        (if (y as f32) < horizon { above } else { below }) as u8
    })
}

#[test]
fn a_hole_is_painted_and_nothing_else_is_touched() {
    let picture = landscape(300, 420);
    let disc = |y: usize, x: usize| y.abs_diff(160).pow(2) + x.abs_diff(200).pow(2) < 60 * 60;
    let hole = Array2::from_shape_fn((300, 420), |(y, x)| disc(y, x) || (x > 390 && y < 30));
    let mut scratched = picture.clone();
    for ((y, x), _) in hole.indexed_iter().filter(|(_, hidden)| **hidden) {
        scratched.slice_mut(s![y, x, ..]).fill(255);
    }
    let painted = inpainter(1).paint(scratched.view(), hole.view(), &PaintOptions::default()).unwrap();
    let (mut off, mut flat_off) = (0.0, 0.0);
    let mean = picture.mapv(f64::from).mean().unwrap();
    for ((y, x, c), value) in painted.indexed_iter() {
        let truth = f64::from(picture[[y, x, c]]);
        if hole[[y, x]] {
            off += (f64::from(*value) - truth).powi(2);
            flat_off += (mean - truth).powi(2);
        } else {
            assert_eq!(*value, picture[[y, x, c]]);
        }
    }
    assert!(off < flat_off / 2.0, "painting is nearer to the truth than one colour is");
}

#[test]
fn any_number_of_threads_paints_the_same() {
    let picture = landscape(200, 260);
    let hole = Array2::from_shape_fn((200, 260), |(y, x)| (70..150).contains(&y) && x % 130 > 50);
    let paint = |threads| inpainter(threads).paint(picture.view(), hole.view(), &PaintOptions::default()).unwrap();
    let one = paint(1);
    assert!(one == paint(1) && one == paint(3));
}

#[test]
fn tiny_and_narrow_pictures_are_painted() {
    let mut inpainter = inpainter(1);
    for (height, width) in [(1, 2), (2, 1), (3, 400), (400, 3), (17, 16)] {
        let picture = landscape(height, width);
        let hole = Array2::from_shape_fn((height, width), |(y, x)| y + x > 0 && (y + x) % 9 < 5);
        let painted = inpainter.paint(picture.view(), hole.view(), &PaintOptions::default()).unwrap();
        assert_eq!(painted.dim(), picture.dim());
    }
}

#[test]
fn holes_that_cannot_be_painted_are_refused() {
    let mut inpainter = inpainter(1);
    let picture = landscape(20, 30);
    let mut paint =
        |hole: Array2<bool>| inpainter.paint(picture.view(), hole.view(), &PaintOptions::default()).unwrap_err();
    assert!(matches!(paint(Array2::from_elem((20, 30), false)), Error::EmptyHole { .. }));
    assert!(matches!(paint(Array2::from_elem((20, 30), true)), Error::NothingAround { .. }));
    assert!(matches!(paint(Array2::from_elem((30, 20), true)), Error::Shape { .. }));
}

#[test]
fn a_model_of_normalized_pixels_is_refused() {
    let normalized = Bundle::from_files("normalized", |name| {
        let bytes = std::fs::read(folder().join(name)).ok()?;
        let text = String::from_utf8_lossy(&bytes).replace("norm_pix = false\nbase = \"membrane\"", "norm_pix = true");
        Some(if name == "manifest.toml" { text.into_bytes().into() } else { bytes.into() })
    });
    let refused = Inpainter::new(&normalized.unwrap(), &Options::default()).err().unwrap();
    assert!(matches!(refused, Error::NormalizedPixels { .. }));
    assert!(refused.to_string().contains("cannot paint"));
}

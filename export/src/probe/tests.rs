//! A small bundle, probed from end to end.

use std::path::Path;

use glimpse_models::{Bundle, Existing, Precision};
use image::{Rgb, RgbImage};
use indicatif::ProgressBar;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::*;
use crate::data::Labelled;
use crate::emit::emit;
use crate::emit::tests::{LABELS, small_checkpoint};

fn small_bundle(dir: &Path) -> Bundle {
    let (manifest, files) = emit(&small_checkpoint(true), &LABELS).unwrap();
    Bundle::write(dir.join("small"), &manifest, &files, Existing::Replace).unwrap()
}

/// Pictures of noise around a colour, which is the class's own or not.
fn write_pictures(dir: &Path, colour_is_class: bool) {
    let mut rng = Pcg64::seed_from_u64(1);
    for (part, count) in [("train", 40), ("test", 20)] {
        for (class, name) in ["red", "blue"].into_iter().enumerate() {
            let folder = dir.join(part).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            for number in 0..count {
                let is_red = if colour_is_class { class == 0 } else { rng.random() };
                let colour = if is_red { [180, 60, 60] } else { [60, 60, 180] };
                let picture =
                    RgbImage::from_fn(16, 16, |_, _| Rgb(colour.map(|channel: u8| channel + rng.random_range(0..40))));
                picture.save(folder.join(format!("{number:02}.png"))).unwrap();
            }
        }
    }
}

fn report(bundle: &Bundle, data: &Labelled, seed: u64) -> Report {
    let settings = Settings { precision: Precision::F32, seed };
    probe(bundle, data, &settings, &ProgressBar::hidden()).unwrap()
}

#[test]
fn colours_are_told_apart_by_every_method_and_chance_by_none() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path());
    for colour_is_class in [true, false] {
        let pictures = dir.path().join(format!("{colour_is_class}"));
        write_pictures(&pictures, colour_is_class);
        let report = report(&bundle, &Labelled::folders(&pictures, 0).unwrap(), 3);
        assert_eq!((report.data.train, report.data.test, report.data.commonest_percent), (80, 40, 50.0));
        let methods: Vec<&str> = report.rows.iter().map(|row| row.method.as_str()).collect();
        assert_eq!(methods, ["glimpse_f32_cls", "glimpse_f32_mean", "random_cls", "random_mean", "pixels", "pca"]);
        let numbers: Vec<usize> = report.rows.iter().map(|row| row.numbers).collect();
        assert_eq!(numbers, [24, 24, 24, 24, 16 * 16 * 3, 24]);
        for row in &report.rows {
            assert_eq!(row.cells.iter().map(|cell| cell.visible_percent).collect::<Vec<_>>(), [25.0, 50.0, 100.0]);
            for cell in &row.cells {
                // Of 40 guesses, more than 30 are right once in a thousand times.
                let right = if colour_is_class { 95.0..=100.0 } else { 25.0..=75.0 };
                // Where patches are hidden, pixels are near each other for where they are, and not for what they are.
                let neighbours_can = !colour_is_class || cell.visible_percent > 99.0;
                for accuracy in [Some(cell.linear), neighbours_can.then_some(cell.knn)].into_iter().flatten() {
                    assert!(right.contains(&accuracy.percent), "{colour_is_class} {}: {cell:?}", row.method);
                }
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path());
    write_pictures(&dir.path().join("pictures"), false);
    let data = Labelled::folders(&dir.path().join("pictures"), 0).unwrap();
    let json = |seed| report(&bundle, &data, seed).json().unwrap();
    let first = json(1);
    assert_eq!(first, json(1));
    assert_ne!(first.replace("\"seed\": 1", ""), json(2).replace("\"seed\": 2", ""));
}

#[test]
fn a_broken_picture_is_passed_over_and_a_broken_set_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path());
    let pictures = dir.path().join("pictures");
    write_pictures(&pictures, true);
    std::fs::write(pictures.join("train/red/00.png"), "no picture").unwrap();
    let data = Labelled::folders(&pictures, 0).unwrap();
    let report = report(&bundle, &data, 0);
    assert_eq!((report.data.train, report.data.passed_over), (79, 1));

    for number in 0..20 {
        for class in ["red", "blue"] {
            std::fs::write(pictures.join(format!("test/{class}/{number:02}.png")), "no picture").unwrap();
        }
    }
    let settings = Settings { precision: Precision::F32, seed: 0 };
    let error = probe(&bundle, &data, &settings, &ProgressBar::hidden()).unwrap_err().to_string();
    assert!(error.contains("to ask about in pictures"), "{error}");
}

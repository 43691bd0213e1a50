//! A small bundle, verified from end to end.

use std::path::{Path, PathBuf};

use glimpse_models::{Bundle, Existing, NormPlace, Pool, Precision};
use glimpse_runtime::inpaint::PaintOptions;
use image::{Rgb, RgbImage};
use indicatif::ProgressBar;
use safetensors::SafeTensors;

use super::*;
use crate::emit::emit;
use crate::emit::tests::{LABELS, small_checkpoint, small_classifier};
use crate::quantize::quantize;

fn small_bundle(dir: &Path, decoder: bool) -> Bundle {
    let (manifest, files) = emit(&small_checkpoint(decoder), &LABELS).unwrap();
    Bundle::write(dir.join("small"), &manifest, &files, Existing::Replace).unwrap()
}

#[test]
fn the_runtime_agrees_with_burn_golden_and_asked_anew() {
    let dir = tempfile::tempdir().unwrap();
    for decoder in [true, false] {
        let bundle = small_bundle(dir.path(), decoder);
        let checkpoint = small_checkpoint(decoder);
        for checkpoint in [None, Some(&checkpoint)] {
            let parity = parity(&bundle, &[Precision::F32], checkpoint).unwrap();
            assert!(parity.passed(), "{:#?}", parity.comparisons);
            assert_eq!(parity.comparisons.len(), if decoder { 6 } else { 3 });
            assert_eq!(parity.comparisons.iter().map(|c| c.visible).max(), Some(16));
        }
    }
}

#[test]
fn int8_weights_are_judged_by_direction_in_whatever_they_are_computed() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path(), true);
    let (files, _) = quantize(&bundle, true).unwrap();
    let bundle = Bundle::write(dir.path().join("int8"), bundle.manifest(), &files, Existing::Refuse).unwrap();
    let parity = parity(&bundle, &Precision::ALL, None).unwrap();
    assert!(parity.passed(), "{:#?}", parity.comparisons);
    assert!(parity.comparisons.iter().all(|c| matches!(c.limit, Limit::CosineMin(_) | Limit::CosineMean(_))));
    assert!(parity.comparisons.iter().all(|c| c.differences.relative_error > 1e-5));
}

#[test]
fn another_model_s_checkpoint_fails_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path(), true);
    let good = small_checkpoint(true);
    let mut weights = good.weights().clone();
    let mut bias = weights.get("norm.bias").unwrap().clone();
    bias.values[0] += 1e-2;
    weights.insert("norm.bias", bias.shape, bias.values);
    let other = crate::emit::Checkpoint::new(good.description().clone(), weights).unwrap();
    let parity = parity(&bundle, &[Precision::F32], Some(&other)).unwrap();
    assert!(!parity.passed());
    let without_decoder = small_checkpoint(false);
    assert!(super::parity(&bundle, &[Precision::F32], Some(&without_decoder)).is_err());
}

#[test]
fn a_fine_tuned_model_tells_classes_apart_as_burn_does() {
    let dir = tempfile::tempdir().unwrap();
    for (pool, norm) in [(Pool::Cls, NormPlace::Encoder), (Pool::Mean, NormPlace::Classifier)] {
        let checkpoint = small_classifier(pool, norm);
        let (manifest, files) = emit(&checkpoint, &LABELS).unwrap();
        let bundle = Bundle::write(dir.path().join("classes"), &manifest, &files, Existing::Replace).unwrap();
        let (files, _) = quantize(&bundle, false).unwrap();
        let bundle = Bundle::write(dir.path().join("classes"), &manifest, &files, Existing::Replace).unwrap();
        for checkpoint in [None, Some(&checkpoint)] {
            let parity = parity(&bundle, &Precision::ALL, checkpoint).unwrap();
            assert!(parity.passed(), "{:#?}", parity.comparisons);
            let logits = parity.comparisons.iter().filter(|c| c.output == Output::Logits);
            assert_eq!(logits.count(), 2 * 3);
        }
    }
}

#[test]
fn answers_are_written_by_case_and_precision() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path(), true);
    let bytes = parity(&bundle, &[Precision::F32], None).unwrap().answers_to_bytes().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 6);
    assert_eq!(file.tensor("quarter.f32.tokens").unwrap().shape(), [5, 24]);
    assert_eq!(file.tensor("one.f32.painted").unwrap().shape(), [16, 48]);
}

/// Two photographs by formula and a file that is none.
fn pictures(dir: &Path) -> Vec<PathBuf> {
    for (name, (width, height)) in [("a.png", (70, 50)), ("b.png", (48, 64))] {
        let picture = RgbImage::from_fn(width, height, |x, y| Rgb([(3 * x) as u8, (3 * y) as u8, (x * y / 16) as u8]));
        picture.save(dir.join(name)).unwrap();
    }
    std::fs::write(dir.join("broken.jpg"), b"no picture").unwrap();
    ["a.png", "b.png", "broken.jpg"].map(|name| dir.join(name)).to_vec()
}

#[test]
fn the_same_seed_gives_the_same_report_and_sheet() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path(), true);
    let paths = pictures(dir.path());
    let settings = |seed| Settings {
        side_px: 60,
        seed,
        holes_per_picture: 2,
        precisions: vec![Precision::F32],
        opencv: None,
        paint: PaintOptions::default(),
    };
    let measure = |seed| quality(&bundle, dir.path(), &paths, &settings(seed), &ProgressBar::hidden()).unwrap();
    let (first, second, other) = (measure(1), measure(1), measure(2));
    let json = |quality: &Quality| serde_json::to_string(&quality.painting).unwrap();
    assert_eq!((json(&first), &first.sheet), (json(&second), &second.sheet));
    assert_ne!(json(&first), json(&other));

    let painting = &first.painting;
    assert_eq!((painting.pictures, painting.passed_over), (2, 1));
    for (table, methods) in painting.tables.iter().zip([
        &["mean_fill", "membrane", "telea", "ns", "glimpse_f32"][..],
        &["mean_fill", "membrane", "telea", "ns", "pasted_f32", "glimpse_f32"],
    ]) {
        for row in &table.rows {
            assert_eq!(row.methods.iter().map(|quality| &quality.method[..]).collect::<Vec<_>>(), methods);
            for quality in &row.methods {
                let (psnr_db, ssim) = (quality.psnr_db.unwrap(), quality.ssim.unwrap());
                assert_eq!((psnr_db.pictures, ssim.pictures), (2, 2));
                assert!(psnr_db.mean > 3.0 && ssim.mean < 1.0, "{quality:?}");
            }
        }
    }
}

#[test]
fn a_model_that_cannot_paint_is_refused_for_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path(), false);
    let paths = pictures(dir.path());
    let settings = Settings {
        side_px: 60,
        seed: 0,
        holes_per_picture: 1,
        precisions: vec![Precision::F32],
        opencv: None,
        paint: PaintOptions::default(),
    };
    let Err(error) = quality(&bundle, dir.path(), &paths, &settings, &ProgressBar::hidden()) else {
        panic!("an encoder alone has painted");
    };
    assert!(format!("{error:#}").contains("decoder"), "{error:#}");
}

//! `glimpse-export verify` as it is typed, on a model small enough for a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::path::Path;
use std::process::Command;

use glimpse_export::model::random_weights;
use glimpse_models::{Base, Family, ModelSpec, RawSpec, Transformer};
use image::{Rgb, RgbImage};

fn write_checkpoint(folder: &Path, seed: u64) {
    let spec = ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 16,
        patch_side: 4,
        encoder: Transformer { width: 24, depth: 2, heads: 3 },
        decoder: Some(Transformer { width: 16, depth: 1, heads: 2 }),
        mlp_ratio: 2,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap();
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("spec.toml"), toml::to_string(&spec).unwrap()).unwrap();
    let weights = random_weights(&spec, seed).unwrap().to_safetensors().unwrap();
    std::fs::write(folder.join("model.safetensors"), weights).unwrap();
}

/// Runs the program in `folder`: its exit code, stdout and stderr.
fn run(folder: &Path, words: &str) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_glimpse-export")).current_dir(folder).args(words.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_report_is_printed_and_written_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    write_checkpoint(&dir.path().join("checkpoint"), 7);
    run(dir.path(), "emit checkpoint -o small");
    std::fs::create_dir(dir.path().join("photos")).unwrap();
    let photo = RgbImage::from_fn(60, 40, |x, y| Rgb([(4 * x) as u8, (5 * y) as u8, 128]));
    photo.save(dir.path().join("photos/a.png")).unwrap();

    let verify = "verify small --checkpoint checkpoint --pictures photos --split all --no-opencv --seed 3";
    let (code, json, _) = run(dir.path(), &format!("{verify} --json -o out --answers answers.safetensors"));
    assert_eq!(code, 0);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["passed"], &report["painting"]["pictures"]), (&true.into(), &1.into()));
    let written = |name: &str| std::fs::read_to_string(dir.path().join("out").join(name)).unwrap();
    assert_eq!(written("report.json"), json);
    assert_eq!(run(dir.path(), verify), (0, written("report.md"), String::new()));
    // Four holes, each masked, by the mean, by Glimpse, and as it was.
    let sheet = image::open(dir.path().join("out/contact_sheet.jpg")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (4 * 246 + 6, 4 * 166 + 6));
    assert!(dir.path().join("answers.safetensors").exists());
}

#[test]
fn a_failed_check_is_1_and_a_wrong_use_is_2() {
    let dir = tempfile::tempdir().unwrap();
    write_checkpoint(&dir.path().join("checkpoint"), 7);
    write_checkpoint(&dir.path().join("other"), 8);
    run(dir.path(), "emit checkpoint -o small");
    let (code, report, error) = run(dir.path(), "verify small --checkpoint other");
    assert_eq!(code, 1);
    assert!(report.contains("**fails**") && error.contains("differ from burn's"), "{report}{error}");

    for (words, said) in [
        ("verify nowhere", "nowhere"),
        ("verify small --precision int8", "int8"),
        ("verify small --precision f16", "f16"),
        ("verify small --pictures nowhere --no-opencv", "nowhere"),
        ("verify small --pictures nowhere --python false", "cargo ci venv"),
        ("verify small --holes-per-picture 0", "--holes-per-picture"),
    ] {
        let (code, _, error) = run(dir.path(), words);
        assert_eq!(code, 2, "{words}: {error}");
        assert!(error.contains(said), "{words}: {error}");
    }
}

//! `glimpse-export probe` as it is typed, on a model small enough for a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::path::Path;
use std::process::Command;

use glimpse_export::model::random_weights;
use glimpse_models::{Base, Bundle, Family, ModelSpec, RawSpec, Transformer};
use image::{Luma, Rgb, RgbImage};

fn write_bundle(folder: &Path) {
    let spec = ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 16,
        patch_side: 4,
        encoder: Transformer { width: 24, depth: 1, heads: 3 },
        decoder: Some(Transformer { width: 16, depth: 1, heads: 2 }),
        mlp_ratio: 2,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap();
    let checkpoint = folder.join("checkpoint");
    std::fs::create_dir(&checkpoint).unwrap();
    std::fs::write(checkpoint.join("spec.toml"), toml::to_string(&spec).unwrap()).unwrap();
    let weights = random_weights(&spec, 7).unwrap().to_safetensors().unwrap();
    std::fs::write(checkpoint.join("model.safetensors"), weights).unwrap();
    assert_eq!(run(folder, "emit checkpoint -o small").0, 0);
}

/// Runs the program in `folder`: its exit code, stdout and stderr.
fn run(folder: &Path, words: &str) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_glimpse-export")).current_dir(folder).args(words.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_folder_a_class_is_probed_and_the_result_recorded_beside_others() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    for (class, colour) in [("sea", [20, 60, 200]), ("sand", [220, 190, 120])] {
        std::fs::create_dir_all(dir.path().join("places").join(class)).unwrap();
        for number in 0..20_u8 {
            let picture = RgbImage::from_fn(20, 20, |x, y| Rgb(colour.map(|c: u8| c - number + ((x * y) % 7) as u8)));
            picture.save(dir.path().join(format!("places/{class}/{number}.png"))).unwrap();
        }
    }
    let probe = "probe small --data places --seed 3";
    let (code, json, error) = run(dir.path(), &format!("{probe} --json --record"));
    assert_eq!((code, error), (0, String::new()));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["data"]["train"], &report["data"]["test"]), (&32.into(), &8.into()));
    assert_eq!(report["rows"][4]["method"], "pixels");
    assert_eq!(report["rows"][4]["cells"][2]["linear"]["percent"], 100.0);
    let quality = serde_json::to_value(&Bundle::open(dir.path().join("small")).unwrap().manifest().quality).unwrap();
    let recorded = &quality["probe_accuracy_percent"]["places, 32 learnt from, 8 asked about"];
    assert_eq!(recorded["linear"]["pixels"]["100% visible"], 100.0);

    let (code, markdown, _) = run(dir.path(), &format!("{probe} --train-limit 20 --test-limit 6"));
    assert_eq!(code, 0);
    assert!(markdown.contains("20 pictures learnt from, 6 asked about") && markdown.contains("seed 3"), "{markdown}");

    std::fs::create_dir(dir.path().join("photos")).unwrap();
    image::GrayImage::from_fn(60, 40, |x, y| Luma([(4 * x + y) as u8])).save(dir.path().join("photos/a.png")).unwrap();
    let (code, ..) = run(dir.path(), "verify small --pictures photos --split all --no-opencv --record");
    assert_eq!(code, 0);
    let quality = &Bundle::open(dir.path().join("small")).unwrap().manifest().quality.clone();
    assert!(quality.contains_key("masked_psnr_db") && quality.contains_key("probe_accuracy_percent"));
}

#[test]
fn a_wrong_use_is_2_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    for (words, said) in [
        ("probe nowhere --data empty", "nowhere"),
        ("probe small", "--fashion-mnist"),
        ("probe small --data empty", "0 folders"),
        ("probe small --data gone", "no folder gone"),
        ("probe small --data empty --fashion-mnist empty", "cannot be used with"),
        ("probe small --fashion-mnist empty", "dataset-fashion-mnist"),
        ("probe small --data empty --train-limit 0", "--train-limit 0"),
        ("probe small --data empty --test-limit 0", "--test-limit 0"),
        ("probe small --data empty --precision f16", "f16"),
    ] {
        let (code, output, error) = run(dir.path(), words);
        assert_eq!((code, output.as_str()), (2, ""), "{words}: {error}");
        assert!(error.contains(said), "{words}: {error}");
    }
}

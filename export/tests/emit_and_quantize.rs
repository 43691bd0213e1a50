//! `glimpse-export emit` and `quantize` as they are typed, on a model small enough for a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::path::Path;
use std::process::Command;

use glimpse_export::model::random_weights;
use glimpse_models::{Base, Bundle, Family, ModelSpec, Precision, RawSpec, Transformer};

fn small_spec(decoder: Option<Transformer>) -> ModelSpec {
    ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 16,
        patch_side: 4,
        encoder: Transformer { width: 24, depth: 2, heads: 3 },
        decoder,
        mlp_ratio: 2,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap()
}

fn write_checkpoint(folder: &Path) -> ModelSpec {
    let spec = small_spec(Some(Transformer { width: 16, depth: 1, heads: 2 }));
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("spec.toml"), toml::to_string(&spec).unwrap()).unwrap();
    let weights = random_weights(&spec, 7).unwrap().to_safetensors().unwrap();
    std::fs::write(folder.join("model.safetensors"), weights).unwrap();
    spec
}

/// Runs the program in `folder` and returns what it wrote to stdout, or, when it fails with code 2, to stderr.
fn run(folder: &Path, words: &str) -> Result<String, String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_glimpse-export")).current_dir(folder).args(words.split(' ')).output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap());
    }
    assert_eq!(output.status.code(), Some(2));
    Err(String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_checkpoint_becomes_a_bundle() {
    let dir = tempfile::tempdir().unwrap();
    write_checkpoint(&dir.path().join("checkpoint"));
    let open = |name: &str| Bundle::open(dir.path().join(name)).unwrap();

    assert_eq!(run(dir.path(), "emit checkpoint -o small --licence MIT").unwrap(), "small\n");
    assert_eq!((open("small").name(), open("small").manifest().licence()), ("small", "MIT"));
    assert!(run(dir.path(), "emit checkpoint -o small").unwrap_err().contains("--force"));
    std::fs::write(dir.path().join("card.md"), "# A card\n").unwrap();
    run(dir.path(), "emit checkpoint -o small --name other --card card.md --force").unwrap();
    assert_eq!((open("small").name(), open("small").card()), ("other", "# A card\n"));
    assert!(run(dir.path(), "emit checkpoint -o other --name Ünfit").unwrap_err().contains("`name`"));
}

#[test]
fn nothing_is_written_of_a_checkpoint_that_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = dir.path().join("checkpoint");
    write_checkpoint(&checkpoint);
    std::fs::write(checkpoint.join("spec.toml"), toml::to_string(&small_spec(None)).unwrap()).unwrap();
    let surplus = run(dir.path(), "emit checkpoint -o small").unwrap_err();
    assert!(surplus.contains("surplus: decoder_blocks.0.attn.proj.bias [16]"), "{surplus}");
    std::fs::remove_file(checkpoint.join("spec.toml")).unwrap();
    let missing = run(dir.path(), "emit checkpoint -o small").unwrap_err();
    assert!(missing.contains("spec.toml"), "{missing}");
    assert!(!dir.path().join("small").exists());
}

#[test]
fn a_bundle_is_quantized_in_place_or_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    write_checkpoint(&dir.path().join("checkpoint"));
    let forms = |name: &str| Bundle::open(dir.path().join(name)).unwrap().precisions();
    run(dir.path(), "emit checkpoint -o small").unwrap();

    let json = run(dir.path(), "quantize small -o smaller --drop-f32 --json").unwrap();
    assert_eq!((forms("small"), forms("smaller")), (vec![Precision::F32], vec![Precision::Int8]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["layers"].as_array().unwrap().len(), 15);
    assert_eq!(report["layers"][0]["name"], "patch_embed.weight");
    assert_eq!(report["cases"][2]["name"], "all");

    let table = run(dir.path(), "quantize small").unwrap();
    assert!(table.contains("decoder_pred.weight") && table.contains("saved"), "{table}");
    assert_eq!(forms("small"), [Precision::F32, Precision::Int8]);
    assert!(run(dir.path(), "quantize small -o smaller").unwrap_err().contains("--force"));
    assert!(run(dir.path(), "quantize smaller").unwrap_err().contains("no f32 form"));
}

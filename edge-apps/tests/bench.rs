//! `glimpse bench` and `glimpse info --plan`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use common::Place;
use serde_json::Value;
use sha2::Digest as _;

fn names(value: &Value, list: &str, field: &str) -> Vec<String> {
    let items = value[list].as_array().unwrap().iter();
    items.map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_stage_of_a_frame_is_timed() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    let said: Value = serde_json::from_str(&place.run("bench a.png --visible 16 --threads 1 --runs 3 --json")).unwrap();
    assert_eq!(names(&said, "stages", "stage"), ["preprocess", "encode", "decode", "paint"]);
    for timed in said["stages"].as_array().unwrap().iter().chain([&said["frame"]]) {
        let [p50, p95, p99] = ["p50_ms", "p95_ms", "p99_ms"].map(|name| timed[name].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{timed}");
    }
    // no stage is longer than its frame
    assert!(said["frame"]["p99_ms"].as_f64() >= said["stages"][1]["p50_ms"].as_f64());
    assert_eq!((said["frame_px"][0].as_u64(), said["frame_px"][1].as_u64()), (Some(60), Some(40)));
    assert_eq!(
        (said["visible"].as_u64(), said["threads"].as_u64(), said["runs"].as_u64()),
        (Some(16), Some(1), Some(3))
    );
    assert_eq!(said["model_sha256"].as_str().unwrap().len(), 64);
    for part in ["read_ms", "plan_ms", "first_answer_ms"] {
        assert!(said["cold_start"][part].as_f64().unwrap() > 0.0);
    }
    let words = place.run("bench --stage decode --kernels portable --runs 2");
    assert!(words.contains("portable") && words.contains("decode") && !words.contains("encode"), "{words}");
}

#[test]
fn a_plan_says_what_is_fused_and_what_is_not() {
    let place = Place::new();
    let said: Value = serde_json::from_str(&place.run("info --plan glimpse-tiny --json")).unwrap();
    let encoder = said["graphs"]["encoder"].as_array().unwrap();
    let gather = encoder.iter().find(|step| step["operator"] == "Gather").unwrap();
    assert!(gather["fused"].as_array().unwrap().is_empty());
    let mlp = encoder.iter().find(|step| step["name"] == "blocks.0.mlp.gelu").unwrap();
    assert_eq!(mlp["fused"].as_array().unwrap().len(), 7);
    assert!(mlp["detail"].as_str().unwrap().starts_with("192 → 768, int8"));

    let foreign = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/tests/foreign/deit.trace.onnx");
    let words = place.run(&format!("info --plan {foreign}"));
    assert!(words.contains("Attention") && words.contains("Conv") && words.contains("(tract)"), "{words}");
}

#[test]
fn what_cannot_be_measured_or_planned_is_refused() {
    let place = Place::new();
    place.refuses("bench gone.png", &["gone.png", "check the path"]);
    place.refuses("bench --visible 65", &["has 64 patches"]);
    place.refuses("bench --kernels abacus", &["no kernels of that name", "portable"]);
    place.refuses("bench --precision f32 --kernels portable", &["--kernels", "would do nothing"]);
    place.refuses("bench --model gone", &["no model `gone`"]);
    place.refuses("info --plan gone.onnx", &["no model `gone.onnx`"]);
    std::fs::write(place.path("words.onnx"), "no graph").unwrap();
    place.refuses("info --plan words.onnx", &["words.onnx", "is it an ONNX file?"]);
    place.refuses("info --precision f32", &["--plan"]);
}

fn records(place: &Place) -> Vec<Value> {
    let files = std::fs::read_dir(place.path("records")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

#[test]
fn a_record_says_all_that_the_numbers_depend_on() {
    let place = Place::new();
    place.run("bench --visible 16 --threads 1 --runs 10 --record records --sustain 1 --commit abc");
    let record = &records(&place)[0];
    for place in [
        "/time",
        "/program/sha256",
        "/board/name",
        "/board/cpu",
        "/board/kernel",
        "/board/os",
        "/cpu_features",
        "/kernels",
        "/row/model_sha256",
        "/before/temperatures_c",
        "/after/governors",
        "/cold_start/plan_ms",
        "/sustained/frames_per_s",
        "/sustained/last_frames_per_s",
        "/golden/tokens_relative_error",
    ] {
        assert!(record.pointer(place).is_some_and(|value| !value.is_null()), "{place}: {record}");
    }
    assert_eq!((record["commit"].as_str(), record["threads"].as_u64()), (Some("abc"), Some(1)));
    assert_eq!((record["row"]["visible"].as_u64(), record["row"]["precision"].as_str()), (Some(16), Some("int8")));
    assert_eq!(record["frame"]["repeats_p50_ms"].as_array().unwrap().len(), 5);
    assert!(record["frame"]["max_ms"].as_f64() >= record["frame"]["p99_ms"].as_f64());
    assert!(record["sustained"]["seconds"].as_f64().unwrap() >= 1.0);
    assert!(record["golden"]["tokens_relative_error"].as_f64().unwrap() < 0.045);
    // a sensor's joules, or that there is none
    let energy = &record["joules_per_frame"];
    assert!(energy == "not measured" || energy["joules"].is_f64(), "{energy}");
}

#[test]
fn what_computes_wrong_is_not_recorded() {
    let place = Place::new();
    place.copy_bundle("wrong");
    // another answer, and the hash of that
    let golden = place.path("wrong/golden.safetensors");
    let mut bytes = std::fs::read(&golden).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].iter_mut().for_each(|byte| *byte ^= 0x40);
    std::fs::write(&golden, &bytes).unwrap();
    let manifest = place.path("wrong/manifest.toml");
    let mut table: toml::Table = toml::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
    let digest = sha2::Sha256::digest(&bytes);
    let hash = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    table["files"]["golden.safetensors"]["sha256"] = hash.into();
    std::fs::write(&manifest, toml::to_string(&table).unwrap()).unwrap();
    place.refuses(
        "bench --model wrong --runs 2 --record records --sustain 1",
        &["computes wrong", "nothing is recorded"],
    );
    // without a record, nobody asks
    place.run("bench --model wrong --runs 2");
    place.refuses("bench --sustain 1", &["--record"]);
    place.refuses("bench --record records --stage encode", &["--stage"]);
}

#[test]
fn shells_and_manuals_are_told_of_each_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = place.run(&format!("completions {shell}"));
        assert!(text.contains("install-service") && text.contains("never-mask"), "{shell}");
    }
    place.run("man pages");
    let page = std::fs::read_to_string(place.path("pages/glimpse-camera.1")).unwrap();
    assert!(page.contains("never") && page.starts_with(".ie"), "{}", &page[..200]);
    assert!(place.path("pages/glimpse.1").exists() && place.path("pages/glimpse-inpaint.1").exists());
}

//! `glimpse bench` and `glimpse info --plan`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use common::Place;
use serde_json::Value;

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
    place.refuses("bench --model gone", &["no model `gone`"]);
    place.refuses("info --plan gone.onnx", &["no model `gone.onnx`"]);
    std::fs::write(place.path("words.onnx"), "no graph").unwrap();
    place.refuses("info --plan words.onnx", &["words.onnx", "is it an ONNX file?"]);
    place.refuses("info --precision f32", &["--plan"]);
}

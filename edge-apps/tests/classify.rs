//! `glimpse classify`, with the shipped model and a classifier behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use common::{Place, bundle, open};
use glimpse_models::onnx::{
    AttributeProto, Bytes, Dimension, GraphProto, IR_VERSION, Message, ModelProto, NodeProto, OPSET_VERSION,
    OperatorSetIdProto, TensorProto, ValueInfoProto, data_type,
};
use glimpse_models::{Bundle, BundleFile, Classifier, Existing, NormPlace, Pool};
use glimpse_runtime::{Mask, Model, Options, Preprocessor, patchify};
use ndarray::ArrayView3;
use serde_json::Value;

const LABELS: [&str; 3] = ["dish", "fish", "dash"];

/// The mean of the patches' tokens, and a linear layer.
fn graph(width: usize) -> Bytes {
    let ints = |name: &str, values: &[i64]| TensorProto::from_i64(name, &[values.len()], values);
    let wave: Vec<f32> = (0..width * LABELS.len()).map(|i| (i as f32 * 1.1).sin() * 0.1).collect();
    let initializer = vec![
        ints("start", &[1]),
        ints("end", &[i64::MAX]),
        ints("rows", &[0]),
        ints("classes", &[LABELS.len() as i64]),
        TensorProto::from_f32("head.weight", &[width, LABELS.len()], &wave),
    ];
    let node = vec![
        NodeProto::new("Slice", &["tokens", "start", "end", "rows"], &["patches"], vec![]),
        NodeProto::new("ReduceMean", &["patches"], &["pooled"], vec![AttributeProto::from_i64s("axes", &[0])]),
        NodeProto::new("MatMul", &["pooled", "head.weight"], &["head"], vec![]),
        NodeProto::new("Reshape", &["head", "classes"], &["logits"], vec![]),
    ];
    let tokens = vec![Dimension::symbol("T"), Dimension::fixed(width)];
    let graph = GraphProto {
        node,
        initializer,
        input: vec![ValueInfoProto::tensor("tokens", data_type::FLOAT, tokens)],
        output: vec![ValueInfoProto::tensor("logits", data_type::FLOAT, vec![Dimension::fixed(LABELS.len())])],
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: IR_VERSION,
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET_VERSION }],
        ..ModelProto::default()
    };
    Bytes::from(model.encode_to_vec())
}

/// Writes the bundle `named`, with or without labels, and some pictures in `in`.
fn fill(place: &Place, labels: bool) -> Bundle {
    let shipped = Bundle::open(bundle()).unwrap();
    let mut manifest = shipped.manifest().clone();
    let (pool, norm) = (Pool::Mean, NormPlace::Encoder);
    manifest.classifier = Some(Classifier { pool, norm, classes: LABELS.len() });
    let mut files = shipped.files().clone();
    files.insert(BundleFile::Classifier, graph(shipped.spec().encoder().width));
    if labels {
        files.insert(BundleFile::Labels, Bytes::from(LABELS.join("\n") + "\n"));
    }
    std::fs::create_dir_all(place.path("in/sub")).unwrap();
    place.photograph("in/b.png", 90, 70);
    place.photograph("in/a.webp", 50, 80);
    std::fs::copy(common::sample("sushi.jpg"), place.path("in/sub/c.JPG")).unwrap();
    std::fs::write(place.path("in/notes.txt"), "no picture").unwrap();
    Bundle::write(place.path("named"), &manifest, &files, Existing::Refuse).unwrap()
}

/// What the runtime says of a picture: a probability for each class.
fn right(bundle: &Bundle, path: &std::path::Path) -> Vec<f64> {
    let mut model = Model::load(bundle, &Options::default()).unwrap();
    let rgb = open(path).to_rgb8();
    let frame = ArrayView3::from_shape((rgb.height() as usize, rgb.width() as usize, 3), rgb.as_raw()).unwrap();
    let mut preprocessor = Preprocessor::new(model.spec());
    let image = preprocessor.image_from_frame(frame).unwrap();
    let patches = patchify(image, model.grid()).unwrap();
    let logits = model.classify(patches.view(), &Mask::all_visible(bundle.spec().grid())).unwrap();
    let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
    logits.iter().map(|logit| f64::from(*logit).exp() / sum).collect()
}

#[test]
fn classes_are_named_in_order_with_their_probabilities_on_any_number_of_threads() {
    let place = Place::new();
    let bundle = fill(&place, true);
    let report = |more: &str| -> Value {
        serde_json::from_str(&place.run(&format!("classify in in/b.png --model named --json {more}"))).unwrap()
    };
    let found = report("");
    assert_eq!((&found["model"], &found["precision"]), (&"glimpse-tiny".into(), &"int8".into()));
    assert_eq!(found["broken"].as_array().unwrap().len(), 0);
    let pictures = found["pictures"].as_array().unwrap();
    let paths: Vec<&str> = pictures.iter().map(|picture| picture["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["in/a.webp", "in/b.png", "in/sub/c.JPG", "in/b.png"]);
    for picture in pictures {
        let right = right(&bundle, &place.path(picture["path"].as_str().unwrap()));
        let classes = picture["classes"].as_array().unwrap();
        let said: Vec<f64> = classes.iter().map(|class| class["probability"].as_f64().unwrap()).collect();
        assert!(said.len() == 3 && said.is_sorted_by(|a, b| a >= b), "{said:?}");
        for class in classes {
            let number = class["index"].as_u64().unwrap() as usize;
            assert_eq!(class["label"], LABELS[number]);
            assert!((class["probability"].as_f64().unwrap() - right[number]).abs() < 1e-5);
        }
    }
    for threads in ["--threads 1", "--threads 3"] {
        assert_eq!(report(threads)["pictures"], found["pictures"], "{threads}");
    }
    let first = report("--top 1");
    assert_eq!(first["pictures"][2]["classes"].as_array().unwrap().len(), 1);
    assert_eq!(first["pictures"][2]["classes"][0], found["pictures"][2]["classes"][0]);
}

#[test]
fn words_have_a_line_a_class() {
    let place = Place::new();
    fill(&place, true);
    let text = place.run("classify in/b.png in/a.webp --model named --top 2");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[3]), (6, "in/b.png", "in/a.webp"));
    assert!(lines[1].contains('%') && LABELS.iter().any(|label| lines[1].ends_with(label)), "{text}");

    assert!(place.run("info --model named").contains("3: dish, fish, dash"));

    let nameless = Place::new();
    fill(&nameless, false);
    assert!(nameless.run("classify in/b.png --model named").contains("class 2"));
}

#[test]
fn broken_pictures_are_named_passed_over_and_remembered() {
    let place = Place::new();
    fill(&place, true);
    std::fs::write(place.path("in/broken.png"), "no picture").unwrap();
    let assert = place.glimpse("classify in --model named --json").assert().code(1);
    let output = assert.get_output();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("in/broken.png") && said.contains("1 of 4 pictures"), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["broken"][0]["path"], report["pictures"].as_array().unwrap().len()),
        (&"in/broken.png".into(), 3)
    );
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_no_unicode_are_reported_as_text() {
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::new();
    fill(&place, true);
    for (from, to) in [("b.png", &b"caf\xe9.png"[..]), ("a.webp", b"brok\xe9n.webp")] {
        std::fs::rename(place.path("in").join(from), place.path("in").join(std::ffi::OsStr::from_bytes(to))).unwrap();
    }
    std::fs::write(place.path("in").join(std::ffi::OsStr::from_bytes(b"brok\xe9n.webp")), "no picture").unwrap();
    let assert = place.glimpse("classify in --model named --json").assert().code(1);
    let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(report["broken"][0]["path"], "in/brok\u{fffd}n.webp");
    assert_eq!(report["pictures"][0]["path"], "in/caf\u{fffd}.png");
}

#[test]
fn what_cannot_be_done_is_refused() {
    let place = Place::new();
    fill(&place, true);
    place.refuses("classify in/b.png", &["`glimpse-tiny` has no classifier", "glimpse-export finetune", "--model"]);
    place.refuses("classify in/gone.png --model named", &["in/gone.png", "check the path"]);
    place.refuses("classify in/b.png --model nobody", &["no model `nobody`"]);
    place.refuses("classify in/b.png --model named --top 0", &["--top"]);
    place.refuses("classify --model named", &["IMAGE|FOLDER"]);
}

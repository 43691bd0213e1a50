//! What a quantized bundle is, on a model small enough for a test.

use glimpse_models::onnx::{GraphProto, Message, ModelProto, NodeProto, TensorProto, data_type};
use glimpse_models::{Existing, NormPlace, Pool};

use super::*;
use crate::emit::emit;
use crate::emit::tests::{LABELS, small_checkpoint, small_classifier};

fn small_bundle(dir: &std::path::Path, decoder: bool) -> Bundle {
    let (manifest, files) = emit(&small_checkpoint(decoder), &LABELS).unwrap();
    Bundle::write(dir.join("small"), &manifest, &files, Existing::Replace).unwrap()
}

fn graph(files: &Files, part: Part) -> GraphProto {
    ModelProto::decode(files[&BundleFile::Graph(part, Precision::Int8)].clone()).unwrap().graph.unwrap()
}

fn constant<'a>(graph: &'a GraphProto, name: &str) -> &'a TensorProto {
    graph.initializer.iter().find(|constant| constant.name == name).unwrap()
}

#[test]
fn every_linear_weight_is_int8_behind_a_widening_node() {
    let dir = tempfile::tempdir().unwrap();
    let (files, report) = quantize(&small_bundle(dir.path(), true), false).unwrap();
    for part in Part::ALL {
        let graph = graph(&files, part);
        let is_constant = |name: &String| graph.initializer.iter().any(|constant| constant.name == *name);
        let products = || graph.node.iter().filter(|node| node.op_type == "MatMul");
        assert!(products().all(|node| !is_constant(&node.input[1])));
        let maker = |name: &str| graph.node.iter().position(|node| node.output[0] == name);
        let mut linear = 0;
        for product in products() {
            let Some(place) = maker(&product.input[1]) else { panic!("{} has no maker", product.input[1]) };
            let widening: &NodeProto = &graph.node[place];
            if widening.op_type != "DequantizeLinear" {
                continue;
            }
            linear += 1;
            assert!(place < maker(&product.output[0]).unwrap());
            assert_eq!((widening.attribute[0].name.as_str(), widening.attribute[0].i), ("axis", 1));
            let [codes, scale, zero] = [0, 1, 2].map(|i| constant(&graph, &widening.input[i]));
            assert_eq!(
                [codes.data_type, scale.data_type, zero.data_type],
                [data_type::INT8, data_type::FLOAT, data_type::INT8]
            );
            assert_eq!((&scale.dims[..], &zero.dims[..]), (&codes.dims[1..], &codes.dims[1..]));
            assert!(zero.raw_data.iter().all(|&byte| byte == 0));
            assert!(codes.raw_data.iter().all(|&byte| byte != 0x80), "-128 has no counterpart");
        }
        assert_eq!(linear, report.layers.iter().filter(|layer| layer.part == part).count());
        let blocks = if part == Part::Encoder { 2 } else { 1 };
        let around = if part == Part::Encoder { 1 } else { 2 };
        assert_eq!(linear, around + 4 * blocks);
    }
}

#[test]
fn only_linear_weights_change() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = small_bundle(dir.path(), true);
    let before = stored_weights(&bundle, Precision::F32).unwrap();
    assert_eq!(&before, small_checkpoint(true).weights());
    let (files, report) = quantize(&bundle, false).unwrap();
    let bundle = Bundle::write(dir.path().join("small"), bundle.manifest(), &files, Existing::Replace).unwrap();
    let after = stored_weights(&bundle, Precision::Int8).unwrap();
    for ((key, before), (_, after)) in before.iter().zip(after.iter()) {
        let linear = report.layers.iter().any(|layer| layer.name == key);
        assert_eq!(before == after, !linear, "{key}");
        assert_eq!(before.shape, after.shape);
    }
}

#[test]
fn the_report_is_small_errors_and_saved_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (_, report) = quantize(&small_bundle(dir.path(), true), false).unwrap();
    for layer in &report.layers {
        assert!((1e-4..0.02).contains(&layer.relative_rms_error), "{layer:?}");
        assert!(layer.bytes_int8 * 2 < layer.bytes_f32, "{layer:?}");
    }
    assert_eq!(report.cases.iter().map(|case| case.name).collect::<Vec<_>>(), ["one", "quarter", "all"]);
    for case in &report.cases {
        assert!(
            (0.99..1.0).contains(&case.token_cosine_min) && case.token_cosine_min <= case.token_cosine_mean,
            "{case:?}"
        );
        for error in [case.token_relative_error, case.painted_relative_error.unwrap()] {
            assert!((1e-5..0.1).contains(&error), "{case:?}");
        }
    }
    let layers: usize = report.layers.iter().map(|layer| layer.bytes_f32 - layer.bytes_int8).sum();
    assert!(report.bytes_saved > 0 && report.bytes_saved <= layers as i64);
    let text = report.to_string();
    assert!(report.layers.iter().all(|layer| text.contains(&layer.name)) && text.contains("saved"));
}

#[test]
fn the_f32_form_goes_only_when_asked_and_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for decoder in [true, false] {
        let bundle = small_bundle(dir.path(), decoder);
        let path = dir.path().join("smaller");
        for (drop_f32, forms) in [(false, vec![Precision::F32, Precision::Int8]), (true, vec![Precision::Int8])] {
            let (files, _) = quantize(&bundle, drop_f32).unwrap();
            assert!(files == quantize(&bundle, drop_f32).unwrap().0, "two runs differ");
            let smaller = Bundle::write(&path, bundle.manifest(), &files, Existing::Replace).unwrap();
            assert_eq!(smaller.precisions(), forms);
            assert_eq!(smaller.golden(), bundle.golden());
        }
        let refusal = quantize(&Bundle::open(&path).unwrap(), false).unwrap_err().to_string();
        assert!(refusal.contains("no f32 form"), "{refusal}");
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_classifier_stays_as_it_is_and_what_is_rounded_is_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = [small_checkpoint(true), small_classifier(Pool::Mean, NormPlace::Classifier)];
    for checkpoint in checkpoints {
        let (manifest, files) = emit(&checkpoint, &LABELS).unwrap();
        let bundle = Bundle::write(dir.path().join("small"), &manifest, &files, Existing::Replace).unwrap();
        assert_eq!(&stored_weights(&bundle, Precision::F32).unwrap(), checkpoint.weights());
        let (smaller, report) = quantize(&bundle, true).unwrap();
        let bundle = Bundle::write(dir.path().join("small"), &manifest, &smaller, Existing::Replace).unwrap();
        assert_eq!(bundle.classifier_graph(), files.get(&BundleFile::Classifier));
        assert_eq!(stored_weights(&bundle, Precision::Int8).unwrap(), rounded(checkpoint.weights().clone()));
        assert!(report.layers.iter().all(|layer| layer.name != "head.weight"));
    }
}

//! A bundle with a classifier, as one that was fine-tuned has.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

mod common;

use glimpse_models::onnx::{
    AttributeProto, Bytes, Dimension, GraphProto, IR_VERSION, Message, ModelProto, NodeProto, OPSET_VERSION,
    OperatorSetIdProto, TensorProto, ValueInfoProto, data_type,
};
use glimpse_models::{Bundle, BundleFile, Classifier, Existing, NormPlace, Pool, Precision};
use glimpse_runtime::reference::tolerance::F32_RELATIVE_ERROR;
use glimpse_runtime::reference::{self, Weights};
use glimpse_runtime::{Error, Mask};
use ndarray::Array2;

use common::{bundle, model};

const CLASSES: usize = 5;
const EPSILON: f32 = 1e-6;

fn wave(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * step).sin()).collect()
}

/// Pooling, a norm and a linear layer for tokens of width `c`.
fn graph(pool: Pool, c: usize) -> Bytes {
    let ints = |name: &str, values: &[i64]| TensorProto::from_i64(name, &[values.len()], values);
    let initializer = vec![
        ints("start", &[1]),
        ints("end", &[i64::MAX]),
        ints("rows", &[0]),
        ints("first", &[0]),
        ints("classes", &[CLASSES as i64]),
        TensorProto::from_f32("fc_norm.weight", &[c], &wave(c, 0.3)),
        TensorProto::from_f32("fc_norm.bias", &[c], &wave(c, 0.7)),
        TensorProto::from_f32("head.weight", &[c, CLASSES], &wave(c * CLASSES, 1.1)),
        TensorProto::from_f32("head.bias", &[CLASSES], &wave(CLASSES, 2.0)),
    ];
    let axis = |axis| AttributeProto::from_i64("axis", axis);
    let mut node = match pool {
        Pool::Cls => vec![NodeProto::new("Gather", &["tokens", "first"], &["pooled"], vec![axis(0)])],
        Pool::Mean => vec![
            NodeProto::new("Slice", &["tokens", "start", "end", "rows"], &["patches"], vec![]),
            NodeProto::new("ReduceMean", &["patches"], &["pooled"], vec![AttributeProto::from_i64s("axes", &[0])]),
        ],
    };
    let norm = vec![axis(-1), AttributeProto::from_f32("epsilon", EPSILON)];
    node.extend([
        NodeProto::new("LayerNormalization", &["pooled", "fc_norm.weight", "fc_norm.bias"], &["fc_norm"], norm),
        NodeProto::new("MatMul", &["fc_norm", "head.weight"], &["product"], vec![]),
        NodeProto::new("Add", &["product", "head.bias"], &["head"], vec![]),
        NodeProto::new("Reshape", &["head", "classes"], &["logits"], vec![]),
    ]);
    let tokens = vec![Dimension::symbol("T"), Dimension::fixed(c)];
    let graph = GraphProto {
        node,
        initializer,
        input: vec![ValueInfoProto::tensor("tokens", data_type::FLOAT, tokens)],
        output: vec![ValueInfoProto::tensor("logits", data_type::FLOAT, vec![Dimension::fixed(CLASSES)])],
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

/// The shipped model with a classifier behind it.
fn with_classifier(folder: &std::path::Path, pool: Pool) -> Bundle {
    let shipped = bundle();
    let mut manifest = shipped.manifest().clone();
    manifest.classifier = Some(Classifier { pool, norm: NormPlace::Classifier, classes: CLASSES });
    let mut files = shipped.files().clone();
    files.insert(BundleFile::Classifier, graph(pool, shipped.spec().encoder().width));
    files.insert(BundleFile::Labels, Bytes::from_static(b"a\nb\nc\nd\ne\n"));
    Bundle::write(folder.join("classifier"), &manifest, &files, Existing::Replace).unwrap()
}

#[test]
fn logits_are_those_of_the_reference_for_any_mask() {
    let folder = tempfile::tempdir().unwrap();
    for pool in [Pool::Cls, Pool::Mean] {
        let bundle = with_classifier(folder.path(), pool);
        let grid = bundle.spec().grid();
        let patches = Array2::from_shape_fn((grid.len(), grid.patch_len()), |(row, col)| (row + 3 * col) as f32 % 1.7);
        let weights = Weights::from_onnx(bundle.classifier_graph().unwrap()).unwrap();
        let mut model = model(&bundle, Precision::Int8, 2);
        let one = Mask::from_visible(grid, &[7]).unwrap();
        for mask in [Mask::all_visible(grid), Mask::random(grid, 0.75, 4).unwrap(), one] {
            let tokens = model.encode(patches.view(), &mask).unwrap().to_owned();
            let right =
                reference::classifier(bundle.spec(), bundle.classifier().unwrap(), &weights, tokens.view()).unwrap();
            let logits = model.classify(patches.view(), &mask).unwrap();
            assert_eq!(logits.len(), CLASSES);
            let worst = logits.iter().zip(&right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let scale = right.iter().map(|b| b.abs()).fold(0.0, f32::max);
            assert!(f64::from(worst / scale) <= F32_RELATIVE_ERROR, "{pool:?}: {logits} is not {right}");
        }
    }
}

#[test]
fn a_model_without_a_classifier_says_so() {
    let bundle = bundle();
    let grid = bundle.spec().grid();
    let patches = Array2::zeros((grid.len(), grid.patch_len()));
    let refused = model(&bundle, Precision::Int8, 1).classify(patches.view(), &Mask::all_visible(grid)).map(|_| ());
    assert!(matches!(&refused, Err(Error::ClassifierMissing { bundle }) if bundle == "glimpse-tiny"));
}

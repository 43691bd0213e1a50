//! What an emitted bundle is, on a model small enough for a test.

use glimpse_models::onnx::{GraphProto, IR_VERSION, Message, ModelProto, OPSET_VERSION};
use glimpse_models::{Bundle, Existing, Family, ModelSpec, RawSpec, Training, Transformer};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use safetensors::SafeTensors;

use super::*;
use crate::weights::Weights;

/// 16 patches of 4 px: an encoder of 2 blocks and, if asked for, a decoder of 1.
pub(crate) fn small_spec(decoder: bool) -> ModelSpec {
    ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 16,
        patch_side: 4,
        encoder: Transformer { width: 24, depth: 2, heads: 3 },
        decoder: decoder.then_some(Transformer { width: 16, depth: 1, heads: 2 }),
        mlp_ratio: 2,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: false,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap()
}

/// Weights that leave no part of the model idle: norms away from 1, biases away from 0.
pub(crate) fn small_weights(spec: &ModelSpec, seed: u64) -> Weights {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut weights = Weights::default();
    for (key, shape) in Part::ALL.into_iter().flat_map(|part| inventory::inventory(spec, part)) {
        let bound = if shape.len() == 2 { (3.0 / shape[0] as f32).sqrt() } else { 0.3 };
        let middle = if key.contains("norm") && key.ends_with("weight") { 1.0 } else { 0.0 };
        let count = shape.iter().product();
        weights.insert(key, shape, (0..count).map(|_| middle + rng.random_range(-bound..bound)).collect());
    }
    weights
}

pub(crate) const LABELS: Labels = Labels { name: "small", licence: "MIT", card: None };

pub(crate) fn small_checkpoint(decoder: bool) -> Checkpoint {
    let spec = small_spec(decoder);
    let training = Training { steps: Some(3), ..Training::default() };
    Checkpoint::new(spec, training, small_weights(&spec, 5)).unwrap()
}

fn graph(files: &Files, part: Part) -> GraphProto {
    let model = ModelProto::decode(files[&BundleFile::Graph(part, Precision::F32)].clone()).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (IR_VERSION, OPSET_VERSION));
    model.graph.unwrap()
}

#[test]
fn the_same_checkpoint_gives_the_same_bytes() {
    let first = emit(&small_checkpoint(true), &LABELS).unwrap();
    let second = emit(&small_checkpoint(true), &LABELS).unwrap();
    assert!(first == second);
}

#[test]
fn what_is_emitted_is_a_whole_bundle() {
    let dir = tempfile::tempdir().unwrap();
    for decoder in [true, false] {
        let (manifest, files) = emit(&small_checkpoint(decoder), &LABELS).unwrap();
        let bundle = Bundle::write(dir.path().join("small"), &manifest, &files, Existing::Replace).unwrap();
        assert_eq!((bundle.name(), bundle.precisions()), ("small", vec![Precision::F32]));
        assert_eq!(bundle.manifest().training.steps, Some(3));
        assert_eq!(bundle.graph(Part::Decoder, Precision::F32).is_some(), decoder);
        assert!(bundle.card().starts_with("# small"));
    }
}

#[test]
fn every_node_reads_what_stands_before_it_and_every_value_has_one_name() {
    let (_, files) = emit(&small_checkpoint(true), &LABELS).unwrap();
    for part in Part::ALL {
        let graph = graph(&files, part);
        let mut known: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
        known.extend(graph.initializer.iter().map(|constant| constant.name.as_str()));
        for node in &graph.node {
            assert!(node.domain.is_empty());
            for input in &node.input {
                assert!(known.contains(&input.as_str()), "{} reads {input} too early", node.name);
            }
            for output in &node.output {
                assert!(!known.contains(&output.as_str()), "two values are called {output}");
                known.push(output);
            }
        }
        assert!(known.contains(&graph.output[0].name.as_str()));
    }
}

#[test]
fn a_graph_holds_the_weights_of_its_part_under_their_keys() {
    let checkpoint = small_checkpoint(true);
    let (_, files) = emit(&checkpoint, &LABELS).unwrap();
    for part in Part::ALL {
        let graph = graph(&files, part);
        for (key, shape) in inventory::inventory(checkpoint.spec(), part) {
            let constant = graph.initializer.iter().find(|constant| constant.name == key).unwrap();
            assert!(constant.dims.iter().copied().eq(shape.iter().map(|&length| length as i64)), "{key}");
            let bytes: Vec<u8> =
                checkpoint.weights().get(&key).unwrap().values.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert!(constant.raw_data == bytes, "{key}");
        }
    }
}

#[test]
fn golden_files_ask_for_one_a_quarter_and_all_patches() {
    let checkpoint = small_checkpoint(true);
    let (_, files) = emit(&checkpoint, &LABELS).unwrap();
    let golden = SafeTensors::deserialize(&files[&BundleFile::Golden]).unwrap();
    assert_eq!(golden.len(), 15);
    let (l, patch_len, c) = (16, 48, 24);
    for (name, n) in [("one", 1), ("quarter", 4), ("all", 16)] {
        let shape = |field: &str| golden.tensor(&format!("{name}.{field}")).unwrap().shape().to_vec();
        assert_eq!((shape("patches"), shape("positions")), (vec![n, patch_len], vec![n]));
        assert_eq!((shape("restore"), shape("tokens")), (vec![l], vec![n + 1, c]));
        assert_eq!(shape("painted"), [l, patch_len]);
    }
    let questions = golden::questions_from_bytes(checkpoint.spec(), &files[&BundleFile::Golden]).unwrap();
    let cases = golden::cases(checkpoint.spec(), checkpoint.weights()).unwrap();
    assert!(questions.iter().eq(cases.iter().map(|case| &case.question)));
    for question in questions {
        assert!(question.positions.is_sorted_by(|a, b| a < b));
        for (i, &place) in question.positions.iter().enumerate() {
            assert_eq!(question.restore[place as usize], i as i64 + 1);
        }
        assert_eq!(question.restore.iter().filter(|&&source| source == 0).count(), l - question.positions.len());
    }
}

#[test]
fn an_encoder_alone_answers_with_the_same_tokens() {
    let whole = small_weights(&small_spec(true), 5);
    let spec = small_spec(false);
    let mut weights = Weights::default();
    for (key, shape) in inventory::inventory(&spec, Part::Encoder) {
        weights.insert(key.clone(), shape, whole.get(&key).unwrap().values.clone());
    }
    let with = golden::cases(&small_spec(true), &whole).unwrap();
    let without = golden::cases(&spec, &weights).unwrap();
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with.answer.tokens, without.answer.tokens);
        assert!(without.answer.painted.is_empty());
    }
    let golden = golden::to_bytes(&spec, &without).unwrap();
    assert_eq!(SafeTensors::deserialize(&golden).unwrap().len(), 9);
}

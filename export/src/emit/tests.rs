//! What an emitted bundle is, on a model small enough for a test.

use glimpse_models::onnx::{GraphProto, IR_VERSION, Message, ModelProto, OPSET_VERSION};
use glimpse_models::{Base, Bundle, Classifier, Existing, Family, ModelSpec, Pool, RawSpec, Training, Transformer};
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
        base: Base::Zero,
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
    Checkpoint::new(Description::new(spec, training), small_weights(&spec, 5)).unwrap()
}

/// The small encoder, fine-tuned: its last norm where `norm` says, its positions trained.
pub(crate) fn small_classifier(pool: Pool, norm: NormPlace) -> Checkpoint {
    let spec = small_spec(false);
    let classifier = Classifier { pool, norm, classes: 3 };
    let class_names = Some(["cat", "dog", "fish"].map(str::to_owned).to_vec());
    let description =
        Description { classifier: Some(classifier), class_names, ..Description::new(spec, Training::default()) };
    let (_, mut weights) =
        small_weights(&spec, 5).partition(|key| norm == NormPlace::Classifier && key.starts_with("norm."));
    let tables = inventory::tables(&spec).into_iter().map(|(key, shape)| (key.to_owned(), shape));
    for (key, shape) in inventory::classifier_inventory(&spec, &classifier).into_iter().chain(tables) {
        let count = shape.iter().product();
        weights.insert(key, shape, (0..count).map(|i: usize| (i as f32 * 0.37).sin()).collect());
    }
    Checkpoint::new(description, weights).unwrap()
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
    let cases = golden::cases(checkpoint.spec(), None, checkpoint.weights().clone()).unwrap();
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
    let with = golden::cases(&small_spec(true), None, whole).unwrap();
    let without = golden::cases(&spec, None, weights).unwrap();
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with.answer.tokens, without.answer.tokens);
        assert!(without.answer.painted.is_empty());
    }
    let golden = golden::to_bytes(&spec, &without).unwrap();
    assert_eq!(SafeTensors::deserialize(&golden).unwrap().len(), 9);
}

#[test]
fn a_fine_tuned_model_becomes_a_bundle_with_a_classifier() {
    let dir = tempfile::tempdir().unwrap();
    for (pool, norm) in [(Pool::Cls, NormPlace::Encoder), (Pool::Mean, NormPlace::Classifier)] {
        let checkpoint = small_classifier(pool, norm);
        let (manifest, files) = emit(&checkpoint, &LABELS).unwrap();
        let bundle = Bundle::write(dir.path().join("small"), &manifest, &files, Existing::Replace).unwrap();
        assert_eq!(bundle.classifier(), checkpoint.description().classifier.as_ref());
        assert_eq!(bundle.labels().unwrap(), ["cat", "dog", "fish"]);
        assert!(bundle.card().contains("| Classifier | 3 classes |"));
        let names = |graph: GraphProto| graph.initializer.into_iter().map(|constant| constant.name).collect::<Vec<_>>();
        let encoder = graph(&files, Part::Encoder);
        let table = encoder.initializer.iter().find(|constant| constant.name == "pos_embed").unwrap();
        let right = &checkpoint.weights().get("pos_embed").unwrap().values;
        assert!(table.raw_data == right.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
        assert_eq!(names(encoder).contains(&"norm.weight".to_owned()), norm == NormPlace::Encoder);
        let classifier = ModelProto::decode(files[&BundleFile::Classifier].clone()).unwrap().graph.unwrap();
        assert_eq!(names(classifier).contains(&"fc_norm.weight".to_owned()), norm == NormPlace::Classifier);
        let golden = SafeTensors::deserialize(&files[&BundleFile::Golden]).unwrap();
        assert_eq!((golden.len(), golden.tensor("one.logits").unwrap().shape()), (12, &[3][..]));
    }
}

#[test]
fn the_files_of_a_checkpoint_are_read_as_its_description() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = small_classifier(Pool::Mean, NormPlace::Classifier);
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
    write("spec.toml", toml::to_string(checkpoint.spec()).unwrap());
    write("classifier.toml", toml::to_string(&checkpoint.description().classifier).unwrap());
    write("labels.txt", "cat\ndog\nfish\n".to_owned());
    std::fs::write(dir.path().join("model.safetensors"), checkpoint.weights().to_safetensors().unwrap()).unwrap();
    let read = Checkpoint::read(dir.path()).unwrap();
    assert_eq!(read.weights(), checkpoint.weights());
    assert!(emit(&read, &LABELS).unwrap() == emit(&checkpoint, &LABELS).unwrap());
    std::fs::remove_file(dir.path().join("classifier.toml")).unwrap();
    let surplus = format!("{:#}", Checkpoint::read(dir.path()).unwrap_err());
    assert!(surplus.contains("surplus: head.weight [24, 3]") && surplus.contains("missing: norm.bias"), "{surplus}");
}

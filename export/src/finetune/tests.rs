//! The parts of fine-tuning together, on a model small enough for a test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use glimpse_models::{Classifier, ModelSpec, NormPlace, Pool};
use image::{Rgb, RgbImage};

use super::*;
use crate::data::{Build as _, Example, Labelled, Pictures};
use crate::emit::tests::{small_spec, small_weights};
use crate::train::{Crew, Learner as _};
use crate::weights::Weights;

const CLASSES: usize = 3;

fn classifier() -> Classifier {
    Classifier { pool: Pool::Mean, norm: NormPlace::Classifier, classes: CLASSES }
}

/// Weights of an encoder and a classifier that say something of every class.
fn weights(spec: &ModelSpec) -> Weights {
    let (_, mut weights) = small_weights(spec, 5).partition(|key| key.starts_with("norm."));
    let width = spec.encoder().width;
    let wave = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
    weights.insert("fc_norm.weight", vec![width], vec![1.0; width]);
    weights.insert("fc_norm.bias", vec![width], vec![0.0; width]);
    weights.insert("head.weight", vec![width, CLASSES], wave(width * CLASSES));
    weights.insert("head.bias", vec![CLASSES], wave(CLASSES));
    weights
}

fn model(device: &Device) -> FineTuned {
    let spec = small_spec(false);
    FineTuned::taking(&spec, classifier(), weights(&spec), device).unwrap()
}

/// A folder a class, of pictures of one colour each.
fn write_pictures(folder: &Path) {
    for (class, colour) in [("blue", [20, 40, 200]), ("green", [30, 190, 40]), ("red", [200, 30, 20])] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for number in 0..5_u8 {
            let picture = RgbImage::from_pixel(20, 24, Rgb(colour.map(|c: u8| c + number)));
            picture.save(folder.join(class).join(format!("{number}.png"))).unwrap();
        }
    }
}

fn batches(mixing: Mixing, drop_path: f64) -> BatchSpec {
    let model = small_spec(false);
    let drop_path = DropPath::new(model.encoder().depth, drop_path).unwrap();
    let rand_augment = RandAugment::new(0.0).unwrap();
    BatchSpec { model, classes: CLASSES, size: 5, least_area: 0.5, rand_augment, mixing, drop_path, seed: 9 }
}

fn builder(folder: &Path, mixing: Mixing) -> Builder {
    builder_of(folder, batches(mixing, 0.5))
}

fn builder_of(folder: &Path, spec: BatchSpec) -> Builder {
    let set = Labelled::folders(folder, 0).unwrap();
    let pictures: Arc<Pictures<Example>> = Arc::new(Pictures::new(set.train, 1 << 20));
    Builder::new(spec, pictures)
}

fn plain<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

#[test]
fn soft_cross_entropy_is_worked_out_by_hand() {
    let device = Device::flex();
    let matrix = |values: [f32; 6]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [2, 3]), &device);
    let loss =
        soft_cross_entropy(matrix([0.0, 0.0, 0.0, 2f32.ln(), 0.0, 0.0]), matrix([0.2, 0.3, 0.5, 0.75, 0.25, 0.0]));
    // of the second row, the softmax is 1/2, 1/4, 1/4
    let right = (3f32.ln() + 0.75 * 2f32.ln() + 0.25 * 4f32.ln()) / 2.0;
    assert!((plain(loss)[0] - right).abs() < 1e-6);
}

#[test]
fn a_batch_follows_from_its_number_and_its_targets_sum_to_one() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(dir.path());
    let mixing = Mixing::new(0.8, 1.0, 0.1).unwrap();
    let (mut one, mut two) = (builder(dir.path(), mixing), builder(dir.path(), mixing));
    let late = two.build(7).unwrap();
    for number in 0..8 {
        let batch = one.build(number).unwrap();
        assert_eq!((batch.patches.len(), batch.kept.len()), (5 * 16 * 48, 5 * 2 * 2));
        for target in batch.targets.chunks_exact(CLASSES) {
            assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{target:?}");
            assert!(target.iter().all(|part| *part > 0.03), "{target:?}");
        }
        assert_eq!(batch, two.build(number).unwrap());
        assert_eq!(batch == late, number == 7);
    }
}

#[test]
fn augmenting_follows_from_the_number_and_changes_pictures_alone() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(dir.path());
    let spec = |magnitude| {
        let rand_augment = RandAugment::new(magnitude).unwrap();
        BatchSpec { rand_augment, ..batches(Mixing::new(0.8, 1.0, 0.1).unwrap(), 0.5) }
    };
    let [mut plain, mut one, mut two] = [0.0, 9.0, 9.0].map(|magnitude| builder_of(dir.path(), spec(magnitude)));
    let late = two.build(7).unwrap();
    for number in 0..8 {
        let (plain, augmented) = (plain.build(number).unwrap(), one.build(number).unwrap());
        assert_eq!(augmented, two.build(number).unwrap());
        assert_eq!(augmented == late, number == 7);
        assert_ne!(augmented.patches, plain.patches);
        assert_eq!((augmented.targets, augmented.kept), (plain.targets, plain.kept));
    }
}

#[test]
fn pictures_are_mixed_as_their_targets_are() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(dir.path());
    let spec = small_spec(false);
    // of pictures of one colour, the mean of a channel tells how much of each there is
    for (mixup, cutmix) in [(1.0, 0.0), (0.0, 1.0)] {
        let mut mixed = builder(dir.path(), Mixing::new(mixup, cutmix, 0.0).unwrap());
        for number in 0..6 {
            let batch = mixed.build(number).unwrap();
            for (patches, target) in batch.patches.chunks_exact(16 * 48).zip(batch.targets.chunks_exact(CLASSES)) {
                for (channel, colours) in
                    [[20.0, 30.0, 200.0], [40.0, 190.0, 30.0], [200.0, 40.0, 20.0]].iter().enumerate()
                {
                    let values = patches.iter().skip(channel).step_by(3);
                    let mean = values.sum::<f32>() / (16.0 * 16.0);
                    let level = (mean * spec.std()[channel] + spec.mean()[channel]) * 255.0;
                    let right: f32 = target.iter().zip(colours).map(|(part, colour)| part * colour).sum();
                    assert!((level - right).abs() < 6.0, "{mixup} {number}: {level} is not {right}");
                }
            }
        }
    }
}

#[test]
fn a_piece_of_a_batch_is_its_samples() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(dir.path());
    let batch = builder(dir.path(), Mixing::new(0.8, 1.0, 0.1).unwrap()).build(0).unwrap();
    let parts = [batch.samples(0..2), batch.samples(2..5)];
    let joined = |field: fn(&Batch) -> &Vec<f32>| parts.iter().flat_map(field).copied().collect::<Vec<f32>>();
    assert_eq!(joined(|part| &part.patches), batch.patches);
    assert_eq!(joined(|part| &part.targets), batch.targets);
    assert_eq!(joined(|part| &part.kept), batch.kept);
}

#[test]
fn dropped_branches_leave_what_they_would_have_changed() {
    let device = Device::flex();
    let model = model(&device);
    let shown = |value: f32| Tensor::<3>::full([2, 16, 48], value, &device);
    let logits = |value, kept: &[f32]| plain(model.logits(shown(value), kept));
    assert_eq!(logits(0.3, &[]), logits(0.3, &[1.0; 8]));
    let first_dropped = logits(0.3, &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(first_dropped[CLASSES..], logits(0.3, &[])[CLASSES..]);
    assert_ne!(first_dropped[..CLASSES], logits(0.3, &[])[..CLASSES]);

    let targets = vec![0.5, 0.5, 0.0, 0.0, 0.5, 0.5];
    let batch = |kept| Batch { patches: vec![0.3; 2 * 16 * 48], targets: targets.clone(), kept, size: 2 };
    let loss = |kept| plain(model.loss(&batch(kept), &device))[0];
    assert_ne!(loss(vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]), loss(Vec::new()));
}

#[test]
fn every_weight_of_encoder_and_classifier_learns() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(dir.path());
    let device = Device::flex().autodiff();
    let model = model(&device);
    let batch = builder(dir.path(), Mixing::new(0.0, 0.0, 0.1).unwrap()).build(0).unwrap();
    let batch = Batch { kept: Vec::new(), ..batch };
    let grads = GradientsParams::from_grads(model.loss(&batch, &device).backward(), &model);
    let own = weights(&small_spec(false));
    let mut learning = 0;
    for (key, id) in model.ids() {
        let flat = match own.get(&key).map(|weight| weight.shape.len()) {
            Ok(1) => grads.get::<1>(id).map(plain),
            Ok(_) => grads.get::<2>(id).map(plain),
            Err(_) => {
                assert!(grads.get::<1>(id).is_none(), "{key} is no weight of the model and learns");
                continue;
            }
        };
        assert!(flat.is_some_and(|grad| grad.iter().any(|value| *value != 0.0)), "{key} does not learn");
        learning += 1;
    }
    assert_eq!(learning, own.len());
}

#[test]
fn a_batch_cut_for_cores_has_the_gradient_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(dir.path());
    let device = Device::flex().autodiff();
    let model = model(&device);
    let mut batches = builder(dir.path(), Mixing::new(0.8, 1.0, 0.1).unwrap());
    let mut batch = batches.build(0).unwrap();
    for number in 1..4 {
        let next = batches.build(number).unwrap();
        batch.patches.extend(next.patches);
        batch.targets.extend(next.targets);
        batch.kept.extend(next.kept);
        batch.size += next.size;
    }
    let steps = [1, 3].map(|cores| Crew::of_cores(&device, cores).unwrap().step(&model, &batch, 1.0).unwrap());
    let whole = plain(model.loss(&batch, &device).inner())[0];
    let [one, three] = steps.map(|step| (plain(step.loss)[0], step.grads));
    assert!((one.0 - whole).abs() < 1e-5);
    assert_eq!(one.0, three.0);
    for (key, id) in model.ids().into_iter().filter(|(key, _)| key == "head.weight" || key == "patch_embed.weight") {
        let of = |grads: &GradientsParams| plain(grads.get::<2>(id).unwrap());
        assert_eq!(of(&one.1), of(&three.1), "{key}");
    }
}

#[test]
fn rates_fall_from_the_classifier_to_the_pixels() {
    let model = model(&Device::flex());
    let rates = LayerDecay::new(&model, 2, 0.5).unwrap().rates(8.0);
    for (key, id) in model.ids() {
        let right = match key.as_str() {
            "patch_embed.weight" | "cls_token" => 1.0,
            key if key.starts_with("blocks.0.") => 2.0,
            key if key.starts_with("blocks.1.") => 4.0,
            _ if key.starts_with("patch_embed.") => 1.0,
            _ => 8.0,
        };
        assert_eq!(rates.lr_from_param(id, None), right, "{key}");
    }
    for wrong in [0.0, 1.5, f64::NAN] {
        assert!(LayerDecay::new(&model, 2, wrong).is_err());
    }
}

#[test]
fn weights_come_out_as_they_went_in() {
    let spec = small_spec(false);
    assert_eq!(model(&Device::flex().autodiff()).to_weights().unwrap(), weights(&spec));
}

#[test]
fn an_encoder_is_taken_and_its_classifier_is_drawn() {
    let spec = small_spec(true);
    let random = Start::new(&StartFrom::Random(spec), CLASSES, 4).unwrap();
    assert_eq!((random.classifier, random.spec.decoder(), random.source), (classifier(), None, None));
    let head = random.weights.get("head.weight").unwrap();
    assert!(head.values.iter().all(|value| value.abs() < 2e-4) && head.values.iter().any(|value| *value != 0.0));
    assert_eq!(random.weights.get("fc_norm.weight").unwrap().values, vec![1.0; 24]);
    assert!(!random.weights.contains("norm.weight") && !random.weights.contains("mask_token"));

    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("spec.toml", toml::to_string(&spec).unwrap().as_bytes());
    let trained = small_weights(&spec, 5);
    write("model.safetensors", &trained.to_safetensors().unwrap());
    let start = Start::new(&StartFrom::Trained(dir.path().to_owned()), CLASSES, 4).unwrap();
    assert_eq!(start.weights.get("patch_embed.weight").unwrap(), trained.get("patch_embed.weight").unwrap());
    assert_eq!(start.weights.get("head.weight").unwrap(), head);
    let gone = Start::new(&StartFrom::Trained(PathBuf::from("nowhere")), CLASSES, 4).unwrap_err();
    assert!(format!("{gone:#}").contains("nowhere is not there"), "{gone:#}");
}

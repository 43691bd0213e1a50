//! `glimpse-export finetune` as it is typed, on a model small enough for a test, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::fs;
use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Tensor, TensorData};
use glimpse_export::emit::Checkpoint;
use glimpse_export::finetune::FineTuned;
use glimpse_export::model::random_weights;
use glimpse_models::{Base, Bundle, Family, Measure, ModelSpec, Precision, RawSpec, Transformer};
use glimpse_runtime::{Mask, Model, Options, Preprocessor, patchify};
use image::{Rgb, RgbImage};
use ndarray::ArrayView3;

const CLASSES: [&str; 3] = ["across", "blue", "upright"];
/// The same maths in another order of sums.
const RELATIVE_ERROR: f32 = 1e-4;

/// A model that was trained on nothing, as a checkpoint.
fn write_checkpoint(folder: &Path) {
    let spec = ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 16,
        patch_side: 4,
        encoder: Transformer { width: 24, depth: 2, heads: 3 },
        decoder: Some(Transformer { width: 16, depth: 1, heads: 2 }),
        mlp_ratio: 2,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap();
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("spec.toml"), toml::to_string(&spec).unwrap()).unwrap();
    let weights = random_weights(&spec, 7).unwrap().to_safetensors().unwrap();
    fs::write(folder.join("model.safetensors"), weights).unwrap();
}

/// A picture of a class: stripes across, stripes upright, or plain blue; each its own.
fn picture(class: &str, number: u32) -> RgbImage {
    let noise = |x: u32, y: u32| ((x * 31 + y * 17 + number * 57) % 40) as u8;
    RgbImage::from_fn(20 + number % 3, 20, |x, y| {
        let stripe = |place: u32| if (place + number) % 4 < 2 { 200 } else { 30 };
        match class {
            "across" => Rgb([stripe(y) + noise(x, y), stripe(y), 60]),
            "upright" => Rgb([stripe(x) + noise(x, y), stripe(x), 60]),
            _ => Rgb([60, 90, 180 + noise(x, y)]),
        }
    })
}

fn write_pictures(folder: &Path) {
    for (part, count) in [("train", 40), ("test", 10)] {
        for class in CLASSES {
            let folder = folder.join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..count {
                let number = if part == "test" { 1000 + number } else { number };
                picture(class, number).save(folder.join(format!("{number}.png"))).unwrap();
            }
        }
    }
}

/// A folder with a checkpoint and a labelled set.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_checkpoint(&dir.path().join("start"));
    write_pictures(&dir.path().join("stripes"));
    dir
}

/// Runs the program in `folder`: its exit code, stdout and stderr.
fn run(folder: &Path, words: &str) -> (i32, String, String) {
    let words = words.split_whitespace();
    let output = Command::new(env!("CARGO_BIN_EXE_glimpse-export")).current_dir(folder).args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs what must work; what it printed.
fn works(folder: &Path, words: &str) -> String {
    let (code, printed, said) = run(folder, words);
    assert_eq!(code, 0, "{words}: {said}");
    printed
}

const SHORT: &str = "finetune start --data stripes --batch 10 --accumulate 2 --epochs 2";

#[test]
fn classes_are_learnt_and_the_bundle_tells_them_apart_as_burn_does() {
    let dir = place();
    let line = "finetune start -o run --data stripes --batch 15 --epochs 30 --learning-rate 5e-3 --layer-decay 0.9 \
                --mixup 0.1 --cutmix 0.1 --drop-path 0.05 --crop 0.6";
    let printed = works(dir.path(), line);
    assert_eq!(printed, "run/step-000000240\n");
    let mut metrics = csv::Reader::from_path(dir.path().join("run/metrics.csv")).unwrap();
    let names = ["epoch", "step", "learning_rate", "train_loss", "test_loss", "test_top1_percent", "images_per_s"];
    assert!(metrics.headers().unwrap().iter().eq(names));
    let rows: Vec<csv::StringRecord> = metrics.records().map(Result::unwrap).collect();
    let top1: f64 = rows.last().unwrap()[5].parse().unwrap();
    assert!(rows.len() == 30 && top1 >= 90.0, "{} epochs, top-1 {top1}%", rows.len());

    works(dir.path(), "emit run -o stripes-tiny --licence MIT");
    works(dir.path(), "quantize stripes-tiny");
    let bundle = Bundle::open(dir.path().join("stripes-tiny")).unwrap();
    assert_eq!(bundle.labels().unwrap(), CLASSES);
    assert_eq!((bundle.spec().decoder(), bundle.precisions()), (None, vec![Precision::F32, Precision::Int8]));
    let Measure::Table(recorded) = &bundle.manifest().quality["top1_accuracy_percent"] else { panic!() };
    assert!(matches!(recorded["stripes, 30 asked about"], Measure::Number(percent) if (percent - top1).abs() < 0.01));
    assert!(bundle.card().contains("stripes, 30 asked about") && bundle.card().contains("weights from: `start`"));

    let checkpoint = Checkpoint::read(&dir.path().join("run")).unwrap();
    let device = Device::flex();
    let classifier = checkpoint.description().classifier.unwrap();
    let burn = FineTuned::taking(checkpoint.spec(), classifier, checkpoint.weights().clone(), &device).unwrap();
    let options = Options { precision: Precision::F32, threads: Some(1), ..Options::default() };
    let mut model = Model::load(&bundle, &options).unwrap();
    let (mut hits, grid) = (0, model.grid());
    for class in CLASSES {
        for number in 1000..1010 {
            let rgb = picture(class, number);
            let mut preprocessor = Preprocessor::new(model.spec());
            let frame = ArrayView3::from_shape((20, rgb.width() as usize, 3), rgb.as_raw()).unwrap();
            let image = preprocessor.image_from_frame(frame).unwrap();
            let patches = patchify(image, grid).unwrap();
            let logits = model.classify(patches.view(), &Mask::all_visible(grid)).unwrap().to_vec();
            let shown =
                TensorData::new(patches.iter().copied().collect::<Vec<f32>>(), [1, grid.len(), grid.patch_len()]);
            let right = burn.logits(Tensor::from_data(shown, &device), &[]).into_data().try_into_vec::<f32>().unwrap();
            let largest = right.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let apart = logits.iter().zip(&right).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(apart <= RELATIVE_ERROR * largest, "{logits:?} is not {right:?}");
            let likeliest = (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            hits += usize::from(CLASSES[likeliest] == class);
        }
    }
    assert!((hits as f64 / 0.3 - top1).abs() < 0.01, "{hits} of 30 by the runtime, {top1}% by burn");
}

#[test]
fn a_run_that_goes_on_ends_with_the_very_same_weights_on_any_number_of_cores() {
    let dir = place();
    works(dir.path(), &format!("{SHORT} -o straight --threads 1"));
    // 120 pictures are an epoch of 6 steps: the run stops in the middle of the second one
    assert_eq!(works(dir.path(), &format!("{SHORT} -o parts --threads 2 --stop-after 8")), "parts/step-000000008\n");
    works(dir.path(), &format!("{SHORT} -o parts --threads 3 --workers 3 --resume"));
    for name in ["model.safetensors", "labels.txt", "classifier.toml", "spec.toml", "quality.toml"] {
        let bytes = |run: &str| fs::read(dir.path().join(run).join("step-000000012").join(name)).unwrap();
        assert!(bytes("straight") == bytes("parts"), "{name}");
    }
    let epochs = |run: &str| -> Vec<String> {
        let text = fs::read_to_string(dir.path().join(run).join("metrics.csv")).unwrap();
        let top1 = |line: &str| line.split(',').nth(5).unwrap().to_owned();
        text.lines().skip(1).map(top1).collect()
    };
    assert_eq!(epochs("straight").len(), 2);
    assert_eq!(epochs("straight"), epochs("parts"));
    let other = works(dir.path(), "finetune --resume -o parts --data stripes --batch 10 --accumulate 2 --epochs 2");
    assert_eq!(other, "parts/step-000000012\n");
}

#[test]
fn seeds_recipes_and_starts_decide_what_is_learnt() {
    let dir = place();
    let weights = |run: &str| fs::read(dir.path().join(run).join("step-000000012/model.safetensors")).unwrap();
    fs::write(dir.path().join("recipe.toml"), "batch = 10\naccumulate = 2\nepochs = 2\nseed = 3\n").unwrap();
    works(dir.path(), &format!("{SHORT} -o typed --seed 3"));
    works(dir.path(), "finetune start --data stripes -o cooked --recipe recipe.toml --epochs 2");
    works(dir.path(), &format!("{SHORT} -o other --seed 4"));
    assert!(weights("typed") == weights("cooked") && weights("typed") != weights("other"));
    works(dir.path(), &format!("{SHORT} -o plain --seed 3 --rand-augment 0"));
    assert!(weights("typed") != weights("plain"));

    // a bundle starts as its checkpoint does, and a fine-tuned model as its encoder
    works(dir.path(), "emit start -o bundle");
    works(dir.path(), &format!("{} -o from-bundle --seed 3", SHORT.replace("start", "bundle")));
    assert!(weights("typed") == weights("from-bundle"));
    works(dir.path(), &format!("{} -o again --seed 3", SHORT.replace("start", "typed")));
    let limited = "finetune start --data stripes -o limited --batch 10 --epochs 1 --train-limit 20 --test-limit 5";
    assert_eq!(works(dir.path(), limited), "limited/step-000000002\n");
    let quality = fs::read_to_string(dir.path().join("limited/step-000000002/quality.toml")).unwrap();
    assert!(quality.contains("stripes, 5 asked about"), "{quality}");
}

#[test]
fn broken_pictures_are_named_and_passed_over() {
    let dir = place();
    for name in ["train/blue/3.png", "test/blue/1000.png"] {
        fs::write(dir.path().join("stripes").join(name), "no picture").unwrap();
    }
    let (code, _, said) = run(dir.path(), &format!("{SHORT} -o run"));
    assert_eq!((code, said.matches("train/blue/3.png").count(), said.matches("test/blue/1000.png").count()), (0, 1, 1));
    let quality = fs::read_to_string(dir.path().join("run/step-000000012/quality.toml")).unwrap();
    assert!(quality.contains("stripes, 29 asked about"), "{quality}");
}

#[test]
fn a_wrong_use_is_2_says_what_to_do_and_loses_nothing() {
    let dir = place();
    works(dir.path(), "finetune start --data stripes -o run --batch 10 --epochs 1 --stop-after 1");
    let newest = fs::read(dir.path().join("run/step-000000001/model.safetensors")).unwrap();
    fs::create_dir_all(dir.path().join("two/a")).unwrap();
    fs::create_dir_all(dir.path().join("two/b")).unwrap();
    for file in ["two/a/1.png", "two/a/2.png", "two/b/1.png", "two/b/2.png"] {
        picture("blue", 1).save(dir.path().join(file)).unwrap();
    }
    for (words, said) in [
        ("finetune start -o new", "--fashion-mnist"),
        ("finetune -o new --data stripes", "<START"),
        ("finetune nowhere -o new --data stripes", "nowhere is not there"),
        ("finetune stripes -o new --data stripes", "neither a bundle"),
        ("finetune start -o new --data gone", "no folder gone"),
        ("finetune start -o new --fashion-mnist stripes", "dataset-fashion-mnist"),
        ("finetune start -o new --data stripes --preset tiny", "cannot be used with"),
        ("finetune start -o new --data stripes --epochs 0", "--epochs 0"),
        ("finetune start -o new --data stripes --train-limit 0", "--train-limit 0"),
        ("finetune start -o new --data stripes --mixup=-1", "--mixup -1"),
        ("finetune start -o new --data stripes --rand-augment 11", "--rand-augment 11"),
        ("finetune start -o new --data stripes --rand-augment=-1", "--rand-augment -1"),
        ("finetune start -o new --data stripes --label-smoothing 1", "--label-smoothing 1"),
        ("finetune start -o new --data stripes --drop-path 1", "--drop-path 1"),
        ("finetune start -o new --data stripes --layer-decay 0", "--layer-decay 0"),
        ("finetune start -o new --data stripes --crop 0", "--crop 0"),
        ("finetune start -o new --data stripes --device tpu", "no device is called `tpu`"),
        ("finetune start -o new --data stripes --resume", "holds no checkpoint"),
        ("finetune start -o run --data stripes", "--resume"),
        ("finetune start -o run --data two --resume", "other classes"),
        ("finetune start -o start --data stripes --resume", "no run of `finetune`"),
    ] {
        let (code, printed, error) = run(dir.path(), words);
        assert_eq!((code, printed.as_str()), (2, ""), "{words}: {error}");
        assert!(error.contains(said), "{words}: {error}");
        assert!(!dir.path().join("new").exists(), "{words} left a folder");
    }
    assert_eq!(fs::read(dir.path().join("run/step-000000001/model.safetensors")).unwrap(), newest);
}

#[test]
fn weights_that_are_no_numbers_are_not_saved() {
    let dir = place();
    // the first step is one of the warm-up and leaves the weights as they are; the second throws them away
    let line = "finetune start --data stripes -o run --batch 10 --epochs 1 --warmup 0.1 --learning-rate 1e30 --layer-decay 1 \
                --checkpoint-every 1";
    let (code, _, said) = run(dir.path(), line);
    assert!(code == 2 && said.contains("are not saved") && said.contains("step-000000002 with --resume"), "{said}");
    for step in 1..=2 {
        let model = dir.path().join(format!("run/step-{step:09}/model.safetensors"));
        let weights = glimpse_export::weights::Weights::read(&model).unwrap();
        assert!(weights.iter().all(|(_, weight)| weight.values.iter().all(|v| v.is_finite())), "step {step}");
    }
}

#[test]
fn a_run_goes_on_with_its_own_pictures_and_tells_how_it_began() {
    let dir = place();
    fs::rename(dir.path().join("stripes/train"), dir.path().join("classes")).unwrap();
    let line = "finetune start --data classes -o classes/run --batch 10 --epochs 1";
    works(dir.path(), &format!("{line} --stop-after 3"));
    let added = dir.path().join("classes/blue/added.png");
    picture("blue", 99).save(&added).unwrap();
    let (code, _, said) = run(dir.path(), &format!("{line} --resume"));
    assert!(code == 2 && said.contains("120 then, 121 now"), "{said}");
    fs::remove_file(added).unwrap();
    // the run lies among the classes and is none
    let newest = works(dir.path(), &format!("{line} --resume"));
    assert_eq!(newest, "classes/run/step-000000010\n");
    let training = fs::read_to_string(dir.path().join("classes/run/step-000000010/training.toml")).unwrap();
    assert!(training.contains("source = \"start\"") && training.contains("--stop-after 3"), "{training}");
}

//! Training through the program's own face, on a model small enough for a test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// Sizes of a model that takes a step in milliseconds.
const SIZES: [&str; 16] = [
    "--image-side",
    "32",
    "--patch-side",
    "8",
    "--width",
    "16",
    "--depth",
    "2",
    "--heads",
    "2",
    "--decoder-width",
    "8",
    "--decoder-depth",
    "1",
    "--decoder-heads",
    "2",
];

/// A folder of pictures with something to learn in them, each its own.
fn pictures(count: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..count {
        let picture = RgbImage::from_fn(48 + i, 40, |x, y| {
            Rgb([(x * 5 + i * 7) as u8, (y * 6) as u8, ((x / 8 + y / 8 + i) % 2 * 200) as u8])
        });
        picture.save(folder.path().join(format!("{i:03}.png"))).unwrap();
    }
    folder
}

/// Public weights that the tests of `import` have.
fn public(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_weights").join(name).to_str().unwrap().to_owned()
}

fn train(data: &Path, out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_glimpse-export"))
        .arg("train")
        .arg(data)
        .arg("-o")
        .arg(out)
        .args(SIZES)
        .args(["--batch", "4", "--steps", "12", "--accumulate", "2", "--preview-every", "6"])
        .args(more)
        .output()
        .unwrap()
}

/// Trains and expects it to work; returns what was said on stderr.
fn trained(data: &Path, out: &Path, more: &[&str]) -> String {
    let output = train(data, out, more);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// Trains and expects a refusal; returns the sentence.
fn refused(data: &Path, out: &Path, more: &[&str]) -> String {
    let output = train(data, out, more);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

fn bytes(out: &Path, name: &str) -> Vec<u8> {
    fs::read(out.join("step-000000012").join(name)).unwrap()
}

#[test]
fn a_resumed_run_ends_with_the_very_same_weights() {
    let data = pictures(22);
    let (straight, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(data.path(), straight.path(), &[]);
    // 21 pictures are an epoch; step 5 ends at picture 40, in the middle of the second one
    trained(data.path(), resumed.path(), &["--stop-after", "5"]);
    assert!(!resumed.path().join("step-000000012").exists());
    trained(data.path(), resumed.path(), &["--resume", "--workers", "3"]);
    assert_eq!(bytes(straight.path(), "model.safetensors"), bytes(resumed.path(), "model.safetensors"));
    let steps = |out: &Path| {
        let text = fs::read_to_string(out.join("metrics.csv")).unwrap();
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(steps(straight.path()), ["6", "12"]);
    assert_eq!(steps(resumed.path()), ["5", "6", "12"]);
}

#[test]
fn an_averaged_run_resumes_to_the_same_bits_on_any_number_of_cores() {
    let data = pictures(22);
    let (straight, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // batches of 20 are cut into pieces of unlike sizes
    let more = ["--ema", "0.9", "--batch", "20"];
    trained(data.path(), straight.path(), &[&more[..], &["--threads", "1"]].concat());
    trained(data.path(), resumed.path(), &[&more[..], &["--threads", "3", "--stop-after", "7"]].concat());
    trained(data.path(), resumed.path(), &[&more[..], &["--threads", "2", "--resume"]].concat());
    for name in ["model.safetensors", "current.safetensors"] {
        assert_eq!(bytes(straight.path(), name), bytes(resumed.path(), name), "{name}");
    }
    assert_ne!(bytes(straight.path(), "model.safetensors"), bytes(straight.path(), "current.safetensors"));
}

#[test]
fn a_recipe_stands_for_its_options() {
    let data = pictures(21);
    let (typed, cooked) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = cooked.path().join("recipe.toml");
    fs::write(&recipe, "seed = 5\nmask = \"block\"\nlearning-rate = 2e-3\nsteps = 99\n").unwrap();
    trained(data.path(), typed.path(), &["--seed", "5", "--mask", "block", "--learning-rate", "2e-3"]);
    let out = cooked.path().join("run");
    trained(data.path(), &out, &["--recipe", recipe.to_str().unwrap()]);
    assert_eq!(bytes(typed.path(), "model.safetensors"), bytes(&out, "model.safetensors"));
}

#[test]
fn a_run_starts_from_trained_weights() {
    let data = pictures(21);
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(data.path(), first.path(), &[]);
    let start = ["--start-from", first.path().to_str().unwrap(), "--learning-rate", "0"];
    trained(data.path(), second.path(), &start);
    assert_eq!(bytes(first.path(), "model.safetensors"), bytes(second.path(), "model.safetensors"));
    let training = fs::read_to_string(second.path().join("step-000000012/training.toml")).unwrap();
    assert!(training.contains("source"), "{training}");
}

#[test]
fn less_memory_gives_the_same_weights() {
    let data = pictures(21);
    let (plain, frugal) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(data.path(), plain.path(), &[]);
    trained(data.path(), frugal.path(), &["--recompute"]);
    assert_eq!(bytes(plain.path(), "model.safetensors"), bytes(frugal.path(), "model.safetensors"));
}

#[test]
#[cfg(target_os = "linux")]
fn recomputing_takes_less_memory() {
    let peak = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_glimpse-export"))
            .args(["speed", "--json", "--batch", "8", "--steps", "1", "--threads", "1", "--ratio", "0.25"])
            .args(["--image-side", "128", "--patch-side", "8", "--width", "128", "--depth", "16", "--heads", "2"])
            .args(["--decoder-width", "16", "--decoder-depth", "1", "--decoder-heads", "2"])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        said["peak_memory_bytes"].as_f64().unwrap()
    };
    let (kept, anew) = (peak(&[]), peak(&["--recompute"]));
    assert!(anew < 0.85 * kept, "{:.0} MB instead of {:.0}", anew / 1e6, kept / 1e6);
}

#[test]
fn another_seed_gives_other_weights() {
    let data = pictures(21);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(data.path(), one.path(), &[]);
    trained(data.path(), two.path(), &["--seed", "6"]);
    assert_ne!(bytes(one.path(), "model.safetensors"), bytes(two.path(), "model.safetensors"));
}

#[test]
fn a_run_leaves_metrics_a_curve_a_sheet_and_names_broken_files() {
    let data = pictures(22);
    fs::write(data.path().join("000.png"), b"no picture").unwrap();
    let out = tempfile::tempdir().unwrap();
    let said = trained(data.path(), out.path(), &["--norm-pix", "--mask", "block", "--ratio", "0.5"]);
    assert_eq!(said.matches("000.png").count(), 1, "{said}");
    for name in ["metrics.csv", "loss.png", "sheet-000000006.jpg", "sheet-000000012.jpg"] {
        assert!(out.path().join(name).exists(), "{name}");
    }
    let spec = fs::read_to_string(out.path().join("step-000000012/spec.toml")).unwrap();
    assert!(spec.contains("norm_pix = true"), "{spec}");
}

#[test]
fn wrong_use_is_said_in_a_sentence() {
    let (empty, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let said = |more: &[&str], data: &Path| refused(data, out.path(), more);
    assert!(said(&[], empty.path()).contains("no pictures in"));
    assert!(said(&["--device", "cpu,cpu"], empty.path()).contains("the CPU cannot take part"));
    assert!(said(&["--matmul", "f16"], empty.path()).contains("the CPU computes in f32"));
    assert!(said(&["--ema", "1"], empty.path()).contains("no part of an average"));
    assert!(said(&["--recipe", "nowhere.toml"], empty.path()).contains("reading the recipe nowhere.toml"));
    assert!(said(&["--ratio", "0.9..0.2"], empty.path()).contains("no range of ratios"));
    let data = pictures(20);
    assert!(said(&["--resume"], data.path()).contains("holds no checkpoint"));
    assert!(said(&["--patch-side", "32"], data.path()).contains("one patch"));
    assert!(refused(data.path(), data.path(), &[]).contains("a folder of its own"));
    assert!(said(&["--start-from", &public("hf-published")], data.path()).contains("--image-side 8 --patch-side 2"));
    assert!(said(&["--start-from", &public("hf-classifier")], data.path()).contains("an encoder alone"));
    let recipe = empty.path().join("recipe.toml");
    fs::write(&recipe, "device = \"cpu\"\n").unwrap();
    let cooked = said(&["--recipe", recipe.to_str().unwrap(), "--device", "tpu"], data.path());
    assert!(cooked.contains("no device is called `tpu`"), "{cooked}");
    assert!(said(&["--device", "tpu"], data.path()).contains("no device is called `tpu`"));
    trained(data.path(), out.path(), &["--stop-after", "1"]);
    assert!(said(&[], data.path()).contains("--resume"));
    let other = said(&["--resume", "--width", "8", "--norm-pix"], data.path());
    assert!(other.contains("another model") && other.contains("--width 16"), "{other}");
}

#[test]
fn weights_that_are_no_numbers_are_not_saved() {
    let (data, out) = (pictures(22), tempfile::tempdir().unwrap());
    // the first step is one of the warm-up and leaves the weights as they are; the second throws them away
    let diverging = ["--learning-rate", "1e30", "--log-every", "100"];
    let saving = ["--checkpoint-every", "1", "--preview-every", "100"];
    let said = refused(data.path(), out.path(), &[diverging, saving].concat());
    assert!(said.contains("are not saved") && said.contains("step-000000002 with --resume"), "{said}");
    let mut found = 0;
    for entry in fs::read_dir(out.path()).unwrap() {
        let model = entry.unwrap().path().join("model.safetensors");
        if model.exists() {
            let weights = glimpse_export::weights::Weights::read(&model).unwrap();
            assert!(
                weights.iter().all(|(_, weight)| weight.values.iter().all(|v| v.is_finite())),
                "{}",
                model.display()
            );
            found += 1;
        }
    }
    assert_eq!(found, 2);

    let out = tempfile::tempdir().unwrap();
    let said = refused(data.path(), out.path(), &[&diverging[..], &["--preview-every", "2"]].concat());
    assert!(said.contains("validation pictures is no number after step 2: begin again"), "{said}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn a_run_among_its_pictures_does_not_learn_from_its_own() {
    let (data, straight) = (pictures(22), tempfile::tempdir().unwrap());
    trained(data.path(), straight.path(), &[]);
    let run = data.path().join("run");
    trained(data.path(), &run, &["--stop-after", "5"]);
    assert!(run.join("loss.png").exists() && run.join("sheet-000000005.jpg").exists());
    let said = trained(data.path(), &run, &["--resume"]);
    assert_eq!(said.matches("passed over").count(), 1, "{said}");
    trained(data.path(), &data.path().join("another"), &[]);
    for out in [run, data.path().join("another")] {
        assert_eq!(bytes(straight.path(), "model.safetensors"), bytes(&out, "model.safetensors"), "{}", out.display());
    }
}

#[test]
fn a_run_does_not_go_on_with_other_pictures() {
    let (data, out) = (pictures(22), tempfile::tempdir().unwrap());
    trained(data.path(), out.path(), &["--stop-after", "5"]);
    let added = data.path().join("0.png");
    fs::copy(data.path().join("000.png"), &added).unwrap();
    let said = refused(data.path(), out.path(), &["--resume"]);
    assert!(said.contains("22 then, 23 now") && said.contains("step-000000005"), "{said}");
    fs::remove_file(added).unwrap();
    // the same pictures in another place are the same
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(data.path(), elsewhere.path().join("moved")).unwrap();
    trained(&elsewhere.path().join("moved"), out.path(), &["--resume"]);
}

#[test]
fn public_weights_are_trained_as_they_are_and_named_to_the_end() {
    let (data, out) = (pictures(22), tempfile::tempdir().unwrap());
    let recipe = out.path().join("recipe.toml");
    fs::write(&recipe, format!("start-from = \"{}\"\nlearning-rate = 1e-4\n", public("hf-published"))).unwrap();
    let sizes = ["--image-side", "8", "--patch-side", "2", "--width", "8", "--decoder-width", "4"];
    let options = [&sizes[..], &["--recipe", recipe.to_str().unwrap()]].concat();
    let run = out.path().join("run");
    trained(data.path(), &run, &[&options[..], &["--stop-after", "5"]].concat());
    let said = trained(data.path(), &run, &[&options[..], &["--resume"]].concat());
    assert!(said.contains("--start-from is left aside"), "{said}");
    let spec = glimpse_export::train::checkpoint::spec(&run.join("step-000000012")).unwrap();
    assert!((spec.layer_norm_epsilon() - 1e-12).abs() < 1e-15 && spec.mlp_ratio() == 2, "{spec:?}");
    let training = String::from_utf8(bytes(&run, "training.toml")).unwrap();
    assert!(training.contains("source = \"hf-published\""), "{training}");
    assert!(training.contains("--stop-after 5") && !training.contains("--resume"), "{training}");
}

#[test]
fn one_patch_alone_is_no_pace_to_measure() {
    let sizes = ["speed", "--image-side", "32", "--patch-side", "32", "--width", "16", "--depth", "1", "--heads", "2"];
    let output =
        Command::new(env!("CARGO_BIN_EXE_glimpse-export")).args(sizes).args(["--steps", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("one patch"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn folders_need_not_have_unicode_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let (data, out) = (pictures(21), tempfile::tempdir().unwrap());
    let odd = out.path().join(OsStr::from_bytes(b"photos\xff"));
    fs::rename(data.path(), &odd).unwrap();
    trained(&odd, &out.path().join("run"), &["--stop-after", "1"]);
}

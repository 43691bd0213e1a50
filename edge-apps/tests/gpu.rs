//! Models on a GPU, as a person asks for it. Those that are ignored need one: `cargo ci test` runs them with Mesa's, which is a
//! program.

#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]
// without the feature there is no GPU to ask for
#![cfg(feature = "gpu")]

mod common;

use assert_cmd::Command;
use common::Place;
use serde_json::Value;

/// The features of a picture, what went to stderr, and the report.
fn features(place: &Place, change: impl Fn(&mut Command), device: &str) -> (Vec<f64>, String, Value) {
    let mut command = place.glimpse(&format!("features a.png -o {device}.jsonl --device {device} --force --json"));
    change(&mut command);
    let output = command.assert().success().get_output().clone();
    let line = std::fs::read_to_string(place.path(&format!("{device}.jsonl"))).unwrap();
    let row: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let values = row["features"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    (values, String::from_utf8(output.stderr).unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn place() -> Place {
    let place = Place::new();
    place.photograph("a.png", 200, 150);
    place
}

#[test]
fn without_a_driver_the_cpu_answers_and_that_is_said_once() {
    let place = place();
    let no_driver = |command: &mut Command| {
        for variable in ["VK_ICD_FILENAMES", "VK_DRIVER_FILES"] {
            command.env(variable, place.path("none.json"));
        }
    };
    let (cpu, quiet, _) = features(&place, no_driver, "cpu");
    let (gpu, warned, report) = features(&place, no_driver, "gpu");
    assert_eq!((gpu, quiet.as_str()), (cpu, ""));
    assert_eq!(warned.matches("warning:").count(), 1, "{warned}");
    assert!(warned.contains("no GPU was found") && warned.contains("runs on the CPU instead"), "{warned}");
    assert_eq!(report["recipe"]["device"], "cpu");
    let mut info = place.glimpse("info --model glimpse-tiny");
    no_driver(&mut info);
    let shown = String::from_utf8(info.assert().success().get_output().stdout.clone()).unwrap();
    assert!(shown.contains("none found"), "{shown}");
}

#[test]
fn what_would_do_nothing_or_is_no_device_is_refused() {
    let place = place();
    place.refuses("features a.png -o a.npy --device tpu", &["`tpu` is no device", "gpu:N"]);
    place.refuses("features a.png -o a.npy --f16", &["--f16", "--device gpu", "--precision f32"]);
    place.refuses("features a.png -o a.npy --f16 --device gpu --precision int8", &["--f16", "--precision f32"]);
}

#[test]
#[ignore = "needs a GPU"]
fn a_gpu_gives_what_the_cpu_gives() {
    let place = place();
    // as on a machine where nothing was tuned yet
    let cache = |command: &mut Command| {
        command.env("XDG_CACHE_HOME", place.path("cache"));
    };
    let (cpu, _, _) = features(&place, cache, "cpu");
    for _ in 0..2 {
        let (gpu, stderr, report) = features(&place, cache, "gpu");
        assert_eq!(report["recipe"]["device"], "gpu", "{stderr}");
        let error: f64 = gpu.iter().zip(&cpu).map(|(gpu, cpu)| (gpu - cpu).powi(2)).sum();
        let size: f64 = cpu.iter().map(|cpu| cpu.powi(2)).sum();
        assert!(gpu != cpu && (error / size).sqrt() < 0.01, "{}", (error / size).sqrt());
    }
    let mut info = place.glimpse("info --json");
    cache(&mut info);
    let info: Value = serde_json::from_slice(&info.assert().success().get_output().stdout).unwrap();
    let gpu = &info["machine"]["gpus"][0];
    assert!(gpu["chosen"][0].as_str().unwrap().contains("glimpse-tiny, int8"), "{gpu}");
}

#[test]
#[ignore = "needs a GPU"]
fn a_picture_is_painted_on_a_gpu_as_on_the_cpu() {
    let place = place();
    for device in ["cpu", "gpu"] {
        place
            .glimpse(&format!("inpaint a.png --box 40,30,70,60 --method mae -o {device}.png --device {device}"))
            .assert()
            .success();
    }
    let [cpu, gpu] = ["cpu.png", "gpu.png"].map(|name| image::open(place.path(name)).unwrap().to_rgb8());
    let apart = cpu.as_raw().iter().zip(gpu.as_raw()).map(|(cpu, gpu)| cpu.abs_diff(*gpu)).max().unwrap();
    assert!(apart <= 2, "{apart} grey levels");
}

#[test]
#[ignore = "needs a GPU"]
fn a_bench_says_which_gpu_it_ran_on() {
    let place = place();
    let output = place.glimpse("bench --device gpu --precision f32 --f16 --runs 2 --json").assert().success();
    let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_ne!(report["device"], "cpu");
    assert!(report["gpu"]["kernels"].is_null());
}

#[test]
#[ignore = "needs a GPU"]
fn a_bench_says_where_a_frame_s_time_goes_on_a_gpu() {
    let place = place();
    let command = "bench a.png --device gpu --visible 40 --runs 3 --gpu-kernels";
    let output = place.glimpse(&format!("{command} --json")).assert().success();
    let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let gpu = &report["gpu"];
    for time in [&gpu["latency"], &gpu["period"], &gpu["host"]] {
        assert!(time["p50_ms"].as_f64().unwrap() > 0.0, "{gpu}");
    }
    assert!(gpu["can"]["f32_gmacs_per_s"].as_f64().unwrap() > 0.0, "{gpu}");
    let kernels = gpu["kernels"].as_array().unwrap();
    // by whichever form the tuner chose, which is said behind the name
    let is_there = |name: &&str| kernels.iter().any(|kernel| kernel["kernel"].as_str().unwrap().starts_with(name));
    assert!(["resize", "layer_norm", "membrane", "composite"].iter().all(is_there), "{gpu}");
    assert!(["attention", "transformer_block"].iter().any(is_there), "{gpu}");
    let words = place.run(command);
    assert!(words.contains("24 of 64 patches of 128×128") && words.contains("GMAC/s"), "{words}");
    place.refuses("bench --gpu-kernels", &["--gpu-kernels", "--device gpu"]);
}

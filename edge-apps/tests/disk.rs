//! `glimpse camera` on a disk that is full: a small one in memory, in a namespace of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::fs::File;
use std::process::Command;
use std::time::Instant;

use common::Place;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;

#[test]
#[ignore = "needs namespaces, which not every system lets its users have"]
fn a_full_disk_costs_rows_that_are_counted_and_no_other_output() {
    let place = Place::new();
    std::fs::create_dir(place.path("disk")).unwrap();
    let glimpse = common::program();
    let outputs =
        ["disk/a.jsonl", "disk/b.npy", "disk/c.parquet", "disk/d.mjpeg", "mqtt://127.0.0.1:9/t", "whole.jsonl"];
    let outs = outputs.map(|output| format!("--out {output}")).join(" ");
    let line = format!(
        "mount -t tmpfs -o size=1500k tmpfs disk && {{ {} camera --source test: --size 64x48 --every-frame --frames 600 --json \
         --spool disk/spool {outs}; ended=$?; cp -r disk kept; exit $ended; }}",
        glimpse.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &line]).current_dir(place.path(""));
    let started = Instant::now();
    let output = command.output().unwrap();
    // it is said again every ten seconds, which a slow machine takes for some of the frames
    let most = 1 + started.elapsed().as_secs() as usize / 10;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for output in ["disk/a.jsonl", "disk/b.npy", "disk/d.mjpeg", "mqtt://127.0.0.1:9/t"] {
        let warned = said.lines().filter(|line| {
            line.starts_with(&format!("warning: {output}: "))
                && line.contains("No space left")
                && line.contains("lost so far")
        });
        assert!((1..=most).contains(&warned.count()), "{output}: {said}");
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let lost: Vec<u64> =
        report["outputs"].as_array().unwrap().iter().map(|output| output["lost"].as_u64().unwrap()).collect();
    let frames = |name: &str| -> Vec<u64> {
        let text = std::fs::read_to_string(place.path(name)).unwrap();
        // a line is whole when its end is there
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["frame"].as_u64().unwrap()).collect()
    };
    assert_eq!(frames("whole.jsonl"), (0..600).collect::<Vec<_>>());
    assert_eq!(lost[5], 0);
    // under its own name, or the other
    let there = |name: &str| if place.path(name).exists() { name.to_owned() } else { format!("{name}.part") };
    let kept = frames(&there("kept/a.jsonl"));
    assert!(!kept.is_empty() && kept.is_sorted() && kept.len() < 600, "{kept:?}");
    // of what was written last, some may be there
    assert!(lost[0] > 0 && (600..630).contains(&(kept.len() as u64 + lost[0])), "{} kept, {lost:?}", kept.len());
    // of a matrix, there is what both files have
    let width = width(&std::fs::read_to_string(place.path("whole.jsonl")).unwrap());
    let matrix = std::fs::metadata(place.path(&there("kept/b.npy"))).unwrap().len();
    let kept = frames(&there("kept/b.npy.rows.jsonl")).len().min((matrix as usize - 128) / (width * 4)) as u64;
    assert!(kept > 0 && lost[1] > 0 && (600..700).contains(&(kept + lost[1])), "{kept} kept, {lost:?}");
    // all of a Parquet file, or none
    let kept = File::open(place.path("kept/c.parquet"))
        .map_or(0, |file| SerializedFileReader::new(file).unwrap().metadata().file_metadata().num_rows() as u64);
    assert_eq!(kept + lost[2], 600, "{lost:?}");
    let files = std::fs::read_dir(place.path("kept")).unwrap().map(|file| file.unwrap().file_name());
    let files: Vec<String> = files.map(|file| file.into_string().unwrap()).collect();
    assert!(files.iter().all(|file| file == "c.parquet" || !file.contains("parquet")), "{files:?}");
    // and messages that are not lost are in the spool
    let spool = "kept/spool/127-0-0-1-9-t";
    let files = std::fs::read_dir(place.path(spool)).unwrap().map(|file| file.unwrap().file_name());
    let kept: usize = files.map(|file| frames(&format!("{spool}/{}", file.into_string().unwrap())).len()).sum();
    assert_eq!(kept as u64 + lost[4], 600, "{lost:?}");
}

/// How many numbers a row of these lines has.
fn width(lines: &str) -> usize {
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    first["features"].as_array().unwrap().len()
}

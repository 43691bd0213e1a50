//! `glimpse camera` on a disk that is full: a small one in memory, in a namespace of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::process::Command;

use common::Place;
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
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for output in ["disk/a.jsonl", "disk/b.npy", "disk/d.mjpeg", "mqtt://127.0.0.1:9/t"] {
        let warned = said.lines().filter(|line| {
            line.starts_with(&format!("warning: {output}: "))
                && line.contains("No space left")
                && line.contains("lost so far")
        });
        assert_eq!(warned.count(), 1, "{output}: {said}");
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
    let kept = if place.path("kept/a.jsonl").exists() { "kept/a.jsonl" } else { "kept/a.jsonl.part" };
    let kept = frames(kept);
    assert!(!kept.is_empty() && kept.is_sorted() && kept.len() < 600, "{kept:?}");
    // of what was written last, some may be there
    assert!(lost[0] > 0 && (600..630).contains(&(kept.len() as u64 + lost[0])), "{} kept, {lost:?}", kept.len());
}

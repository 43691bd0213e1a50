//! `glimpse camera --source rtsp://…`, with a real server, that of `GStreamer`; and `csi:jetson`, with a real `gst-launch-1.0`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Place, Program};
use serde_json::Value;

/// A camera that wants a login, once it can be asked.
fn network_camera(port: u16) -> Program {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/network_camera.py");
    // Debian's own python, which has GStreamer's bindings
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).args([&port.to_string(), "viewer", "sec/ret"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Program(child)
}

/// Waits until a file holds that, and says how long that took.
fn until(file: &Path, holds: impl Fn(&str) -> bool) -> Duration {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if holds(&text) {
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{}: {text}", file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs ffmpeg and GStreamer's RTSP server"]
fn a_network_camera_is_seen_and_its_loss_said_and_its_return_with_no_password_in_the_log() {
    let place = Place::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let camera = network_camera(port);
    let (log, rows) = (place.path("log"), place.path("a.jsonl.part"));
    let source = format!("rtsp://viewer:sec%2Fret@127.0.0.1:{port}/live");
    let mut command = Command::new(common::program());
    command.current_dir(place.path("")).args(["camera", "--source", &source, "--visible", "4", "--out", "a.jsonl"]);
    command.arg("--json").stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
    let mut glimpse = Program(command.spawn().unwrap());
    until(&rows, |text| text.lines().count() > 20);
    drop(camera);
    let said_after = until(&log, |text| text.contains("it is tried again"));
    assert!(said_after < Duration::from_secs(2), "{said_after:?}");
    let seen = std::fs::read_to_string(&rows).unwrap().lines().count();
    // while nobody listens there: ffmpeg says why
    until(&log, |text| text.contains("Connection refused"));
    let _camera = network_camera(port);
    until(&log, |text| text.contains("it is back"));
    until(&rows, |text| text.lines().count() > seen + 20);
    Command::new("kill").args(["-INT", &glimpse.0.id().to_string()]).status().unwrap();
    let report: Value = serde_json::from_reader(glimpse.0.stdout.take().unwrap()).unwrap();
    assert!(glimpse.0.wait().unwrap().success());
    let rows = std::fs::read_to_string(place.path("a.jsonl")).unwrap();
    assert_eq!(report["frames"].as_u64(), Some(rows.lines().count() as u64));
    let log = std::fs::read_to_string(&log).unwrap();
    for text in [&log, &rows, &report.to_string()] {
        assert!(!text.contains("ret@") && !text.contains("viewer:"), "{text}");
    }
    assert!(log.contains("…@127.0.0.1"), "{log}");
}

#[test]
#[ignore = "needs GStreamer's programs"]
fn a_jetsons_camera_is_what_gst_launch_writes() {
    let place = Place::new();
    // NVIDIA's two elements are on a Jetson alone: others stand in for them, and the rest is what it is there
    let stand_in = place.path("bin/gst-launch-1.0");
    std::fs::create_dir(place.path("bin")).unwrap();
    let script = "#!/bin/bash\nwords=(\"${@/nvarguscamerasrc/videotestsrc is-live=true}\")\nwords=(\"${words[@]/nvvidconv/videoconvert}\")\n\
                  exec env PATH=\"${PATH#*:}\" gst-launch-1.0 ${words[@]//(memory:NVMM)/}\n";
    std::fs::write(&stand_in, script).unwrap();
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command =
        place.glimpse("camera --source csi:jetson --size 320x240 --fps 15 --frames 20 --json --out a.jsonl");
    let output = command.env("PATH", path).assert().success().get_output().clone();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["frames"].as_u64(), Some(20), "{report}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

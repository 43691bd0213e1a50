//! `glimpse install-service`, and what a service says of itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::fs;
use std::process::Command;

use common::Place;
use serde_json::Value;

const CONFIG: &str = "source = \"test:\"\nout = \"features.jsonl\"\nrotate = \"1h\"\n";

#[test]
fn a_unit_is_written_whole_for_a_config_that_is_sound() {
    let place = Place::new();
    fs::write(place.path("door.toml"), CONFIG).unwrap();
    fs::create_dir(place.path("units")).unwrap();
    let line = "install-service --config door.toml --name door --units units";
    let said = place.run(line);
    assert_eq!(said.trim(), "units/door.service");
    let unit = fs::read_to_string(place.path("units/door.service")).unwrap();
    let config = fs::canonicalize(place.path("door.toml")).unwrap();
    assert!(unit.contains(&format!("camera --config {}", config.display())), "{unit}");
    assert_eq!(place.run("install-service --config door.toml --name door --print"), unit);
    place.refuses(line, &["exists already", "--force"]);
    place.run(&format!("{line} --force"));
    place.refuses("install-service --config door.toml --name a/b --print", &["no name for a service"]);
    place.refuses("install-service --config door.toml --units nowhere", &["nowhere", "no systemd"]);
    place.refuses("install-service --config gone.toml --print", &["gone.toml"]);
    for (text, said) in [
        ("sorce = 1\n", "`sorce` is no option"),
        ("source = \"test:\"\nout = \"a.txt\"\n", "a.txt"),
        ("source = \"test:\"\nout = \"a.parquet\"\n", "--rotate"),
        ("rotate = \"1h\"\n", "--source"),
        ("source = \"test:\"\nout = \"a.jsonl\"\n", "rotate = "),
        ("source = \"test:\"\nout = \"-\"\n", "standard output"),
        ("source = \"test:\"\nout = \"a.jsonl\"\nrotate = \"1h\"\nframes = 3\n", "until it is stopped"),
    ] {
        fs::write(place.path("wrong.toml"), text).unwrap();
        place.refuses("install-service --config wrong.toml --print", &["wrong.toml", said]);
    }
}

#[test]
#[ignore = "needs systemd"]
fn the_unit_is_one_that_systemd_takes() {
    let place = Place::new();
    fs::write(place.path("door.toml"), CONFIG).unwrap();
    fs::create_dir(place.path("units")).unwrap();
    place.run("install-service --config door.toml --name door --units units");
    let unit = place.path("units/door.service");
    let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("door.service")).collect();
    assert!(output.status.success() && of_ours.is_empty(), "{said}");
    let output =
        Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=30"]).arg(&unit).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn what_goes_on_is_said_as_json() {
    let place = Place::new();
    let words = ["--frames", "3", "--out", "a.jsonl", "--log-level", "info", "--log-format", "json"];
    let output = place.glimpse("camera --source test:").args(words).assert().success().get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    // the last line is the report, for people
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [first, last] = &lines[..] else { panic!("{said}") };
    assert_eq!((&first["message"], &first["sources"]), (&"frames are looked at".into(), &"test:0".into()));
    assert!(first["time"].as_f64().unwrap() > 1.7e9 && first["level"] == "info");
    assert_eq!((last["frames"].as_u64(), last["broken"].as_u64()), (Some(3), Some(0)));
    assert!(last["seconds"].as_f64().unwrap() > 0.0);
    let text = place.glimpse("camera --source test: --frames 1 --out b.jsonl --log-level info").assert().success();
    let said = String::from_utf8(text.get_output().stderr.clone()).unwrap();
    assert!(said.contains("info: frames are looked at") && said.contains("outputs=\"b.jsonl\""), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_supervisor_hears_that_it_is_ready_alive_and_over() {
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, Instant};

    let place = Place::new();
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = Command::new(common::program());
    command.current_dir(place.path("")).args(["camera", "--source", "test:", "--duration", "2", "--out", "a.jsonl"]);
    let mut child = command.env("NOTIFY_SOCKET", place.path("notify")).env("WATCHDOG_USEC", "400000").spawn().unwrap();
    let (mut heard, mut alive) = (Vec::new(), Vec::new());
    while heard.last().is_none_or(|last| last != "STOPPING=1") {
        let mut bytes = [0; 512];
        let count = socket.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..count]).trim().to_owned();
        if text == "WATCHDOG=1" {
            alive.push(Instant::now());
        }
        heard.push(text);
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(heard[0], "READY=1");
    // every fifth of a second for two of them
    assert!((6..=11).contains(&alive.len()), "{heard:?}");
}

//! `glimpse install-service`, and what a service says of itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::fs;
use std::process::Command;

use common::Place;

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

//! `glimpse camera --out zenoh:…`: the program publishes, and this process listens.

#![cfg(feature = "zenoh")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::Place;
use serde_json::Value;
use zenoh::bytes::Encoding;
use zenoh::{Config, Session, Wait as _};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Somebody who listens on this port alone, and looks for nobody.
fn listener(mode: &str, port: u16) -> Session {
    let mut config = Config::default();
    config.insert_json5("mode", &format!("{mode:?}")).unwrap();
    config.insert_json5("listen/endpoints", &format!("[\"tcp/127.0.0.1:{port}\"]")).unwrap();
    config.insert_json5("scouting/multicast/enabled", "false").unwrap();
    zenoh::open(config).wait().unwrap()
}

/// How the program finds it.
fn config(place: &Place, mode: &str, port: u16) {
    let text = format!(
        "{{ mode: {mode:?}, connect: {{ endpoints: [\"tcp/127.0.0.1:{port}\"] }}, scouting: {{ multicast: {{ enabled: false }} }} }}"
    );
    std::fs::write(place.path("zenoh.json5"), text).unwrap();
}

const LINE: &str = "camera --source test: --size 64x48 --visible 4 --zenoh-config zenoh.json5 --out zenoh:cameras/door";

#[test]
fn each_frame_is_a_sample_for_another_process() {
    let place = Place::new();
    let port = free_port();
    let session = listener("peer", port);
    let samples = session.declare_subscriber("cameras/*").wait().unwrap();
    config(&place, "peer", port);
    let run = place.glimpse(&format!("{LINE} --frames 20 --every-frame --out a.jsonl")).assert().success();
    assert_eq!(String::from_utf8_lossy(&run.get_output().stderr).lines().count(), 3, "{run}");
    let text = std::fs::read_to_string(place.path("a.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 20);
    for line in lines {
        let sample = samples.recv_timeout(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!(sample.key_expr().as_str(), "cameras/door");
        assert_eq!(sample.encoding(), &Encoding::APPLICATION_JSON);
        assert_eq!(serde_json::from_slice::<Value>(&sample.payload().to_bytes()).unwrap(), line);
    }
}

#[test]
fn a_router_that_comes_late_is_found_and_one_that_goes_is_not_waited_for() {
    let place = Place::new();
    let port = free_port();
    config(&place, "client", port);
    let line = format!("{LINE} --fps 20 --duration 14 --json");
    let running = std::thread::spawn(move || {
        let started = Instant::now();
        let output = place.glimpse(&line).output().unwrap();
        (place, output, started.elapsed())
    });
    std::thread::sleep(Duration::from_secs(2));
    let router = listener("router", port);
    let samples = router.declare_subscriber("cameras/door").wait().unwrap();
    let first = samples.recv_timeout(Duration::from_secs(8)).unwrap().unwrap();
    let row: Value = serde_json::from_slice(&first.payload().to_bytes()).unwrap();
    assert!(row["frame"].as_u64().unwrap() > 10, "{row}");
    router.close().wait().unwrap();
    let (_place, output, took) = running.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && took < Duration::from_secs(16), "{took:?}: {said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [missed, lost] = ["missed", "lost"].map(|name| report["outputs"][0][name].as_u64().unwrap());
    assert!(missed + lost > 0 && said.contains("zenoh:cameras/door: "), "{report}: {said}");
}

#[test]
fn what_cannot_be_is_refused() {
    let place = Place::new();
    std::fs::write(place.path("zenoh.json5"), "{ mode: \"nobody\" }").unwrap();
    place.refuses(&format!("{LINE} --frames 1"), &["zenoh.json5", "nobody"]);
    place.refuses(&format!("{LINE}/* --frames 1"), &["no key", "zenoh:cameras/door"]);
    place.refuses("camera --source test: --frames 1 --out - --zenoh-config zenoh.json5", &["do nothing"]);
}

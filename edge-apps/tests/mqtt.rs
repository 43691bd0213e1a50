//! `glimpse camera --out mqtt://…`, with a real broker: mosquitto.

#![cfg(feature = "mqtt")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use common::{Place, Program};
use serde_json::Value;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A broker on a port, once it listens; it keeps sessions in memory alone.
fn broker(port: u16, folder: &Path, more: &str) -> Program {
    let file = folder.join("mosquitto.conf");
    std::fs::write(&file, format!("listener {port} 127.0.0.1\n{more}\n")).unwrap();
    // Debian keeps it with the programs of the system
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("mosquitto");
    command.env("PATH", path).args(["-c", &file.display().to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let broker = Program(command.spawn().unwrap());
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    broker
}

/// A port behind which is whatever broker is named, once it is: what a broker takes before anybody listens there, nobody would
/// see.
fn gate() -> (u16, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU16::new(0)));
    let named = Arc::clone(&to);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Ok(broker) = TcpStream::connect(("127.0.0.1", named.load(Ordering::Relaxed))) else { continue };
            for (mut from, mut to) in
                [(&stream, &broker), (&broker, &stream)].map(|(a, b)| (a.try_clone().unwrap(), b.try_clone().unwrap()))
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    // who is connected at the other side is to see it, too
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (port, to)
}

/// What comes to a topic, from now on.
fn subscriber(port: u16, topic: &str, more: &[&str]) -> (Program, Receiver<Value>) {
    // which would write to a pipe when it has much to write
    let mut command = Command::new("stdbuf");
    command
        .args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &port.to_string(), "-t", topic, "-q", "1", "-d"])
        .args(more);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (give, take) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if line.contains("SUBACK") {
                ready.send(()).unwrap();
            }
            if let Ok(value @ Value::Object(_)) = serde_json::from_str(&line)
                && give.send(value).is_err()
            {
                return;
            }
        }
    });
    is_ready.recv_timeout(Duration::from_secs(10)).unwrap();
    (Program(child), take)
}

/// The program on a pattern, at ten frames a second.
fn camera(place: &Place, port: u16, more: &[&str]) -> Program {
    let mut command = Command::new(common::program());
    command.current_dir(place.path("")).args(["camera", "--source", "test:", "--size", "64x48", "--spool", "spool"]);
    command.args(["--visible", "4", "--out", &format!("mqtt://127.0.0.1:{port}/cameras/door"), "--json"]).args(more);
    let log = std::fs::File::create(place.path("log")).unwrap();
    Program(command.stdout(Stdio::piped()).stderr(log).spawn().unwrap())
}

fn frames(messages: impl IntoIterator<Item = Value>) -> Vec<u64> {
    messages.into_iter().map(|row| row["frame"].as_u64().unwrap()).collect()
}

/// Messages, until none comes for a second.
fn rest(messages: &Receiver<Value>) -> Vec<Value> {
    std::iter::from_fn(|| messages.recv_timeout(Duration::from_secs(1)).ok()).collect()
}

/// Without repetitions: a message may come twice.
fn once(mut frames: Vec<u64>) -> Vec<u64> {
    frames.dedup();
    frames
}

#[test]
#[ignore = "needs mosquitto"]
fn each_frame_is_a_message_with_mosquitto() {
    let place = Place::new();
    let port = free_port();
    let _broker = broker(port, &place.path(""), "allow_anonymous true");
    let (_subscriber, messages) = subscriber(port, "cameras/#", &[]);
    let mut camera = camera(&place, port, &["--frames", "20", "--every-frame", "--out", "a.jsonl"]);
    assert!(camera.0.wait().unwrap().success());
    let messages = rest(&messages);
    let text = std::fs::read_to_string(place.path("a.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(messages, lines);
    assert_eq!(std::fs::read_to_string(place.path("log")).unwrap(), "");
}

#[test]
#[ignore = "needs mosquitto"]
fn a_broker_that_is_killed_and_started_again_gets_all_in_order_with_mosquitto() {
    let place = Place::new();
    let (port, to) = gate();
    // nobody is there yet
    let mut camera = camera(&place, port, &["--fps", "50", "--duration", "13"]);
    std::thread::sleep(Duration::from_secs(1));
    let first_port = free_port();
    let first_broker = broker(first_port, &place.path(""), "allow_anonymous true");
    let (first_subscriber, messages) = subscriber(first_port, "cameras/#", &[]);
    to.store(first_port, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(3));
    // killed in the middle of it, with all that it knew
    drop(first_broker);
    let mut seen = frames(rest(&messages));
    drop(first_subscriber);
    std::thread::sleep(Duration::from_secs(1));
    let second_port = free_port();
    let _second_broker = broker(second_port, &place.path(""), "allow_anonymous true");
    let (_second_subscriber, messages) = subscriber(second_port, "cameras/#", &[]);
    to.store(second_port, Ordering::Relaxed);
    assert!(camera.0.wait().unwrap().success());
    seen.extend(frames(rest(&messages)));
    let report: Value = serde_json::from_reader(camera.0.stdout.take().unwrap()).unwrap();
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("it is back") && !log.contains("lost"), "{log}");
    assert_eq!(report["outputs"][0]["lost"].as_u64(), Some(0), "{report}");
    // those that were sent again came before, in the same order
    let mut newest: Option<u64> = None;
    let mut new = Vec::new();
    for frame in seen {
        if newest.is_none_or(|newest| frame > newest) {
            new.push(frame);
            newest = Some(frame);
        }
    }
    let count = report["frames"].as_u64().unwrap();
    assert!(new.len() as u64 == count && new.is_sorted() && count > 300, "{} of {count}: {log}", new.len());
}

#[test]
#[ignore = "needs mosquitto"]
fn what_a_run_could_not_send_the_next_sends_first_with_mosquitto() {
    let place = Place::new();
    let port = free_port();
    let start = Instant::now();
    let mut first = camera(&place, port, &["--frames", "30", "--every-frame"]);
    assert!(first.0.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(10));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("30 messages were not taken yet"), "{log}");
    let _broker = broker(port, &place.path(""), "allow_anonymous true");
    let (_subscriber, messages) = subscriber(port, "cameras/#", &[]);
    let mut second = camera(&place, port, &["--fps", "20", "--duration", "3"]);
    assert!(second.0.wait().unwrap().success());
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("30 messages of an earlier run"), "{log}");
    let seen = once(frames(rest(&messages)));
    assert!(seen.len() > 60 && seen[..30] == (0..30).collect::<Vec<_>>(), "{seen:?}");
    assert!(seen[30] == 0 && seen[30..].is_sorted(), "{seen:?}");
}

#[test]
#[ignore = "needs mosquitto"]
fn too_much_for_the_spool_costs_the_oldest_and_is_counted_with_mosquitto() {
    let place = Place::new();
    let port = free_port();
    let more = ["--frames", "600", "--every-frame", "--spool-size", "600kB"];
    let mut first = camera(&place, port, &more);
    assert!(first.0.wait().unwrap().success());
    let report: Value = serde_json::from_reader(first.0.stdout.take().unwrap()).unwrap();
    let lost = report["outputs"][0]["lost"].as_u64().unwrap();
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(lost > 0 && log.contains("the spool is full"), "{report} {log}");
    let _broker = broker(port, &place.path(""), "allow_anonymous true");
    let (_subscriber, messages) = subscriber(port, "cameras/#", &[]);
    let mut second = camera(&place, port, &["--fps", "5", "--duration", "4"]);
    assert!(second.0.wait().unwrap().success());
    let seen = once(frames(rest(&messages)));
    assert_eq!(seen[..(600 - lost) as usize], (lost..600).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs mosquitto"]
fn a_broker_that_wants_a_password_is_told_it_and_says_so_where_it_is_wrong_with_mosquitto() {
    let place = Place::new();
    let port = free_port();
    let passwords = place.path("passwords");
    let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["me", "secret"]).status();
    assert!(made.unwrap().success());
    // the broker may read it as another user
    let more = format!("allow_anonymous false\npassword_file {}\nuser root", passwords.display());
    let _broker = broker(port, &place.path(""), &more);
    let (_subscriber, messages) = subscriber(port, "cameras/#", &["-u", "me", "-P", "secret"]);
    for (password, expected) in [("wrong", 0), ("secret", 8)] {
        let out = format!("mqtt://me:{password}@127.0.0.1:{port}/cameras/door");
        let words = ["--source", "test:", "--every-frame", "--frames", "4", "--spool", "spool", "--out", &out];
        let output = place.glimpse("camera").args(words).assert().success().get_output().clone();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("wrong@") && !said.contains("secret"), "{said}");
        assert_eq!(said.contains("refuses the connection"), expected == 0, "{said}");
        // those of the run with the wrong one, too
        assert_eq!(rest(&messages).len(), expected);
    }
}

/// Runs openssl, with the words of a line.
fn openssl(folder: &Path, line: &str) {
    let made = Command::new("openssl").current_dir(folder).args(line.split_whitespace()).output().unwrap();
    assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
}

#[test]
#[ignore = "needs mosquitto"]
fn a_certificate_is_looked_at_with_mosquitto() {
    let place = Place::new();
    let port = free_port();
    let folder = place.path("");
    openssl(&folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca");
    openssl(&folder, "req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=127.0.0.1");
    std::fs::write(place.path("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    let line =
        "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out broker.pem -days 2 -extfile names";
    openssl(&folder, line);
    let file = |name: &str| place.path(name).display().to_string();
    let more =
        format!("allow_anonymous true\ncertfile {}\nkeyfile {}\nuser root", file("broker.pem"), file("broker.key"));
    let _broker = broker(port, &folder, &more);
    let (_subscriber, messages) = subscriber(port, "cameras/#", &["--cafile", &file("ca.pem")]);
    let line = format!(
        "camera --source test: --every-frame --frames 4 --spool spool --out mqtts://127.0.0.1:{port}/cameras/door"
    );
    // one that only this test's own authority vouches for, and nobody else does
    let output = place.glimpse(&line).assert().success().get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("UnknownIssuer"), "{said}");
    assert_eq!(rest(&messages).len(), 0);
    place.glimpse(&line).env("SSL_CERT_FILE", file("ca.pem")).assert().success();
    assert_eq!(rest(&messages).len(), 8);
}

#[test]
fn what_cannot_be_sent_to_is_refused() {
    let place = Place::new();
    place.refuses("camera --source test: --out mqtt://example.org", &["no topic", "mqtt://"]);
    place.refuses("camera --source test: --out a.jsonl --spool x", &["--spool", "would do nothing"]);
    place.refuses("camera --source test: --out mqtt://example.org/a --rotate 1h", &["--rotate"]);
    place.refuses("camera --source test: --out mqtt://example.org/a --spool-size 5", &["no size"]);
}

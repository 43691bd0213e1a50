//! The page of `glimpse camera --serve`, asked by whoever may and whoever may not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "tests unwrap freely; counts are whole numbers"
)]
#![cfg(feature = "serve")]

mod common;
#[path = "common/page.rs"]
mod page;

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

use common::Place;
use page::Served;

const PATTERN: [&str; 4] = ["--source", "test:", "--size", "64x48"];

fn served(place: &Place, words: &[&str]) -> Served {
    let served = Served::start(place, &[&PATTERN, words].concat());
    served.until("frames come", |served| served.get("/healthz").status == 200);
    served
}

/// The patches that were looked at in the newest frame.
fn patches(served: &Served) -> Vec<u64> {
    let rows = served.get("/features").json();
    rows[0]["patches"].as_array().unwrap().iter().map(|patch| patch.as_u64().unwrap()).collect()
}

fn memory_kib(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn everything_that_can_be_asked_for_is_there() {
    let place = Place::new();
    let served = served(&place, &["--out", "a.jsonl"]);
    for (path, kind, holds) in [
        ("/", "text/html", "<title>Glimpse</title>"),
        ("/page.css", "text/css", "prefers-color-scheme"),
        ("/page.js", "text/javascript", "WebSocket"),
        ("/metrics", "text/plain; version=0.0.4", "glimpse_frames_total{source=\"test:0\"} "),
        ("/healthz", "text/plain", "frames come"),
        ("/features", "application/json", "\"preprocess_version\":"),
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let head = answer.head.to_lowercase();
        for line in [
            &format!("content-type: {kind}"),
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.contains(line), "{path}: {head}");
        }
        assert!(answer.text().contains(holds), "{path}: {}", answer.text());
    }
    for (view, size) in [("camera", (64, 48)), ("seen", (64, 48)), ("painted", (128, 128)), ("features", (128, 128))] {
        let answer = served.get(&format!("/snapshot.jpg?view={view}"));
        let picture = image::load_from_memory(&answer.body).unwrap();
        assert_eq!((picture.width(), picture.height()), size, "{view}");
    }
    // a row says what a line of the file does
    let row = served.get("/features").json()[0].clone();
    served.until("the row is in the file", |_| {
        let lines = std::fs::read_to_string(place.path("a.jsonl.part")).unwrap_or_default();
        let mut lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.any(|line| line == row)
    });
    // what is counted grows, and the parts of a latency are those of the whole
    let before = ["frames_total{source=\"test:0\"}", "captured_frames_total{source=\"test:0\"}", "latency_seconds_sum"]
        .map(|name| (format!("glimpse_{name}"), served.metric(&format!("glimpse_{name}"))));
    for (name, before) in &before {
        served.until(name, |served| served.metric(name) > *before);
    }
    assert_eq!(served.metric("glimpse_missed_rows_total{output=\"a.jsonl\"}"), 0.0);
    assert_eq!(served.metric("glimpse_visible_patches"), 64.0);
    let text = served.get("/metrics").text();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap();
    assert_eq!(value("glimpse_latency_seconds_bucket{le=\"+Inf\"}"), value("glimpse_latency_seconds_count"));
    assert!(value("glimpse_latency_seconds_bucket{le=\"5\"}") <= value("glimpse_latency_seconds_count"));
    assert_eq!(served.get("/gone").status, 404);
    assert_eq!(served.get("/settings").status, 405);
    assert_eq!(served.get("/live").status, 400);
    for query in ["?view=all", "?source=1", "?source=-1"] {
        assert_eq!(served.get(&format!("/snapshot.jpg{query}")).status, 400, "{query}");
    }
}

#[test]
fn a_model_that_cannot_paint_shows_the_rest_and_says_why() {
    let place = Place::new();
    place.copy_bundle("features");
    let manifest = place.path("features/manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let features = text.replace("norm_pix = false\nbase = \"membrane\"", "norm_pix = true");
    std::fs::write(&manifest, features).unwrap();
    let served = served(&place, &["--model", "features"]);
    let refused = served.get("/snapshot.jpg?view=painted");
    assert_eq!(refused.status, 404);
    assert!(refused.text().contains("normalized"), "{}", refused.text());
    for view in ["camera", "seen", "features"] {
        assert_eq!(served.get(&format!("/snapshot.jpg?view={view}")).status, 200, "{view}");
    }
    let mut viewer = served.viewer("", &[]).unwrap();
    let (words, pictures) = viewer.frame();
    let state = words.to_string();
    assert!(state.contains("cannot_paint") && state.contains("normalized"), "{state}");
    let empty: Vec<bool> = pictures.iter().map(Vec::is_empty).collect();
    assert_eq!(empty, [false, false, true, false]);
}

#[test]
fn what_is_changed_is_done_and_shown_to_all() {
    let place = Place::new();
    let served = served(&place, &["--seed", "3"]);
    let mut viewers = [served.viewer("", &[]).unwrap(), served.viewer("?source=0", &[]).unwrap()];
    assert_eq!(patches(&served).len(), 64);
    for visible in ["12", "motion:7", "0.25", "all"] {
        let answer = served.post(&format!("{{\"visible\": \"{visible}\"}}"));
        assert_eq!((answer.status, answer.json()["visible"].as_str()), (200, Some(visible)));
        let count = match visible {
            "12" => 12,
            "motion:7" => 7,
            "0.25" => 16,
            _ => 64,
        };
        served.until(visible, |served| patches(served).len() == count);
        for viewer in &mut viewers {
            let start = Instant::now();
            loop {
                let (words, pictures) = viewer.frame();
                if words["visible"] == visible && words["frame"]["visible"] == count {
                    assert!(pictures.iter().all(|picture| picture.starts_with(&[0xFF, 0xD8])));
                    break;
                }
                assert!(start.elapsed() < Duration::from_secs(20), "{words}");
            }
        }
    }
    // patches are 8 pixels wide and 6 high: this box touches the first two of the first two rows
    let answer = served.post("{\"source\": 0, \"never\": [\"0,0,9,7\"]}");
    assert_eq!(answer.json()["never"][0][0], "0,0,9,7");
    served.until("a box is not looked at", |served| patches(served).len() == 60);
    assert!([0, 1, 8, 9].iter().all(|patch| !patches(&served).contains(patch)));
    served.post("{\"source\": 0, \"never\": []}");
    served.until("the box is gone", |served| patches(served).len() == 64);
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence_and_changes_nothing() {
    let place = Place::new();
    let served = served(&place, &["--never", "0,0,64,24"]);
    let many = format!("{{\"source\":0,\"never\":[{}]}}", vec!["\"0,0,1,1\""; 33].join(","));
    for (body, status, said) in [
        ("", 400, "JSON"),
        ("{\"visible\": 12}", 400, "string"),
        ("{}", 400, "nothing is to be changed"),
        ("{\"visible\": \"few\"}", 400, "motion:N"),
        ("{\"visible\": \"65\"}", 400, "64 patches"),
        ("{\"visibel\": \"5\"}", 400, "visibel"),
        ("{\"visible\": \"5\", \"never\": []}", 400, "for a source"),
        ("{\"visible\": \"5\", \"source\": 1, \"never\": []}", 400, "there are 1"),
        ("{\"source\": 0, \"never\": [\"1,2,3\"]}", 400, "x,y,width,height"),
        ("{\"source\": 0, \"never\": [\"64,0,5,5\"]}", 400, "64×48"),
        ("{\"source\": 0, \"never\": [\"0,0,64,48\"]}", 400, "cover every patch"),
        ("{\"source\": 0, \"never\": [\"0,24,64,24\"]}", 400, "cover every patch"),
        (&many, 400, "32 are the most"),
        (&format!("{{\"visible\": \"{}\"}}", "9".repeat(9000)), 413, "limit"),
    ] {
        let answer = served.post(body);
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text().contains(said), "{body}: {}", answer.text());
    }
    assert_eq!(served.post_with("{\"visible\": \"5\"}", "Content-Type: text/plain\r\n").status, 415);
    let long = format!("X-Long: {}\r\n", "x".repeat(40 << 10));
    assert_eq!(served.get_with("/", &long).status, 431);
    assert_eq!(patches(&served).len(), 32);
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn another_page_or_name_is_refused() {
    let place = Place::new();
    let served = served(&place, &[]);
    let own = format!("http://{}", served.host);
    for (origin, expected) in [(own.as_str(), Ok(())), ("http://example.org", Err(403)), ("null", Err(403))] {
        assert_eq!(served.viewer("", &[("origin", origin)]).map(drop), expected, "{origin}");
        let lines = format!("Content-Type: application/json\r\nOrigin: {origin}\r\n");
        let status = served.post_with("{\"visible\": \"9\"}", &lines).status;
        assert_eq!(status, if expected.is_ok() { 200 } else { 403 }, "{origin}");
    }
    let refused = served.ask("GET /features HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n");
    assert!(refused.status == 403 && refused.text().contains("example.org"), "{}", refused.text());
    assert_eq!(served.ask("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").status, 400);
    assert_eq!(served.viewer("?source=1", &[]).map(drop), Err(400));
}

#[test]
fn a_token_opens_what_nothing_else_does() {
    let place = Place::new();
    let token = "a-token-of-30-letters-and-some";
    std::fs::write(place.path("token"), format!("{token}\n")).unwrap();
    // the last --serve would be a second one: this one is loopback's, and wants a token all the same
    let served = Served::start(&place, &[&PATTERN[..], &["--token-file", "token"]].concat());
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for path in ["/", "/page.js", "/metrics", "/healthz", "/snapshot.jpg", "/features", "/settings", "/gone"] {
        let answer = served.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.text().contains("token") && answer.head.to_lowercase().contains("www-authenticate"));
        assert_ne!(served.get_with(path, &bearer).status, 401, "{path}");
    }
    assert_eq!(served.viewer("", &[]).map(drop), Err(401));
    assert_eq!(served.viewer("", &[("authorization", &format!("Bearer {token}"))]).map(drop), Ok(()));
    let answer = served.get(&format!("/?token={token}"));
    assert_eq!(answer.status, 303);
    let head = answer.head.to_lowercase();
    assert!(head.contains("location: /\r\n") && head.contains("httponly; samesite=strict"), "{head}");
    let cookie =
        head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(served.get_with("/", &format!("Cookie: {cookie}\r\n")).status, 200);
    assert_eq!(served.viewer("", &[("cookie", &cookie)]).map(drop), Ok(()));
    assert_eq!(served.post("{}").status, 401);
    let said = served.said.lock().unwrap().clone();
    assert!(said.contains("?token=") && !said.contains(token), "{said}");
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_opened() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::fs::write(place.path("short"), "short\n").unwrap();
    for (words, said) in [
        (format!("--serve {}", taken.local_addr().unwrap()), &["cannot be had", "another port"][..]),
        ("--serve 0.0.0.0:0".to_owned(), &["--token-file", "127.0.0.1"]),
        ("--serve 0.0.0.0:0 --token-file short".to_owned(), &["16", "openssl"]),
        ("--serve 0.0.0.0:0 --token-file gone".to_owned(), &["reading the token in gone"]),
        ("--serve example.org:80".to_owned(), &["127.0.0.1:4912"]),
        ("--token 0123456789abcdef --out a.jsonl".to_owned(), &["--serve"]),
        (String::new(), &["--out", "--serve"]),
    ] {
        place.refuses(&format!("camera --source test: {words}"), said);
    }
}

#[test]
fn what_a_mask_hides_is_no_more_to_look_at() {
    let place = Place::new();
    // the left half
    let half = image::GrayImage::from_fn(8, 8, |x, _| image::Luma([if x < 4 { 255 } else { 0 }]));
    half.save(place.path("mask.png")).unwrap();
    let served = served(&place, &["--never-mask", "mask.png"]);
    let refused = served.post("{\"source\": 0, \"never\": [\"32,0,32,48\"]}");
    assert!(refused.status == 400 && refused.text().contains("cover every patch"), "{}", refused.text());
    assert_eq!(served.post("{\"source\": 0, \"never\": [\"32,0,24,48\"]}").status, 200);
    served.until("a column is left", |served| patches(served).len() == 8);
}

#[test]
#[cfg(unix)]
fn frames_that_are_covered_are_said_and_counted() {
    let place = Place::new();
    let mut film = b"YUV4MPEG2 W32 H24 F30:1 Cmono\n".to_vec();
    for _ in 0..5 {
        film.extend(b"FRAME\n");
        film.extend([90; 32 * 24]);
    }
    std::fs::write(place.path("film.y4m"), film).unwrap();
    // before the first frame nobody knows how much a box covers
    let source = "exec:until test -e covered; do sleep 0.05; done; cat film.y4m";
    let mut served = Served::start(&place, &["--source", source, "--every-frame"]);
    assert_eq!(served.post("{\"source\": 0, \"never\": [\"0,0,32,24\"]}").status, 200);
    std::fs::write(place.path("covered"), "").unwrap();
    assert!(served.child.wait().unwrap().success());
    served.until("it is said", |served| {
        let said = served.said.lock().unwrap();
        said.contains("boxes cover every patch") && said.contains("5 frames were not looked at")
    });
}

#[test]
#[cfg(unix)]
fn a_silent_source_is_not_well_and_a_signal_ends_all_at_once() {
    let place = Place::new();
    let mut film = b"YUV4MPEG2 W32 H24 F30:1 Cmono\n".to_vec();
    film.extend(b"FRAME\n");
    film.extend([90; 32 * 24]);
    std::fs::write(place.path("film.y4m"), film).unwrap();
    // one frame, and then none: neither now nor when it is started again
    let source = "exec:test -e been && exec sleep 62; touch been; cat film.y4m; exec sleep 62";
    let mut served = Served::start(&place, &["--source", source]);
    served.until("a frame", |served| served.get("/healthz").status == 200);
    served.until("silence", |served| served.get("/healthz").status == 503);
    assert!(served.get("/healthz").text().contains("no source has given a frame for"));
    let start = Instant::now();
    let answer = served.get("/snapshot.jpg");
    assert!(answer.status == 503 && answer.text().contains("gave no frame"), "{}", answer.text());
    assert!(start.elapsed() < Duration::from_secs(6));
    // who looks is told how it stands
    let mut viewer = served.viewer("", &[]).unwrap();
    let (words, pictures) = viewer.see().unwrap();
    assert!(words["frame"].is_null() && words["silent_s"].as_f64().unwrap() > 5.0, "{words}");
    assert!(pictures.iter().all(Vec::is_empty));
    let hanging = served.connect();
    let start = Instant::now();
    Command::new("kill").args(["-TERM", &served.child.id().to_string()]).status().unwrap();
    assert!(served.child.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    drop(hanging);
}

#[test]
fn a_viewer_that_never_reads_is_let_go_and_slows_nobody() {
    let place = Place::new();
    let served = served(&place, &["--fps", "40"]);
    let mut slow = served.viewer("", &[]).unwrap();
    let mut quick = served.viewer("", &[]).unwrap();
    let start = Instant::now();
    let [before, mut frames] = [served.metric("glimpse_frames_total{source=\"test:0\"}"), 0.0];
    while start.elapsed() < Duration::from_secs(4) {
        quick.frame();
        frames += 1.0;
    }
    let looked_at = served.metric("glimpse_frames_total{source=\"test:0\"}") - before;
    // a busy machine's share of them
    assert!(looked_at > 40.0 && frames > looked_at / 3.0, "{looked_at} {frames}");
    served.until("it is let go", |served| {
        quick.frame();
        served.metric("glimpse_viewers") <= 1.0
    });
    // it was sent no more than it could have looked at
    let mut sent = 0;
    while slow.see().is_some() {
        sent += 1;
    }
    assert_eq!(sent, 2);
}

#[test]
fn more_viewers_and_connections_than_there_are_places_are_refused() {
    let place = Place::new();
    let served = served(&place, &["--fps", "5"]);
    let viewers: Vec<_> = (0..64).map(|_| served.viewer("", &[]).unwrap()).collect();
    assert_eq!(served.metric("glimpse_viewers"), 64.0);
    assert_eq!(served.viewer("", &[]).map(drop), Err(503));
    drop(viewers);
    served.until("they are gone", |served| served.metric("glimpse_viewers") == 0.0);
    assert!(served.viewer("", &[]).is_ok());
    // those who connect and say nothing hold up others for seconds only
    let silent: Vec<_> = (0..64).map(|_| served.connect()).collect();
    let mut refused = served.connect();
    let _ = refused.write_all(b"GET /healthz HTTP/1.1\r\n");
    assert!(matches!(refused.read(&mut [0; 9]), Ok(0) | Err(_)));
    let start = Instant::now();
    loop {
        let mut stream = served.connect();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", served.host);
        let mut answer = String::new();
        if stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read_to_string(&mut answer))
            .is_ok_and(|read| read > 0)
        {
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(12));
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(silent);
}

#[test]
#[cfg(target_os = "linux")]
fn viewers_that_come_and_go_leave_nothing_behind() {
    let place = Place::new();
    let served = served(&place, &["--fps", "40", "--visible", "motion:16"]);
    let round = || {
        let viewers: Vec<_> = (0..10)
            .map(|_| {
                let mut viewer = served.viewer("", &[]).unwrap();
                std::thread::spawn(move || (0..3).for_each(|_| drop(viewer.frame())))
            })
            .collect();
        for viewer in viewers {
            viewer.join().unwrap();
        }
        served.until("they are gone", |served| served.metric("glimpse_viewers") == 0.0);
    };
    let dropped = "glimpse_dropped_frames_total{source=\"test:0\"}";
    (0..2).for_each(|_| round());
    let (before, frames) = (memory_kib(&served), served.metric("glimpse_frames_total{source=\"test:0\"}"));
    (0..5).for_each(|_| round());
    let after = memory_kib(&served);
    assert!(after < before + 6144, "{before} KiB, then {after}");
    let (frames, dropped) = (served.metric("glimpse_frames_total{source=\"test:0\"}") - frames, served.metric(dropped));
    assert!(frames > 5.0, "{frames} looked at, {dropped} dropped");
    assert_eq!(served.get("/healthz").status, 200);
}

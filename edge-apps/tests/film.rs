//! `glimpse camera --source file:FILM`, with the real ffmpeg.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::Place;
use serde_json::Value;

/// A film of a second, ten frames that are red, and then blue.
fn film(place: &Place, name: &str) {
    let half = |colour: &str| format!("color=c={colour}:s=160x120:r=10:d=0.5");
    let mut command = Command::new("ffmpeg");
    command.current_dir(place.path("")).args(["-loglevel", "error", "-f", "lavfi", "-i", &half("red")]);
    command.args(["-f", "lavfi", "-i", &half("blue"), "-filter_complex", "concat", name]);
    assert!(command.status().unwrap().success());
}

fn features(place: &Place, film: &str, out: &str) -> Vec<Value> {
    report(place, &["--source", &format!("file:{film}"), "--every-frame", "--out", out]);
    let rows = std::fs::read_to_string(place.path(out)).unwrap();
    rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()["features"].take()).collect()
}

fn report(place: &Place, words: &[&str]) -> Value {
    let output = place.glimpse("camera --json").args(words).assert().success().get_output().clone();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs ffmpeg"]
fn a_film_is_seen_frame_by_frame_at_its_pace_and_again_with_ffmpeg() {
    let place = Place::new();
    film(&place, "a.avi");
    // each frame, and no faster than they can be looked at
    let each = ["--source", "file:a.avi", "--every-frame", "--out", "a.y4m"];
    assert_eq!(report(&place, &each)["frames"].as_u64(), Some(10));
    let painted = std::fs::read(place.path("a.y4m")).unwrap();
    let frame = 128 * 128 * 3 / 2;
    let header = painted.iter().position(|&byte| byte == b'\n').unwrap() + 1 + "FRAME\n".len();
    let chroma = |number: usize| {
        let start = header + number * (frame + "FRAME\n".len()) + 128 * 128;
        [painted[start + 2000], painted[start + 64 * 64 + 2000]]
    };
    // Cb and Cr: red has much of the second, blue of the first
    let ([red_cb, red_cr], [blue_cb, blue_cr]) = (chroma(0), chroma(9));
    assert!(red_cb < 100 && red_cr > 200 && blue_cb > 200 && blue_cr < 120, "{red_cb} {red_cr} {blue_cb} {blue_cr}");
    // as the film has them: ten a second
    let start = Instant::now();
    let paced = report(&place, &["--source", "file:a.avi", "--out", "b.jsonl"]);
    assert!(
        start.elapsed() > Duration::from_millis(800) && paced["sources"][0]["captured"].as_u64() == Some(10),
        "{paced}"
    );
    let again = ["--source", "file:a.avi", "--every-frame", "--loop", "--frames", "25", "--out", "c.jsonl"];
    assert_eq!(report(&place, &again)["frames"].as_u64(), Some(25));
    // read without ffmpeg, a film's frames are the same
    let mut command = Command::new("ffmpeg");
    command.current_dir(place.path("")).args(["-loglevel", "error", "-i", "a.avi", "-pix_fmt", "yuv420p", "plain.y4m"]);
    assert!(command.status().unwrap().success());
    let rows = features(&place, "plain.y4m", "plain.jsonl");
    assert!(rows.len() == 10 && rows == features(&place, "a.avi", "avi.jsonl"));
    // what is no film is said, and not tried again
    std::fs::write(place.path("no.avi"), "no film").unwrap();
    place.refuses("camera --source file:no.avi --duration 20 --out d.jsonl", &["file:no.avi", "its program ended"]);
    // what stands before a colon in a name is no protocol
    std::fs::rename(place.path("a.avi"), place.path("2024-05-01T12:30:00.avi")).unwrap();
    assert!(rows == features(&place, "2024-05-01T12:30:00.avi", "colon.jsonl"));
}

#[test]
#[ignore = "needs ffmpeg"]
fn a_film_in_all_of_a_byte_s_range_has_the_colours_of_one_in_video_s_with_ffmpeg() {
    let place = Place::new();
    let ffmpeg = |words: &str| {
        let mut command = Command::new("ffmpeg");
        command.current_dir(place.path("")).args(["-loglevel", "error"]).args(words.split(' '));
        assert!(command.status().unwrap().success());
    };
    let test = "-f lavfi -i testsrc2=s=128x128:r=10:d=0.3";
    ffmpeg(&format!("{test} -pix_fmt yuv420p limited.y4m"));
    ffmpeg(&format!("{test} -vf scale=out_range=full -pix_fmt yuv420p -color_range pc -strict -1 full.y4m"));
    let full = std::fs::read(place.path("full.y4m")).unwrap();
    let word = b" XCOLORRANGE=FULL";
    let at = full.windows(word.len()).position(|bytes| bytes == word).unwrap();
    std::fs::write(place.path("unsaid.y4m"), [&full[..at], &full[at + word.len()..]].concat()).unwrap();
    let [full, limited, unsaid] = ["full", "limited", "unsaid"].map(|name| {
        let rows = features(&place, &format!("{name}.y4m"), &format!("{name}.jsonl"));
        serde_json::from_value::<Vec<Vec<f64>>>(rows.into()).unwrap().concat()
    });
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let (said, unsaid) = (apart(&full, &limited), apart(&unsaid, &limited));
    assert!(said < unsaid / 4.0, "{said} {unsaid}");
}

#[test]
fn a_film_that_breaks_off_is_seen_up_to_there_and_that_is_said() {
    let place = Place::new();
    let film = |frames: u8, rate: &str| {
        let mut y4m = format!("YUV4MPEG2 W32 H24 F{rate} Cmono\n").into_bytes();
        for frame in 0..frames {
            y4m.extend(b"FRAME\n");
            y4m.extend([frame * 20; 32 * 24]);
        }
        y4m
    };
    let camera = |words: &str| {
        let mut command = place.glimpse("camera --json --force --out a.jsonl");
        // were it begun again and again, it would have no end
        command.args(words.split(' ')).env("PATH", "").timeout(Duration::from_secs(20));
        let output = command.assert().success().get_output().clone();
        (serde_json::from_slice::<Value>(&output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let whole = film(5, "10:1");
    std::fs::write(place.path("half.y4m"), &whole[..whole.len() - 9]).unwrap();
    for pace in ["", " --every-frame"] {
        let (report, said) = camera(&format!("--source file:half.y4m{pace}"));
        let source = &report["sources"][0];
        assert_eq!(source["captured"].as_u64(), Some(4), "{report}");
        assert_eq!(source["broke_off"], "it ended in the middle of a frame", "{report}");
        assert!(said.contains("file:half.y4m: it ended in the middle of a frame") && !said.contains("again"), "{said}");
    }
    // one that is to begin again does, and it is said once
    let (report, said) = camera("--source file:half.y4m --every-frame --loop --frames 11");
    assert_eq!(report["frames"].as_u64(), Some(11));
    assert_eq!(said.matches("middle of a frame").count(), 1, "{said}");
    // nothing of it is whole
    std::fs::write(place.path("none.y4m"), &whole[..100]).unwrap();
    place.refuses(
        "camera --source file:none.y4m --duration 20 --out b.jsonl",
        &["file:none.y4m", "in the middle of a frame"],
    );
    // one that is slow is not silent
    std::fs::write(place.path("slow.y4m"), film(2, "1:3")).unwrap();
    let (report, said) = camera("--source file:slow.y4m");
    assert_eq!((report["sources"][0]["captured"].as_u64(), said.as_str()), (Some(2), ""), "{report}");
    assert!(report["sources"][0]["broke_off"].is_null());
}

#[test]
fn a_film_of_plain_frames_takes_no_other_program() {
    let place = Place::new();
    let mut y4m = b"YUV4MPEG2 W32 H24 F10:1 Cmono\n".to_vec();
    let mut mjpeg = std::io::Cursor::new(Vec::new());
    for number in 0..10 {
        y4m.extend(b"FRAME\n");
        y4m.extend([number * 20; 32 * 24]);
        let frame = image::GrayImage::from_pixel(32, 24, image::Luma([number * 20]));
        frame.write_to(&mut mjpeg, image::ImageFormat::Jpeg).unwrap();
    }
    std::fs::write(place.path("a.y4m"), y4m).unwrap();
    std::fs::write(place.path("a.mjpeg"), mjpeg.into_inner()).unwrap();
    // 25 a second is what a film has that says no rate
    for (film, least) in [("a.y4m", 900), ("a.mjpeg", 360)] {
        let source = format!("file:{film}");
        let report = |words: &[&str]| {
            let mut command = place.glimpse("camera --json --force --out a.jsonl --source");
            let output = command.arg(&source).args(words).env("PATH", "").assert().success().get_output().clone();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{film}");
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        assert_eq!(report(&["--every-frame"])["frames"].as_u64(), Some(10));
        let again = ["--every-frame", "--loop", "--frames", "25"];
        assert_eq!(report(&again)["frames"].as_u64(), Some(25));
        let start = Instant::now();
        let paced = report(&[]);
        assert_eq!(paced["sources"][0]["captured"].as_u64(), Some(10), "{paced}");
        assert!(start.elapsed() > Duration::from_millis(least), "{film}: {:?}", start.elapsed());
    }
    // another size is what ffmpeg makes of it
    let mut command = place.glimpse("camera --source file:a.y4m --size 64x48 --out b.jsonl");
    let refused = command.env("PATH", "").assert().code(2).get_output().clone();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("install ffmpeg"));
}

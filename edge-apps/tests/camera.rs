//! `glimpse camera`, as a person starts it: sources that end, die, stall and send garbage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, RecordBatch};
use common::{Place, sample};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// The lines of a file of features.
fn rows(place: &Place, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(row: &Value) -> Vec<f64> {
    row["features"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Frames of a Y4M film in grey, each of another grey.
fn y4m(frames: u8) -> Vec<u8> {
    let mut film = b"YUV4MPEG2 W32 H24 F30:1 Cmono\n".to_vec();
    for frame in 0..frames {
        film.extend(b"FRAME\n");
        film.extend([40 + 5 * frame; 32 * 24]);
    }
    film
}

/// What one run says on standard error, with the report.
fn run(place: &Place, words: &[&str]) -> (Value, String) {
    let output = place.glimpse("camera --json").args(words).assert().success().get_output().clone();
    (serde_json::from_slice(&output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_same_seed_gives_the_same_features_and_each_frame_is_seen() {
    let place = Place::new();
    for name in ["a.jsonl", "b.jsonl"] {
        let (report, _) = run(
            &place,
            &[
                "--source",
                "test:5",
                "--size",
                "96x64",
                "--every-frame",
                "--frames",
                "7",
                "--visible",
                "16",
                "--out",
                name,
            ],
        );
        assert_eq!(
            (report["frames"].as_u64(), report["sources"][0]["dropped"].as_u64()),
            (Some(7), Some(0)),
            "{report}"
        );
        assert!(report["latency_p50_ms"].as_f64().unwrap() > 0.0);
    }
    let [a, b] = ["a.jsonl", "b.jsonl"].map(|name| rows(&place, name));
    assert_eq!(a.len(), 7);
    for (number, (a, b)) in a.iter().zip(&b).enumerate() {
        assert_eq!((a["frame"].as_u64(), a["source"].as_str()), (Some(number as u64), Some("test:5")));
        assert_eq!(a["patches"].as_array().unwrap().len(), 16);
        assert_eq!((&a["features"], &a["patches"]), (&b["features"], &b["patches"]));
        assert!(a["captured"].as_f64().unwrap() > 1.7e9);
    }
    assert_ne!(a[0]["patches"], a[1]["patches"]);
}

#[test]
fn a_folder_s_frames_have_the_features_that_its_pictures_have() {
    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    for name in ["a.png", "b.png"] {
        place.photograph(&format!("in/{name}"), 90, if name == "a.png" { 60 } else { 80 });
    }
    run(&place, &["--source", "dir:in", "--out", "camera.jsonl", "--pool", "mean"]);
    place.run("features in -o features.jsonl --pool mean");
    let (camera, features) = (rows(&place, "camera.jsonl"), rows(&place, "features.jsonl"));
    assert_eq!((camera.len(), features.len()), (2, 2));
    for (camera, features) in camera.iter().zip(&features) {
        let apart = numbers(camera).iter().zip(numbers(features)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-6, "{apart}");
    }
}

#[test]
fn what_ends_is_begun_again_if_it_is_to_be() {
    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    place.photograph("in/a.png", 90, 60);
    place.photograph("in/b.png", 90, 80);
    let (report, said) = run(&place, &["--source", "dir:in", "--loop", "--frames", "5", "--out", "a.jsonl"]);
    assert_eq!((report["frames"].as_u64(), said.as_str()), (Some(5), ""));
    let rows = rows(&place, "a.jsonl");
    assert!(rows[0]["features"] == rows[4]["features"] && rows[0]["features"] != rows[1]["features"]);
    // what gives nothing would end for ever
    fs::create_dir(place.path("none")).unwrap();
    fs::write(place.path("none/a.png"), "no picture").unwrap();
    let none = place.glimpse("camera --source dir:none --loop --out b.jsonl").assert().code(2);
    let said = String::from_utf8_lossy(&none.get_output().stderr);
    assert!(said.contains("no frame was looked at") && !place.path("b.jsonl").exists(), "{said}");
    place.refuses("camera --source test: --loop --out c.jsonl", &["--loop", "would do nothing"]);
}

#[test]
fn a_file_ends_at_its_size_and_a_painted_film_has_its_source_s_rate_and_shape() {
    let place = Place::new();
    let film = y4m(30);
    let film =
        [&b"YUV4MPEG2 W32 H24 F10:1 Cmono\n"[..], &film[film.iter().position(|&byte| byte == b'\n').unwrap() + 1..]];
    fs::write(place.path("film.y4m"), film.concat()).unwrap();
    let source = ["--source", "file:film.y4m", "--every-frame"];
    run(&place, &[&source[..], &["--out", "a.jsonl", "--rotate", "10kB", "--out", "b.npy"]].concat());
    for (ending, files) in [("a.1.jsonl", "a"), ("b.1.npy", "b")] {
        let first = fs::metadata(place.path(ending)).unwrap().len();
        let lines = fs::metadata(place.path("b.1.npy.rows.jsonl")).unwrap().len();
        let bytes = if files == "b" { first + lines } else { first };
        // the row that fills a file is in it
        assert!((10_000..13_000).contains(&bytes), "{ending}: {bytes}");
    }
    assert!(place.path("a.2.jsonl").exists() && place.path("b.2.npy").exists());
    run(&place, &[&source[..], &["--out", "painted.y4m"]].concat());
    let painted = fs::read(place.path("painted.y4m")).unwrap();
    assert!(painted.starts_with(b"YUV4MPEG2 W128 H128 F10:1 Ip A4:3 "), "{:?}", &painted[..40]);
}

#[test]
#[cfg(unix)]
fn a_command_s_film_is_read_to_its_end() {
    let place = Place::new();
    fs::write(place.path("film.y4m"), y4m(9)).unwrap();
    let (report, said) = run(&place, &["--source", "exec:cat film.y4m", "--every-frame", "--out", "a.jsonl"]);
    assert_eq!((report["frames"].as_u64(), said.as_str()), (Some(9), ""), "{report}");
    // raw frames need their size
    fs::write(place.path("film.rgb"), vec![7; 3 * 32 * 24 * 4]).unwrap();
    let raw = ["--source", "exec:cat film.rgb", "--format", "rgb", "--size", "32x24", "--every-frame"];
    let (report, _) = run(&place, &[&raw[..], &["--out", "b.jsonl"]].concat());
    assert_eq!(report["frames"].as_u64(), Some(4));
    // JPEGs say it themselves
    let film = fs::read(sample("example.jpg")).unwrap().repeat(3);
    fs::write(place.path("film.mjpeg"), film).unwrap();
    let (report, _) = run(&place, &["--source", "exec:cat film.mjpeg", "--every-frame", "--out", "c.jsonl"]);
    assert_eq!(report["frames"].as_u64(), Some(3));
    assert_eq!(rows(&place, "c.jsonl")[0]["features"], rows(&place, "c.jsonl")[2]["features"]);
}

#[test]
#[cfg(unix)]
fn a_command_that_dies_stalls_or_sends_garbage_is_said_and_started_again() {
    let place = Place::new();
    fs::write(place.path("film.y4m"), y4m(3)).unwrap();
    let half = y4m(3);
    fs::write(place.path("half.y4m"), &half[..half.len() - 100]).unwrap();
    let jpeg = fs::read(sample("example.jpg")).unwrap();
    let mut garbage = jpeg.clone();
    garbage[300..20_000].fill(0x55);
    fs::write(place.path("garbage.mjpeg"), [jpeg.clone(), garbage, jpeg].concat()).unwrap();
    for (name, command, frames, said) in [
        ("dies", "cat film.y4m; exit 3", 7, "exit status: 3"),
        ("half", "cat half.y4m", 5, "in the middle of a frame"),
        ("stalls", "cat film.y4m; sleep 60", 5, "no frame for 1.5 s"),
        ("gone", "no-such-camera-program || cat film.y4m; exit 127", 4, "exit status: 127"),
        ("noise", "cat film.y4m; echo noise; sleep 60", 4, "where a frame should begin"),
        ("broken", "cat garbage.mjpeg; exit 1", 4, "passed over 1 frames"),
        ("late", "sleep 2.5; cat film.y4m", 3, "no frame yet"),
    ] {
        let start = Instant::now();
        let source = format!("exec:{command}");
        let out = format!("{name}.jsonl");
        let frames_wanted = frames.to_string();
        let words = ["--source", &source, "--every-frame", "--frames", &frames_wanted, "--out", &out];
        let (report, warned) = run(&place, &words);
        assert_eq!(report["frames"].as_u64(), Some(frames), "{name}: {report}");
        assert!(warned.contains(said), "{name}: {warned}");
        assert_eq!(rows(&place, &out).len(), frames as usize);
        assert!(start.elapsed() < Duration::from_secs(15), "{name}");
    }
}

#[test]
#[cfg(unix)]
fn a_signal_ends_all_within_a_second_with_everything_written() {
    let place = Place::new();
    for signal in ["INT", "TERM"] {
        let out = format!("{signal}.jsonl");
        // a command whose own child would hold on to the pipe
        let source = "exec:cat film.y4m; sleep 61";
        fs::write(place.path("film.y4m"), y4m(3)).unwrap();
        let mut child = Command::new(common::program())
            .current_dir(place.path(""))
            .args(["camera", "--source", "test:", "--source", source, "--out", &out])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let part = place.path(&format!("{out}.part"));
        let start = Instant::now();
        while fs::metadata(&part).map_or(0, |part| part.len()) == 0 {
            assert!(start.elapsed() < Duration::from_mins(1));
            std::thread::sleep(Duration::from_millis(20));
        }
        let start = Instant::now();
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(child.wait().unwrap().success());
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert!(!part.exists());
        assert!(rows(&place, &out).iter().any(|row| row["source"] == "test:0"));
    }
    // nobody of theirs is left, where that can be seen
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert_ne!(words, b"sleep\x0061\x00", "{}", process.path().display());
    }
}

#[test]
fn a_rate_that_cannot_be_kept_costs_patches_and_not_frames() {
    let place = Place::new();
    let words = ["--source", "test:", "--size", "64x48", "--every-frame", "--frames", "40", "--out", "a.jsonl"];
    let (report, _) = run(&place, &[&words[..], &["--target-fps", "100000"]].concat());
    assert!(report["visible"].as_f64().unwrap() < 40.0, "{report}");
    let last = rows(&place, "a.jsonl")[39]["patches"].as_array().unwrap().len();
    assert_eq!(last, 1);
    let (report, _) = run(&place, &[&words[..], &["--target-fps", "0.1", "--force"]].concat());
    assert_eq!(report["visible"].as_f64(), Some(64.0), "{report}");
}

#[test]
fn what_reading_a_frame_takes_is_a_part_of_its_time() {
    let place = Place::new();
    // noise takes long to read, and what the model then looks at is as small as ever
    let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).rotate_left(x ^ y);
    let picture =
        image::RgbImage::from_fn(2000, 1500, |x, y| image::Rgb(noise(x, y).to_le_bytes()[..3].try_into().unwrap()));
    let mut jpeg = Vec::new();
    picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100)).unwrap();
    fs::write(place.path("film.mjpeg"), jpeg).unwrap();
    let words = ["--source", "file:film.mjpeg", "--loop", "--every-frame", "--frames", "12", "--target-fps", "60"];
    run(&place, &[&words[..], &["--out", "a.jsonl"]].concat());
    assert_eq!(rows(&place, "a.jsonl")[11]["patches"].as_array().unwrap().len(), 1);
}

#[test]
#[cfg(unix)]
fn whoever_reads_may_have_seen_enough() {
    let place = Place::new();
    let line = "--source test: --every-frame --frames 100000 --out -";
    let glimpse = common::program();
    let command = format!("'{}' camera {line} | head -n 2", glimpse.display());
    let start = Instant::now();
    let output = Command::new("sh").args(["-c", &command]).current_dir(place.path("")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    assert!(!said.contains("warning") && !said.contains("error"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_long_run_s_file_is_several() {
    let place = Place::new();
    let words = ["--source", "test:", "--size", "64x48", "--fps", "40", "--duration", "3.5", "--rotate", "20kB"];
    let names = |ending: &str| -> Vec<String> {
        let numbered = (1..40).map(|number| format!("a.{number}.{ending}"));
        numbered.filter(|name| place.path(name).exists()).collect()
    };
    let (report, _) = run(&place, &[&words[..], &["--out", "a.jsonl", "--out", "a.y4m"]].concat());
    let lines = names("jsonl");
    assert!(lines.len() >= 3 && !place.path("a.jsonl").exists(), "{lines:?}");
    let all = lines.iter().flat_map(|name| rows(&place, name)).map(|row| row["frame"].as_u64().unwrap());
    let all: Vec<u64> = all.collect();
    assert_eq!(all.len() as u64, report["frames"].as_u64().unwrap());
    assert!(all.is_sorted());
    for name in names("y4m") {
        assert!(fs::read(place.path(&name)).unwrap().starts_with(b"YUV4MPEG2"), "{name}");
    }
    // the next run goes on with the numbers
    run(&place, &["--source", "test:", "--frames", "2", "--rotate", "1h", "--out", "a.jsonl"]);
    assert_eq!(names("jsonl").len(), lines.len() + 1);
    place.refuses("camera --source test: --out - --rotate 1h", &["--rotate", "would do nothing"]);
}

#[test]
fn parquet_has_what_the_lines_have() {
    let place = Place::new();
    for (pool, rows_a_frame) in [("cls", 1), ("none", 9)] {
        let words = ["--source", "test:2", "--size", "64x48", "--every-frame", "--frames", "5", "--visible", "8"];
        let (lines, table) = (format!("{pool}.jsonl"), format!("{pool}.parquet"));
        run(&place, &[&words[..], &["--pool", pool, "--out", &lines, "--out", &table]].concat());
        let file = fs::File::open(place.path(&table)).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
        let [batch] = &batches[..] else { panic!("{}", batches.len()) };
        assert_eq!(batch.num_rows(), 5 * rows_a_frame);
        let column = |name: &str| Arc::clone(batch.column_by_name(name).unwrap());
        let frames = column("frame").as_primitive::<Int64Type>().clone();
        let captured = column("captured").as_primitive::<TimestampMicrosecondType>().clone();
        let features = column("features").as_fixed_size_list().clone();
        for (number, line) in rows(&place, &lines).iter().enumerate() {
            let row = number * rows_a_frame;
            assert_eq!(frames.value(row), line["frame"].as_i64().unwrap());
            let apart = captured.value(row) as f64 / 1e6 - line["captured"].as_f64().unwrap();
            assert!(apart.abs() < 2e-6, "{apart}");
            let expected = if pool == "none" { &line["features"][0] } else { &line["features"] };
            let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
            let got = features.value(row).as_primitive::<Float32Type>().values().to_vec();
            assert_eq!(got, expected);
            assert_eq!(column("model_sha256").as_string::<i32>().value(row), line["model_sha256"]);
            if pool == "none" {
                let patches = column("patch").as_primitive::<Int32Type>().clone();
                assert!(patches.is_null(row));
                assert_eq!(i64::from(patches.value(row + 1)), line["patches"][0].as_i64().unwrap());
            } else {
                let patches = column("patches").as_list::<i32>().value(row);
                let patches = patches.as_primitive::<Int32Type>().values().to_vec();
                assert_eq!(serde_json::json!(patches), line["patches"]);
            }
        }
    }
    // what a killed run left has no end, and is not lost
    fs::write(place.path("a.parquet.part"), "PAR1 half").unwrap();
    let output = ["--source", "test:", "--frames", "1", "--rotate", "1h", "--out", "a.parquet"];
    let (_, said) = run(&place, &output);
    assert!(said.contains("a.parquet.1.part") && place.path("a.parquet.1.part").exists(), "{said}");
    assert!(place.path("a.1.parquet").exists());
    place.refuses("camera --source test: --out b.parquet", &["--rotate", "--frames"]);
    place.refuses("camera --source test: --frames 1 --out parquet:-", &["standard output"]);
}

#[test]
fn options_come_from_a_file_and_give_way_to_what_is_typed() {
    let place = Place::new();
    let file = "source = \"test:\"\nout = [\"a.jsonl\", \"a.mjpeg\"]\nframes = 9\nevery-frame = true\nvisible = \"motion:8\"\n";
    fs::write(place.path("camera.toml"), file).unwrap();
    let (report, _) = run(&place, &["--config", "camera.toml", "--frames", "2"]);
    assert_eq!((report["frames"].as_u64(), report["visible"].as_f64()), (Some(2), Some(8.0)));
    assert!(place.path("a.mjpeg").exists() && rows(&place, "a.jsonl").len() == 2);
    fs::write(place.path("wrong.toml"), "sorce = \"test:\"\n").unwrap();
    place.refuses("camera --config wrong.toml --out b.jsonl", &["wrong.toml", "`sorce` is no option"]);
    place.refuses("camera --config gone.toml --out b.jsonl", &["gone.toml"]);
}

#[test]
fn painted_frames_are_films_and_what_is_never_looked_at_is_painted_in() {
    let place = Place::new();
    place.photograph("a.png", 128, 128);
    let words = ["--source", "image:a.png", "--every-frame", "--frames", "3", "--never", "32,32,32,32"];
    run(&place, &[&words[..], &["--out", "a.y4m", "--out", "a.mjpeg", "--out", "a.jsonl"]].concat());
    let film = fs::read(place.path("a.y4m")).unwrap();
    let header = b"YUV4MPEG2 W128 H128 F30:1 Ip A1:1 C420jpeg\n";
    assert!(film.starts_with(header));
    assert_eq!(film.len(), header.len() + 3 * (6 + 128 * 128 * 3 / 2));
    let patches = rows(&place, "a.jsonl")[0]["patches"].as_array().unwrap().len();
    assert_eq!(patches, 64 - 4);
    // the painted film goes through again
    let (report, _) = run(&place, &["--source", "dir:.", "--out", "b.jsonl"]);
    assert_eq!(report["frames"].as_u64(), Some(1));
    let jpegs = fs::read(place.path("a.mjpeg")).unwrap();
    let first = image::load_from_memory_with_format(&jpegs, image::ImageFormat::Jpeg).unwrap().to_rgb8();
    let original = image::open(place.path("a.png")).unwrap().to_rgb8();
    let apart = |x, y| (0..3).map(|c| first.get_pixel(x, y)[c].abs_diff(original.get_pixel(x, y)[c])).max().unwrap();
    let inside = (32..64).flat_map(|y| (32..64).map(move |x| (x, y)));
    assert!(inside.filter(|&(x, y)| apart(x, y) > 12).count() > 100);
    let outside = (0..128).flat_map(|y| (70..128).map(move |x| (x, y)));
    assert!(outside.filter(|&(x, y)| apart(x, y) > 40).count() < 20);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_opened() {
    let place = Place::new();
    fs::write(place.path("a.jsonl"), "mine\n").unwrap();
    let has_v4l2 = cfg!(all(feature = "v4l2", target_os = "linux"));
    let no_camera = if has_v4l2 { "no video device" } else { "exec:" };
    for (words, said) in [
        ("--out b.jsonl", &["--source"][..]),
        ("--source test:", &["--out"]),
        ("--source camera --out b.jsonl", &["`camera` is no source", "exec:COMMAND"]),
        ("--source test: --out b.txt", &["b.txt", ".jsonl"]),
        ("--source test: --out a.jsonl", &["a.jsonl exists already", "--force"]),
        ("--source test: --out b.jsonl --out b.jsonl", &["named twice"]),
        ("--source test: --out b.jsonl --out a.jsonl", &["a.jsonl exists already"]),
        ("--source test: --out - --out y4m:-", &["standard output"]),
        ("--source test: --out - --json", &["standard output"]),
        ("--source test: --out b.jsonl --visible 65", &["64 patches"]),
        ("--source test: --out b.jsonl --visible motion:0", &["motion:N"]),
        ("--source test: --out b.jsonl --format rgb --size 8x8", &["--format", "would do nothing"]),
        ("--source exec:true --out b.jsonl --format rgb", &["--size"]),
        ("--source test: --out b.jsonl --size 0x9", &["640x480"]),
        ("--source dir:. --source image:a.png --out b.jsonl --size 64x48", &["--size", "would do nothing"]),
        ("--source exec:true --out b.jsonl --size 64x48", &["--size", "would do nothing"]),
        ("--source exec:true --out b.jsonl --format mjpeg --size 64x48", &["--size", "would do nothing"]),
        ("--source dir:. --out b.jsonl --fps 5", &["--fps", "would do nothing"]),
        ("--source exec:true --out b.jsonl --fps 5", &["--fps", "would do nothing"]),
        ("--source test: --out b.jsonl --seed 5", &["--seed", "would do nothing"]),
        ("--source test: --out b.jsonl --never 0,0,9999,9999 --frames 1", &["--never"]),
        ("--source image:gone.png --out b.jsonl", &["image:gone.png", "check the path"]),
        ("--source dir:gone --out b.jsonl", &["dir:gone", "no folder"]),
        ("--source file:gone.mp4 --out b.jsonl", &["file:gone.mp4", "no file"]),
        ("--source v4l2:front --out b.jsonl", &["v4l2:N"]),
        ("--source v4l2:/dev/null --format grey --out b.jsonl", &["v4l2:/dev/null", no_camera]),
    ] {
        place.refuses(&format!("camera {words}"), said);
    }
    assert_eq!(fs::read_to_string(place.path("a.jsonl")).unwrap(), "mine\n");
    // where their programs are not there
    for (source, program, from) in [
        ("csi:jetson", "gst-launch-1.0", "JetPack"),
        ("csi:pi", "rpicam-vid", "Raspberry Pi OS"),
        ("rtsp://camera.example.org/a", "ffmpeg", "apt install ffmpeg"),
    ] {
        let mut command = place.glimpse(&format!("camera --source {source} --out b.jsonl"));
        let output = command.env("PATH", "").assert().code(2).get_output().clone();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(program) && said.contains(from), "{said}");
    }
}

#[test]
fn what_is_white_in_a_mask_is_never_looked_at() {
    let place = Place::new();
    // the left half
    let half = image::GrayImage::from_fn(8, 8, |x, _| image::Luma([if x < 4 { 255 } else { 0 }]));
    half.save(place.path("mask.png")).unwrap();
    let words = ["--source", "test:", "--frames", "2", "--never-mask", "mask.png", "--out", "a.jsonl"];
    run(&place, &words);
    let patches = rows(&place, "a.jsonl")[0]["patches"].as_array().unwrap().clone();
    assert!(patches.len() == 32 && patches.iter().all(|patch| patch.as_u64().unwrap() % 8 >= 4), "{patches:?}");
    place.refuses("camera --source test: --never-mask gone.png --out b.jsonl", &["gone.png"]);
}

#[test]
fn a_matrix_has_the_lines_rows() {
    let place = Place::new();
    let words = ["--source", "test:", "--every-frame", "--frames", "5", "--visible", "8"];
    for (pool, shape) in [("cls", "(5, 192)"), ("none", "(5, 9, 192)")] {
        let (lines, matrix) = (format!("{pool}.jsonl"), format!("{pool}.npy"));
        run(&place, &[&words[..], &["--pool", pool, "--out", &lines, "--out", &matrix]].concat());
        let bytes = fs::read(place.path(&matrix)).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..128]).contains(&format!("'shape': {shape}")));
        let numbers: Vec<f32> =
            bytes[128..].chunks_exact(4).map(|number| f32::from_le_bytes(number.try_into().unwrap())).collect();
        let about = rows(&place, &format!("{matrix}.rows.jsonl"));
        let lines = rows(&place, &lines);
        let expected: Vec<f32> = lines
            .iter()
            .flat_map(|line| match line["features"][0].as_array() {
                Some(_) => serde_json::from_value::<Vec<Vec<f32>>>(line["features"].clone()).unwrap().concat(),
                None => serde_json::from_value(line["features"].clone()).unwrap(),
            })
            .collect();
        assert_eq!(numbers, expected);
        for (about, line) in about.iter().zip(&lines) {
            assert_eq!((&about["frame"], &about["patches"]), (&line["frame"], &line["patches"]));
        }
        assert_eq!(about.len(), 5);
    }
    // one shape alone
    place.refuses("camera --source test: --out b.npy", &["--rotate", "b.npy"]);
    place.refuses("camera --source test: --frames 1 --out npy:-", &["standard output"]);
    run(&place, &["--source", "test:", "--frames", "2", "--rotate", "1h", "--out", "c.npy"]);
    assert!(place.path("c.1.npy").exists() && place.path("c.1.npy.rows.jsonl").exists());
}

//! `glimpse features`: what its files hold, and that a run that was stopped ends as any other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use common::{Place, bundle, open};
use glimpse_models::Bundle;
use glimpse_runtime::{Mask, Model, Options, PREPROCESS_VERSION, Preprocessor, patchify};
use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

const WIDTH: usize = 192;
const PATCHES: usize = 64;

/// A folder of three pictures and two files that are none.
fn folder(place: &Place) {
    std::fs::create_dir_all(place.path("in/sub")).unwrap();
    place.photograph("in/b.png", 90, 70);
    place.photograph("in/a.webp", 50, 80);
    std::fs::copy(common::sample("sushi.jpg"), place.path("in/sub/c.JPG")).unwrap();
    std::fs::write(place.path("in/broken.png"), "no picture").unwrap();
    std::fs::write(place.path("in/notes.txt"), "no picture").unwrap();
}

const PATHS: [&str; 3] = ["in/a.webp", "in/b.png", "in/sub/c.JPG"];

/// What the runtime says of a picture.
fn tokens(path: &Path, visible: &[usize]) -> Array2<f32> {
    let bundle = Bundle::open(bundle()).unwrap();
    let mut model = Model::load(&bundle, &Options { threads: Some(1), ..Options::default() }).unwrap();
    let rgb = open(path).to_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    let mut preprocessor = Preprocessor::new(model.spec());
    let frame = ArrayView3::from_shape((height, width, 3), rgb.as_raw()).unwrap();
    let image = preprocessor.image_from_frame(frame).unwrap();
    let patches = patchify(image, model.grid()).unwrap();
    let mask = Mask::from_visible(model.grid(), visible).unwrap();
    model.encode(patches.view(), &mask).unwrap().to_owned()
}

fn all_visible() -> Vec<usize> {
    (0..PATCHES).collect()
}

/// Shape and numbers of a `.npy` file.
fn npy(path: &Path) -> (String, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8(bytes[10..start].to_vec()).unwrap();
    assert!(header.contains("'descr': '<f4', 'fortran_order': False"), "{header}");
    let shape = header.split(['(', ')']).nth(1).unwrap().to_owned();
    (shape, bytes[start..].as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn parquet(path: &Path) -> RecordBatch {
    let file = std::fs::File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let about = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let recipe: Value =
        serde_json::from_str(about.iter().find(|entry| entry.key == "glimpse").unwrap().value.as_ref().unwrap())
            .unwrap();
    assert_eq!(recipe["model"], "glimpse-tiny");
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    batches[0].clone()
}

fn parquet_numbers(batch: &RecordBatch) -> Vec<f32> {
    let features = batch.column_by_name("features").unwrap().as_fixed_size_list();
    assert_eq!(features.value_length() as usize, WIDTH);
    features.values().as_primitive::<Float32Type>().values().to_vec()
}

#[test]
fn each_kind_of_file_has_the_runtime_s_numbers_in_name_order() {
    let place = Place::new();
    folder(&place);
    let hash = Bundle::open(bundle()).unwrap().manifest().files().values().next().unwrap().sha256.clone();
    let all = PATHS.map(|path| tokens(&place.path(path), &all_visible()));
    for (pool, right) in [
        ("cls", all.iter().flat_map(|tokens| tokens.row(0).to_vec()).collect::<Vec<f32>>()),
        ("mean", all.iter().flat_map(|t| t.slice(ndarray::s![1.., ..]).mean_axis(Axis(0)).unwrap().to_vec()).collect()),
    ] {
        for ending in ["npy", "parquet", "jsonl"] {
            place.run(&format!("features in -o {pool}.{ending} --pool {pool}"));
        }
        assert_eq!(npy(&place.path(&format!("{pool}.npy"))), ("3, 192".to_owned(), right.clone()));

        let rows = lines(&place.path(&format!("{pool}.jsonl")));
        assert_eq!(rows.iter().flat_map(|row| numbers(&row["features"])).collect::<Vec<_>>(), right);
        let companion = lines(&place.path(&format!("{pool}.npy.rows.jsonl")));
        for (row, path) in rows.iter().chain(&companion).zip(PATHS.iter().cycle()) {
            assert_eq!(
                (&row["path"], &row["preprocess_version"]),
                (&Value::from(*path), &Value::from(PREPROCESS_VERSION))
            );
            assert_eq!(row["model_sha256"], hash.as_str());
        }
        assert_eq!((rows.len(), companion.len()), (3, 3));

        let table = parquet(&place.path(&format!("{pool}.parquet")));
        assert_eq!(parquet_numbers(&table), right);
        let text = |name| table.column_by_name(name).unwrap().as_string::<i32>().iter().map(Option::unwrap);
        assert_eq!(text("path").collect::<Vec<_>>(), PATHS);
        assert!(text("model_sha256").all(|found| found == hash));
        let version = table.column_by_name("preprocess_version").unwrap().as_primitive::<Int32Type>();
        assert!(version.iter().all(|version| version == Some(PREPROCESS_VERSION as i32)));
        assert!(table.column_by_name("token").is_none());
    }
    let entries = walkdir::WalkDir::new(place.path("in/..")).max_depth(1).into_iter();
    assert_eq!(entries.count(), 2 + 2 * 4, "nothing else is left there");
}

#[test]
fn every_token_is_there_with_its_place_in_the_grid() {
    let place = Place::new();
    folder(&place);
    for ending in ["npy", "parquet", "jsonl"] {
        place.run(&format!("features in -o all.{ending} --pool none --visible 16 --seed 7"));
    }
    let rows = lines(&place.path("all.jsonl"));
    let patches: Vec<Vec<usize>> =
        rows.iter().map(|row| numbers(&row["patches"]).iter().map(|patch| *patch as usize).collect()).collect();
    assert!(patches[0] != patches[1] && patches[1] != patches[2], "each picture shows patches of its own");
    let right: Vec<f32> =
        PATHS.iter().zip(&patches).flat_map(|(path, patches)| tokens(&place.path(path), patches)).collect();
    assert_eq!(npy(&place.path("all.npy")), ("3, 17, 192".to_owned(), right.clone()));
    let of_row = |row: &Value| row["features"].as_array().unwrap().iter().flat_map(numbers).collect::<Vec<_>>();
    assert_eq!(rows.iter().flat_map(of_row).collect::<Vec<_>>(), right);
    let companion = lines(&place.path("all.npy.rows.jsonl"));
    assert!(companion.iter().zip(&rows).all(|(one, other)| one["patches"] == other["patches"]));

    let table = parquet(&place.path("all.parquet"));
    assert_eq!((table.num_rows(), parquet_numbers(&table)), (3 * 17, right));
    let column = |name| table.column_by_name(name).unwrap().as_primitive::<Int32Type>();
    let places = patches.iter().flat_map(|patches| {
        std::iter::once(None).chain(patches.iter().map(|patch| Some(i32::try_from(*patch).unwrap())))
    });
    assert!(column("patch").iter().eq(places));
    assert!(column("token").iter().eq((0..3 * 17).map(|row| Some(row % 17))));

    place.run("features in -o other.jsonl --pool none --visible 16 --seed 8");
    assert_ne!(lines(&place.path("other.jsonl"))[0]["patches"], rows[0]["patches"]);
}

#[test]
fn the_same_arguments_give_the_same_bytes_on_any_number_of_threads() {
    let place = Place::new();
    folder(&place);
    for ending in ["npy", "parquet", "jsonl"] {
        let bytes = ["1", "2", "7"].map(|threads| {
            place.run(&format!("features in -o a.{ending} --visible 16 --threads {threads} --force"));
            std::fs::read(place.path(&format!("a.{ending}"))).unwrap()
        });
        assert!(bytes[0] == bytes[1] && bytes[1] == bytes[2], "{ending}");
    }
}

#[test]
fn shards_one_after_another_are_the_whole() {
    let place = Place::new();
    folder(&place);
    let run = |words: &str| {
        place.run(&format!("features in --pool cls --visible 16 --seed 3 -o a.jsonl --force {words}"));
        std::fs::read_to_string(place.path("a.jsonl")).unwrap()
    };
    let whole = run("");
    for count in 2..=3 {
        let shards: String = (1..=count).map(|number| run(&format!("--shard {number}/{count}"))).collect();
        assert_eq!(shards, whole);
    }
    // The broken picture is the whole of this part.
    place.refuses("features in -o b.jsonl --shard 3/4", &["in/broken.png", "none of the 1 pictures"]);
}

#[test]
fn broken_pictures_are_named_and_passed_over() {
    let place = Place::new();
    folder(&place);
    let output = place.glimpse("features in -o a.npy --json").assert().success().get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("passed over: in/broken.png") && said.contains("1 of 4 pictures"), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["shape"], serde_json::json!([3, WIDTH]));
    assert_eq!((&report["broken"][0]["path"], &report["recipe"]["visible"]), (&"in/broken.png".into(), &64.into()));
    assert_eq!(report["outputs"], serde_json::json!(["a.npy.rows.jsonl", "a.npy"]));

    std::fs::remove_dir_all(place.path("in")).unwrap();
    std::fs::remove_file(place.path("a.npy")).unwrap();
    std::fs::remove_file(place.path("a.npy.rows.jsonl")).unwrap();
    std::fs::write(place.path("words.jpg"), "no picture").unwrap();
    place.refuses("features words.jpg -o a.npy", &["words.jpg", "none of the 1 pictures", "nothing is written"]);
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_no_unicode_are_reported_as_text() {
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::new();
    folder(&place);
    let name = std::ffi::OsStr::from_bytes(b"brok\xe9n.png");
    std::fs::rename(place.path("in/broken.png"), place.path("in").join(name)).unwrap();
    let report: Value = serde_json::from_str(&place.run("features in -o a.jsonl --json")).unwrap();
    assert_eq!(
        (&report["broken"][0]["path"], &report["outputs"][0]),
        (&"in/brok\u{fffd}n.png".into(), &"a.jsonl".into())
    );
}

/// Many pictures of a few sorts.
fn many(place: &Place, count: usize) {
    std::fs::create_dir(place.path("in")).unwrap();
    for sort in 0..4 {
        place.photograph(&format!("sort{sort}.png"), 40 + 9 * sort, 64);
    }
    std::fs::write(place.path("in/0007.png"), "no picture").unwrap();
    for number in (0..count).filter(|number| *number != 7) {
        std::fs::copy(place.path(&format!("sort{}.png", number % 4)), place.path(&format!("in/{number:04}.png")))
            .unwrap();
    }
}

/// Starts a run and kills it when its first rows are on the disk.
fn start_and_kill(place: &Place, words: &str, output: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_glimpse"))
        .current_dir(place.path(""))
        .args(words.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let pictures = place.path(&format!("{output}.part/pictures.jsonl"));
    while std::fs::metadata(&pictures).map_or(0, |file| file.len()) == 0 {
        assert!(started.elapsed() < Duration::from_mins(1), "no row in a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path(output).exists(), "the run was faster than its killer");
}

/// A stopped run's folder, with its last writes half done.
fn tear(part: &Path) {
    let cut = |name: &str, bytes: usize| {
        let path: PathBuf = part.join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - bytes]).unwrap();
    };
    cut("pictures.jsonl", 2);
    let mut values = std::fs::read(part.join("values.f32")).unwrap();
    values.extend([1, 2, 3]);
    std::fs::write(part.join("values.f32"), values).unwrap();
}

#[test]
fn a_run_that_was_killed_is_resumed_and_ends_as_one_that_was_not() {
    let place = Place::new();
    many(&place, 100);
    for (output, words) in [("a.parquet", "--pool cls"), ("a.npy", "--pool none --visible 5 --seed 2")] {
        let run = format!("features in --threads 1 {words} -o");
        place.run(&format!("{run} whole-{output}"));
        start_and_kill(&place, &format!("{run} {output}"), output);
        place.refuses(&format!("{run} {output}"), &["a run that stopped", "--resume", "--force"]);
        place.refuses(&format!("features in --pool mean -o {output} --resume"), &["cannot be resumed", "`pool`"]);
        place.photograph("in/9999.png", 30, 30);
        place.refuses(&format!("{run} {output} --resume"), &["cannot be resumed", "`pictures` was 100 and is 101"]);
        std::fs::remove_file(place.path("in/9999.png")).unwrap();

        tear(&place.path(&format!("{output}.part")));
        // as a run leaves it that is stopped between its two files
        std::fs::write(place.path(&format!("{output}.rows.jsonl")), "{}").unwrap();
        let said: Value = serde_json::from_str(&place.run(&format!("{run} {output} --resume --json"))).unwrap();
        assert!(said["resumed"].as_u64().unwrap() < 100, "{said}");
        assert_eq!(said["broken"][0]["path"], "in/0007.png");
        let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
        assert!(bytes(output) == bytes(&format!("whole-{output}")), "{output}");
        assert!(!place.path(&format!("{output}.part")).exists());
        // as a loop over shards does that is begun again
        assert!(place.run(&format!("{run} {output} --resume")).contains("left as it is"));
        place.refuses(&format!("{run} {output}"), &["exists already"]);
        assert!(bytes(output) == bytes(&format!("whole-{output}")), "{output}");
    }
    assert!(
        std::fs::read(place.path("a.npy.rows.jsonl")).unwrap()
            == std::fs::read(place.path("whole-a.npy.rows.jsonl")).unwrap()
    );
}

#[test]
fn a_run_begins_anew_where_there_is_nothing_to_resume_or_that_is_wanted() {
    let place = Place::new();
    many(&place, 60);
    let run = "features in --threads 1 -o a.jsonl";
    start_and_kill(&place, run, "a.jsonl");
    place.run(&format!("{run} --force --pool cls"));
    assert_eq!(lines(&place.path("a.jsonl")).len(), 59);
    place.run("features in --threads 1 -o b.jsonl --pool cls --resume");
    assert!(std::fs::read(place.path("a.jsonl")).unwrap() == std::fs::read(place.path("b.jsonl")).unwrap());
}

#[test]
fn wrong_uses_are_refused_in_sentences() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    std::fs::create_dir(place.path("empty")).unwrap();
    std::fs::write(place.path("there.npy"), "precious").unwrap();
    std::fs::write(place.path("rows.npy.rows.jsonl"), "precious").unwrap();
    for (words, said) in [
        ("gone.png -o out.npy", &["gone.png", "check the path"][..]),
        ("empty -o out.npy", &["empty holds no picture"]),
        ("a.png", &["--output"]),
        ("a.png -o out.csv", &["out.csv", ".npy, .parquet or .jsonl"]),
        ("a.png -o empty", &["empty", ".npy"]),
        ("a.png -o there.npy", &["there.npy exists already", "--force"]),
        ("a.png -o rows.npy", &["rows.npy.rows.jsonl exists already", "--force"]),
        // no stopped run has left it
        ("a.png -o rows.npy --resume", &["rows.npy.rows.jsonl exists already", "--force"]),
        ("a.png -o out.npy --visible 65", &["64 patches", "at most that"]),
        ("a.png -o out.npy --visible 0", &["--visible", "at least 1"]),
        ("a.png -o out.npy --visible some", &["--visible", "`all`"]),
        ("a.png -o out.npy --seed 3", &["--visible"]),
        ("a.png -o out.npy --shard 1/2", &["--shard 1/2", "1 pictures", "at most 1"]),
        ("a.png -o out.npy --shard 3/2", &["--shard", "2/5"]),
        ("a.png -o out.npy --pool max", &["--pool", "mean"]),
        ("a.png -o out.npy --precision int4", &["--precision", "int4"]),
        ("a.png -o out.npy --threads 0", &["--threads"]),
        ("a.png -o out.npy --model nobody", &["no model `nobody`"]),
    ] {
        place.refuses(&format!("features {words}"), said);
    }
    place.run("features a.png -o there.npy --force");
    assert_eq!(npy(&place.path("there.npy")).0, "1, 192");
}

#[test]
fn a_picture_that_is_turned_or_deep_is_seen_as_it_is_shown() {
    let place = Place::new();
    let photograph = place.photograph("a.png", 60, 40);
    let deep = image::DynamicImage::from(photograph.clone()).to_rgb16();
    deep.save(place.path("deep.png")).unwrap();
    let turned = image::imageops::rotate270(&photograph);
    let mut file = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut file);
    image::ImageEncoder::set_exif_metadata(&mut encoder, common::exif(6)).unwrap();
    turned.write_with_encoder(encoder).unwrap();
    std::fs::write(place.path("turned.png"), file).unwrap();
    place.run("features a.png deep.png turned.png -o out.npy");
    let (_, numbers) = npy(&place.path("out.npy"));
    let rows = ArrayView2::from_shape((3, WIDTH), &numbers).unwrap();
    assert_eq!(rows.row(0), rows.row(1));
    assert_eq!(rows.row(0), rows.row(2));
}

//! Many pictures at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use common::{Place, assert_painted_inside_only, open};
use image::DynamicImage;

#[test]
fn a_folder_becomes_a_folder_and_masks_pair_by_name() {
    let place = Place::new();
    for folder in ["in/sub", "masks/sub"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
    }
    let one = place.photograph("in/one.png", 90, 70);
    let two = place.photograph("in/sub/two.png", 60, 80);
    std::fs::write(place.path("in/notes.txt"), "not a picture").unwrap();
    let mask_one = place.band("masks/one.webp", 90, 70);
    let mask_two = place.band("masks/sub/two.png", 60, 80);
    let said = place.run("inpaint in --mask masks -o out");
    assert_eq!(said.lines().count(), 2);
    assert_painted_inside_only(&DynamicImage::from(one), &open(&place.path("out/one.png")), &mask_one);
    assert_painted_inside_only(&DynamicImage::from(two), &open(&place.path("out/sub/two.png")), &mask_two);
    assert_eq!(walkdir::WalkDir::new(place.path("out")).into_iter().count(), 4, "nothing else is left there");

    place.refuses("inpaint in --mask masks -o out", &["one.png exists", "--force"]);
}

#[test]
fn one_bad_picture_stops_all_before_anything_is_written() {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    std::fs::create_dir(place.path("masks")).unwrap();
    place.photograph("in/a.png", 60, 40);
    place.photograph("in/b.png", 60, 40);
    place.band("masks/a.png", 60, 40);
    place.refuses("inpaint in --mask masks -o out", &["b.png has no mask", "masks"]);
    place.band("masks/b.png", 60, 41);
    place.refuses("inpaint in --mask masks -o out", &["60×41", "--fit-mask"]);
    place.band("masks/b.jpg", 60, 40);
    place.refuses("inpaint in --mask masks -o out", &["masks of one name"]);
}

#[test]
#[cfg(unix)]
fn what_cannot_be_read_of_a_folder_is_named_and_passed_over() {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    place.photograph("in/whole.png", 60, 40);
    // as a card has them that a Mac has seen
    std::fs::write(place.path("in/._whole.jpg"), [0, 5, 22, 7]).unwrap();
    std::os::unix::fs::symlink("gone.png", place.path("in/link.png")).unwrap();
    std::os::unix::fs::symlink(".", place.path("in/up")).unwrap();
    let run = |words: &str| {
        let done = place.glimpse(&format!("inpaint in --box 1,1,9,9 -o out {words}")).assert().code(1);
        let [out, err] = [&done.get_output().stdout, &done.get_output().stderr]
            .map(|said| String::from_utf8_lossy(said).into_owned());
        for named in ["in/._whole.jpg", "in/link.png", "in/up", "1 of 2 pictures could not be read"] {
            assert!(err.contains(named), "{named}: {err}");
        }
        out
    };
    let report: serde_json::Value = serde_json::from_str(&run("--json")).unwrap();
    assert_eq!(report["broken"][0]["path"], "in/._whole.jpg");
    assert_eq!(open(&place.path("out/whole.png")).width(), 60);
    run("--resume");
    std::fs::remove_file(place.path("in/whole.png")).unwrap();
    place.refuses("inpaint in --box 1,1,9,9 -o other", &["none of the 1 pictures could be read"]);
}

#[test]
fn several_pictures_go_to_a_folder() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    place.photograph("b.jpg", 60, 40);
    place.run("inpaint a.png b.jpg --random 0.3 -o out");
    assert_eq!(open(&place.path("out/a.png")).width(), 60);
    assert_eq!(open(&place.path("out/b.jpg")).width(), 60);
    place.run("inpaint a.png --random 0.3 -o out --force");
}

#[test]
fn a_run_that_was_stopped_is_gone_on_with() {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    for name in ["a.png", "b.png", "c.png"] {
        place.photograph(&format!("in/{name}"), 60, 40);
    }
    place.run("inpaint in --box 5,5,20,20 -o whole");
    place.run("inpaint in/a.png --box 5,5,20,20 -o out/");
    std::fs::write(place.path("out/.glimpse-x"), "half of b.png").unwrap();
    let painted = |name: &str| std::fs::read(place.path(name)).unwrap();
    let before = std::fs::metadata(place.path("out/a.png")).unwrap().modified().unwrap();
    assert_eq!(place.run("inpaint in --box 5,5,20,20 -o out --resume").lines().count(), 2);
    for name in ["a.png", "b.png", "c.png"] {
        assert_eq!(painted(&format!("out/{name}")), painted(&format!("whole/{name}")), "{name}");
    }
    assert_eq!(std::fs::metadata(place.path("out/a.png")).unwrap().modified().unwrap(), before);
    assert!(!place.path("out/.glimpse-x").exists());
    // with nothing left to do
    assert_eq!(place.run("inpaint in --box 5,5,20,20 -o out --resume"), "");
    place.refuses("inpaint in --box 5,5,20,20 -o out --resume --force", &["--force"]);
}

#[test]
fn an_output_folder_in_the_input_folder_is_not_painted_again() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("in/sub")).unwrap();
    place.photograph("in/a.png", 60, 40);
    place.photograph("in/sub/b.png", 60, 40);
    for folder in ["in/out", "in/sub/../out/"] {
        let said = place.run(&format!("inpaint in --box 5,5,20,20 -o {folder} --force"));
        assert_eq!(said.lines().count(), 2, "{said}");
    }
    assert!(!place.path("in/out/out").exists());
    // what is asked for by name is painted, and a folder that is its own output, too
    assert_eq!(place.run("inpaint in/out --box 5,5,20,20 -o in/out --force").lines().count(), 2);
    assert_eq!(place.run("inpaint in/sub --box 5,5,20,20 -o in --force").lines().count(), 1);
    std::fs::remove_file(place.path("in/a.png")).unwrap();
    std::fs::remove_file(place.path("in/b.png")).unwrap();
    std::fs::remove_dir_all(place.path("in/sub")).unwrap();
    place.refuses("inpaint in --box 5,5,20,20 -o in/out", &["in holds no picture but those in in/out", "-o"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_no_unicode_is_painted_and_told() {
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    place.photograph("in/a.png", 60, 40);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    std::fs::rename(place.path("in/a.png"), place.path("in").join(name)).unwrap();
    let said = place.run("inpaint in --box 5,5,20,20 -o out --json");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["pictures"][0]["input"], "in/caf\u{fffd}.png");
    assert!(place.path("out").join(name).exists());
}

#[test]
#[cfg(unix)]
fn that_nobody_reads_the_words_is_no_reason_to_stop() {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    for name in ["a.png", "b.png", "c.png"] {
        place.photograph(&format!("in/{name}"), 60, 40);
    }
    for (out, closes_stdout) in [("one", true), ("other", false)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(common::program());
        command.current_dir(place.path("")).args(["inpaint", "in", "--box", "5,5,20,20", "--resume", "-o", out]);
        if closes_stdout {
            command.stdout(writer);
        } else {
            command.stdout(std::process::Stdio::null()).stderr(writer);
        }
        assert!(command.status().unwrap().success(), "{out}");
        assert_eq!(std::fs::read_dir(place.path(out)).unwrap().count(), 3, "{out}");
    }
}

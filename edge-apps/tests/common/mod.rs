//! A folder with pictures in it, and the program run there.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::process::Child;

use assert_cmd::Command;
use image::{DynamicImage, GrayImage, Luma, RgbImage};
use tempfile::TempDir;

/// The program under test: the one that was built, or another that `GLIMPSE_PROGRAM` names, such as one for another CPU behind an
/// emulator.
pub fn program() -> PathBuf {
    std::env::var_os("GLIMPSE_PROGRAM").map_or_else(|| assert_cmd::cargo::cargo_bin("glimpse"), PathBuf::from)
}

/// Where the samples lie.
pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

/// The bundle that is also inside the program.
pub fn bundle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/glimpse-tiny")
}

/// A program that ends with its test.
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder of its own for one test, gone when the test is.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program `glimpse`, started in the folder, with the words of a line.
    pub fn glimpse(&self, line: &str) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).args(line.split_whitespace());
        command
    }

    /// Runs `glimpse` and wants it to succeed; returns what it says on stdout.
    pub fn run(&self, line: &str) -> String {
        let output = self.glimpse(line).assert().success().get_output().stdout.clone();
        String::from_utf8(output).unwrap()
    }

    /// Runs `glimpse` and wants exit status 2, these words on stderr, nothing on stdout and no new file.
    pub fn refuses(&self, line: &str, words: &[&str]) {
        let before = self.files();
        let assert = self.glimpse(line).assert().code(2);
        let output = assert.get_output();
        let said = String::from_utf8_lossy(&output.stderr);
        for word in words {
            assert!(said.contains(word), "`{line}` does not say `{word}`: {said}");
        }
        assert!(output.stdout.is_empty(), "`{line}` prints");
        assert_eq!(self.files(), before, "`{line}` leaves files");
    }

    /// Copies a sample here.
    pub fn copy(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::copy(sample(name), &path).unwrap();
        path
    }

    /// Copies the shipped bundle here, as a folder of this name.
    pub fn copy_bundle(&self, name: &str) {
        std::fs::create_dir(self.path(name)).unwrap();
        for entry in std::fs::read_dir(bundle()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), self.path(name).join(entry.file_name())).unwrap();
            }
        }
    }

    /// A small real photograph: a part of a sample.
    pub fn photograph(&self, name: &str, width: u32, height: u32) -> RgbImage {
        let picture = open(&sample("stingray.jpg")).to_rgb8();
        let part = image::imageops::crop_imm(&picture, 300, 60, width, height).to_image();
        part.save(self.path(name)).unwrap();
        part
    }

    /// A mask that is white in a diagonal band.
    pub fn band(&self, name: &str, width: u32, height: u32) -> GrayImage {
        let mask = GrayImage::from_fn(width, height, |x, y| Luma([if x.abs_diff(y) < 15 { 255 } else { 0 }]));
        mask.save(self.path(name)).unwrap();
        mask
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let walk = walkdir::WalkDir::new(self.folder.path()).sort_by_file_name();
        let entries = walk.into_iter().map(|entry| entry.unwrap().into_path());
        entries.map(|path| (path.clone(), std::fs::read(path).unwrap_or_default())).collect()
    }
}

pub fn open(path: &Path) -> DynamicImage {
    image::open(path).unwrap()
}

/// EXIF data that says nothing but how the picture is turned, 1 to 8.
pub fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0".to_vec();
    exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

/// Wants every channel of every pixel outside the mask to be the same, and something inside it to be painted.
pub fn assert_painted_inside_only(before: &DynamicImage, after: &DynamicImage, mask: &GrayImage) {
    assert_eq!((before.color(), before.width(), before.height()), (after.color(), after.width(), after.height()));
    let channels = usize::from(before.color().channel_count());
    let pixels = before.as_bytes().chunks(channels).zip(after.as_bytes().chunks(channels));
    let mut painted = 0;
    for ((before, after), hidden) in pixels.zip(mask.iter()) {
        assert!(*hidden > 127 || before == after, "a visible pixel was touched");
        painted += usize::from(before != after);
    }
    assert!(painted > 0, "nothing was painted");
}

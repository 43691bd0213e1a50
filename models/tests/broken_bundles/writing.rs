//! Writing: whole or not at all, the same bytes each time, nothing lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use glimpse_models::onnx::Bytes;
use glimpse_models::{Bundle, BundleFile, Error, Existing, FORMAT_VERSION, Measure, Part, Precision};

use crate::folder::{Folder, files, manifest};

/// Names and bytes of all files in a folder.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Names of what lies beside the bundle: nothing may be left over.
fn neighbours(folder: &Folder) -> Vec<String> {
    let parent = folder.dir().parent().unwrap().to_owned();
    fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn two_writes_are_identical() {
    let mut manifest = manifest();
    manifest.training.duration_s = Some(1234.5);
    manifest.quality.insert("psnr_db".to_owned(), Measure::Number(0.1 + 0.2));
    let [one, two] = [(); 2].map(|()| Folder::of(&manifest, &files(&Precision::ALL)));
    assert_eq!(contents(&one.dir()), contents(&two.dir()));
    assert_eq!(neighbours(&one), ["tiny"]);
    // And so is what is read and written again.
    let read = one.open().unwrap();
    Bundle::write(one.dir(), read.manifest(), read.files(), Existing::Replace).unwrap();
    assert_eq!(contents(&one.dir()), contents(&two.dir()));
}

#[test]
fn what_is_given_back_is_what_lies_there() {
    let folder = tempfile::tempdir().unwrap();
    // The parent folder need not be there.
    let dir = folder.path().join("models/tiny");
    let written = Bundle::write(&dir, &manifest(), &files(&[Precision::Int8]), Existing::Refuse).unwrap();
    let opened = Bundle::open(&dir).unwrap();
    assert_eq!(written.manifest(), opened.manifest());
    assert_eq!(written.files(), opened.files());
    assert_eq!(FORMAT_VERSION, 1);
}

#[test]
fn a_form_is_added() {
    let folder = Folder::of(&manifest(), &files(&[Precision::F32]));
    fs::create_dir(folder.path("pictures")).unwrap();
    fs::write(folder.path("pictures/sheet.png"), b"a picture of the card").unwrap();

    let bundle = folder.open().unwrap();
    let mut added = bundle.files().clone();
    added.extend(files(&[Precision::Int8]));
    Bundle::write(folder.dir(), bundle.manifest(), &added, Existing::Replace).unwrap();

    let bundle = folder.open().unwrap();
    assert_eq!(bundle.precisions(), Precision::ALL);
    assert_eq!(fs::read(folder.path("pictures/sheet.png")).unwrap(), b"a picture of the card");
    assert_eq!(neighbours(&folder), ["tiny"]);
}

#[test]
fn a_form_is_removed() {
    let folder = Folder::whole();
    Bundle::write(folder.dir(), &manifest(), &files(&[Precision::Int8]), Existing::Replace).unwrap();
    assert!(!folder.path("encoder.onnx").exists());
    assert_eq!(folder.open().unwrap().precisions(), [Precision::Int8]);
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link() {
    let folder = Folder::of(&manifest(), &files(&[Precision::F32]));
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(folder.dir(), &link).unwrap();
    Bundle::write(&link, &manifest(), &files(&[Precision::Int8]), Existing::Replace).unwrap();
    assert!(link.is_symlink());
    assert_eq!(folder.open().unwrap().precisions(), [Precision::Int8]);
}

#[test]
fn what_exists_is_refused() {
    let folder = Folder::whole();
    let before = contents(&folder.dir());
    let error = Bundle::write(folder.dir(), &manifest(), &files(&[Precision::F32]), Existing::Refuse).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error:?}");
    assert!(error.to_string().contains("tiny"), "{error}");
    assert_eq!(contents(&folder.dir()), before);
    assert_eq!(neighbours(&folder), ["tiny"]);
}

#[test]
fn what_is_no_bundle_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let error = Bundle::write(folder.path(), &manifest(), &files(&[Precision::F32]), Existing::Replace).unwrap_err();
    assert!(matches!(error, Error::NotABundle { .. }), "{error:?}");
    assert_eq!(fs::read(folder.path().join("thesis.tex")).unwrap(), b"years of work");
}

#[test]
fn a_broken_bundle_is_not_written() {
    let folder = Folder::whole();
    let before = contents(&folder.dir());
    let mut half = files(&Precision::ALL);
    half.remove(&BundleFile::Graph(Part::Decoder, Precision::Int8));
    let error = Bundle::write(folder.dir(), &manifest(), &half, Existing::Replace).unwrap_err();
    assert!(matches!(error, Error::HalfForm { .. }), "{error:?}");

    let mut cut = files(&Precision::ALL);
    let encoder = cut.get_mut(&BundleFile::Graph(Part::Encoder, Precision::F32)).unwrap();
    *encoder = Bytes::copy_from_slice(&encoder[..encoder.len() / 2]);
    let error = Bundle::write(folder.dir(), &manifest(), &cut, Existing::Replace).unwrap_err();
    assert!(matches!(error, Error::GraphSyntax { .. }), "{error:?}");

    let mut endless = manifest();
    endless.training.seed = Some(u64::MAX);
    let error = Bundle::write(folder.dir(), &endless, &files(&Precision::ALL), Existing::Replace).unwrap_err();
    assert!(matches!(error, Error::ManifestField { .. }), "{error:?}");

    assert_eq!(contents(&folder.dir()), before);
    assert_eq!(neighbours(&folder), ["tiny"]);
}

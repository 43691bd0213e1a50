//! What a driver compiled, from start to start.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use glimpse_models::{Bundle, FileEntry, Precision};
use tempfile::TempDir;

use super::model::TINY;
use crate::gpu::context::{Context, Level};
use crate::gpu::engine::{Engine, Settings};
use crate::gpu::kernels::Kernel;
use crate::gpu::{GpuError, tuner};

/// Files in a folder of a GPU and a folder of a driver, and what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    let drivers = entries(folder).iter().flat_map(|gpu| entries(gpu)).collect::<Vec<_>>();
    let of = |folder: &PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut all: Vec<_> = drivers.iter().flat_map(of).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    all.sort();
    all
}

/// Compiles two kernels on a GPU that is opened for it.
fn compile(folder: &Path) -> Context {
    let context = Context::open(None, Level::Full).unwrap();
    context.keep_compiled(folder);
    assert_eq!(context.pipelines(&[Kernel::Place, Kernel::Copy]).unwrap().len(), 2);
    context.check().unwrap();
    context
}

#[test]
#[ignore = "needs a GPU"]
fn kernels_are_kept_and_what_is_not_whole_is_compiled_again() {
    let folder = TempDir::new().unwrap();
    let context = compile(folder.path());
    let kept = files(folder.path());
    assert_eq!(kept.len(), 2);
    for (path, contents) in &kept {
        let (digest, data) = contents.split_at(64);
        assert_eq!(FileEntry::of(data).sha256.as_bytes(), digest, "{}", path.display());
        assert!(!data.is_empty());
    }
    compile(folder.path());
    assert_eq!(files(folder.path()), kept);
    // half a file; another byte; nothing; what is whole and no driver's; and what is another GPU's, as its header says
    let (path, contents) = &kept[0];
    let mut other = contents.clone();
    other[100] ^= 1;
    let with_digest = |data: &[u8]| [FileEntry::of(data).sha256.as_bytes(), data].concat();
    for broken in [&contents[..contents.len() / 2], &other, &[], &with_digest(b"no driver wrote this")] {
        fs::write(path, broken).unwrap();
        compile(folder.path());
        assert_eq!(files(folder.path()), kept);
    }
    let mut foreign = contents[64..].to_vec();
    foreign[20] ^= 1;
    fs::write(path, with_digest(&foreign)).unwrap();
    compile(folder.path());
    // all anew
    context.compile_anew();
    assert_eq!(files(folder.path()), []);
    assert_eq!(context.pipelines(&[Kernel::Place, Kernel::Copy]).unwrap().len(), 2);
    assert_eq!(files(folder.path()), kept);
}

#[test]
#[ignore = "needs a GPU"]
fn what_another_driver_compiled_goes() {
    let folder = TempDir::new().unwrap();
    compile(folder.path());
    let kept = files(folder.path());
    let of_driver = kept[0].0.parent().unwrap();
    fs::rename(of_driver, of_driver.with_file_name("0")).unwrap();
    compile(folder.path());
    assert_eq!(files(folder.path()), kept);
}

#[test]
#[ignore = "needs a GPU"]
fn an_engine_keeps_what_it_runs_and_compiles_it_anew_when_it_no_longer_runs() {
    let folder = TempDir::new().unwrap();
    let bundle = Bundle::open(TINY).unwrap();
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::new(None, Precision::F32, false) };
    let new = || Engine::new(&bundle, Precision::Int8, &settings).unwrap();
    new();
    let kept = files(folder.path());
    assert!(kept.len() > 5, "{}", kept.len());
    let again = new();
    assert_eq!(files(folder.path()), kept);
    again.compile_anew();
    assert_eq!(files(folder.path()), []);
    // the chosen one's kernels alone
    let again = new();
    let fewer = files(folder.path());
    assert!(!fewer.is_empty() && fewer.len() < kept.len() && fewer.iter().all(|file| kept.contains(file)));
    let tries = Cell::new(0);
    let make = |_| {
        tries.set(tries.get() + 1);
        if tries.get() > 1 {
            return again.twin();
        }
        fs::write(&fewer[0].0, "what is wrong").unwrap();
        Err(GpuError::NoAdapter)
    };
    tuner::fastest(&bundle, Precision::Int8, again.context(), &settings, |_| (), make).unwrap();
    assert!(tries.get() > 1);
    assert_eq!(files(folder.path()), fewer);
}

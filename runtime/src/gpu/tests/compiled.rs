//! What a driver compiled, from start to start.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};

use glimpse_models::{Bundle, FileEntry, Precision};
use tempfile::TempDir;
use wgpu::Features;

use super::model::TINY;
use crate::gpu::context::{Context, Level};
use crate::gpu::engine::{Engine, Settings};
use crate::gpu::kernels::Kernel;
use crate::gpu::{GpuError, tuner};

const WRONG: GpuError = GpuError::Wrong { error: 1.0, tolerance: 0.1 };

/// Files in a folder of a GPU and a folder of a driver.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        |folder: &Path| -> Vec<PathBuf> { fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect() };
    let folders = |folder: &Path| entries(folder).into_iter().filter(|path| path.is_dir()).collect::<Vec<_>>();
    let mut all: Vec<PathBuf> =
        folders(folder).iter().flat_map(|gpu| folders(gpu)).flat_map(|driver| entries(&driver)).collect();
    all.sort();
    all
}

/// Whether a file is what its digest says.
fn is_whole(file: &Path) -> bool {
    let contents = fs::read(file).unwrap();
    let Some((digest, data)) = contents.split_at_checked(64) else { return false };
    FileEntry::of(data).sha256.as_bytes() == digest && !data.is_empty()
}

/// Compiles two kernels on a GPU that is opened for it.
fn compile(folder: &Path) -> Context {
    let context = Context::open(None, Level::Full).unwrap();
    context.keep_compiled(folder);
    assert_eq!(context.pipelines(&[Kernel::Place, Kernel::Copy]).unwrap().len(), 2);
    context.check().unwrap();
    context
}

/// How often something is tried that comes out so at first, and then.
fn tries<const N: usize>(context: &Context, outcomes: [Result<(), GpuError>; N]) -> usize {
    let count = Cell::new(0);
    let work = || {
        count.set(count.get() + 1);
        outcomes[count.get() - 1].clone()
    };
    let _ = context.compiled_anew_if_need_be(work);
    count.get()
}

/// Whether a GPU's driver gives something to be kept: Vulkan's do.
fn keeps(context: &Context) -> bool {
    context.device.features().contains(Features::PIPELINE_CACHE)
}

#[test]
#[ignore = "needs a GPU"]
fn kernels_are_kept_and_what_is_not_whole_is_compiled_again() {
    let folder = TempDir::new().unwrap();
    let context = compile(folder.path());
    let kept = files(folder.path());
    assert_eq!(kept.len(), if keeps(&context) { 2 } else { 0 });
    assert!(kept.iter().all(|file| is_whole(file)));
    // what was not there at the start is not what is wrong
    assert_eq!(tries(&context, [Err(WRONG), Ok(())]), 1);
    assert_eq!(files(folder.path()), kept);
    let Some(file) = kept.first() else { return };

    // half a file; another byte; nothing; what is whole and no driver's; and what is another GPU's, as its header says
    let contents = fs::read(file).unwrap();
    let [mut other, mut foreign] = [contents.clone(), contents[64..].to_vec()];
    other[100] ^= 1;
    foreign[20] ^= 1;
    let with_digest = |data: &[u8]| [FileEntry::of(data).sha256.as_bytes(), data].concat();
    for broken in
        [&contents[..contents.len() / 2], &other, &[], &with_digest(b"no driver wrote this"), &with_digest(&foreign)]
    {
        fs::write(file, broken).unwrap();
        compile(folder.path());
        assert_eq!(files(folder.path()), kept);
        assert!(is_whole(file) && fs::read(file).unwrap() != broken);
    }

    // what was there may be what is wrong, but not that there is no memory
    let again = compile(folder.path());
    assert_eq!(tries(&again, [Err(GpuError::Memory { reason: String::new() }), Ok(())]), 1);
    assert_eq!(files(folder.path()), kept);
    // what is wrong without it, too, does not come of it
    assert_eq!(tries(&again, [Err(WRONG), Err(WRONG)]), 2);
    assert_eq!(tries(&again, [Err(WRONG), Ok(())]), 1);
    compile(folder.path());
    assert_eq!(files(folder.path()), kept);
    let again = compile(folder.path());
    assert_eq!(tries(&again, [Err(WRONG), Ok(())]), 2);
    let marker = [file.with_file_name("distrusted")];
    assert_eq!(files(folder.path()), marker);
    assert_eq!(again.pipelines(&[Kernel::Place, Kernel::Copy]).unwrap().len(), 2);
    compile(folder.path());
    assert_eq!(files(folder.path()), marker);
}

#[test]
#[ignore = "needs a GPU"]
fn what_some_drivers_before_compiled_goes() {
    let folder = TempDir::new().unwrap();
    let context = compile(folder.path());
    let kept = files(folder.path());
    let Some(file) = kept.first() else { return assert!(!keeps(&context)) };
    let of_driver = file.parent().unwrap();
    for before in 0..5 {
        fs::create_dir_all(of_driver.with_file_name(before.to_string())).unwrap();
    }
    fs::rename(of_driver, of_driver.with_file_name("last")).unwrap();
    fs::write(of_driver.with_file_name("last").join("new"), "").unwrap();
    compile(folder.path());
    let count = fs::read_dir(of_driver.parent().unwrap()).unwrap().count();
    assert_eq!((count, of_driver.with_file_name("last").is_dir(), of_driver.is_dir()), (4, true, true));
}

#[test]
#[ignore = "needs a GPU"]
fn an_engine_keeps_what_it_runs_and_does_without_when_it_no_longer_runs() {
    let folder = TempDir::new().unwrap();
    let bundle = Bundle::open(TINY).unwrap();
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::new(None, Precision::F32, false) };
    let new = || Engine::new(&bundle, Precision::Int8, &settings).unwrap();
    let first = new();
    let kept = files(folder.path());
    if !keeps(first.context()) {
        return assert_eq!(kept, [] as [PathBuf; 0]);
    }
    assert!(kept.len() > 5, "{}", kept.len());
    let again = new();
    assert_eq!(files(folder.path()), kept);
    // what was chosen fails, and runs when all is compiled anew
    let tried = RefCell::new(Vec::new());
    let make = |choice| {
        tried.borrow_mut().push(choice);
        if tried.borrow().len() > 1 { again.twin() } else { Err(WRONG) }
    };
    tuner::fastest(&bundle, Precision::Int8, again.context(), &settings, |_| (), make).unwrap();
    let [first, second] = tried.into_inner().try_into().unwrap();
    assert_eq!(first, second);
    assert_eq!(files(folder.path()), [kept[0].with_file_name("distrusted")]);
    new();
}

//! What was measured once on a GPU, kept in small files in the user's cache folder.
//!
//! A file's first line says what the answer depends on, its second line is the answer. Without such a folder, it is measured at
//! each start.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use glimpse_models::{Bundle, BundleFile, Part, Precision};

use super::adapters::Adapter;

/// Files that were written so far.
static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// The most bytes that a file may have.
const MOST_BYTES: u64 = 4096;

/// What was measured before.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The question, and what its answer depends on: one line.
    key: String,
    file: Option<PathBuf>,
}

impl Kept {
    /// The file for a model on a GPU, in a folder.
    pub(crate) fn new(
        folder: Option<&Path>,
        adapter: &Adapter,
        bundle: &Bundle,
        form: Precision,
        question: &str,
    ) -> Self {
        let graph = |part| bundle.manifest().files().get(&BundleFile::Graph(part, form));
        let hashes: Vec<&str> = Part::ALL.iter().filter_map(|&part| Some(graph(part)?.sha256.as_str())).collect();
        let key = [
            env!("CARGO_PKG_VERSION"),
            &adapter.name,
            &adapter.driver,
            adapter.api,
            bundle.name(),
            &hashes.join(" "),
            question,
        ]
        .join("; ")
        .replace(['\n', '\r'], " ");
        let file = folder.map(|folder| folder.join(format!("{:016x}.txt", fnv(&key))));
        Self { key, file }
    }

    /// The answer, if there is one.
    pub(crate) fn read(&self) -> Option<String> {
        let mut text = String::new();
        fs::File::open(self.file.as_ref()?).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        let (key, answer) = text.split_once('\n')?;
        (key == self.key).then(|| answer.trim_end().to_owned())
    }

    /// Keeps an answer; where that cannot be, it is measured again at the next start.
    pub(crate) fn write(&self, answer: &str) {
        let Some(file) = &self.file else { return };
        if let Err(error) = replace(file, format!("{}\n{answer}\n", self.key).as_bytes()) {
            log::debug!("the GPU's tuning is not kept in {}: {error}", file.display());
        }
    }
}

/// Writes a file, and makes its folder, if need be. Nobody sees half of it; what a power cut leaves, readers know by its first line
/// or digest, so that nothing waits for the disk.
pub(super) fn replace(file: &Path, contents: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let aside = file.with_extension(format!("{}-{count}.part", std::process::id()));
    let written = fs::write(&aside, contents).and_then(|()| fs::rename(&aside, file));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Where choices are kept: the user's cache folder.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("glimpse").join("gpu"))
}

/// What was chosen for the models that ran on a GPU: a line each.
pub(super) fn chosen(adapter: &Adapter) -> Vec<String> {
    let files = cache_folder().and_then(|folder| fs::read_dir(folder).ok());
    let text = |entry: std::io::Result<fs::DirEntry>| fs::read_to_string(entry.ok()?.path()).ok();
    let line = |text: String| {
        let (key, choice) = text.split_once('\n')?;
        let [version, name, driver, _, bundle, _, question] = key.split("; ").collect::<Vec<_>>()[..] else {
            return None;
        };
        let here = version == env!("CARGO_PKG_VERSION") && name == adapter.name && driver == adapter.driver;
        here.then(|| format!("{bundle}, {question}: {}", choice.trim_end()))
    };
    let mut lines: Vec<String> = files.into_iter().flatten().filter_map(text).filter_map(line).collect();
    lines.sort();
    lines
}

/// Fowler, Noll and Vo's hash, 1a: a name for a file, or for a folder.
pub(super) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

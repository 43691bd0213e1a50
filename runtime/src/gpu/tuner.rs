//! Which kernels are fastest on a GPU: measured once, at the first start with a model, and kept.
//!
//! The floor's kernels run on every GPU. Larger tiles and products of bytes gain much on some and cost on others, and no list
//! of names says which; so each is asked for the model's golden answer and then timed. What is wrong is not taken, however
//! fast. The answer is a small file in the user's cache folder; without such a folder, it is measured at each start.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use glimpse_models::{Bundle, BundleFile, Part, Precision};
use ndarray::Array2;

use super::GpuError;
use super::adapters::Adapter;
use super::engine::{Engine, Input, Want};
use super::kernels::Form;
use super::plan::Choice;
use super::weights::Product;
use crate::Mask;

/// Invocations along a side of a linear layer's tile.
const SIDES: [u32; 2] = [8, 16];
/// Frames that are timed, of which the fastest counts.
const FRAMES: usize = 3;
/// The most bytes that a file of a tuner's may have.
const MOST_BYTES: u64 = 4096;

/// What may be chosen among, first what is sure to run.
pub(super) fn candidates(precision: Precision, form: Precision, half: bool) -> Vec<Choice> {
    let products: &[Product] = match (precision, form, half) {
        (Precision::F32, _, true) => &[Product::Wide(Form::F16)],
        (Precision::F32, Precision::F32, false) => &[Product::Wide(Form::F32)],
        // int8 weights that are to be multiplied in f32
        (Precision::F32, Precision::Int8, false) => &[Product::Wide(Form::Int8)],
        (Precision::Int8, _, _) => &[Product::Wide(Form::Int8), Product::Bytes],
    };
    products.iter().flat_map(|&product| SIDES.map(|side| Choice { product, side })).collect()
}

/// How long the fastest of a few frames takes, all patches visible.
pub(super) fn time(engine: &mut Engine, bundle: &Bundle) -> Result<Duration, GpuError> {
    let grid = bundle.spec().grid();
    let (patches, mask) = (Array2::zeros((grid.len(), grid.patch_len())), Mask::all_visible(grid));
    let want = if bundle.spec().decoder().is_some() { Want::Painted } else { Want::Tokens };
    let mut least = Duration::MAX;
    for frame in 0..=FRAMES {
        let start = Instant::now();
        engine.run(Input::Patches(patches.view()), &mask, want)?;
        if frame > 0 {
            least = least.min(start.elapsed());
        }
    }
    Ok(least)
}

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
        let write = || -> std::io::Result<()> {
            let folder = file.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            let aside = file.with_extension(format!("{}.part", std::process::id()));
            let mut written = fs::File::create(&aside)?;
            writeln!(written, "{}\n{answer}", self.key)?;
            written.sync_all()?;
            fs::rename(&aside, file)
        };
        if let Err(error) = write() {
            log::debug!("the GPU's tuning is not kept in {}: {error}", file.display());
        }
    }
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

/// Fowler, Noll and Vo's hash, 1a: a name for a file, whose first line is compared besides.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

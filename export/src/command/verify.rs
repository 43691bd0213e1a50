//! `glimpse-export verify`: is a bundle right, and how well does it paint?

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use glimpse_export::data::folder;
use glimpse_export::emit::Checkpoint;
use glimpse_export::verify::{CheckFailed, OpenCv, Quality, Report, Settings, parity, quality};
use glimpse_models::{Bundle, Existing, Precision};
use glimpse_runtime::inpaint::PaintOptions;
use image::codecs::jpeg::JpegEncoder;
use indicatif::{ProgressBar, ProgressStyle};

use super::blend::Choice;

/// High enough that the pictures are judged and not their compression.
const SHEET_JPEG_QUALITY: u8 = 85;

/// Compares the runtime with burn and, on a folder of pictures, its painting with classical fills.
///
/// Exits with 1 when the runtime's answers differ from burn's by more than their limits.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the bundle.
    bundle: PathBuf,
    /// Checkpoint that the bundle was emitted from: burn computes the right answers anew, instead of the golden file's.
    #[arg(long, value_name = "FOLDER")]
    checkpoint: Option<PathBuf>,
    /// Folder tree of JPEG, PNG and WebP pictures to hide parts of and paint in.
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
    /// Which of the pictures: those that training keeps for validation, or all.
    #[arg(long, value_enum, default_value = "validation")]
    split: Split,
    /// At most this many pictures, evenly spread over them.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Form of the weights, int8 or f32; more than one with commas or by repeating [default: all that the bundle has]
    #[arg(long, value_delimiter = ',')]
    precision: Vec<Precision>,
    /// Seed of the holes.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Holes of each class and picture.
    #[arg(long, value_name = "K", default_value_t = 1)]
    holes_per_picture: usize,
    /// Longest side that pictures are reduced to, in pixels.
    #[arg(long, value_name = "PX", default_value_t = 480)]
    side: u32,
    /// Paint otherwise than `glimpse inpaint` does, to try what is best: `--blend model-weight=0.8,smooth=0`.
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',', conflicts_with = "record")]
    blend: Vec<Choice>,
    /// Python that has OpenCV [default: that of `cargo ci venv`, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Leave out the fills that OpenCV computes.
    #[arg(long, conflicts_with = "python")]
    no_opencv: bool,
    /// Folder for the report as Markdown and JSON, and a contact sheet: masked, mean fill, Telea, Navier–Stokes, Glimpse,
    /// original.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// File for the runtime's answers to the golden inputs, `<case>.<precision>.tokens`, `.painted`, `.logits`.
    #[arg(long, value_name = "FILE.safetensors")]
    answers: Option<PathBuf>,
    /// Write the painting quality into the bundle's manifest, where `glimpse info` finds it.
    #[arg(long, requires = "pictures")]
    record: bool,
    /// Print the report as JSON instead of Markdown.
    #[arg(long)]
    json: bool,
}

/// Which pictures of a folder to paint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Split {
    /// Each twentieth in name order, which training never sees.
    Validation,
    /// The others: what to try painting on, as what is chosen by validation pictures says nothing of new ones.
    Training,
    /// Every one.
    All,
}

/// Verifies the bundle and prints the report.
///
/// # Errors
/// [`CheckFailed`] when the runtime is not within its limits; others when something cannot be read, run or written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.holes_per_picture > 0, "--holes-per-picture 0 hides nothing: give at least 1");
    ensure!(args.limit != Some(0), "--limit 0 leaves no picture: give at least 1");
    ensure!(args.side >= 32, "--side {} leaves no room for holes: give at least 32", args.side);
    let bundle = Bundle::open(&args.bundle)?;
    let precisions = if args.precision.is_empty() { bundle.precisions() } else { args.precision.clone() };
    let read =
        |dir: &PathBuf| Checkpoint::read(dir).with_context(|| format!("reading the checkpoint {}", dir.display()));
    let checkpoint = args.checkpoint.as_ref().map(read).transpose()?;

    let parity = parity(&bundle, &precisions, checkpoint.as_ref())?;
    if let Some(file) = &args.answers {
        write(file, &parity.answers_to_bytes()?)?;
    }
    let painted = args.pictures.as_ref().map(|folder| paint(args, &bundle, precisions, folder)).transpose()?;
    let (painting, sheet) = painted.map(|Quality { painting, sheet }| (painting, sheet)).unzip();
    let report =
        Report { bundle: bundle.name().to_owned(), passed: parity.passed(), parity: parity.comparisons, painting };

    let (markdown, json) = (report.markdown(), report.json()?);
    if let Some(folder) = &args.output {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        write(&folder.join("report.md"), markdown.as_bytes())?;
        write(&folder.join("report.json"), json.as_bytes())?;
        if let Some(sheet) = sheet {
            let mut jpeg = Vec::new();
            sheet.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, SHEET_JPEG_QUALITY))?;
            write(&folder.join("contact_sheet.jpg"), &jpeg)?;
        }
    }
    if let Some(painting) = report.painting.as_ref().filter(|_| args.record && report.passed) {
        let mut manifest = bundle.manifest().clone();
        manifest.quality.extend(painting.measures());
        Bundle::write(&args.bundle, &manifest, bundle.files(), Existing::Replace)?;
    }
    print!("{}", if args.json { json } else { markdown });
    if report.passed { Ok(()) } else { Err(CheckFailed.into()) }
}

fn paint(args: &Args, bundle: &Bundle, precisions: Vec<Precision>, folder: &Path) -> anyhow::Result<Quality> {
    // Before the long part, so that what is missing is said at once.
    let opencv = (!args.no_opencv).then(|| OpenCv::find(args.python.as_deref())).transpose()?;
    let paths = folder::spread(chosen(folder, args.split)?, args.limit.unwrap_or(usize::MAX));
    let settings = Settings {
        side_px: args.side,
        seed: args.seed,
        holes_per_picture: args.holes_per_picture,
        precisions,
        opencv,
        paint: PaintOptions { blend: Choice::blend(&args.blend)?, ..PaintOptions::default() },
    };
    let progress = ProgressBar::new(0)
        .with_style(ProgressStyle::with_template("painting {bar:40} {pos}/{len} pictures, {eta} left")?);
    let quality = quality(bundle, folder, &paths, &settings, &progress)
        .with_context(|| format!("painting with {}", args.bundle.display()));
    progress.finish_and_clear();
    quality
}

fn chosen(folder: &Path, split: Split) -> anyhow::Result<Vec<PathBuf>> {
    let pictures = folder::list(folder)?;
    let count = pictures.len();
    let chosen = match split {
        Split::All => pictures,
        Split::Validation => folder::split(pictures).validation,
        Split::Training => folder::split(pictures).train,
    };
    ensure!(
        !chosen.is_empty(),
        "{} has {count} pictures, of which each twentieth is for validation: take all of them with --split all",
        folder.display()
    );
    Ok(chosen)
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(file, bytes).with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests unwrap freely")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_too_small_for_validation_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.jpg"), b"").unwrap();
        let error = chosen(folder.path(), Split::Validation).unwrap_err().to_string();
        assert!(error.contains("1 pictures") && error.contains("--split all"), "{error}");
        assert_eq!(chosen(folder.path(), Split::All).unwrap().len(), 1);
    }
}

//! `glimpse-export probe`: what are a bundle's features worth?

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use glimpse_export::probe::{Labelled, Settings, probe};
use glimpse_models::{Bundle, Existing, Precision};
use indicatif::{ProgressBar, ProgressStyle};

/// Where Debian's package `dataset-fashion-mnist` puts its files.
const DEBIAN_FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// Measures what classifiers make of a bundle's frozen features of labelled pictures: the vote of the nearest neighbours,
/// and logistic regression; with 25, 50 and 100% of the patches visible.
///
/// Beside them: the same encoder untrained, the pixels, and their principal components.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the bundle.
    bundle: PathBuf,
    /// Folder tree of JPEG, PNG and WebP pictures, a folder a class: train/CLASS and test/CLASS (or val/CLASS), or CLASS
    /// alone, and then a fifth of each class is asked about.
    #[arg(long, value_name = "FOLDER", conflicts_with = "fashion_mnist")]
    data: Option<PathBuf>,
    /// Fashion-MNIST, from the folder with its four files [default: that of Debian's dataset-fashion-mnist]
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = DEBIAN_FASHION_MNIST)]
    fashion_mnist: Option<PathBuf>,
    /// Learn from at most this many pictures, drawn at random.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    train_limit: usize,
    /// Ask about at most this many pictures, drawn at random.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    test_limit: usize,
    /// Seed of everything drawn: the pictures, the masks, the untrained encoder.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Form of the weights, int8 or f32 [default: int8 where the bundle has it]
    #[arg(long)]
    precision: Option<Precision>,
    /// Write the percentages into the bundle's manifest, where `glimpse info` finds them.
    #[arg(long)]
    record: bool,
    /// Print the report as JSON instead of Markdown.
    #[arg(long)]
    json: bool,
}

/// Probes the bundle and prints the report.
///
/// # Errors
/// When something cannot be read, run or written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.train_limit > 0, "--train-limit 0 leaves nothing to learn from: give at least 1");
    ensure!(args.test_limit > 0, "--test-limit 0 leaves nothing to ask about: give at least 1");
    let bundle = Bundle::open(&args.bundle)?;
    let has_int8 = bundle.precisions().contains(&Precision::Int8);
    let precision = args.precision.unwrap_or(if has_int8 { Precision::Int8 } else { Precision::F32 });
    let data = match (&args.fashion_mnist, &args.data) {
        (Some(folder), _) => Labelled::mnist("Fashion-MNIST", folder),
        (None, Some(folder)) => Labelled::folders(folder, args.seed),
        (None, None) => bail!("there is nothing to ask about: name pictures with --data, or take --fashion-mnist"),
    }?;
    let data = data.limited(args.train_limit, args.test_limit, args.seed);

    let progress =
        ProgressBar::new(0).with_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}, {eta} left")?);
    let settings = Settings { precision, seed: args.seed };
    let report =
        probe(&bundle, &data, &settings, &progress).with_context(|| format!("probing {}", args.bundle.display()));
    progress.finish_and_clear();
    let report = report?;
    if args.record {
        let mut manifest = bundle.manifest().clone();
        report.record(&mut manifest);
        Bundle::write(&args.bundle, &manifest, bundle.files(), Existing::Replace)?;
    }
    print!("{}", if args.json { report.json()? } else { report.markdown() });
    Ok(())
}

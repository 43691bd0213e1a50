//! `glimpse inpaint`: paints in what is hidden.

use std::borrow::Cow;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ArgGroup;
use glimpse_models::{Bundle, Precision};
use glimpse_runtime::Options;
use glimpse_runtime::inpaint::{Inpainter, Method, PaintOptions};
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array2, ArrayView2, ArrayView3};
use serde::Serialize;

use crate::bundles;
use crate::device::DeviceArgs;
use crate::painting::{Area, Asked, Existing, HoleFrom, Job, Painter, Plan, side_by_side, side_by_side_px};
use crate::picture::Picture;

/// Paint in a part of a picture: what stands in front, what is scratched, what is cut out.
///
/// Say what to paint with exactly one of --mask, --box, --alpha and --random. Places are those of the upright picture, as
/// a viewer shows it. Pixels outside the hole are not touched: a PNG or WebP output has them byte for byte. A JPEG output
/// is compressed anew, like every saved JPEG: with its source's own quantization tables and chroma subsampling, or, where
/// the source is no JPEG, at quality 95 without subsampling. WebP is written lossless. EXIF data, orientation and colour
/// profile are kept; grey stays grey, and transparency stays. A picture of a folder that cannot be read is named on stderr and
/// passed over, and the exit status is 1 then.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(group(ArgGroup::new("hole").required(true).args(["mask", "areas", "alpha", "random"])))]
#[command(after_help = "\
Examples:
  glimpse inpaint photo.jpg --mask strap.png -o clean.png
  glimpse inpaint photo.jpg --box 120,80,64,64 --box 300,40,20,90 -o clean.jpg
  glimpse inpaint photos/ --mask masks/ --grow 4 -o clean/
  glimpse inpaint photo.jpg --random 0.5 --seed 7 --side-by-side -o sheet.png")]
pub struct Args {
    /// Pictures (JPEG, PNG or WebP, 8 bits a channel), or folders of them
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Where to: a file whose ending says the format, or, for several pictures or a folder, a folder
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// A picture of the same size that is white where to paint (brighter than 127), or a folder of masks that have the
    /// pictures' names (whatever their endings)
    #[arg(long, value_name = "FILE", help_heading = "What to paint")]
    mask: Option<PathBuf>,

    /// Paint a rectangle: left, top, width, height in pixels; may be given several times
    #[arg(long = "box", value_name = "X,Y,W,H", allow_hyphen_values = true, help_heading = "What to paint")]
    areas: Vec<Area>,

    /// Paint the pixels that are transparent (opacity of 127 or less); they become opaque
    #[arg(long, help_heading = "What to paint")]
    alpha: bool,

    /// Paint random patches of the model's grid, this share of them (0 to 1), and measure how near they come to the
    /// truth
    #[arg(long, value_name = "RATIO", value_parser = ratio, help_heading = "What to paint")]
    random: Option<f32>,

    /// Seed of --random: the same seed hides the same patches
    #[arg(long, value_name = "S", default_value_t = 0, conflicts_with_all = ["mask", "areas", "alpha"], help_heading = "What to paint")]
    seed: u64,

    /// Stretch a mask that has another size than its picture, instead of refusing it
    #[arg(long, conflicts_with_all = ["areas", "alpha", "random"], help_heading = "What to paint")]
    fit_mask: bool,

    /// Grow the hole by this many pixels: masks seldom reach over a thing's soft edge
    #[arg(long, value_name = "PX", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000), help_heading = "What to paint")]
    grow: u32,

    /// The method that paints
    #[arg(long, value_enum, default_value_t = Asked::Auto, help_heading = "How to paint")]
    method: Asked,

    #[arg(long, value_name = "PX", value_parser = feather, help_heading = "How to paint", help = format!(
        "Width, inside the hole, over which the model's detail fades in from the rim, in pixels [default: {}]",
        PaintOptions::default().feather_px
    ))]
    feather: Option<f32>,

    /// A model inside the program, or a bundle's folder (`glimpse info` lists them)
    #[arg(long, value_name = "NAME|PATH", default_value = bundles::DEFAULT, help_heading = "How to paint")]
    model: String,

    /// Numbers to compute with: int8 or f32 [default: int8 where the model has it]
    #[arg(long, value_name = "PRECISION", help_heading = "How to paint")]
    precision: Option<Precision>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Threads to compute with; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "How to paint")]
    threads: Option<u32>,

    /// Write masked, painted and original side by side instead of the painted picture
    #[arg(long)]
    side_by_side: bool,

    /// Go on where a run was stopped: pictures whose outputs exist are passed over
    #[arg(long, conflicts_with = "force")]
    resume: bool,

    /// Replace outputs that exist
    #[arg(long)]
    force: bool,

    /// Report on stdout as JSON instead of in words
    #[arg(long)]
    json: bool,
}

/// What is said of all pictures.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// The model that painted, or whose measurements spoke for another method.
    model: &'a str,
    precision: &'a str,
    method_asked: Asked,
    pictures: Vec<Painted<'a>>,
    broken: Vec<Broken<'a>>,
}

/// A picture that could not be read.
#[derive(Debug, Serialize)]
struct Broken<'a> {
    path: Cow<'a, str>,
    reason: String,
}

/// What is said of one picture.
#[derive(Debug, Serialize)]
struct Painted<'a> {
    /// As text, as the output is: JSON holds no name that is no Unicode.
    input: Cow<'a, str>,
    output: Cow<'a, str>,
    width_px: usize,
    height_px: usize,
    hole_px: usize,
    /// The hole's share of the picture, 0 to 1.
    hole_share: f64,
    /// What painted it.
    method: &'static str,
    painting_ms: f64,
    /// How near the hole comes to the truth, which is known with `--random` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    psnr_masked_db: Option<f64>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    refuse_unused(args)?;
    let existing = match (args.resume, args.force) {
        (true, _) => Existing::Keep,
        (false, true) => Existing::Replace,
        (false, false) => Existing::Refuse,
    };
    let plan = Plan::new(&args.images, &args.output, args.mask.as_deref(), existing)?;
    if args.resume {
        plan.clean()?;
        say(stderr(), &format!("{} of {} pictures were painted before", plan.done, plan.done + plan.jobs.len()));
    }
    let bundle = bundles::open(&args.model)?;
    let precision = bundles::precision(&bundle, args.precision);
    args.device.check(precision)?;
    let options = args.device.options(precision, args.threads.map(|threads| threads as usize));
    let grid = bundle.spec().grid();
    let hole_from = |job: &Job| match (&job.mask, args.random) {
        (Some(path), _) => HoleFrom::Mask { path: path.clone(), fit: args.fit_mask },
        (None, Some(ratio)) => HoleFrom::Random { ratio, seed: args.seed, grid },
        (None, None) if args.alpha => HoleFrom::Alpha,
        (None, None) => HoleFrom::Areas(args.areas.clone()),
    };
    // Everything is looked at before anything is written, so that a refusal leaves nothing half done.
    let mut looked_at = None;
    let (mut jobs, mut methods, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for job in &plan.jobs {
        let picture = match Picture::read(&job.input) {
            Err(error) if job.is_of_folder => {
                let reason = format!("{error:#}");
                say(stderr(), &format!("passed over: {reason}"));
                broken.push(Broken { path: job.input.to_string_lossy(), reason });
                continue;
            }
            picture => picture?,
        };
        let hole = hole_in(&picture, job, &hole_from(job), args)?;
        jobs.push(job);
        methods.push(args.method.method(&bundle, hole.view()));
        looked_at = (plan.jobs.len() == 1).then_some((picture, hole));
    }
    ensure!(
        broken.is_empty() || !jobs.is_empty() || plan.done > 0,
        "none of the {} pictures could be read, for the reasons above; nothing is written",
        broken.len()
    );
    let mut painter = painter(&bundle, &methods, options, args).with_context(|| format!("model `{}`", args.model))?;
    plan.make_folders()?;

    let bar = progress(jobs.len());
    let mut report = Report {
        model: bundle.name(),
        precision: precision.name(),
        method_asked: args.method,
        pictures: Vec::new(),
        broken,
    };
    for (job, method) in jobs.into_iter().zip(methods) {
        bar.set_message(job.input.display().to_string());
        let (picture, hole) = if let Some(loaded) = looked_at.take() {
            loaded
        } else {
            let picture = Picture::read(&job.input)?;
            let hole = hole_in(&picture, job, &hole_from(job), args)?;
            (picture, hole)
        };
        let painted = paint(&mut painter, method, job, &picture, hole.view(), args)?;
        if !args.json {
            bar.suspend(|| say(stdout(), &in_words(&painted, args.method)));
        }
        report.pictures.push(painted);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    if report.broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (broken, all) = (report.broken.len(), plan.done + plan.jobs.len());
    say(stderr(), &format!("warning: {broken} of {all} pictures could not be read and are not painted"));
    Ok(ExitCode::FAILURE)
}

/// What is said of the model is said in vain where it does not paint.
fn refuse_unused(args: &Args) -> Result<()> {
    let of_the_model = [("--precision", args.precision.is_some()), ("--feather", args.feather.is_some())];
    match of_the_model.iter().find(|(_, given)| *given) {
        Some((option, _)) if args.method.is_without_model() => bail!(
            "{option} is for the model, and --method {} paints without it: leave {option} out, or ask for --method mae",
            args.method
        ),
        _ => Ok(()),
    }
}

/// Loads what the methods need: no model if none of them asks it.
fn painter<'a>(bundle: &'a Bundle, methods: &[Method], options: Options, args: &Args) -> Result<Painter<'a>> {
    if !args.method.is_without_model() {
        Inpainter::check(bundle)?;
    }
    let usual = PaintOptions::default();
    let paint = PaintOptions { feather_px: args.feather.unwrap_or(usual.feather_px), ..usual };
    let mut painter = Painter::new(bundle, options, paint);
    for method in methods {
        painter.prepare(*method)?;
    }
    Ok(painter)
}

/// The hole in a picture; refuses what could not be painted or written.
fn hole_in(picture: &Picture, job: &Job, hole_from: &HoleFrom, args: &Args) -> Result<Array2<bool>> {
    let hole = hole_from.hole(picture, &job.input, args.grow)?;
    let becomes_opaque = args.alpha.then(|| hole.view());
    let refusal = if args.side_by_side {
        // a sheet has no transparency
        job.format.refusal(side_by_side_px(picture))
    } else {
        picture.refusal(job.format, becomes_opaque)
    };
    match refusal {
        Some(reason) => bail!("{} cannot be written as {}: {reason}", job.input.display(), job.output.display()),
        None => Ok(hole),
    }
}

/// Paints one picture and writes it.
fn paint<'a>(
    painter: &mut Painter<'_>,
    method: Method,
    job: &'a Job,
    picture: &Picture,
    hole: ArrayView2<bool>,
    args: &Args,
) -> Result<Painted<'a>> {
    let rgb = picture.to_rgb();
    let (height_px, width_px) = hole.dim();
    let view = ArrayView3::from_shape((height_px, width_px, 3), rgb.as_raw())?;
    let start = Instant::now();
    let painting = || format!("painting {}", job.input.display());
    let unseen = picture.alpha().map(|alpha| alpha.mapv(|alpha| alpha == 0));
    let seen = unseen.filter(|unseen| unseen.iter().zip(hole).any(|(unseen, hidden)| *unseen && !hidden));
    let seen =
        seen.map(|unseen| painter.with_seen_colours(view, unseen.view(), hole)).transpose().with_context(painting)?;
    let source = seen.as_ref().map_or(view, |seen| seen.view());
    let pixels = painter.paint(method, source, hole).with_context(painting)?;
    let painting_ms = start.elapsed().as_secs_f64() * 1e3;
    let psnr_masked_db = args.random.map(|_| psnr_db(view, pixels.view(), hole));
    let painted = picture.painted(pixels.view(), hole, args.alpha);
    let output = if args.side_by_side { side_by_side(picture, &painted, hole)? } else { painted };
    output.write(&job.output, job.format, args.force)?;
    let hole_px = hole.iter().filter(|hidden| **hidden).count();
    let hole_share = hole_px as f64 / hole.len() as f64;
    let (input, output, method) = (job.input.to_string_lossy(), job.output.to_string_lossy(), method.name());
    Ok(Painted { input, output, width_px, height_px, hole_px, hole_share, method, painting_ms, psnr_masked_db })
}

/// Peak signal to noise over the hidden pixels.
///
/// # Units
/// Decibels, of 255; at most 99.
fn psnr_db(truth: ArrayView3<u8>, painted: ArrayView3<u8>, hole: ArrayView2<bool>) -> f64 {
    let (mut sum, mut count) = (0_u64, 0_u64);
    for ((y, x), _) in hole.indexed_iter().filter(|(_, hidden)| **hidden) {
        for channel in 0..3 {
            sum += u64::from(truth[[y, x, channel]].abs_diff(painted[[y, x, channel]])).pow(2);
            count += 1;
        }
    }
    let mean = sum as f64 / count as f64;
    (10.0 * (255.0 * 255.0 / mean).log10()).min(99.0)
}

fn in_words(painted: &Painted, asked: Asked) -> String {
    let Painted { input, output, width_px, height_px, hole_share, method, painting_ms, psnr_masked_db, .. } = painted;
    let quality = psnr_masked_db.map_or(String::new(), |db| format!(", {db:.1} dB of the truth"));
    let chosen = if asked == Asked::Auto { " (auto)" } else { "" };
    format!(
        "{input} → {output}: {:.1}% of {width_px}×{height_px} painted by {method}{chosen} in {:.1} s{quality}",
        hole_share * 100.0,
        painting_ms / 1e3
    )
}

/// Says how far it has come: that nobody reads it, as after `| head`, is no reason to stop painting.
fn say(mut to: impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

/// A bar on stderr, where that is a terminal.
fn progress(pictures: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(pictures as u64);
    let template = if pictures > 1 { "{bar:30} {pos}/{len} {eta} {msg}" } else { "{spinner} {elapsed} {msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn ratio(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(ratio) if (0.0..1.0).contains(&ratio) => Ok(ratio),
        _ => Err("a share of the patches is a number from 0 up to but not including 1".to_owned()),
    }
}

fn feather(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(feather) if (0.0..=1000.0).contains(&feather) => Ok(feather),
        _ => Err("a feather is a number of pixels from 0 to 1000".to_owned()),
    }
}

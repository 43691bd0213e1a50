//! `glimpse camera`: what a model sees in a camera's frames, for as long as they come.

mod check;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use glimpse_models::{PatchGrid, Precision};
use glimpse_runtime::{Give, Machine, Model, PREPROCESS_VERSION, Stream};
use serde::Serialize;

use crate::bundles;
use crate::camera::budget::{Budget, Chooser, masked};
use crate::camera::capture;
use crate::camera::live::Live;
use crate::camera::mailbox::Mailbox;
use crate::camera::pixels::{MOST_SIDE, PixelFormat};
use crate::camera::pulse::Pulse;
use crate::camera::rate::RateKeeper;
use crate::camera::sinks::{Bytes, Features, Item, Keeping, Output, Painted, Rotate, Row, Running, spool_folder};
use crate::camera::sources::Wanted;
use crate::camera::uri::SourceUri;
use crate::camera::watch::{Done, Seen, Shared, Until, watch};
use crate::device::DeviceArgs;
use crate::features::Keep;
use crate::logs::LogArgs;
use crate::painting::Area;
use crate::serve::{self, PageArgs};

pub use self::check::check_service;
use self::check::{check, check_new};

/// See what comes: the newest frame of cameras, programs or files in, features or painted frames out.
///
/// The model looks at the newest frame: frames that come while it is busy are dropped and counted. With --visible, it looks at
/// a part of each frame, and costs as much less; motion:N spends N patches on what changed most since it was last looked at.
///
/// A source that fails, is silent, or is unplugged is said and opened again. Ctrl-C ends all in order.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  glimpse camera --source csi:pi --visible motion:16 --out features.jsonl
  glimpse camera --source rtsp://camera.example.org/stream --duration 3600 --out features.jsonl
  glimpse camera --source v4l2:0 --size 640x480 --fps 15 --out features.jsonl
  glimpse camera --source 'exec:ffmpeg -loglevel error -f v4l2 -i /dev/video0 -f yuv4mpegpipe -pix_fmt yuv420p -' --out -
  glimpse camera --source file:film.mp4 --every-frame --visible 0.5 --out painted.mjpeg
  glimpse camera --source csi:pi --target-fps 10 --out mqtt://broker.example.org/cameras/door
  glimpse camera --source csi:pi --visible motion:16 --serve 127.0.0.1:4912
  glimpse camera --source test: --frames 100 --out -")]
#[expect(clippy::struct_excessive_bools, reason = "a command line's flags are true or false")]
pub struct Args {
    /// Where frames come from: v4l2:N or `v4l2:/dev/…` (a camera of Linux's), exec:COMMAND (raw, Y4M or MJPEG on its standard
    /// output; nothing comes on its standard input), csi:pi, csi:jetson, `rtsp://…` or `rtsps://…`, `file:FILM`, dir:FOLDER, image:PICTURE, test:SEED (a pattern that
    /// moves); may be given several times
    #[arg(long = "source", value_name = "URI", required = true)]
    sources: Vec<SourceUri>,

    /// Width and height that are asked of the source; those of its frames, if they are raw
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<[u32; 2]>,

    /// Frames a second that are asked of the source
    #[arg(long, value_name = "N", value_parser = fps)]
    fps: Option<f64>,

    /// How pixels lie in a command's frames, if it does not say so itself; what is asked of a v4l2: camera
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<PixelFormat>,

    /// Look at every frame: sources wait where they can, and so do outputs
    #[arg(long)]
    every_frame: bool,

    /// Begin a film, a folder or a command again when it has ended
    #[arg(long = "loop")]
    again: bool,

    /// Which of a frame's patches the model looks at: all; N, or a share such as 0.25, others in each frame; motion:N, the N that
    /// changed most since they were last looked at
    #[arg(long, value_name = "all|N|SHARE|motion:N", default_value = "all")]
    visible: Budget,

    /// Look at fewer patches than --visible where it takes that to do so many frames a second: on a board that is warm, say
    #[arg(long, value_name = "N", value_parser = fps)]
    target_fps: Option<f64>,

    /// Never look at what is in this rectangle of a frame, in its pixels; it is painted in; may be given several times; one that
    /// reaches outside of a frame ends the run, unless there are several sources
    #[arg(long, value_name = "X,Y,W,H")]
    never: Vec<Area>,

    /// Never look at what is white in this picture, which is stretched over a frame: a dashboard, a neighbour's window, a flaw of
    /// the lens
    #[arg(long, value_name = "PICTURE")]
    never_mask: Option<PathBuf>,

    /// Draws other patches, where --visible says how many [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Where to: FILE.jsonl for features, a line a frame, and FILE.parquet or FILE.npy, which take --rotate, --frames or
    /// --duration; another ending with the kind before it, jsonl:FILE; `mqtt://[USER[:PASSWORD]@]HOST/TOPIC` or `mqtts://…`, a
    /// message a frame; zenoh:KEY, a sample a frame; FILE.mjpeg or FILE.y4m for painted frames, as large as the model's pictures; - for features on standard
    /// output, mjpeg:- or y4m:- for frames; may be given several times
    #[arg(long = "out", value_name = "OUTPUT")]
    outputs: Vec<Output>,

    #[command(flatten)]
    page: PageArgs,

    /// End a file when it has so much in it, or is so old, and begin another one; they are numbered from the first number that is
    /// free, FILE.1.jsonl and so on
    #[arg(long, value_name = "100MB|1h")]
    rotate: Option<Rotate>,

    /// Where messages wait while a broker is away [default: the user's state folder, or systemd's]
    #[arg(long, value_name = "FOLDER")]
    spool: Option<PathBuf>,

    /// How much may wait for each broker; beyond it, the oldest messages are given up [default: 64MB]
    #[arg(long, value_name = "64MB")]
    spool_size: Option<Bytes>,

    /// Zenoh's own configuration (JSON5), for zenoh: outputs: whom to connect to, say [default: the file that `ZENOH_CONFIG`
    /// names, or Zenoh's defaults, which find others on the network]
    #[arg(long, value_name = "FILE")]
    zenoh_config: Option<PathBuf>,

    /// Which tokens make a frame's features: the class token, the mean of those of patches, or none are left out
    #[arg(long, value_enum, value_name = "POOL", default_value = "mean")]
    pool: Keep,

    /// Replace files that exist
    #[arg(long)]
    force: bool,

    /// Stop after so many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,

    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// A model inside the program, or a bundle's folder (`glimpse info` lists them)
    #[arg(long, value_name = "NAME|PATH", default_value = bundles::DEFAULT)]
    model: String,

    /// Numbers to compute with: int8 or f32 [default: int8 where the model has it]
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Threads that share a frame's work [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Take options from a TOML file, too, as `frames = 20` or `source = ["csi:pi", "test:"]`; what is typed takes the place of
    /// them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    pub log: LogArgs,

    /// At the end, print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Report {
    sources: Vec<SourceReport>,
    outputs: Vec<OutputReport>,
    /// Frames that the model looked at.
    frames: u64,
    /// Frames that could not be read.
    broken: u64,
    /// Frames of which the page's viewers left nothing to look at.
    covered: u64,
    seconds: f64,
    frames_per_s: f64,
    /// From a frame's capture to its answer.
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    /// Patches that the model looked at in a frame, in the mean.
    visible: f64,
    patches: usize,
    device: String,
}

#[derive(Debug, Serialize)]
struct SourceReport {
    source: String,
    captured: u64,
    /// Of them, those that a newer one took the place of.
    dropped: u64,
    /// Why it gave no more, where that was not its end.
    broke_off: Option<String>,
}

#[derive(Debug, Serialize)]
struct OutputReport {
    output: String,
    /// Frames that it had no time for.
    missed: u64,
    /// Frames that could not be written.
    lost: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    check(args)?;
    check_new(args)?;
    let bound = args.page.bind()?;
    let bundle = bundles::open(&args.model)?;
    let precision = bundles::precision(&bundle, args.precision);
    args.device.check(precision)?;
    let grid = bundle.spec().grid();
    let visible = args.visible.count(grid)?;
    let never = match &args.never_mask {
        Some(mask) => masked(mask, grid)?,
        None => Vec::new(),
    };
    let mut choosers = choosers(args, grid, &never)?;
    let threads = args.threads.map_or_else(|| Machine::detect().threads, |threads| threads as usize);
    let options = args.device.options(precision, Some(threads));
    let model = Model::load(&bundle, &options).with_context(|| format!("model `{}`", args.model))?;
    let form = model.form();
    let paints = bundle.spec().decoder().is_some() && !bundle.spec().norm_pix();
    let give = give(args);
    // what a page may ask for at times is tried from the start
    let most = if bound.is_some() && paints { Give::Both } else { give };
    let mut stream = Stream::new(model, most)?;
    let mut sinks = Vec::new();
    let most_spool_bytes = args.spool_size.unwrap_or(Bytes::SPOOL).0;
    let keeping = Keeping {
        rotate: args.rotate,
        spool: spool_folder(args.spool.as_deref()),
        most_spool_bytes,
        zenoh: args.zenoh_config.clone(),
    };
    for output in &args.outputs {
        sinks.push(Running::start(output, &keeping)?);
    }

    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = listen(&stop)?;
    let mailbox = Arc::new(Mailbox::new(args.sources.len()));
    let names: Vec<String> = args.sources.iter().map(SourceUri::to_string).collect();
    let live = Arc::new(Live::new(args.visible, names.len(), give, paints && bound.is_some()));
    let page = bound
        .map(|bound| bound.serve(on_page(args, &names, never, &mut stream), Arc::clone(&live), Arc::clone(&mailbox)));
    let page = page.transpose()?;
    let wanted =
        Wanted { size: args.size, fps: args.fps, format: args.format, every: args.every_frame, again: args.again };
    let captures: Vec<_> = args
        .sources
        .iter()
        .enumerate()
        .map(|(at, uri)| capture::start(at, uri.clone(), wanted, Arc::clone(&mailbox), Arc::clone(&stop)))
        .collect();
    let keeper = args.target_fps.map(|fps| RateKeeper::new(fps, visible));
    let until = Until { frames: args.frames, duration: args.duration, keeper };
    let about = About { names: &names, pool: args.pool, model_sha256: bundles::encoder_sha256(&bundle, form)? };
    let every = args.every_frame;
    let outputs: Vec<String> = args.outputs.iter().map(Output::to_string).collect();
    let mut pulse = Pulse::begin(&names, &outputs, &args.model, stream.model().runs_on());
    let shared = Shared { mailbox: &mailbox, live: &live, stop: &stop };
    let watched = watch(shared, &mut stream, &mut choosers, &mut pulse, until, |seen| {
        let row = if give.tokens() { Some(Arc::new(about.row(seen)?)) } else { None };
        let picture = give.picture().then(|| Arc::new(painted(seen, args.fps)));
        if let (Some(page), Some(row)) = (&page, &row) {
            page.give(seen, Arc::clone(row));
        }
        for (at, sink) in sinks.iter_mut().enumerate() {
            let item = if sink.output.is_film() {
                picture.as_ref().map(|picture| Item::Picture(Arc::clone(picture)))
            } else {
                row.as_ref().map(|row| Item::Row(Arc::clone(row)))
            };
            if let Some(item) = item
                && !sink.give(item, every)?
            {
                stop.store(true, Ordering::Relaxed);
            }
            if let Some(page) = &page {
                page.missed(at, sink.missed());
            }
        }
        Ok(())
    });
    // whatever happened, cameras are let go and what is there is written
    stop.store(true, Ordering::Relaxed);
    if let Some(page) = page {
        page.stop();
    }
    for capture in captures {
        // a source that broke down has said so
        let _ = capture.join();
    }
    let has_looked = watched.as_ref().is_ok_and(|done| done.frames > 0);
    let (reports, ended) = finished(sinks, has_looked);
    let done = watched?;
    let may_be_none = done.covered > 0 || interrupted.load(Ordering::Relaxed);
    let sources = names.into_iter().enumerate().map(|(at, source)| {
        let (captured, dropped) = mailbox.counts(at);
        SourceReport { source, captured, dropped, broke_off: mailbox.broke_off(at) }
    });
    let report = Report::new(sources.collect(), reports, done, grid.len(), stream.model().runs_on());
    say(args, &report)?;
    ended?;
    ensure!(has_looked || may_be_none, "no frame was looked at: {}", report.why_none());
    Ok(())
}

/// Has Ctrl-C stop the run: what says that it did.
fn listen(stop: &Arc<AtomicBool>) -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flags = [stop, &interrupted].map(Arc::clone);
    ctrlc::set_handler(move || flags.iter().for_each(|flag| flag.store(true, Ordering::Relaxed)))
        .context("listening for Ctrl-C")?;
    Ok(interrupted)
}

/// What chooses of each source's frames.
fn choosers(args: &Args, grid: PatchGrid, never: &[usize]) -> Result<Vec<Chooser>> {
    let choosers = (0..args.sources.len()).map(|source| {
        let seed = args.seed.unwrap_or(0).wrapping_add(source as u64);
        let chooser = Chooser::new(args.visible, grid, &args.never, seed)?.without(never);
        Ok(chooser.with_shared_areas(args.sources.len() > 1))
    });
    choosers.collect()
}

/// What a film has of a frame.
fn painted(seen: &Seen, asked_fps: Option<f64>) -> Painted {
    let frame_px = [seen.frame.height(), seen.frame.width()];
    Painted { pixels: seen.picture.to_owned(), frame_px, fps: asked_fps.or(seen.fps) }
}

/// Ends all outputs, whatever one of them does; what the first of them says that cannot be ended.
fn finished(sinks: Vec<Running>, succeeded: bool) -> (Vec<OutputReport>, Result<()>) {
    let mut ended = Ok(());
    let reports = sinks.into_iter().map(|sink| {
        let output = sink.output.to_string();
        let ([missed, lost], done) = sink.finish(succeeded);
        let done = done.with_context(|| output.clone());
        match (&ended, done) {
            (Ok(()), done) => ended = done,
            (Err(_), Err(error)) => log::warn!("{error:#}"),
            (Err(_), Ok(())) => {}
        }
        OutputReport { output, missed, lost }
    });
    (reports.collect(), ended)
}

/// What is made of every frame: features are on a page, too.
fn give(args: &Args) -> Give {
    let is_film = args.outputs.iter().any(Output::is_film);
    let is_features = args.page.serve.is_some() || args.outputs.iter().any(|output| !output.is_film());
    match (is_film, is_features) {
        (true, true) => Give::Both,
        (true, false) => Give::Picture,
        (false, _) => Give::Tokens,
    }
}

/// What a page says that does not change.
fn on_page(args: &Args, names: &[String], masked: Vec<usize>, stream: &mut Stream) -> serve::About {
    serve::About {
        sources: names.to_vec(),
        outputs: args.outputs.iter().map(Output::to_string).collect(),
        model: args.model.clone(),
        device: stream.model().runs_on().to_owned(),
        grid: stream.model().grid(),
        never: args.never.clone(),
        masked,
        // each frame says itself what is made of it
        cannot_paint: stream.set_give(Give::Both).err().map(|error| error.to_string()),
    }
}

/// What rows have in common.
struct About<'a> {
    names: &'a [String],
    pool: Keep,
    model_sha256: String,
}

impl About<'_> {
    fn row(&self, seen: &Seen) -> Result<Row> {
        let features = match self.pool.pool() {
            Some(pool) => Features::Row(pool.row(seen.tokens)?.to_vec()),
            None => Features::Tokens(seen.tokens.rows().into_iter().map(|row| row.to_vec()).collect()),
        };
        Ok(Row {
            source: self.names[seen.source].clone(),
            frame: seen.number,
            captured: seen.captured,
            model_sha256: self.model_sha256.clone(),
            preprocess_version: PREPROCESS_VERSION,
            patches: seen.visible.to_vec(),
            features,
        })
    }
}

impl Report {
    fn new(sources: Vec<SourceReport>, outputs: Vec<OutputReport>, done: Done, patches: usize, device: &str) -> Self {
        let mut latencies: Vec<f64> = done.latencies_ms.into();
        latencies.sort_by(f64::total_cmp);
        let percentile = |percent: usize| latencies.get((latencies.len() * percent).div_ceil(100).max(1) - 1).copied();
        Self {
            sources,
            outputs,
            frames: done.frames,
            broken: done.broken,
            covered: done.covered,
            seconds: done.seconds,
            frames_per_s: done.frames as f64 / done.seconds.max(f64::EPSILON),
            latency_p50_ms: percentile(50),
            latency_p99_ms: percentile(99),
            visible: done.patches as f64 / done.frames.max(1) as f64,
            patches,
            device: device.to_owned(),
        }
    }

    /// Why no frame was looked at.
    fn why_none(&self) -> &'static str {
        if self.sources.iter().all(|source| source.captured == 0) {
            "none came; what there is to say of the sources is above"
        } else {
            "none of those that came could be read"
        }
    }
}

fn say(args: &Args, report: &Report) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { frames, seconds, frames_per_s, visible, patches, device, .. } = report;
    eprintln!(
        "{frames} frames in {seconds:.1} s, {frames_per_s:.1} a second, {visible:.1} of {patches} patches each, on {device}"
    );
    if let (Some(p50), Some(p99)) = (report.latency_p50_ms, report.latency_p99_ms) {
        eprintln!("from capture to answer: p50 {p50:.1} ms, p99 {p99:.1} ms");
    }
    for SourceReport { source, captured, dropped, broke_off } in &report.sources {
        let broke_off = broke_off.as_ref().map_or_else(String::new, |why| format!("; it broke off: {why}"));
        eprintln!("{source}: {captured} captured, {dropped} dropped for newer ones{broke_off}");
    }
    if report.broken > 0 {
        eprintln!("{} frames could not be read", report.broken);
    }
    if report.covered > 0 {
        eprintln!("{} frames were not looked at: the page's boxes covered them", report.covered);
    }
    for OutputReport { output, missed, lost } in report.outputs.iter().filter(|output| output.missed + output.lost > 0)
    {
        eprintln!("{output}: {missed} missed, {lost} lost");
    }
    Ok(())
}

fn size(text: &str) -> Result<[u32; 2], String> {
    let sides = text.split_once(['x', '×']).map(|(width, height)| [width.trim().parse(), height.trim().parse()]);
    match sides {
        Some([Ok(width), Ok(height)]) if (1..=MOST_SIDE).contains(&width) && (1..=MOST_SIDE).contains(&height) => {
            Ok([width, height])
        }
        _ => Err(format!("a width and a height in pixels up to {MOST_SIDE}, such as 640x480")),
    }
}

fn fps(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|fps| *fps >= 0.01 && *fps <= 1e5).ok_or_else(|| "a number from 0.01 to 100000".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "a number of seconds above 0".to_owned())
}

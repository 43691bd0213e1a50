//! A run's measurements as a file, with all that they depend on.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use glimpse_models::{Bundle, Precision};
use glimpse_runtime::{Frame, Golden};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::board::{Board, State};
use super::energy::{Sensor, Watch};
use super::{Args, Bench, ColdStart, Report, Stage, milliseconds};

/// What files of another number have other fields.
const FORMAT: u32 = 1;
/// Where the files of a system begin.
const ROOT: &str = "/";

/// How a run is recorded.
#[derive(Debug, clap::Args)]
pub(super) struct RecordArgs {
    /// Write all that is measured into this folder, a JSON file for this run: the machine and its state before and after, hashes,
    /// each stage, the rate that lasts, memory, energy, and how far the model is from its golden answer
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["stages", "gpu_kernels"])]
    record: Option<PathBuf>,

    /// Seconds of one frame after another, for the rate that lasts, and the energy [default: 300]
    #[arg(long, value_name = "SECONDS", requires = "record", value_parser = clap::value_parser!(u32).range(1..=86400))]
    sustain: Option<u32>,

    /// What the program was built from, such as a commit: it is said in the record
    #[arg(long, value_name = "NAME", requires = "record")]
    commit: Option<String>,
}

impl RecordArgs {
    pub(super) fn is_asked(&self) -> bool {
        self.record.is_some()
    }
}

/// What is known before frames are timed.
#[derive(Debug)]
pub(super) struct Before {
    state: State,
    golden: Golden,
}

/// All that is written.
#[derive(Debug, Serialize)]
struct Record<'a> {
    format: u32,
    /// Seconds since 1970.
    time: u64,
    commit: Option<&'a str>,
    program: Program,
    board: Board,
    cpu_features: &'a [&'static str],
    kernels: &'static str,
    threads: usize,
    /// The CPUs that the process may use, as Linux lists them.
    affinity: Option<String>,
    row: Row<'a>,
    before: &'a State,
    after: State,
    cold_start: &'a ColdStart,
    stages: Vec<Repeated>,
    frame: Repeated,
    sustained: Sustained,
    peak_memory_bytes: Option<u64>,
    joules_per_frame: Energy,
    golden: Answers,
}

#[derive(Debug, Serialize)]
struct Program {
    version: &'static str,
    arch: &'static str,
    sha256: String,
}

/// What is compared with its like.
#[derive(Debug, Serialize)]
struct Row<'a> {
    model: &'a str,
    model_sha256: &'a str,
    precision: Precision,
    device: &'a str,
    visible: usize,
    patches: usize,
    frame_px: [usize; 2],
}

/// Times of a stage, and medians of its parts, which tell how much they vary by themselves.
#[derive(Debug, Serialize)]
pub(super) struct Repeated {
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    repeats_p50_ms: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct Sustained {
    seconds: f64,
    frames: u64,
    frames_per_s: f64,
    /// Of the first and the last tenth of the time: a board that grows warm slows down.
    first_frames_per_s: f64,
    last_frames_per_s: f64,
}

/// Joules, or why there are none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Energy {
    Measured { joules: f64, sensor: &'static str },
    Not(&'static str),
}

#[derive(Debug, Serialize)]
struct Answers {
    tokens_relative_error: f64,
    painted_rms: Option<f64>,
    most: [f64; 2],
}

impl Before {
    /// Has the model answer the question whose answer its bundle holds: what computes wrong is not measured, however fast it is.
    ///
    /// # Errors
    /// When it is wrong, or there is no question.
    pub(super) fn check(bench: &mut Bench, bundle: &Bundle) -> Result<Self> {
        let golden = bench.model.golden(bundle)?;
        let golden = golden.with_context(|| {
            let name = bundle.name();
            format!(
                "model `{name}` has no golden question that it could be held against: `glimpse-export emit` writes one"
            )
        })?;
        ensure!(
            golden.is_right(),
            "model `{}` computes wrong here: its tokens are off by {:.1e} and what it paints by {:.1e}, where {:.0e} and {:.0e} are the \
             most; nothing is recorded",
            bundle.name(),
            golden.tokens,
            golden.painted.unwrap_or(0.0),
            golden.limits[0],
            golden.limits[1]
        );
        Ok(Self { state: State::read(Path::new(ROOT)), golden })
    }
}

impl Repeated {
    /// # Panics
    /// Never: without times, nothing is a number.
    pub(super) fn of(stage: Option<Stage>, times: &[f64]) -> Self {
        let timed = super::Timed::of(stage, times.to_vec());
        let chunk = times.len().div_ceil(REPEATS).max(1);
        Self {
            stage,
            p50_ms: timed.p50_ms,
            p95_ms: timed.p95_ms,
            p99_ms: timed.p99_ms,
            max_ms: timed.max_ms,
            repeats_p50_ms: times.chunks(chunk).map(|times| super::Timed::of(stage, times.to_vec()).p50_ms).collect(),
        }
    }
}

/// Parts that the frames of a run are cut into.
const REPEATS: usize = 5;

/// Runs frames for as long as it was asked, and writes the record: its path.
///
/// # Errors
/// When a frame fails, or the record cannot be written.
pub(super) fn write(
    args: &Args,
    bench: &mut Bench,
    frame: &Frame,
    before: &Before,
    report: &Report,
    [stages, whole]: [Vec<Repeated>; 2],
) -> Result<Option<PathBuf>> {
    let Some(folder) = &args.record.record else { return Ok(None) };
    let sensor = Sensor::find(Path::new(ROOT));
    let watch = sensor.clone().map(Watch::start);
    let sustained = sustain(bench, frame, f64::from(args.record.sustain.unwrap_or(300)))?;
    // at once: a board that rests cools down, and draws less
    if let Some(watch) = &watch {
        watch.stop();
    }
    let after = State::read(Path::new(ROOT));
    let joules = |watts: f64| watts * sustained.seconds / sustained.frames as f64;
    let energy = match (watch.and_then(Watch::mean_watts), sensor) {
        (Some(watts), Some(sensor)) => Energy::Measured { joules: joules(watts), sensor: sensor.name() },
        _ => Energy::Not("not measured"),
    };
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let Golden { tokens, painted, limits, .. } = before.golden;
    let record = Record {
        format: FORMAT,
        time: time.as_secs(),
        commit: args.record.commit.as_deref(),
        program: Program { version: report.version, arch: report.arch, sha256: program_sha256()? },
        board: Board::read(Path::new(ROOT)),
        cpu_features: &report.cpu_features,
        kernels: report.kernels,
        threads: report.threads,
        affinity: allowed.map(|list| list.trim().to_owned()),
        row: Row {
            model: &report.model,
            model_sha256: &report.model_sha256,
            precision: report.precision,
            device: &report.device,
            visible: report.visible,
            patches: report.patches,
            frame_px: report.frame_px,
        },
        before: &before.state,
        after,
        cold_start: &report.cold_start,
        stages,
        frame: whole.into_iter().next().context("a run of no frames")?,
        sustained,
        peak_memory_bytes: report.peak_memory_bytes,
        joules_per_frame: energy,
        golden: Answers { tokens_relative_error: tokens, painted_rms: painted, most: limits },
    };
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let Report { model, precision, visible, threads, .. } = report;
    let name = format!("{model}-{precision}-{visible}-{threads}-{}.json", time.as_millis());
    let path = folder.join(name);
    let writing = || format!("writing {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(writing)?;
    serde_json::to_writer_pretty(&mut file, &record).with_context(writing)?;
    file.write_all(b"\n").with_context(writing)?;
    #[cfg(unix)]
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644)).with_context(writing)?;
    file.as_file().sync_all().with_context(writing)?;
    file.persist_noclobber(&path).with_context(writing)?;
    Ok(Some(path))
}

/// One frame after another, for so long.
fn sustain(bench: &mut Bench, frame: &Frame, seconds: f64) -> Result<Sustained> {
    let stages = bench.stages.clone();
    let (start, mut ends) = (Instant::now(), Vec::new());
    while milliseconds(start) < seconds * 1e3 {
        for &stage in &stages {
            bench.stage(stage, frame)?;
        }
        ends.push(milliseconds(start) / 1e3);
    }
    let took = ends.last().copied().unwrap_or(f64::NAN);
    let rate_of = |from: f64, to: f64| {
        let count = ends.iter().filter(|&&end| end > from && end <= to).count();
        count as f64 / (to - from)
    };
    Ok(Sustained {
        seconds: took,
        frames: ends.len() as u64,
        frames_per_s: ends.len() as f64 / took,
        first_frames_per_s: rate_of(0.0, took / 10.0),
        last_frames_per_s: rate_of(0.9 * took, took),
    })
}

fn program_sha256() -> Result<String> {
    let program = std::env::current_exe().context("finding this program")?;
    let bytes = fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
    Ok(Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")))
}

//! `cargo ci soak`: whether `glimpse camera` can run for months.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::bench::spread;
use crate::failures::Failures;
use crate::workspace::Workspace;

/// The share of the time that a program may take to have all that it keeps.
const TO_BEGIN: f64 = 0.1;
/// How much more memory the last third may have than the first, where that does not waver by more: what grows steadily differs
/// by twice as much as it wavers within a third.
const MOST_GROWTH_KIB: f64 = 1024.0;
/// How many files of each output are kept.
const KEPT_FILES: usize = 2;

/// Runs `glimpse camera` at full rate and looks at its memory, its threads and its open files.
///
/// A pattern and a film, each of their frames, into every kind of file at once, which are rotated; what was rotated is thrown
/// away. Fails where memory, threads or files grow: the last third of the run is held against the first, both after a tenth
/// of it.
#[derive(clap::Args)]
pub struct Args {
    /// How long
    #[arg(long, default_value_t = 120.0, value_name = "MINUTES")]
    minutes: f64,
    /// A film for the second source, read by ffmpeg
    #[arg(long, value_name = "FILM")]
    film: Option<PathBuf>,
    /// A release program to take as it is, so that nothing is built
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Seconds from sample to sample
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    every: f64,
    /// More of `glimpse camera`'s options
    #[arg(last = true, value_name = "OPTION")]
    options: Vec<String>,
    /// Write the samples to standard output as JSON, a line each
    #[arg(long)]
    json: bool,
}

/// What a process has at a time.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    seconds: f64,
    resident_kib: f64,
    threads: f64,
    files: f64,
}

/// Runs the program and holds what it takes at the end against the beginning.
///
/// # Errors
/// [`Failures`] when it grew; otherwise when it could not be run.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(cfg!(target_os = "linux"), "what a process takes is read from /proc, which Linux alone has");
    let workspace = Workspace::here()?;
    let program = workspace.glimpse(args.program.as_deref())?;
    let folder = workspace.target_directory.join("soak");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut command = Command::new(&program);
    command.current_dir(&folder).args(["camera", "--source", "test:", "--every-frame", "--rotate", "20MB", "--json"]);
    if let Some(film) = &args.film {
        let film = fs::canonicalize(film).with_context(|| format!("finding {}", film.display()))?;
        command.arg("--source").arg(format!("file:{}", film.display())).arg("--loop");
    }
    for output in ["features.jsonl", "features.parquet", "painted.mjpeg"] {
        command.args(["--out", output]);
    }
    command.args(&args.options);
    let whole = Duration::from_secs_f64(args.minutes * 60.0);
    command.args(["--duration", &whole.as_secs_f64().to_string()]).stdout(Stdio::piped());
    let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
    let (samples, report) = watched(child, &folder, Duration::from_secs_f64(args.every), args.json)?;
    let report: serde_json::Value = serde_json::from_slice(&report).context("reading the program's report")?;
    eprintln!("{} frames in {} s, {} a second", report["frames"], report["seconds"], report["frames_per_s"]);
    Failures::unless_empty(grown(&samples, whole.as_secs_f64()))
}

/// Looks at a process until it ends: what it had, and what it printed.
fn watched(mut child: Child, folder: &Path, every: Duration, says: bool) -> anyhow::Result<(Vec<Sample>, Vec<u8>)> {
    let start = Instant::now();
    let mut samples = Vec::new();
    let mut next = start + every;
    while child.try_wait()?.is_none() {
        thread::sleep(Duration::from_millis(100));
        if Instant::now() < next {
            continue;
        }
        next += every;
        throw_away(folder)?;
        if let Some(sample) = sample(child.id(), start.elapsed().as_secs_f64()) {
            if says {
                println!("{}", serde_json::to_string(&sample)?);
            }
            samples.push(sample);
        }
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "glimpse camera: {}", output.status);
    Ok((samples, output.stdout))
}

/// What a process has now; nothing once it has ended.
fn sample(process: u32, seconds: f64) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as f64;
    let number =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    Some(Sample { seconds, resident_kib: number("VmRSS:")?, threads: number("Threads:")?, files })
}

/// Throws away files that were ended, all but the newest of each kind.
fn throw_away(folder: &Path) -> anyhow::Result<()> {
    let mut ended: Vec<(String, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // features.12.jsonl
        if let [_, number, kind] = name.split('.').collect::<Vec<_>>()[..]
            && let Ok(number) = number.parse()
        {
            ended.push((kind.to_owned(), number, path));
        }
    }
    ended.sort();
    for files in ended.chunk_by(|a, b| a.0 == b.0) {
        for (_, _, path) in files.iter().rev().skip(KEPT_FILES) {
            fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

/// What is looked at, and how much more of it is no failure.
type Row = (&'static str, fn(&Sample) -> f64, f64);

/// What grew, with a table of all.
fn grown(samples: &[Sample], seconds: f64) -> Vec<String> {
    let (begin, third) = (TO_BEGIN * seconds, (1.0 - TO_BEGIN) / 3.0 * seconds);
    let within = |from: f64, value: fn(&Sample) -> f64| -> Vec<f64> {
        let inside = samples.iter().filter(|sample| (from..from + third).contains(&sample.seconds));
        inside.map(value).collect()
    };
    let mut failures = Vec::new();
    println!("| | first third | last third | change |\n| --- | --- | --- | --- |");
    let rows: [Row; 3] = [
        ("resident memory, KiB", |sample| sample.resident_kib, MOST_GROWTH_KIB),
        ("threads", |sample| sample.threads, 0.0),
        ("open files", |sample| sample.files, 0.0),
    ];
    for (what, value, floor) in rows {
        let (first, last) = (spread(&within(begin, value)), spread(&within(begin + 2.0 * third, value)));
        let growth = last[1] - first[1];
        println!("| {what} | {} | {} | {growth:+} |", shown(first), shown(last));
        // no sample shows nothing
        if growth.is_nan() || growth > floor.max(first[2] - first[0]) {
            failures.push(format!("{what}: {growth:+} from the first third to the last"));
        }
    }
    failures
}

fn shown([least, median, most]: [f64; 3]) -> String {
    format!("{median} ({least} to {most})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(resident_kib: impl Fn(f64) -> f64) -> Vec<Sample> {
        let at = |seconds: f64| Sample { seconds, resident_kib: resident_kib(seconds), threads: 9.0, files: 20.0 };
        (0..100).map(|second| at(f64::from(second))).collect()
    }

    #[test]
    fn what_grows_is_found_and_what_wavers_is_not() {
        assert!(grown(&samples(|_| 50_000.0), 100.0).is_empty());
        assert!(grown(&samples(|seconds| 50_000.0 + 500.0 * (seconds % 7.0)), 100.0).is_empty());
        // much at the beginning is no growth
        assert!(grown(&samples(|seconds| 50_000.0 * (seconds / 5.0).min(1.0)), 100.0).is_empty());
        assert_eq!(grown(&samples(|seconds| 50_000.0 + 50.0 * seconds), 100.0).len(), 1);
        let steps = |seconds: f64| if seconds > 60.0 { 53_000.0 } else { 50_000.0 };
        assert_eq!(grown(&samples(steps), 100.0).len(), 1);
        // a run without samples shows nothing
        assert_eq!(grown(&[], 100.0).len(), 3);
    }

    #[test]
    fn this_process_has_memory_threads_and_files() {
        let sample = sample(std::process::id(), 1.0);
        if cfg!(target_os = "linux") {
            let sample = sample.unwrap();
            assert!(sample.resident_kib > 500.0 && sample.threads >= 1.0 && sample.files >= 3.0, "{sample:?}");
        }
    }
}

//! `cargo ci bench camera`: a film's frames, beside OpenCV and ONNX Runtime in Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::spread;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

/// The forms of a model that ONNX Runtime may be fastest with.
const FORMS: [&str; 3] = ["f32", "dynamic", "static"];
/// Frames of which each form is tried.
const TRIED_FRAMES: usize = 200;
/// How often processes are asked for their memory.
const WATCH_EVERY: Duration = Duration::from_millis(50);

/// Runs `glimpse camera` on a film, and the same job in Python with OpenCV and ONNX Runtime, in turns.
///
/// Same film, same model, all patches, features as JSON, all cores. Once as fast as frames are taken, which gives frames a
/// second and memory; once as the film has them, which gives the time from a frame to its features. ONNX Runtime has the form
/// of the model that it is fastest with. Memory is that of Glimpse and of ffmpeg, which reads most films for it (and with
/// --mjpeg none); without ffmpeg; and less what is read from files, which Linux takes back when it needs it. Builds glimpse in
/// release. Leave the machine alone while it runs.
#[derive(clap::Args)]
pub struct Args {
    /// The film, such as OpenCV's vtest.avi, which Debian's opencv-doc has
    #[arg(long, value_name = "FILM", default_value = "/usr/share/doc/opencv-doc/examples/data/vtest.avi")]
    film: PathBuf,
    /// The bundle
    #[arg(long, value_name = "FOLDER", default_value = "models/glimpse-tiny")]
    bundle: PathBuf,
    /// How often each is run
    #[arg(long, default_value_t = 7, value_name = "N")]
    turns: usize,
    /// Frames of a run as fast as they are taken
    #[arg(long, default_value_t = 795, value_name = "N")]
    frames: usize,
    /// Frames of a run as the film has them
    #[arg(long, default_value_t = 100, value_name = "N")]
    paced_frames: usize,
    /// Have both read the film's frames as a camera gives them, as motion JPEG, which takes no ffmpeg
    #[arg(long)]
    mjpeg: bool,
    /// A release program to take as it is, so that nothing is built
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Write the figures of all turns as JSON
    #[arg(long)]
    json: bool,
}

/// What a run says of itself.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
struct Figures {
    frames_per_s: f64,
    latency_p50_ms: f64,
    latency_p99_ms: f64,
    #[serde(default)]
    memory: Memory,
}

/// The most memory that a run had.
#[expect(clippy::struct_field_names, reason = "names carry units")]
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
struct Memory {
    /// All its programs, each by itself.
    all_mib: f64,
    /// Of that, what is no part of a file, such as a program or a library.
    own_mib: f64,
    /// Without the programs that it starts.
    alone_mib: f64,
}

#[derive(Serialize)]
struct Turn {
    glimpse: Figures,
    peer: Figures,
    paced_glimpse: Figures,
    paced_peer: Figures,
}

struct Runs {
    glimpse: PathBuf,
    python: PathBuf,
    script: PathBuf,
    forms: PathBuf,
    film: PathBuf,
    bundle: PathBuf,
    scratch: PathBuf,
    threads: usize,
}

/// Runs the benchmark.
///
/// # Errors
/// When a program is missing, or fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.turns > 0, "nothing to measure: give at least 1 turn");
    ensure!(
        args.film.is_file(),
        "{} is no file; Debian's opencv-doc has vtest.avi, or name a --film",
        args.film.display()
    );
    let workspace = Workspace::here()?;
    let glimpse = workspace.glimpse(args.program.as_deref())?;
    let python = venv::python(&workspace, venv::PEERS)?;
    let scratch = workspace.target_directory.join("bench/camera");
    fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    let bundle = fs::canonicalize(&args.bundle).with_context(|| format!("finding {}", args.bundle.display()))?;
    let scripts = workspace.root.join("ci/src/bench");
    process::run(Command::new(&python).arg(scripts.join("peers.py")).arg("prepare").arg(&bundle).arg(&scratch))?;
    let film = if args.mjpeg { motion_jpeg(&args.film, &scratch)? } else { args.film.clone() };
    let runs = Runs {
        glimpse,
        python,
        script: scripts.join("camera.py"),
        forms: scratch.clone(),
        film,
        bundle,
        scratch,
        threads: thread::available_parallelism()?.get(),
    };
    let mut best = ("", 0.0);
    for form in FORMS {
        let rate = runs.peer(form, TRIED_FRAMES, false)?.frames_per_s;
        eprintln!("ONNX Runtime, {form}: {rate:.1} frames a second");
        if rate > best.1 {
            best = (form, rate);
        }
    }
    let mut turns = Vec::new();
    for _ in 0..args.turns {
        turns.push(Turn {
            glimpse: runs.glimpse(args.frames, false)?,
            peer: runs.peer(best.0, args.frames, false)?,
            paced_glimpse: runs.glimpse(args.paced_frames, true)?,
            paced_peer: runs.peer(best.0, args.paced_frames, true)?,
        });
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&turns)?);
        return Ok(());
    }
    println!("Glimpse beside OpenCV and ONNX Runtime ({}), {} threads, {} turns:", best.0, runs.threads, args.turns);
    print("frames a second", &turns, |turn| [turn.glimpse.frames_per_s, turn.peer.frames_per_s]);
    print("most memory, MiB", &turns, |turn| [turn.glimpse.memory.all_mib, turn.peer.memory.all_mib]);
    print("most memory but files', MiB", &turns, |turn| [turn.glimpse.memory.own_mib, turn.peer.memory.own_mib]);
    print("most memory without ffmpeg's, MiB", &turns, |turn| {
        [turn.glimpse.memory.alone_mib, turn.peer.memory.alone_mib]
    });
    print("frame to features, median, ms", &turns, |turn| {
        [turn.paced_glimpse.latency_p50_ms, turn.paced_peer.latency_p50_ms]
    });
    print("frame to features, 99%, ms", &turns, |turn| {
        [turn.paced_glimpse.latency_p99_ms, turn.paced_peer.latency_p99_ms]
    });
    Ok(())
}

/// The film's frames as JPEGs, one after another.
fn motion_jpeg(film: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let to = scratch.join("film.mjpeg");
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-i"]).arg(film);
    // 4:2:0 in JPEG's own range, as cameras have it
    process::run(command.args(["-an", "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"]).arg(&to))?;
    Ok(to)
}

fn print(what: &str, turns: &[Turn], figures: fn(&Turn) -> [f64; 2]) {
    let both: Vec<[f64; 2]> = turns.iter().map(figures).collect();
    let ratios: Vec<f64> = both.iter().map(|[ours, theirs]| ours / theirs).collect();
    let median = |at: usize| spread(&both.iter().map(|both| both[at]).collect::<Vec<_>>())[1];
    let [least, middle, most] = spread(&ratios);
    println!("{what}: {middle:.2} of the peer's ({least:.2} to {most:.2}); {:.1} and {:.1}", median(0), median(1));
}

impl Runs {
    fn glimpse(&self, frames: usize, paced: bool) -> anyhow::Result<Figures> {
        let out = self.scratch.join("glimpse.jsonl");
        let mut command = Command::new(&self.glimpse);
        command.args(["camera", "--device", "cpu", "--json", "--force", "--loop", "--frames", &frames.to_string()]);
        // the token that Python writes
        command.args(["--pool", "cls"]);
        command.arg("--source").arg(format!("file:{}", self.film.display())).arg("--out").arg(out);
        command.arg("--model").arg(&self.bundle).args(["--threads", &self.threads.to_string()]);
        if !paced {
            command.arg("--every-frame");
        }
        figures(&mut command)
    }

    fn peer(&self, form: &str, frames: usize, paced: bool) -> anyhow::Result<Figures> {
        let mut command = Command::new(&self.python);
        command
            .arg(&self.script)
            .arg(self.bundle.join("manifest.toml"))
            .arg(&self.forms)
            .arg(form)
            .arg(&self.film)
            .arg(frames.to_string());
        command.args([if paced { "1" } else { "0" }, &self.threads.to_string()]).arg(self.scratch.join("peer.jsonl"));
        figures(&mut command)
    }
}

/// Runs a program that prints its figures, and watches its memory.
fn figures(command: &mut Command) -> anyhow::Result<Figures> {
    let program = command.get_program().display().to_string();
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {program}"))?;
    let mut memory = Memory::default();
    while child.try_wait()?.is_none() {
        memory.watch(child.id());
        thread::sleep(WATCH_EVERY);
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{program}: {}", output.status);
    let figures: Figures =
        serde_json::from_slice(&output.stdout).with_context(|| format!("reading what {program} says"))?;
    Ok(Figures { memory, ..figures })
}

impl Memory {
    /// Looks at a process and its children.
    fn watch(&mut self, process: u32) {
        // of any of its threads
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let children = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
        let children: Vec<String> =
            children.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        let alone = Status::of(&process.to_string());
        let with_children = || std::iter::once(alone).chain(children.iter().map(|child| Status::of(child)));
        self.alone_mib = self.alone_mib.max(alone.most_mib);
        self.all_mib = self.all_mib.max(with_children().map(|status| status.most_mib).sum());
        self.own_mib = self.own_mib.max(with_children().map(|status| status.own_mib).sum());
    }
}

/// What Linux says of a process.
#[derive(Clone, Copy)]
struct Status {
    /// The most memory so far.
    most_mib: f64,
    /// What is no part of a file, now.
    own_mib: f64,
}

impl Status {
    fn of(process: &str) -> Self {
        let status = fs::read_to_string(Path::new("/proc").join(process).join("status")).unwrap_or_default();
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
        };
        Self { most_mib: mib("VmHWM:"), own_mib: mib("RssAnon:") }
    }
}

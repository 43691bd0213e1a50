//! The engines that take turns.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::super::spread;
use super::rows::{Row, What};
use crate::process;

/// Runs that tell which form suits a peer.
const TRIAL_RUNS: usize = 10;

/// The peers that `peers.py` runs, and those that `glimpse-peer` does.
const IN_PYTHON: [&str; 2] = ["onnxruntime", "openvino"];
const IN_RUST: [&str; 2] = ["rten", "tract"];

/// The programs.
pub struct Engines {
    pub glimpse: PathBuf,
    pub python: PathBuf,
    pub script: PathBuf,
    pub peer: PathBuf,
    /// Where models and their forms lie.
    pub scratch: PathBuf,
}

/// A peer with the form of the model that suits it, and its times.
#[derive(Serialize)]
pub struct Time {
    pub engine: &'static str,
    pub form: String,
    /// The median of each turn.
    pub times_ms: Vec<f64>,
    #[serde(skip)]
    pub guess_ms: f64,
    #[serde(skip)]
    folder: PathBuf,
}

/// What `glimpse bench --json` says, as far as it is asked for.
#[derive(Deserialize)]
struct Bench {
    frame: Percentiles,
}

#[derive(Deserialize)]
struct Percentiles {
    p50_ms: f64,
}

/// What a program of peers says.
#[derive(Deserialize)]
struct Said {
    times_ms: Vec<f64>,
    /// How far the answer is off ONNX Runtime's in f32, relative to that; where a graph runs by itself.
    error: Option<f64>,
}

impl Engines {
    /// Our median of so many runs.
    ///
    /// # Errors
    /// When glimpse fails.
    pub fn glimpse_ms(&self, row: &Row, bundle: &Path, threads: usize, runs: usize) -> anyhow::Result<f64> {
        let mut command = pinned(&self.glimpse, threads);
        command.arg("bench").arg("--model").arg(bundle).args(["--json", "--precision", row.precision]);
        command.args(["--visible", &(row.tokens - 1).to_string()]);
        command.args(["--threads", &threads.to_string(), "--runs", &runs.to_string()]);
        let stages: &[&str] = match row.what {
            What::Encoder => &["encode"],
            What::Decoder => &["decode"],
            What::Features => &["preprocess", "encode"],
            What::Painted => &["preprocess", "encode", "decode", "paint"],
        };
        command.args(stages.iter().flat_map(|stage| ["--stage", stage]));
        let said: Bench = serde_json::from_slice(&process::output(&mut command)?).context("reading what bench says")?;
        Ok(said.frame.p50_ms)
    }

    /// Each peer with the form that it is fastest with.
    ///
    /// # Errors
    /// When a peer fails with all of them.
    pub fn best_forms(&self, row: &Row, bundle: &Path, threads: usize) -> anyhow::Result<Vec<Time>> {
        let folder = self.forms(row, bundle)?;
        let forms: &[&str] = if row.precision == "f32" { &["f32"] } else { &["dynamic", "static", "glimpse"] };
        let mut best = Vec::new();
        // around a whole frame there is Python's OpenCV
        let in_rust = if row.what.is_graph() { &IN_RUST[..] } else { &[] };
        for &engine in IN_PYTHON.iter().chain(in_rust) {
            let mut tried = Vec::new();
            for form in forms {
                let form = (*form).to_owned();
                let mut time =
                    Time { engine, form, times_ms: Vec::new(), guess_ms: f64::INFINITY, folder: folder.clone() };
                match self.peer_ms(&time, row, threads, TRIAL_RUNS) {
                    Ok(ms) => {
                        time.guess_ms = ms;
                        tried.push(time);
                    }
                    // a form that an engine cannot run is not the one that suits it
                    Err(error) => eprintln!("{engine} does without the form {}: {error:#}", time.form),
                }
            }
            let fastest = tried.into_iter().min_by(|a, b| a.guess_ms.total_cmp(&b.guess_ms));
            best.push(fastest.with_context(|| format!("{engine} runs no form of {row}"))?);
        }
        Ok(best)
    }

    /// A peer's median of so many runs.
    ///
    /// # Errors
    /// When it fails, or its answer is wrong.
    pub fn peer_ms(&self, peer: &Time, row: &Row, threads: usize, runs: usize) -> anyhow::Result<f64> {
        let what = match row.what {
            What::Encoder => "encoder",
            What::Decoder => "decoder",
            What::Features => "features",
            What::Painted => "painted",
        };
        let mut command = if IN_RUST.contains(&peer.engine) {
            pinned(&self.peer, threads)
        } else {
            let mut command = pinned(&self.python, threads);
            command.arg(&self.script);
            command
        };
        command.args(["time", peer.engine]).arg(&peer.folder).args([&peer.form, what]);
        command.args([row.tokens, threads, runs].map(|number| number.to_string()));
        let said: Said = serde_json::from_slice(&process::output(&mut command)?).context("reading a peer's times")?;
        if row.what.is_graph() {
            let most = row.tolerance();
            // JSON has null for what is not a number
            let error = said.error.unwrap_or(f64::NAN);
            ensure!(error <= most, "the answer is {error:.1e} off, and {most:.1e} is the most");
        }
        Ok(spread(&said.times_ms)[1])
    }

    /// The folder of a model's forms and of the graph's case, which are made once.
    fn forms(&self, row: &Row, bundle: &Path) -> anyhow::Result<PathBuf> {
        let name = bundle.parent().and_then(Path::file_name).unwrap_or_default();
        let folder = self.scratch.join("forms").join(name).join(bundle.file_name().unwrap_or_default());
        if !folder.join(row.part()).join("static.onnx").is_file() {
            process::run(Command::new(&self.python).arg(&self.script).arg("prepare").arg(bundle).arg(&folder))?;
        }
        let tokens = row.tokens.to_string();
        if row.what.is_graph() && !folder.join(row.part()).join(format!("{tokens}.json")).is_file() {
            let mut command = Command::new(&self.python);
            process::run(command.arg(&self.script).arg("case").arg(&folder).args([row.part(), &tokens]))?;
        }
        Ok(folder)
    }
}

/// A program on the first cores of the machine, where there is a way to say so.
fn pinned(program: &Path, threads: usize) -> Command {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &format!("0-{}", threads - 1)]).arg(program);
        return command;
    }
    Command::new(program)
}

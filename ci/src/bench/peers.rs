//! `cargo ci bench peers`: the CPU engine beside its peers, on the same models.

mod engines;
mod rows;

use std::path::Path;

use anyhow::ensure;
use serde::Serialize;

use super::spread;
use crate::golden::program::ExportProgram;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

use self::engines::{Engines, Time};
use self::rows::{ROWS, Row};

/// Runs models with Glimpse, ONNX Runtime, `OpenVINO`, rten and plain tract, in turns, and prints our time over the best
/// peer's.
///
/// Each peer gets the form of the model that suits it best: in int8 it is tried with activations quantized as they come,
/// with activations of fixed ranges, and with Glimpse's own file; a form whose answer is wrong does not count. rten and
/// tract take no part in rows that begin with a frame. Builds glimpse and the peers in Rust in release, makes models with
/// random weights, and a Python environment with the other peers the first time. Leave the machine alone while it runs.
#[derive(clap::Args)]
pub struct Args {
    /// Rows of the table, by number, as they are listed; without any: all of them
    #[arg(value_name = "ROW")]
    rows: Vec<usize>,
    /// Cores that all may use; without any: one, then two
    #[arg(long)]
    threads: Vec<usize>,
    /// Turns that each engine takes
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// Seconds that an engine runs in a turn, roughly
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a row showed.
#[derive(Serialize)]
struct Report {
    row: String,
    threads: usize,
    /// Our time over the best peer's, turn by turn.
    ratios: Vec<f64>,
    goal: Option<f64>,
    glimpse_ms: Vec<f64>,
    peers: Vec<Time>,
}

/// Takes the turns and prints what they showed.
///
/// # Errors
/// When a program is missing, or fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.turns > 0, "nothing to measure: give at least 1 turn");
    let chosen: Vec<&Row> = match args.rows.as_slice() {
        [] => ROWS.iter().collect(),
        rows => {
            ensure!(rows.iter().all(|row| (1..=ROWS.len()).contains(row)), "rows are 1 to {}", ROWS.len());
            rows.iter().map(|row| &ROWS[row - 1]).collect()
        }
    };
    let workspace = Workspace::here()?;
    let export = ExportProgram::build(&workspace)?;
    let glimpse = workspace.glimpse(None)?;
    if chosen.iter().any(|row| row.what.is_graph()) {
        let peer = ["build", "--release", "--package", "glimpse-ci", "--features", "peers", "--bin", "glimpse-peer"];
        process::run(process::cargo(&workspace.root).args(peer))?;
    }
    let release = workspace.target_directory.join("release");
    let engines = Engines {
        glimpse,
        peer: release.join("glimpse-peer"),
        python: venv::python(&workspace, venv::PEERS)?,
        script: workspace.root.join("ci/src/bench/peers.py"),
        scratch: workspace.target_directory.join("bench"),
    };
    let threads = if args.threads.is_empty() { &[1, 2][..] } else { &args.threads };
    let mut reports = Vec::new();
    for row in chosen {
        let bundle = row.bundle(&workspace, &export, &engines.scratch)?;
        for &threads in threads {
            let report = measured(args, &engines, row, &bundle, threads)?;
            if !args.json {
                print(&report);
            }
            reports.push(report);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    }
    Ok(())
}

fn measured(args: &Args, engines: &Engines, row: &Row, bundle: &Path, threads: usize) -> anyhow::Result<Report> {
    let mut peers = engines.best_forms(row, bundle, threads)?;
    let guess = engines.glimpse_ms(row, bundle, threads, 3)?;
    let runs = |ms: f64| ((1e3 * args.seconds / ms) as usize).clamp(5, 2000);
    let mut report = Report {
        row: row.to_string(),
        threads,
        ratios: Vec::new(),
        goal: row.goal(threads),
        glimpse_ms: Vec::new(),
        peers: Vec::new(),
    };
    for _ in 0..args.turns {
        let ours = engines.glimpse_ms(row, bundle, threads, runs(guess))?;
        let mut best = f64::INFINITY;
        for peer in &mut peers {
            let ms = engines.peer_ms(peer, row, threads, runs(peer.guess_ms))?;
            peer.times_ms.push(ms);
            best = best.min(ms);
        }
        report.glimpse_ms.push(ours);
        report.ratios.push(ours / best);
    }
    report.peers = peers;
    Ok(report)
}

fn print(report: &Report) {
    let [least, median, most] = spread(&report.ratios);
    let goal = report.goal.map_or_else(String::new, |goal| format!(", goal {goal:.2}"));
    let ms = |times: &[f64]| spread(times)[1];
    let peers = report.peers.iter().map(|peer| format!("{} ({}) {:.2}", peer.engine, peer.form, ms(&peer.times_ms)));
    println!(
        "{}, {} threads: {median:.2} of the best peer's time ({least:.2} to {most:.2}{goal}); Glimpse {:.2} ms, {}",
        report.row,
        report.threads,
        ms(&report.glimpse_ms),
        peers.collect::<Vec<_>>().join(", ")
    );
}

//! `cargo ci bench train`: training steps on burn beside the same steps in PyTorch, on the CPU.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::spread;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

const TORCH_SCRIPT: &str = "ci/src/bench/torch_training.py";
/// Seldom enough for a step to outweigh a clock's tick, often enough for a median.
const STEPS_A_ROUND: usize = 4;

/// Trains on made-up pictures with burn and with PyTorch, in turns, and prints samples a second and their ratio.
///
/// Builds glimpse-export in release, and makes a Python environment with PyTorch (gigabytes) the first time.
#[derive(clap::Args)]
pub struct Args {
    /// Sizes of the model, as `glimpse-export train` has them
    #[arg(long, default_value = "tiny")]
    preset: String,
    /// Samples in a batch
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Cores that both may use
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Turns that each takes
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `glimpse-export speed --json` says, as far as it is asked for.
#[derive(Deserialize)]
struct Speed {
    images_per_s: f64,
    of_floor: f64,
    shapes: Shapes,
}

/// The sizes that PyTorch is to train with.
#[derive(Deserialize, Serialize)]
struct Shapes {
    visible: usize,
    hidden: usize,
    patch_len: usize,
    encoder: [usize; 3],
    decoder: [usize; 3],
}

/// What the script is told.
#[derive(Serialize)]
struct Asked<'a> {
    #[serde(flatten)]
    shapes: &'a Shapes,
    batch: usize,
    steps: usize,
    threads: usize,
}

#[derive(Serialize)]
struct Report {
    preset: String,
    batch: usize,
    threads: usize,
    glimpse_images_per_s: Vec<f64>,
    torch_images_per_s: Vec<f64>,
    /// Glimpse over PyTorch, turn by turn.
    ratios: Vec<f64>,
    /// The part of its own large matrix products' pace that Glimpse reaches, turn by turn.
    of_floor: Vec<f64>,
}

/// Takes the turns and prints what they showed.
///
/// # Errors
/// When a program is missing, or fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.rounds > 0 && args.batch > 0 && args.threads > 0, "nothing to measure: give at least 1 of each");
    let workspace = Workspace::here()?;
    process::run(process::cargo(&workspace.root).args(["build", "--release", "--package", "glimpse-export"]))?;
    let program = workspace.target_directory.join("release").join("glimpse-export");
    let python = venv::python(&workspace, venv::PARITY)?;
    let mut report = Report {
        preset: args.preset.clone(),
        batch: args.batch,
        threads: args.threads,
        glimpse_images_per_s: Vec::new(),
        torch_images_per_s: Vec::new(),
        ratios: Vec::new(),
        of_floor: Vec::new(),
    };
    for round in 1..=args.rounds {
        let speed = glimpse(args, &program)?;
        let torch = torch(args, &workspace, &python, &speed.shapes)?;
        eprintln!("turn {round}: Glimpse {:.1}, PyTorch {torch:.1} images/s", speed.images_per_s);
        report.ratios.push(speed.images_per_s / torch);
        report.glimpse_images_per_s.push(speed.images_per_s);
        report.torch_images_per_s.push(torch);
        report.of_floor.push(speed.of_floor);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let [least, median, most] = spread(&report.ratios);
        println!("Glimpse over PyTorch, images/s: {median:.2} ({least:.2} to {most:.2} in {} turns)", args.rounds);
        let [_, of_floor, _] = spread(&report.of_floor);
        println!("Glimpse over its own large matrix products: {:.0}%", 100.0 * of_floor);
    }
    Ok(())
}

fn glimpse(args: &Args, program: &Path) -> anyhow::Result<Speed> {
    let number = |n: usize| n.to_string();
    let output = process::output(
        Command::new(program)
            .args(["speed", "--json", "--preset", &args.preset, "--batch", &number(args.batch)])
            .args(["--threads", &number(args.threads), "--steps", &number(STEPS_A_ROUND)]),
    )?;
    serde_json::from_slice(&output).context("reading what glimpse-export speed says")
}

/// Median samples a second of PyTorch.
fn torch(args: &Args, workspace: &Workspace, python: &Path, shapes: &Shapes) -> anyhow::Result<f64> {
    let asked = Asked { shapes, batch: args.batch, steps: STEPS_A_ROUND, threads: args.threads };
    let output = process::output(
        Command::new(python).arg(workspace.root.join(TORCH_SCRIPT)).arg(serde_json::to_string(&asked)?),
    )?;
    let paces: Vec<f64> = serde_json::from_slice(&output).context("reading what PyTorch's script says")?;
    ensure!(!paces.is_empty(), "PyTorch's script timed no step");
    let [_, median, _] = spread(&paces);
    Ok(median)
}

//! `cargo ci bench train`: training steps on burn beside the same steps in PyTorch, on the CPU or a GPU.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::spread;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

const TORCH_SCRIPT: &str = "ci/src/bench/torch_training.py";
/// The device that every program has.
const CPU: &str = "cpu";

/// Trains on made-up pictures with burn and with PyTorch, in turns, and prints samples a second and their ratio.
///
/// Builds glimpse-export in release, for a GPU with burn's operations joined, and makes a Python environment with PyTorch (gigabytes)
/// the first time.
#[derive(clap::Args)]
pub struct Args {
    /// Sizes of the model, as `glimpse-export train` has them
    #[arg(long, default_value = "tiny")]
    preset: String,
    /// Samples in a batch
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Cores that both may use, where they train on the CPU
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Part of the patches that is hidden
    #[arg(long, default_value_t = 0.5)]
    ratio: f64,
    /// cpu, or what Glimpse calls the GPU: vulkan or cuda; PyTorch has its own, which is CUDA's
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Numbers that matrix products are computed in: f32, or, on a GPU, f16 or bf16
    #[arg(long, default_value = "f32")]
    matmul: String,
    /// Steps that each takes in a turn, after one that is not timed
    #[arg(long, default_value_t = 4)]
    steps: usize,
    /// A Python whose PyTorch can use the GPU [default: one of our own, for the CPU]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// A folder with a release glimpse-export to take as it is, so that nothing is built
    #[arg(long, value_name = "PATH")]
    programs: Option<PathBuf>,
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
    of_floor: Option<f64>,
    matmul_flops_per_s: Option<f64>,
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
    device: &'static str,
    matmul: &'a str,
}

/// What PyTorch says.
#[derive(Deserialize)]
struct Torch {
    images_per_s: Vec<f64>,
    matmul_flops_per_s: f64,
}

#[derive(Serialize)]
struct Report {
    preset: String,
    batch: usize,
    device: String,
    matmul: String,
    /// On the CPU.
    threads: usize,
    glimpse_images_per_s: Vec<f64>,
    torch_images_per_s: Vec<f64>,
    /// Glimpse over PyTorch, turn by turn.
    ratios: Vec<f64>,
    /// The part of its own large matrix products' pace that Glimpse reaches, turn by turn; empty where these come out wrong.
    of_floor: Vec<f64>,
    /// What large matrix products come to on Glimpse's device and on PyTorch's, in floating-point operations a second, turn by turn.
    glimpse_matmul_flops_per_s: Vec<f64>,
    torch_matmul_flops_per_s: Vec<f64>,
}

/// Takes the turns and prints what they showed.
///
/// # Errors
/// When a program is missing, or fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.rounds > 0 && args.batch > 0 && args.threads > 0 && args.steps > 0,
        "nothing to measure: give at least 1 of each"
    );
    let workspace = Workspace::here()?;
    let program = program(args, &workspace)?;
    let python = match &args.python {
        Some(python) => python.clone(),
        None => venv::python(&workspace, venv::PARITY)?,
    };
    let mut report = Report {
        preset: args.preset.clone(),
        batch: args.batch,
        device: args.device.clone(),
        matmul: args.matmul.clone(),
        threads: args.threads,
        glimpse_images_per_s: Vec::new(),
        torch_images_per_s: Vec::new(),
        ratios: Vec::new(),
        of_floor: Vec::new(),
        glimpse_matmul_flops_per_s: Vec::new(),
        torch_matmul_flops_per_s: Vec::new(),
    };
    for round in 1..=args.rounds {
        let speed = glimpse(args, &program)?;
        let (torch, torch_flops) = torch(args, &workspace, &python, &speed.shapes)?;
        eprintln!("turn {round}: Glimpse {:.1}, PyTorch {torch:.1} images/s", speed.images_per_s);
        report.ratios.push(speed.images_per_s / torch);
        report.glimpse_images_per_s.push(speed.images_per_s);
        report.torch_images_per_s.push(torch);
        report.of_floor.extend(speed.of_floor);
        report.glimpse_matmul_flops_per_s.extend(speed.matmul_flops_per_s);
        report.torch_matmul_flops_per_s.push(torch_flops);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let [least, median, most] = spread(&report.ratios);
        println!("Glimpse over PyTorch, images/s: {median:.2} ({least:.2} to {most:.2} in {} turns)", args.rounds);
        let theirs = spread(&report.torch_matmul_flops_per_s)[1] / 1e9;
        if report.of_floor.is_empty() {
            println!(
                "Glimpse's large matrix products come out wrong on this device; PyTorch's make {theirs:.0} GFLOP/s"
            );
        } else {
            let [of_floor, ours] = [&report.of_floor, &report.glimpse_matmul_flops_per_s].map(|of| spread(of)[1]);
            println!("Glimpse over its own large matrix products: {:.0}%", 100.0 * of_floor);
            println!("Large matrix products: {:.0} GFLOP/s, with PyTorch {theirs:.0}", ours / 1e9);
        }
    }
    Ok(())
}

/// glimpse-export for the device.
fn program(args: &Args, workspace: &Workspace) -> anyhow::Result<PathBuf> {
    const NAME: &str = "glimpse-export";
    if let Some(folder) = &args.programs {
        return Ok(folder.join(NAME));
    }
    let mut command = process::cargo(&workspace.root);
    command.args(["build", "--release", "--package", NAME]);
    if args.device != CPU {
        let kind = args.device.split(':').next().unwrap_or_default();
        command.args(["--features", &format!("{kind},burn/fusion")]);
    }
    process::run(&mut command)?;
    Ok(workspace.target_directory.join("release").join(NAME))
}

fn glimpse(args: &Args, program: &Path) -> anyhow::Result<Speed> {
    let number = |n: usize| n.to_string();
    let mut command = Command::new(program);
    command.args(["speed", "--json", "--preset", &args.preset, "--batch", &number(args.batch)]);
    command.args(["--ratio", &args.ratio.to_string(), "--steps", &number(args.steps)]);
    command.args(["--device", &args.device, "--matmul", &args.matmul]);
    if args.device == CPU {
        command.args(["--threads", &number(args.threads)]);
    }
    let output = process::output(&mut command)?;
    serde_json::from_slice(&output).context("reading what glimpse-export speed says")
}

/// Median samples a second of PyTorch, and what its large matrix products come to.
fn torch(args: &Args, workspace: &Workspace, python: &Path, shapes: &Shapes) -> anyhow::Result<(f64, f64)> {
    let asked = Asked {
        shapes,
        batch: args.batch,
        steps: args.steps,
        threads: args.threads,
        device: if args.device == CPU { CPU } else { "cuda" },
        matmul: &args.matmul,
    };
    let output = process::output(
        Command::new(python).arg(workspace.root.join(TORCH_SCRIPT)).arg(serde_json::to_string(&asked)?),
    )?;
    let said: Torch = serde_json::from_slice(&output).context("reading what PyTorch's script says")?;
    ensure!(!said.images_per_s.is_empty(), "PyTorch's script timed no step");
    let [_, median, _] = spread(&said.images_per_s);
    Ok((median, said.matmul_flops_per_s))
}

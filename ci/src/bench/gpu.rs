//! `cargo ci bench gpu`: the GPU engine beside its peers, and beside what the GPU can do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::spread;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

/// The model that is measured beside peers: ViT-B/16, as `glimpse-export train` has it.
const SIZES: &str = "--preset base";
/// Forms of our engine, by the options that choose them.
const FORMS: [(&str, &[&str]); 3] =
    [("f32", &["--precision", "f32"]), ("f16", &["--precision", "f32", "--f16"]), ("int8", &["--precision", "int8"])];

/// Times the encoder of a ViT-B/16 and the shipped model's whole frame on the GPU, kernel by kernel by the GPU's own clock, and
/// beside burn and, where it can use the GPU, ONNX Runtime, in turns.
///
/// Builds glimpse, and glimpse-export with burn's Vulkan, in release. Leave the machine alone while it runs. On a GPU that is a
/// program, the numbers say only that all of it runs.
#[derive(clap::Args)]
pub struct Args {
    /// The GPU, as `glimpse info` counts them
    #[arg(long, default_value = "gpu")]
    device: String,
    /// Turns that each engine takes
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// Frames in a turn
    #[arg(long, default_value_t = 50)]
    runs: usize,
    /// Visible patches of ViT-B/16's 196: all, and a quarter
    #[arg(long, value_delimiter = ',', default_values_t = [196, 49])]
    visible: Vec<usize>,
    /// Leave burn and ONNX Runtime out: nothing of glimpse-export but what makes the model is built
    #[arg(long)]
    alone: bool,
    /// A Python whose onnxruntime can use the GPU, through CUDA, `WebGPU` or `DirectML`; if it has PyTorch on CUDA, that is
    /// asked for linear layers [default: one of our own, which has neither]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// A bundle to take for ViT-B/16 [default: one with random weights, made the first time]
    #[arg(long, value_name = "PATH")]
    bundle: Option<PathBuf>,
    /// A folder with release programs to take as they are, so that nothing is built
    #[arg(long, value_name = "PATH")]
    programs: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Serialize)]
struct Report {
    gpu: String,
    rows: Vec<Row>,
    /// The linear layers of ViT-B/16 in f32 beside PyTorch's on CUDA, where there is one.
    layers: Vec<Layer>,
    /// What `glimpse bench --gpu-kernels` says of ViT-B/16 in f32, and of the shipped model with half of its patches.
    details: Vec<serde_json::Value>,
}

/// An encoder with so many visible patches.
#[derive(Serialize)]
struct Row {
    form: &'static str,
    tokens: usize,
    /// The median of each turn.
    glimpse_ms: Vec<f64>,
    peers: Vec<Peer>,
}

/// A linear layer, by the GPU's clock.
#[derive(Serialize)]
struct Layer {
    /// Rows, inputs, outputs.
    shape: [u32; 3],
    glimpse_ms: f64,
    torch_ms: f64,
}

#[derive(Clone, Serialize)]
struct Peer {
    engine: String,
    times_ms: Vec<f64>,
    /// Our time over its, turn by turn.
    ratios: Vec<f64>,
}

/// What `glimpse bench --json` says, as far as it is asked for.
#[derive(Deserialize)]
struct Bench {
    device: String,
    frame: Percentiles,
}

#[derive(Deserialize)]
struct Percentiles {
    p50_ms: f64,
}

/// What a peer says.
#[derive(Deserialize)]
struct Said {
    times_ms: Vec<f64>,
}

/// What takes part.
struct Programs {
    glimpse: PathBuf,
    bundle: PathBuf,
    shipped: PathBuf,
    burn: Option<PathBuf>,
    /// A Python that was named.
    python: Option<PathBuf>,
    onnxruntime: Option<OnnxRuntime>,
}

/// ONNX Runtime with the GPU's provider, and a folder with the model's f32 form.
struct OnnxRuntime {
    python: PathBuf,
    script: PathBuf,
    provider: String,
    forms: PathBuf,
}

/// Takes the turns and prints what they showed.
///
/// # Errors
/// When a program is missing or fails, and when the GPU does not answer.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.turns > 0 && args.runs > 0, "nothing to measure: give at least 1 turn of 1 frame");
    let workspace = Workspace::here()?;
    let programs = Programs::new(args, &workspace)?;
    let mut rows = Vec::new();
    let mut gpu = String::new();
    for &visible in &args.visible {
        let of_all = programs.rows(args, visible, &mut gpu)?;
        if !args.json {
            for row in &of_all {
                print_row(row, &gpu);
            }
        }
        rows.extend(of_all);
    }
    let half = ["--visible", "32"];
    let details = vec![
        programs.details(args, &programs.bundle, &["--precision", "f32"])?,
        programs.details(args, &programs.bundle, &["--precision", "int8"])?,
        programs.details(args, &programs.shipped, &half)?,
    ];
    let layers = programs.layers(&workspace, &details[0])?;
    let report = Report { gpu, rows, layers, details };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.layers.iter().for_each(print_layer);
        report.details.iter().for_each(print_details);
    }
    Ok(())
}

impl Programs {
    fn new(args: &Args, workspace: &Workspace) -> anyhow::Result<Self> {
        let release = if let Some(folder) = &args.programs {
            folder.clone()
        } else {
            workspace.glimpse(None)?;
            let features: &[&str] = if args.alone { &[] } else { &["--features", "vulkan,tuned"] };
            let export = ["build", "--release", "--package", "glimpse-export"];
            process::run(process::cargo(&workspace.root).args(export).args(features))?;
            workspace.target_directory.join("release")
        };
        let scratch = workspace.target_directory.join("bench");
        let export = release.join("glimpse-export");
        let bundle = match &args.bundle {
            Some(bundle) => bundle.clone(),
            None => random_bundle(workspace, &export, &scratch.join("gpu"))?,
        };
        let onnxruntime = if args.alone { None } else { OnnxRuntime::find(args, workspace, &bundle, &scratch)? };
        Ok(Self {
            glimpse: release.join("glimpse"),
            bundle,
            shipped: workspace.root.join("models/glimpse-tiny"),
            burn: (!args.alone).then_some(export),
            python: args.python.clone().filter(|_| !args.alone),
            onnxruntime,
        })
    }

    /// Turns with so many visible patches: each form of ours once, and each peer once, in f32.
    fn rows(&self, args: &Args, visible: usize, gpu: &mut String) -> anyhow::Result<Vec<Row>> {
        let mut ours: Vec<Vec<f64>> = vec![Vec::new(); FORMS.len()];
        let mut peers: Vec<(String, Vec<f64>)> = Vec::new();
        for _ in 0..args.turns {
            for ((_, options), times) in FORMS.iter().zip(&mut ours) {
                times.push(self.glimpse_ms(args, options, visible, gpu)?);
            }
            let mut said = Vec::new();
            if let Some(burn) = &self.burn {
                said.push(("burn".to_owned(), burn_ms(args, burn, visible)?));
            }
            if let Some(python) = &self.onnxruntime {
                said.push((format!("ONNX Runtime, {}", python.provider), python.ms(args, visible)?));
            }
            for (place, (engine, ms)) in said.into_iter().enumerate() {
                if place == peers.len() {
                    peers.push((engine, Vec::new()));
                }
                peers[place].1.push(ms);
            }
        }
        let row = |(&(form, _), glimpse_ms): (&(&'static str, _), Vec<f64>)| {
            let peer = |(engine, times_ms): &(String, Vec<f64>)| {
                let ratios = glimpse_ms.iter().zip(times_ms).map(|(ours, theirs)| ours / theirs).collect();
                Peer { engine: engine.clone(), times_ms: times_ms.clone(), ratios }
            };
            let peers = peers.iter().map(peer).collect();
            Row { form, tokens: visible + 1, glimpse_ms, peers }
        };
        Ok(FORMS.iter().zip(ours).map(row).collect())
    }

    /// The linear layers among what `glimpse bench --gpu-kernels` said, beside PyTorch's.
    fn layers(&self, workspace: &Workspace, detail: &serde_json::Value) -> anyhow::Result<Vec<Layer>> {
        let Some(python) = &self.python else { return Ok(Vec::new()) };
        let ours: Vec<([u32; 3], f64)> =
            detail["gpu"]["kernels"].as_array().into_iter().flatten().filter_map(linear).collect();
        let shapes: Vec<[u32; 3]> = ours.iter().map(|&(shape, _)| shape).collect();
        let script = workspace.root.join("ci/src/bench/torch_linear.py");
        let said = process::output(Command::new(python).arg(script).arg(serde_json::to_string(&shapes)?))?;
        let theirs: Option<Vec<f64>> = serde_json::from_slice(&said).context("reading what PyTorch's script says")?;
        let layer = |((shape, glimpse_ms), torch_ms)| Layer { shape, glimpse_ms, torch_ms };
        Ok(ours.into_iter().zip(theirs.into_iter().flatten()).map(layer).collect())
    }

    /// Our median, from patches to tokens.
    fn glimpse_ms(&self, args: &Args, options: &[&str], visible: usize, gpu: &mut String) -> anyhow::Result<f64> {
        let mut command = self.bench(args, &self.bundle, options);
        command.args(["--stage", "encode", "--visible", &visible.to_string()]);
        let said: Bench = serde_json::from_slice(&process::output(&mut command)?).context("reading what bench says")?;
        ensure!(
            said.device != "cpu",
            "the GPU gave no right answer: `glimpse bench --device {}` says why",
            args.device
        );
        *gpu = said.device;
        Ok(said.frame.p50_ms)
    }

    /// Kernel by kernel.
    fn details(&self, args: &Args, bundle: &Path, options: &[&str]) -> anyhow::Result<serde_json::Value> {
        let mut command = self.bench(args, bundle, options);
        command.arg("--gpu-kernels");
        serde_json::from_slice(&process::output(&mut command)?).context("reading what bench says")
    }

    fn bench(&self, args: &Args, bundle: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(&self.glimpse);
        command.arg("bench").arg("--model").arg(bundle).args(["--json", "--device", &args.device]);
        command.args(["--runs", &args.runs.to_string()]).args(options);
        command
    }
}

/// burn's median, in f32.
fn burn_ms(args: &Args, program: &Path, visible: usize) -> anyhow::Result<f64> {
    let mut command = Command::new(program);
    command.arg("speed").args(SIZES.split(' ')).args(["--json", "--device", "vulkan"]);
    command.args(["--encode", &visible.to_string(), "--steps", &args.runs.to_string()]);
    let said: Said = serde_json::from_slice(&process::output(&mut command)?).context("reading what burn says")?;
    Ok(spread(&said.times_ms)[1])
}

impl OnnxRuntime {
    /// The Python that was named, or our own, if its ONNX Runtime can use a GPU.
    fn find(args: &Args, workspace: &Workspace, bundle: &Path, scratch: &Path) -> anyhow::Result<Option<Self>> {
        let python = match &args.python {
            Some(python) => python.clone(),
            None => venv::python(workspace, venv::PEERS)?,
        };
        let script = workspace.root.join("ci/src/bench/peers.py");
        let said = process::output(Command::new(&python).arg(&script).arg("providers"))?;
        let providers: Vec<String> = serde_json::from_slice(&said).context("reading ONNX Runtime's providers")?;
        let Some(provider) = providers.into_iter().next() else {
            eprintln!(
                "ONNX Runtime takes no part: {} has no provider for a GPU (--python names another)",
                python.display()
            );
            return Ok(None);
        };
        let forms = scratch.join("forms").join("gpu");
        if !forms.join("encoder/f32.onnx").is_file() {
            process::run(Command::new(&python).arg(&script).arg("prepare").arg(bundle).arg(&forms).arg("f32"))?;
        }
        Ok(Some(Self { python, script, provider, forms }))
    }

    /// Its median, in f32.
    fn ms(&self, args: &Args, visible: usize) -> anyhow::Result<f64> {
        let tokens = (visible + 1).to_string();
        if !self.forms.join("encoder").join(format!("{tokens}.json")).is_file() {
            let mut command = Command::new(&self.python);
            process::run(command.arg(&self.script).arg("case").arg(&self.forms).args(["encoder", &tokens]))?;
        }
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args(["time", &format!("onnxruntime:{}", self.provider)]).arg(&self.forms);
        command.args(["f32", "encoder", &tokens, "1", &args.runs.to_string()]);
        let said: Said = serde_json::from_slice(&process::output(&mut command)?).context("reading a peer's times")?;
        Ok(spread(&said.times_ms)[1])
    }
}

/// A bundle of random weights, made once.
fn random_bundle(workspace: &Workspace, export: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let bundle = folder.join("bundle");
    if bundle.join("encoder.int8.onnx").is_file() {
        return Ok(bundle);
    }
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    crate::golden::program::ExportProgram::at(export).make_bundle(
        workspace,
        folder,
        &bundle,
        &format!("{SIZES} --steps 1 --batch 1 --seed 1"),
    )?;
    Ok(bundle)
}

/// A kernel that is a linear layer in f32: rows, inputs, outputs, and the milliseconds of one.
fn linear(kernel: &serde_json::Value) -> Option<([u32; 3], f64)> {
    if kernel["kernel"] != "linear" {
        return None;
    }
    // 197×768·768×2304
    let (rows, rest) = kernel["sizes"].as_str()?.split_once('×')?;
    let (inputs, rest) = rest.split_once('·')?;
    let (_, outputs) = rest.split_once('×')?;
    let shape = [rows.parse().ok()?, inputs.parse().ok()?, outputs.parse().ok()?];
    Some((shape, kernel["ms"].as_f64()? / kernel["dispatches"].as_f64()?))
}

fn print_layer(layer: &Layer) {
    let Layer { shape: [rows, inputs, outputs], glimpse_ms, torch_ms } = layer;
    println!(
        "linear {rows}×{inputs}·{inputs}×{outputs}: {:.0}% of the pace of PyTorch on CUDA in f32 ({torch_ms:.4} ms)",
        100.0 * torch_ms / glimpse_ms
    );
}

fn print_row(row: &Row, gpu: &str) {
    let [least, median, most] = spread(&row.glimpse_ms);
    println!("encoder {}, {} tokens, {gpu}: {median:.2} ms ({least:.2} to {most:.2})", row.form, row.tokens);
    for peer in &row.peers {
        let [least, median, most] = spread(&peer.ratios);
        let ms = spread(&peer.times_ms)[1];
        println!("  {median:.2} of the time of {} in f32 ({least:.2} to {most:.2}; {ms:.2} ms)", peer.engine);
    }
}

fn print_details(detail: &serde_json::Value) {
    let text = |value: &serde_json::Value| value.as_f64().map_or_else(|| "?".to_owned(), |value| format!("{value:.3}"));
    let gpu = &detail["gpu"];
    let (model, precision, visible) = (&detail["model"], &detail["precision"], &detail["visible"]);
    println!("\n{model} {precision}, {visible} patches visible, a whole frame on the GPU, p50:");
    let [latency, period, host] = ["latency", "period", "host"].map(|name| text(&gpu[name]["p50_ms"]));
    println!("  {latency} ms alone, {period} ms one after another, of them {host} ms the CPU's work");
    let cold = &detail["cold_start"];
    let [read, plan, first] = ["read_ms", "plan_ms", "first_answer_ms"].map(|name| text(&cold[name]));
    println!("  cold start: read {read} ms, plan {plan} ms, first answer {first} ms");
    let can = ["f32_gmacs_per_s", "copy_gbytes_per_s"].map(|name| gpu["can"][name].as_f64());
    let [Some(gmacs), Some(gbytes)] = can else { return };
    println!("  the GPU makes {gmacs:.0} GMAC/s in f32 and copies {gbytes:.1} GB/s");
    for kernel in gpu["kernels"].as_array().into_iter().flatten() {
        let number = |name: &str| kernel[name].as_f64().unwrap_or(f64::NAN);
        println!(
            "  {:<14} {:<30} {:>4} × {:>9.4} ms  {:>3.0}% of f32  {:>3.0}% of copying",
            kernel["kernel"].as_str().unwrap_or_default(),
            kernel["sizes"].as_str().unwrap_or_default(),
            kernel["dispatches"],
            number("ms") / number("dispatches"),
            100.0 * number("gmacs_per_s") / gmacs,
            100.0 * number("gbytes_per_s") / gbytes,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_layer_is_known_by_its_kernel_and_its_sizes() {
        let kernel = |name, sizes| serde_json::json!({"kernel": name, "sizes": sizes, "dispatches": 12, "ms": 0.6});
        let found = linear(&kernel("linear", "197×768·768×2304")).unwrap();
        assert_eq!(found, ([197, 768, 2304], 0.6 / 12.0));
        assert_eq!(linear(&kernel("linear_int8", "197×768·768×2304")), None);
        assert_eq!(linear(&kernel("linear", "197×768")), None);
    }
}

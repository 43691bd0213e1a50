//! `glimpse-export try-device`: whether a device trains as the CPU does.
//!
//! A driver may crash on what burn's compiler writes for it, or compute something else. So the steps are taken in a process
//! of their own before a run depends on the device.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};
use clap::{Args as ClapArgs, ValueEnum as _};
use glimpse_export::device::{CPU, device};
use glimpse_export::model::Products;
use glimpse_export::speed::{Step, Trial, take_steps};
use glimpse_export::train::Crew;
use glimpse_models::{Base, Family, ModelSpec, RawSpec, Transformer};
use serde::{Deserialize, Serialize};

/// How far a device's loss may be from the CPU's, as a part of it: some GPUs multiply with fewer bits.
const CLOSE: f64 = 1e-2;
/// … where it is told to multiply with 16.
const CLOSE_IN_16_BITS: f64 = 3e-2;

/// Trains a tiny model for a few steps on a device, and says what loss it ends with and what the CPU ends with.
///
/// `train`, `finetune` and `speed` do the same before they use a GPU.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// vulkan[:N], wgpu[:N] or cuda[:N], as far as built in.
    device: String,
    /// Numbers that its matrix products are computed in; the CPU's are f32
    #[arg(long, value_enum, default_value_t = Products::F32)]
    matmul: Products,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a device ends with.
#[derive(Debug, Deserialize, Serialize)]
struct Answer {
    device: String,
    loss: f64,
}

/// Runs the command.
///
/// # Errors
/// When the device cannot be had.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let answer = Answer { device: args.device.clone(), loss: loss(&args.device, args.matmul)? };
    if args.json {
        println!("{}", serde_json::to_string(&answer)?);
    } else {
        println!("{}: loss {:.6}; {CPU}: {:.6}", answer.device, answer.loss, loss(CPU, Products::F32)?);
    }
    Ok(())
}

/// Tries each of these devices that is a GPU, in a process of its own.
///
/// # Errors
/// When one crashes, computes wrong or cannot be had; says which other one to take.
pub fn trusted<'a>(devices: impl IntoIterator<Item = &'a String>, products: Products) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    devices.into_iter().filter(|name| *name != CPU).try_for_each(|name| {
        eprintln!("trying {name}");
        let close = if products == Products::F32 { CLOSE } else { CLOSE_IN_16_BITS };
        judged(name, &asked(&program, name, products)?, loss(CPU, Products::F32)?, close)
    })
}

fn asked(program: &Path, name: &str, products: Products) -> anyhow::Result<Output> {
    let products = products.to_possible_value().context("numbers without a name")?;
    let words = ["try-device", "--json", name, "--matmul", products.get_name()];
    Command::new(program).args(words).output().context("starting a trial")
}

/// What to make of a trial's end.
fn judged(name: &str, output: &Output, wanted: f64, close: f64) -> anyhow::Result<()> {
    const ADVICE: &str = "take another --device, another --matmul, or another driver";
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().next_back().unwrap_or("nothing");
    // what a panic is about stands in the line below the place where it was
    let panicked = said.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    match output.status.code() {
        Some(0) => {}
        // its own sentence says it all
        Some(2) => bail!("{}", last.strip_prefix("glimpse-export: ").unwrap_or(last)),
        _ => {
            bail!("a trial step on {name} crashed ({}): {ADVICE}. It said: {}", output.status, panicked.unwrap_or(last))
        }
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).context("reading a trial's answer")?;
    ensure!(
        (answer.loss / wanted - 1.0).abs() <= close,
        "{name} computes wrong: trial steps end with a loss of {:.4}, on the CPU with {wanted:.4}: {ADVICE}",
        answer.loss
    );
    Ok(())
}

/// The loss that a few steps on made-up pictures end with.
fn loss(name: &str, products: Products) -> anyhow::Result<f64> {
    Ok(losses(name, products)?.last().context("no step was taken")?.loss)
}

/// Steps that go far enough for the loss to fall much: so a wrong way back shows in it, as a wrong forward pass does.
fn losses(name: &str, products: Products) -> anyhow::Result<Vec<Step>> {
    let device = device(name)?.autodiff();
    let crew = if name == CPU { Crew::of_cores(&device, 1)? } else { Crew::of_devices(std::slice::from_ref(&device))? };
    let trial = Trial { spec: spec()?, batch: 4, ratio: 0.5, steps: 8, learning_rate: 1e-2, products };
    take_steps(&trial, &crew, &device)
}

fn spec() -> anyhow::Result<ModelSpec> {
    let raw = RawSpec {
        family: Family::Mae,
        image_side: 32,
        patch_side: 8,
        mlp_ratio: 4,
        layer_norm_epsilon: 1e-6,
        mean: [0.5; 3],
        std: [0.25; 3],
        norm_pix: false,
        base: Base::Zero,
        encoder: Transformer { width: 24, depth: 2, heads: 3 },
        decoder: Some(Transformer { width: 16, depth: 1, heads: 2 }),
    };
    Ok(ModelSpec::new(raw)?)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn said(script: &str) -> String {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        judged("gpu:1", &output, 2.0, CLOSE).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn a_device_that_crashes_or_computes_wrong_is_not_trusted() {
        assert_eq!(said(r#"echo '{"device": "gpu:1", "loss": 2.001}'"#), "");
        assert!(said(r#"echo '{"device": "gpu:1", "loss": 1.9}'"#).starts_with("gpu:1 computes wrong"));
        let crashed = said("echo early; echo late >&2; kill -SEGV $$");
        assert!(crashed.contains("crashed") && crashed.ends_with("late"), "{crashed}");
        let panicked = said("printf \"thread 'main' panicked at a.rs:1:2:\\nno bf16\\nnote: more\\n\" >&2; exit 101");
        assert!(panicked.ends_with("It said: no bf16"), "{panicked}");
        assert_eq!(said("echo 'glimpse-export: no such device' >&2; exit 2"), "no such device");
    }

    #[test]
    fn a_trial_goes_far_enough_to_show_a_wrong_way_back() {
        let losses = losses(CPU, Products::F32).unwrap();
        let (first, last) = (losses[0].loss, losses.last().unwrap().loss);
        assert!(last < first * (1.0 - 10.0 * CLOSE), "{losses:?}");
    }

    #[test]
    fn a_trial_is_the_same_each_time_and_takes_a_device_that_is_there() {
        let loss = |name| loss(name, Products::F32);
        assert_eq!(loss(CPU).unwrap().to_bits(), loss(CPU).unwrap().to_bits());
        assert!(loss("tpu").is_err());
    }
}

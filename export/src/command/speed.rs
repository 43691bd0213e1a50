//! `glimpse-export speed`: how fast a model trains and answers here.

use anyhow::Context;
use clap::Args as ClapArgs;
use glimpse_export::device::{CPU, device};
use glimpse_export::model::Products;
use glimpse_export::speed::{Trial, encode_times_ms, measure};
use glimpse_export::train::Crew;
use serde::Serialize;

use super::sizes::SizeArgs;
use super::try_device;

/// Measures how fast a model trains on this machine, beside the pace of its matrix products.
///
/// Pictures are made up: reading and cropping them has no part in it (metrics.csv of a run says how long its device
/// waited for data).
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    sizes: SizeArgs,
    /// Pictures in a batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Part of the patches that is hidden.
    #[arg(long, default_value_t = 0.5)]
    ratio: f64,
    /// Steps to time, or answers.
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// cpu, vulkan[:N], wgpu[:N] or cuda[:N], as far as built in.
    #[arg(long, default_value = CPU)]
    device: String,
    /// Cores to train on, with --device cpu; all by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Take less memory: compute anew, in the backward pass, what is cheap to compute.
    #[arg(long)]
    recompute: bool,
    /// Numbers that matrix products are computed in; f16 and bf16 are for GPUs.
    #[arg(long, value_enum, default_value = "f32")]
    matmul: Products,
    /// Time the encoder's answer to one picture with so many visible patches instead.
    #[arg(long, value_name = "N", conflicts_with_all = ["batch", "ratio", "recompute", "threads"])]
    encode: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is said of the encoder's answers.
#[derive(Serialize)]
struct Encoding {
    device: String,
    visible: usize,
    times_ms: Vec<f64>,
}

/// Runs the command.
///
/// # Errors
/// When an option is out of range.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let spec = args.sizes.spec().context("the model's sizes do not fit together")?;
    if let Some(visible) = args.encode {
        let times_ms = encode_times_ms(&spec, args.matmul, visible, args.steps, &device(&args.device)?)?;
        let encoding = Encoding { device: args.device.clone(), visible, times_ms };
        if args.json {
            println!("{}", serde_json::to_string(&encoding)?);
        } else {
            let mut sorted = encoding.times_ms;
            sorted.sort_by(f64::total_cmp);
            println!(
                "{:.2} ms a picture ({:.2} to {:.2})",
                sorted[sorted.len() / 2],
                sorted[0],
                sorted[sorted.len() - 1]
            );
        }
        return Ok(());
    }
    try_device::trusted([&args.device], args.matmul)?;
    let mut found = device(&args.device)?.autodiff();
    if args.recompute {
        found = found.gradient_checkpointing();
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let crew = if args.device == CPU {
        Crew::of_cores(&found, args.threads.unwrap_or(cores))?
    } else {
        Crew::of_devices(std::slice::from_ref(&found))?
    };
    let trial = Trial {
        spec,
        batch: args.batch,
        ratio: args.ratio,
        steps: args.steps,
        learning_rate: 1e-4,
        products: args.matmul,
    };
    let speed = measure(&trial, &crew, &found)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&speed)?);
    } else {
        let [slowest, fastest] = speed.range;
        println!("{:.1} images/s ({slowest:.1} to {fastest:.1})", speed.images_per_s);
        let flops = format!("{:.2} GFLOP an image", speed.flops_per_image / 1e9);
        if let Some((pace, part)) = speed.matmul_flops_per_s.zip(speed.of_floor) {
            let (pace, part) = (pace / 1e9, 100.0 * part);
            println!("{flops}, {pace:.0} GFLOP/s in a large matrix product: {part:.1}% of that pace");
        } else {
            println!("{flops}; large matrix products come out wrong on this device, so there is no pace");
        }
        if let Some(bytes) = speed.peak_memory_bytes {
            println!("{:.0} MB of memory at most", bytes as f64 / 1e6);
        }
    }
    Ok(())
}

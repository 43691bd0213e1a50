//! `glimpse info`: the models and the machine.

use anyhow::Result;
use glimpse_models::{Bundle, Manifest, Measure, Precision, shipped};
#[cfg(feature = "gpu")]
use glimpse_runtime::Adapter;
use glimpse_runtime::{Family, Machine};
use serde::Serialize;
use serde_json::{Value, json};

use crate::bundles;
#[cfg(all(feature = "v4l2", target_os = "linux"))]
use crate::camera::sources::v4l2;
use crate::plan::show_plan;

/// Show the models inside the program, what they were trained on and how good they are, and the machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this model alone: one inside the program, or a bundle's folder
    #[arg(long, value_name = "NAME|PATH")]
    model: Option<String>,

    /// Show what runs in a model, operator by operator: what is fused into kernels of Glimpse's, and what is left to tract;
    /// a model inside the program, a bundle's folder, or any ONNX file
    #[arg(long, value_name = "NAME|PATH|FILE.onnx", conflicts_with = "model")]
    plan: Option<String>,

    /// Weights that the plan is for: int8 or f32 [default: int8 where the model has it]
    #[arg(long, value_name = "PRECISION", requires = "plan")]
    precision: Option<Precision>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Classes that are named; a model may have thousands.
const LABELS_SHOWN: usize = 10;

/// All that is shown.
#[derive(Debug, Serialize)]
struct Info {
    version: &'static str,
    models: Vec<Value>,
    machine: Value,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    if let Some(model) = &args.plan {
        return show_plan(model, args.precision, args.json);
    }
    let bundles = match &args.model {
        Some(model) => vec![bundles::open(model)?],
        None => shipped().iter().map(|name| bundles::open(name)).collect::<Result<Vec<Bundle>>>()?,
    };
    let machine = Machine::detect();
    if args.json {
        let info = Info {
            version: env!("CARGO_PKG_VERSION"),
            models: bundles.iter().map(model).collect::<Result<_>>()?,
            machine: json!({
                "arch": machine.arch,
                "os": machine.os,
                "cpu_features": machine.cpu_features,
                "kernels": kernels(),
                "threads": machine.threads,
                "gpus": gpus().iter().map(as_json).collect::<Vec<_>>(),
                "cameras": cameras_as_json(),
            }),
        };
        println!("{}", serde_json::to_string_pretty(&info)?);
        return Ok(());
    }
    for bundle in &bundles {
        print_model(bundle);
    }
    if bundles.is_empty() {
        println!("no model is inside this program: it is built without the feature `embed`\n");
    }
    println!("machine");
    line("processor", format!("{} ({})", machine.arch, machine.os));
    line("features", machine.cpu_features.join(" "));
    line("kernels", format!("{} (the last is the fastest)", kernels().join(" ")));
    line("threads", machine.threads);
    let gpus = gpus();
    for (index, gpu) in gpus.iter().enumerate() {
        print_gpu(index, gpu);
    }
    if gpus.is_empty() {
        line(
            "gpu",
            if cfg!(feature = "gpu") { "none found" } else { "this program is built without the feature `gpu`" },
        );
    }
    print_cameras();
    Ok(())
}

/// The kernels for int8 that this CPU runs.
fn kernels() -> Vec<&'static str> {
    Family::available().map(Family::name).collect()
}

#[cfg(all(feature = "v4l2", target_os = "linux"))]
fn cameras_as_json() -> Value {
    json!(v4l2::cameras())
}

/// Without the feature, nobody looks.
#[cfg(not(all(feature = "v4l2", target_os = "linux")))]
fn cameras_as_json() -> Value {
    Value::Null
}

#[cfg(all(feature = "v4l2", target_os = "linux"))]
fn print_cameras() {
    let cameras = v4l2::cameras();
    for camera in &cameras {
        let v4l2::Listed { source, path, name, formats, largest } = camera;
        let most = largest.map_or_else(String::new, |[width, height]| format!(", up to {width}x{height}"));
        let name = name.as_deref().unwrap_or("no name");
        line(source, format!("{name} ({}): {}{most}", path.display(), formats.join(" ")));
    }
    if cameras.is_empty() {
        line("cameras", "none found by V4L2");
    }
}

#[cfg(not(all(feature = "v4l2", target_os = "linux")))]
fn print_cameras() {
    line("cameras", "this program is built without the feature `v4l2`");
}

#[cfg(feature = "gpu")]
fn gpus() -> Vec<Adapter> {
    glimpse_runtime::adapters()
}

/// Without the feature, there are none to tell of.
#[cfg(not(feature = "gpu"))]
fn gpus() -> [Adapter; 0] {
    []
}

#[cfg(not(feature = "gpu"))]
enum Adapter {}

#[cfg(not(feature = "gpu"))]
fn as_json(gpu: &Adapter) -> Value {
    match *gpu {}
}

#[cfg(not(feature = "gpu"))]
fn print_gpu(_: usize, gpu: &Adapter) {
    match *gpu {}
}

#[cfg(feature = "gpu")]
fn as_json(gpu: &Adapter) -> Value {
    json!({
        "name": gpu.name,
        "driver": gpu.driver,
        "api": gpu.api,
        "kind": gpu.kind,
        "features": gpu.features,
        "workgroup_bytes": gpu.workgroup_bytes,
        "invocations": gpu.invocations,
        "binding_bytes": gpu.binding_bytes,
        "chosen": gpu.chosen(),
    })
}

#[cfg(feature = "gpu")]
fn print_gpu(index: usize, gpu: &Adapter) {
    line(&format!("gpu:{index}"), format!("{} ({}, {})", gpu.name, gpu.kind, gpu.api));
    line("  driver", &gpu.driver);
    line("  features", if gpu.features.is_empty() { "none".to_owned() } else { gpu.features.join(" ") });
    let (kilobytes, megabytes) = (f64::from(gpu.workgroup_bytes) / 1e3, gpu.binding_bytes as f64 / 1e6);
    line(
        "  limits",
        format!("{} invocations and {kilobytes:.1} kB a workgroup, {megabytes:.0} MB a binding", gpu.invocations),
    );
    for chosen in gpu.chosen() {
        line("  tuned", chosen);
    }
}

/// The manifest as JSON, with what follows from it.
fn model(bundle: &Bundle) -> Result<Value> {
    let mut value = serde_json::to_value(bundle.manifest())?;
    value["precisions"] = json!(bundle.precisions().iter().map(|p| p.name()).collect::<Vec<_>>());
    value["can_paint"] = json!(can_paint(bundle.manifest()));
    Ok(value)
}

fn can_paint(manifest: &Manifest) -> bool {
    manifest.spec().decoder().is_some() && !manifest.spec().norm_pix()
}

fn print_model(bundle: &Bundle) {
    let (manifest, spec) = (bundle.manifest(), bundle.spec());
    println!("{}", bundle.name());
    line("licence", manifest.licence());
    line(
        "sees",
        format!("{0}×{0} px in {1} patches of {2} px", spec.image_side(), spec.grid().len(), spec.patch_side()),
    );
    let encoder = spec.encoder();
    line("encoder", format!("width {}, depth {}, {} heads", encoder.width, encoder.depth, encoder.heads));
    if let Some(decoder) = spec.decoder() {
        line("decoder", format!("width {}, depth {}, {} heads", decoder.width, decoder.depth, decoder.heads));
    }
    if let Some(classifier) = bundle.classifier() {
        line("classes", classes(classifier.classes, bundle.labels()));
    }
    line("paints", if can_paint(manifest) { "yes" } else { "no: it gives features alone" });
    let precisions: Vec<&str> = bundle.precisions().into_iter().map(Precision::name).collect();
    line("precision", precisions.join(", "));
    let bytes: u64 = manifest.files().values().map(|file| file.bytes).sum();
    line("size", format!("{:.1} MB", bytes as f64 / 1e6));
    let training = &manifest.training;
    let said = [
        ("data", training.data.clone()),
        ("source", training.source.clone()),
        ("images", training.images.map(|n| n.to_string())),
        ("steps", training.steps.map(|n| n.to_string())),
        ("masks", training.mask.clone()),
        ("device", training.device.clone()),
        ("time", training.duration_s.map(|s| format!("{:.1} h", s / 3600.0))),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            line(&format!("trained: {name}"), value);
        }
    }
    for (name, measure) in &manifest.quality {
        print_measure(&format!("quality: {name}"), measure);
    }
    println!();
}

/// How many classes there are, and what the first of them are called.
fn classes(count: usize, labels: Option<&[String]>) -> String {
    match labels {
        None => count.to_string(),
        Some(labels) => {
            let shown = labels.iter().take(LABELS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("{count}: {shown}{}", if count > LABELS_SHOWN { ", …" } else { "" })
        }
    }
}

fn print_measure(name: &str, measure: &Measure) {
    match measure {
        Measure::Number(number) => line(name, number),
        Measure::Table(table) => {
            for (key, inner) in table {
                print_measure(&format!("{name} {key}"), inner);
            }
        }
    }
}

fn line(name: &str, value: impl std::fmt::Display) {
    println!("  {name:<18} {value}");
}

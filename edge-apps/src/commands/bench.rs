//! `glimpse bench`: how long each stage takes on this machine.

mod board;
mod energy;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(not(feature = "gpu"))]
mod no_gpu;
mod record;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use glimpse_models::{Bundle, ModelSpec, Precision};
use glimpse_runtime::{
    BaseSolver, ColourRange, Device, Family, Frame, Layout, Machine, Mask, Model, Options, Preprocessor,
    peak_memory_bytes, unpatchify,
};
use ndarray::{Array2, Array3};
use serde::Serialize;

#[cfg(feature = "gpu")]
use self::gpu::OnGpu;
#[cfg(not(feature = "gpu"))]
use self::no_gpu::OnGpu;
use self::record::{Before, RecordArgs, Repeated};
use crate::bundles;
use crate::device::DeviceArgs;
use crate::picture::Picture;
use crate::visible::Visible;

/// Time each stage of a frame: p50, p95, p99 and the most, the cold start, the memory.
///
/// A frame goes through `preprocess` (what is visible resized, normalized, cut into patches), `encode` (features), `decode` (all
/// patches) and `paint` (the patches upon what the model adds them to, back to pixels). Decoder and painting are left out where
/// the model has no decoder. On a GPU, a frame is timed besides of which what is visible goes there as it is and comes back
/// painted, the next one under way.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  glimpse bench
  glimpse bench photo.jpg --visible 16 --threads 1 --json
  glimpse bench --model vit-base --stage encode --runs 50
  glimpse bench --device gpu --gpu-kernels
  glimpse bench --record records --runs 500 --commit \"$(git describe --always --abbrev=40 --dirty --exclude '*')\"")]
pub struct Args {
    /// Picture to measure with [default: a made-up frame of 640×480]
    #[arg(value_name = "IMAGE")]
    image: Option<PathBuf>,

    /// How many of the picture's patches the encoder sees
    #[arg(long, value_name = "N|all", default_value = "all")]
    visible: Visible,

    /// Time these stages alone, on what the ones before them gave once; may be given several times
    #[arg(long = "stage", value_enum, value_name = "STAGE")]
    stages: Vec<Stage>,

    /// Frames that are timed, after a tenth as many that are not
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,

    /// A model inside the program, or a bundle's folder (`glimpse info` lists them)
    #[arg(long, value_name = "NAME|PATH", default_value = bundles::DEFAULT)]
    model: String,

    /// Numbers to compute with: int8 or f32 [default: int8 where the model has it]
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Threads that share a frame's work [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Kernels to compute int8 with [default: the fastest for this CPU; `glimpse info` names them]
    #[arg(long, value_name = "NAME", value_parser = kernels)]
    kernels: Option<Family>,

    /// On a GPU, say how long each of its kernels takes in a frame, by its own clock, and what the GPU can do at all
    #[arg(long)]
    gpu_kernels: bool,

    #[command(flatten)]
    record: RecordArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn kernels(name: &str) -> Result<Family, String> {
    let names = || Family::available().map(Family::name).collect::<Vec<_>>().join(", ");
    Family::named(name).ok_or_else(|| format!("there are no kernels of that name; this CPU has {}", names()))
}

/// A stage of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Resize what is visible, normalize, cut into patches
    Preprocess,
    /// Visible patches to tokens
    Encode,
    /// Tokens to all patches
    Decode,
    /// All patches to a picture
    Paint,
}

/// All that is said.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    model: String,
    /// Of the encoder's graph.
    model_sha256: String,
    precision: Precision,
    /// What encoder and decoder run on: a GPU's name, or `cpu`.
    device: String,
    /// Width and height of the frame.
    frame_px: [usize; 2],
    visible: usize,
    patches: usize,
    threads: usize,
    arch: &'static str,
    cpu_features: Vec<&'static str>,
    kernels: &'static str,
    cold_start: ColdStart,
    runs: u32,
    stages: Vec<Timed>,
    /// All of these stages of a frame together.
    frame: Timed,
    peak_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<OnGpu>,
}

/// From nothing to the first features.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "names carry units")]
struct ColdStart {
    read_ms: f64,
    plan_ms: f64,
    first_answer_ms: f64,
}

/// Times of a stage, or of a whole frame.
#[derive(Debug, Serialize)]
struct Timed {
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let frame = frame(args)?;
    let start = Instant::now();
    let bundle = bundles::open(&args.model)?;
    let read_ms = milliseconds(start);
    let precision = bundles::precision(&bundle, args.precision);
    args.device.check(precision)?;
    let threads = args.threads.map_or_else(|| Machine::detect().threads, |threads| threads as usize);
    let options = Options { kernels: args.kernels, ..args.device.options(precision, Some(threads)) };
    ensure!(
        !args.gpu_kernels || !matches!(args.device.device, Device::Cpu),
        "--gpu-kernels is for --device gpu; here it would do nothing"
    );
    ensure!(
        args.kernels.is_none() || (precision == Precision::Int8 && matches!(args.device.device, Device::Cpu)),
        "--kernels is for int8 on the CPU; here it would do nothing"
    );
    let start = Instant::now();
    let model = Model::load(&bundle, &options).with_context(|| format!("model `{}`", args.model))?;
    let plan_ms = milliseconds(start);

    let grid = model.grid();
    let visible = args.visible.count(&bundle)?;
    let mask = Mask::random(grid, (grid.len() - visible) as f32 / grid.len() as f32, 0)?;
    let mut bench = Bench::new(model, mask, stages(args, &bundle)?);
    bench.preprocess(&frame)?;
    let start = Instant::now();
    bench.encode()?;
    let first_answer_ms = milliseconds(start);

    let peak_memory_bytes = peak_memory_bytes();
    let before = if args.record.is_asked() { Some(Before::check(&mut bench, &bundle)?) } else { None };
    let (stage_times, frame_times) = bench.times(&frame, args.runs)?;
    let of_stages = || bench.stages.iter().zip(&stage_times).map(|(&stage, times)| (Some(stage), times));
    let machine = Machine::detect();
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        model: bundle.name().to_owned(),
        model_sha256: bundles::encoder_sha256(&bundle, bench.model.form())?,
        precision,
        device: bench.model.runs_on().to_owned(),
        frame_px: [frame.width(), frame.height()],
        visible,
        patches: grid.len(),
        threads,
        arch: machine.arch,
        cpu_features: machine.cpu_features,
        kernels: args.kernels.map_or(machine.kernels, Family::name),
        cold_start: ColdStart { read_ms, plan_ms, first_answer_ms },
        runs: args.runs,
        stages: of_stages().map(|(stage, times)| Timed::of(stage, times.clone())).collect(),
        frame: Timed::of(None, frame_times.clone()),
        peak_memory_bytes,
        gpu: None,
    };
    if let Some(before) = before {
        let times = [
            of_stages().map(|(stage, times)| Repeated::of(stage, times)).collect(),
            vec![Repeated::of(None, &frame_times)],
        ];
        if let Some(path) = record::write(args, &mut bench, &frame, &before, &report, times)? {
            eprintln!("{}", path.display());
        }
    }
    report.gpu = OnGpu::measure(bench, &frame, args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

/// The picture that was named, or a made-up one with some structure.
fn frame(args: &Args) -> Result<Frame> {
    let Some(path) = &args.image else {
        return Ok(Frame::from_pixels(Array3::from_shape_fn((480, 640, 3), |(y, x, channel)| {
            (x * (channel + 1) / 2 + y * 3 / 2 + (x / 40 + y / 32) % 2 * 90) as u8
        }))?);
    };
    let rgb = Picture::read_to_look_at(path)?.to_rgb();
    let size = [rgb.height() as usize, rgb.width() as usize];
    Ok(Frame::new(Layout::Rgb, ColourRange::default(), size, rgb.into_raw())?)
}

/// The stages that are timed: those asked for, or all that the model has.
fn stages(args: &Args, bundle: &Bundle) -> Result<Vec<Stage>> {
    let paints = bundle.spec().decoder().is_some();
    let needs_decoder = |stage: &Stage| matches!(stage, Stage::Decode | Stage::Paint);
    if args.stages.is_empty() {
        return Ok(Stage::value_variants().iter().copied().filter(|stage| paints || !needs_decoder(stage)).collect());
    }
    if !paints && args.stages.iter().any(needs_decoder) {
        bail!("model `{}` has no decoder: it has the stages preprocess and encode", bundle.name());
    }
    Ok(args.stages.clone())
}

/// A model, and what each stage leaves for the next one.
struct Bench {
    model: Model,
    spec: ModelSpec,
    mask: Mask,
    preprocessor: Preprocessor,
    patches: Array2<f32>,
    tokens: Array2<f32>,
    painted: Array2<f32>,
    base: BaseSolver,
    whole: Array2<f32>,
    stages: Vec<Stage>,
}

impl Bench {
    fn new(model: Model, mask: Mask, stages: Vec<Stage>) -> Self {
        let spec = *model.spec();
        let patches = Array2::zeros((spec.grid().len(), spec.grid().patch_len()));
        let tokens = Array2::zeros((mask.visible().len() + 1, spec.encoder().width));
        Self {
            preprocessor: Preprocessor::new(&spec),
            base: BaseSolver::new(&spec),
            painted: patches.clone(),
            whole: patches.clone(),
            model,
            spec,
            mask,
            patches,
            tokens,
            stages,
        }
    }

    fn preprocess(&mut self, frame: &Frame) -> Result<()> {
        Ok(self.preprocessor.visible_patches_from_frame(frame, &self.mask, self.patches.view_mut())?)
    }

    fn encode(&mut self) -> Result<()> {
        self.tokens.assign(&self.model.encode(self.patches.view(), &self.mask)?);
        Ok(())
    }

    fn decode(&mut self) -> Result<()> {
        self.painted.assign(&self.model.decode(self.tokens.view(), &self.mask)?);
        Ok(())
    }

    fn paint(&mut self) -> Result<()> {
        self.base.solve(self.patches.view(), &self.mask, self.whole.view_mut())?;
        self.whole += &self.painted;
        let image = unpatchify(self.whole.view(), self.spec.grid())?;
        std::hint::black_box(self.preprocessor.frame_from_image(image.view())?);
        Ok(())
    }

    fn stage(&mut self, stage: Stage, frame: &Frame) -> Result<()> {
        match stage {
            Stage::Preprocess => self.preprocess(frame),
            Stage::Encode => self.encode(),
            Stage::Decode => self.decode(),
            Stage::Paint => self.paint(),
        }
    }

    /// Runs frames through the stages: milliseconds of each, and of them together.
    fn times(&mut self, frame: &Frame, runs: u32) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
        let warm_up = runs.div_ceil(10);
        let stages = self.stages.clone();
        let mut times = vec![Vec::with_capacity(runs as usize); stages.len()];
        let mut whole = Vec::with_capacity(runs as usize);
        for run in 0..warm_up + runs {
            let first = Instant::now();
            for (stage, times) in stages.iter().zip(&mut times) {
                let start = Instant::now();
                self.stage(*stage, frame)?;
                if run >= warm_up {
                    times.push(milliseconds(start));
                }
            }
            if run >= warm_up {
                whole.push(milliseconds(first));
            }
        }
        Ok((times, whole))
    }
}

impl Timed {
    fn of(stage: Option<Stage>, mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        // the least time that so many of a hundred do not exceed
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or(f64::NAN)
        };
        Self { stage, p50_ms: percentile(50), p95_ms: percentile(95), p99_ms: percentile(99), max_ms: percentile(100) }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn print(report: &Report) {
    let line = |name: &str, value: String| println!("{name:<14} {value}");
    line("model", format!("{} ({}, sha256 {:.12}…)", report.model, report.precision, report.model_sha256));
    let [width, height] = report.frame_px;
    line("frame", format!("{width}×{height}, {} of {} patches visible", report.visible, report.patches));
    line("machine", format!("{}: {}", report.arch, report.cpu_features.join(" ")));
    line("device", report.device.clone());
    if report.gpu.is_none() {
        line("kernels", format!("{}, {} threads", report.kernels, report.threads));
    }
    let ColdStart { read_ms, plan_ms, first_answer_ms } = &report.cold_start;
    line("cold start", format!("read {read_ms:.1} ms, plan {plan_ms:.1} ms, first answer {first_answer_ms:.1} ms"));
    if let Some(bytes) = report.peak_memory_bytes {
        line("memory", format!("{:.0} MB at most, until then", bytes as f64 / 1e6));
    }
    let head = ["p50 ms", "p95 ms", "p99 ms", "max ms"].map(|name| format!(" {name:>10}")).concat();
    println!("\n{:<14}{head}", format!("{} runs", report.runs));
    for Timed { stage, p50_ms, p95_ms, p99_ms, max_ms } in report.stages.iter().chain([&report.frame]) {
        let value = stage.and_then(|stage| stage.to_possible_value());
        let name = value.map_or_else(|| "frame".to_owned(), |value| value.get_name().to_owned());
        println!("{name:<14} {p50_ms:>10.3} {p95_ms:>10.3} {p99_ms:>10.3} {max_ms:>10.3}");
    }
    if let Some(gpu) = &report.gpu {
        gpu.print();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_taken() {
        let timed = Timed::of(None, (1..=200).rev().map(f64::from).collect());
        assert_eq!([timed.p50_ms, timed.p95_ms, timed.p99_ms, timed.max_ms].map(|ms| ms as u32), [100, 190, 198, 200]);
        let one = Timed::of(None, vec![3.0]);
        assert_eq!([one.p50_ms, one.p95_ms, one.p99_ms].map(|ms| ms as u32), [3, 3, 3]);
    }
}

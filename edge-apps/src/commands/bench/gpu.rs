//! Frames whose whole way is on a GPU.

use std::time::Instant;

use anyhow::Result;
use glimpse_runtime::{Frame, Give, GpuCeilings, KernelTime, Mask, Stream};
use serde::Serialize;

use super::{Args, Bench, Timed, milliseconds};

/// What is measured of a frame that is on a GPU all the way.
#[derive(Debug, Serialize)]
pub(super) struct OnGpu {
    driver: String,
    api: &'static str,
    /// What is made of a frame.
    gives: &'static str,
    /// From a frame to its answer, none other under way.
    latency: Timed,
    /// From an answer to the next, two frames under way.
    period: Timed,
    /// The CPU's work on a frame; not known on every system.
    host: Option<Timed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    can: Option<Can>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kernels: Vec<Kernel>,
}

/// What the GPU can do.
#[derive(Debug, Serialize)]
struct Can {
    copy_gbytes_per_s: f64,
    f32_gmacs_per_s: f64,
}

/// One kind of dispatch.
#[derive(Debug, Serialize)]
struct Kernel {
    #[serde(rename = "kernel")]
    name: &'static str,
    sizes: String,
    dispatches: usize,
    ms: f64,
    gmacs_per_s: f64,
    gbytes_per_s: f64,
}

impl OnGpu {
    /// Runs frames, if the model is on a GPU.
    pub(super) fn measure(bench: Bench, frame: &Frame, args: &Args) -> Result<Option<Self>> {
        let (Some(adapter), spec) = (bench.model.gpu().cloned(), bench.spec) else { return Ok(None) };
        let paints = spec.decoder().is_some() && !spec.norm_pix();
        let (give, gives) = if paints { (Give::Both, "features and picture") } else { (Give::Tokens, "features") };
        let mut stream = Stream::new(bench.model, give)?;
        let mask = &bench.mask;
        let [latency, _] = run(&mut stream, frame, mask, args.runs, 1)?;
        let [period, host] = run(&mut stream, frame, mask, args.runs, Stream::MOST)?;
        let (mut can, mut kernels) = (None, Vec::new());
        if args.gpu_kernels {
            can = stream.gpu_ceilings()?.map(Can::from);
            kernels = stream.kernel_times(frame, mask, args.runs as usize)?.into_iter().map(Kernel::from).collect();
        }
        if stream.model().gpu().is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            driver: adapter.driver,
            api: adapter.api,
            gives,
            latency: Timed::of(None, latency),
            period: Timed::of(None, period),
            host: (!host.is_empty()).then(|| Timed::of(None, host)),
            can,
            kernels,
        }))
    }

    pub(super) fn print(&self) {
        let line = |name: &str, Timed { p50_ms, p95_ms, p99_ms, .. }: &Timed| {
            println!("{name:<14} {p50_ms:>10.3} {p95_ms:>10.3} {p99_ms:>10.3}");
        };
        println!("\nWhole on the GPU ({}, {}): frame to {}", self.driver, self.api, self.gives);
        line("one at a time", &self.latency);
        line("one by one", &self.period);
        if let Some(host) = &self.host {
            line("CPU's work", host);
        }
        if let Some(can) = &self.can {
            println!(
                "\nThe GPU copies {:.1} GB/s and makes {:.0} GMAC/s in f32",
                can.copy_gbytes_per_s, can.f32_gmacs_per_s
            );
        }
        if !self.kernels.is_empty() {
            println!("\n{:<14} {:<30} {:>5} {:>10} {:>10} {:>10}", "kernel", "sizes", "times", "ms", "GMAC/s", "GB/s");
        }
        for Kernel { name, sizes, dispatches, ms, gmacs_per_s, gbytes_per_s } in &self.kernels {
            println!("{name:<14} {sizes:<30} {dispatches:>5} {ms:>10.3} {gmacs_per_s:>10.1} {gbytes_per_s:>10.1}");
        }
    }
}

impl From<GpuCeilings> for Can {
    fn from(can: GpuCeilings) -> Self {
        Self { copy_gbytes_per_s: can.copy_gbytes_per_s, f32_gmacs_per_s: can.f32_gmacs_per_s }
    }
}

impl From<KernelTime> for Kernel {
    fn from(time: KernelTime) -> Self {
        let KernelTime { kernel, sizes, dispatches, ms, products, bytes, .. } = time;
        let per_s = |count: u64| count as f64 / ms / 1e6;
        Self { name: kernel, sizes, dispatches, ms, gmacs_per_s: per_s(products), gbytes_per_s: per_s(bytes) }
    }
}

/// Runs frames, so many under way: milliseconds from answer to answer, and of the CPU's work on each, where that is known.
fn run(stream: &mut Stream, frame: &Frame, mask: &Mask, runs: u32, under_way: usize) -> Result<[Vec<f64>; 2]> {
    let warm_up = runs.div_ceil(10).max(under_way as u32);
    let (mut times, mut host) = (Vec::new(), Vec::new());
    // frames are given to and fro, as a camera's buffers are, each with a mask of its own
    let (grid, hidden) = (mask.grid(), mask.masked().len());
    let masks = (0..under_way as u64).map(|seed| Mask::random(grid, hidden as f32 / grid.len() as f32, seed));
    let mut frames = masks.map(|mask| Ok((frame.clone(), mask?))).collect::<Result<Vec<_>>>()?;
    let (mut last, mut last_host) = (Instant::now(), thread_ms());
    for run in 0..warm_up + runs {
        while let Some((frame, mask)) = frames.pop() {
            stream.submit(frame, mask)?;
        }
        if let Some(answer) = stream.receive()? {
            frames.push((answer.frame, answer.mask));
        }
        let now = thread_ms();
        if run >= warm_up {
            times.push(milliseconds(last));
            host.extend(now.zip(last_host).map(|(now, last)| now - last));
        }
        (last, last_host) = (Instant::now(), now);
    }
    while stream.receive()?.is_some() {}
    Ok([times, host])
}

/// Milliseconds that this thread has worked, where that is known.
fn thread_ms() -> Option<f64> {
    #[cfg(unix)]
    let time = Some(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime));
    #[cfg(unix)]
    return time.map(|time| time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6);
    #[cfg(not(unix))]
    None
}

//! `cargo ci cross test`: the tests as other CPUs.

use std::process::Command;

use crate::failures::Failures;
use crate::process;
use crate::workspace::Workspace;

/// The crates that run on boards.
const ON_BOARDS: [&str; 4] = ["glimpse", "glimpse-kernels", "glimpse-models", "glimpse-runtime"];
/// Those whose code depends on the core.
const ENGINE: [&str; 3] = ["glimpse-kernels", "glimpse-models", "glimpse-runtime"];
const CPUS: [&str; 3] = ["cortex-a72", "cortex-a76", "max"];
/// Cores of this machine's kind that have less than it may have, on an x86 machine.
const OLDER_X86: [&str; 2] = ["Haswell", "qemu64"];

/// Builds for 64-bit ARM and runs the tests under emulation, once for each core; on an x86 machine, those of the kernels as x86
/// cores with less than this one may have, too.
///
/// cortex-a72 is a Raspberry Pi 4 (NEON alone), cortex-a76 a Raspberry Pi 5 and near a Jetson Orin (products of bytes), and
/// max has all that QEMU knows (products of matrices of bytes, too); Haswell has AVX2 and no AVX-512, qemu64 neither.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ARM cores to emulate, by QEMU's names
    #[arg(long, value_name = "CORE", default_values = CPUS)]
    cpu: Vec<String>,
    /// Leave out the tests of the program, which start it hundreds of times
    #[arg(long)]
    engine: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self { cpu: CPUS.map(str::to_owned).into(), engine: false }
    }
}

/// Runs the tests; a core that fails does not keep the next from running.
///
/// # Errors
/// [`Failures`] when a test failed; otherwise when a program is missing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let cross = super::arm64(&workspace)?;
    let packages = if args.engine { &ENGINE[..] } else { &ON_BOARDS };
    let mut failures = Vec::new();
    for cpu in &args.cpu {
        let mut command = cross.cargo_as(&workspace, cpu);
        command.args(["test", "--lib", "--bins", "--tests", "--no-fail-fast"]);
        failures.extend(tested(cpu, command.args(packages.iter().flat_map(|package| ["--package", package]))));
    }
    for cpu in OLDER_X86.iter().filter(|_| cfg!(all(target_arch = "x86_64", target_os = "linux"))) {
        let mut command = process::cargo(&workspace.root);
        command.env("CARGO_TARGET_DIR", workspace.target_directory.join("x86"));
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", format!("qemu-x86_64 -cpu {cpu}"));
        failures.extend(tested(cpu, command.args(["test", "--lib", "--package", "glimpse-kernels"])));
    }
    Failures::unless_empty(failures)
}

/// Runs tests and says how they went; what failed, if they did.
fn tested(cpu: &str, command: &mut Command) -> Option<String> {
    let started = std::time::Instant::now();
    let failure = process::run(command).err().map(|error| format!("tests as {cpu}: {error:#}"));
    let verdict = if failure.is_some() { "FAILED" } else { "ok" };
    println!("tests as {cpu}: {verdict} ({})", process::shown_duration(started.elapsed()));
    failure
}

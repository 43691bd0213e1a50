//! `cargo ci cross test`: the tests as other CPUs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;

use super::machine::{Cross, Machine};
use super::package::{self, Build};
use super::tree;
use crate::failures::Failures;
use crate::process;
use crate::workspace::Workspace;

/// The crates whose code depends on the core: their tests are built for it.
const ENGINE: [&str; 3] = ["glimpse-kernels", "glimpse-models", "glimpse-runtime"];
/// The program's own tests, which start it. They stay this machine's; what they start is the other one's. Those of cameras and of
/// what looks at them happen in real time, which an emulator of a frame a second has not.
const PROGRAM: [&str; 4] = ["bench", "classify", "folders", "refusals"];
/// Those of many pictures, which take long under emulation.
const LONG: [&str; 3] = ["features", "formats", "painting"];
const CPUS: [&str; 3] = ["cortex-a72", "cortex-a76", "max"];
/// Cores of this machine's kind that have less than it may have, on an x86 machine.
const OLDER_X86: [&str; 2] = ["Haswell", "qemu64"];

/// Builds for 64-bit ARM and runs the tests under emulation, once for each core; on an x86 machine, those of the kernels as x86
/// cores with less than this one may have, too.
///
/// cortex-a72 is a Raspberry Pi 4 (NEON alone), cortex-a76 a Raspberry Pi 5 and near a Jetson Orin (products of bytes), and
/// max has all that QEMU knows (products of matrices of bytes, too); Haswell has AVX2 and no AVX-512, qemu64 neither. The
/// engine's tests and those of the program's parts are built for the core; the program's start the program that `cargo ci cross
/// package` packs, as that core, and without --all as the first core alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ARM cores to emulate, by QEMU's names
    #[arg(long, value_name = "CORE", default_values = CPUS)]
    cpu: Vec<String>,
    /// Leave out the tests of the program's parts, and those that start it
    #[arg(long)]
    engine: bool,
    /// Start a program that is built as tests are, in minutes, in the packed one's place
    #[arg(long, conflicts_with = "engine")]
    quick: bool,
    /// Run the program's tests as each core, and those of features, formats and painting, too: for hours
    #[arg(long, conflicts_with = "engine")]
    all: bool,
}

impl Args {
    /// What is run when nothing else is asked for.
    pub fn of_all_cores(quick: bool) -> Self {
        Self { cpu: CPUS.map(str::to_owned).into(), engine: false, quick, all: false }
    }
}

/// Runs the tests; a core that fails does not keep the next from running.
///
/// # Errors
/// [`Failures`] when a test failed; otherwise when a program is missing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let cross = Cross::new(&workspace, Machine::Aarch64)?;
    let build = Build::of(args.quick);
    let program = (!args.engine).then(|| package::program(&workspace, &cross, build)).transpose()?;
    let mut failures = Vec::new();
    for (at, cpu) in args.cpu.iter().enumerate() {
        let mut command = cross.cargo_as(&workspace, cpu);
        let command = command.args(["test", "--no-fail-fast", "--lib"]).args(engine(&workspace, args.engine)?);
        let what =
            if args.engine { "the engine's tests" } else { "the engine's tests and those of the program's parts" };
        failures.extend(tested(&format!("{what} as {cpu}"), command));
        if let Some(program) = program.as_ref().filter(|_| at == 0 || args.all) {
            let started = wrapper(&workspace, &cross, cpu, program)?;
            let mut command = process::cargo(&workspace.root);
            // as `cargo ci test` builds them, so that nothing is built twice
            command.args(["test", "--workspace", "--features", Workspace::FEATURES, "--no-fail-fast"]);
            let long = LONG.iter().filter(|_| args.all);
            command.args(PROGRAM.iter().chain(long).flat_map(|tests| ["--test", tests]));
            command.env("GLIMPSE_PROGRAM", started);
            failures.extend(tested(&format!("the program's tests as {cpu}"), &mut command));
        }
    }
    for cpu in OLDER_X86.iter().filter(|_| cfg!(all(target_arch = "x86_64", target_os = "linux"))) {
        let mut command = process::cargo(&workspace.root);
        command.env("CARGO_TARGET_DIR", workspace.target_directory.join("x86"));
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", format!("qemu-x86_64 -cpu {cpu}"));
        let command = command.args(["test", "--lib", "--package", "glimpse-kernels"]);
        failures.extend(tested(&format!("the kernels' tests as {cpu}"), command));
    }
    Failures::unless_empty(failures)
}

/// What cargo is told of the engine's tests, and of those of the program's parts unless they are left out.
fn engine(workspace: &Workspace, alone: bool) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    for name in ENGINE {
        words.extend(["--package", name]);
        words.extend(workspace.package(name)?.tests().flat_map(|test| ["--test", test]));
    }
    // there is no GPU, and what runs one takes minutes to compile
    words.push("--no-default-features");
    if !alone {
        // as the program is built, so that nothing is built twice
        words.extend(["--package", "glimpse", "--features", "glimpse/default,glimpse/v4l2"]);
    }
    Ok(words.into_iter().map(str::to_owned).collect())
}

/// A script that starts the program as a core.
fn wrapper(workspace: &Workspace, cross: &Cross, cpu: &str, program: &Path) -> anyhow::Result<PathBuf> {
    let script = cross.target_directory(workspace).join(format!("glimpse-as-{cpu}"));
    let words = cross.runner(cpu).join(" ");
    let text = format!("#!/bin/sh\nexec {words} '{}' \"$@\"\n", program.display());
    fs::write(&script, text).with_context(|| format!("writing {}", script.display()))?;
    tree::set_mode(&script, 0o755)?;
    Ok(script)
}

/// Runs tests and says how they went; what failed, if they did.
fn tested(what: &str, command: &mut Command) -> Option<String> {
    let started = Instant::now();
    let failure = process::run(command).err().map(|error| format!("{what}: {error:#}"));
    let verdict = if failure.is_some() { "FAILED" } else { "ok" };
    println!("{what}: {verdict} ({})", process::shown_duration(started.elapsed()));
    failure
}

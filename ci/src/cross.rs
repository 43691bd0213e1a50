//! `cargo ci cross`: tests as other CPUs, under emulation.

mod count;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::failures::Failures;
use crate::process;
use crate::workspace::Workspace;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Where Debian keeps the C library that emulated programs are to find.
const C_LIBRARY: &str = "/usr/aarch64-linux-gnu";
/// The crates that boards run inside any application.
const ENGINE: [&str; 3] = ["glimpse-kernels", "glimpse-models", "glimpse-runtime"];

/// Cores of this machine's kind that have less than it may have, on an x86 machine.
const OLDER_X86: [&str; 2] = ["Haswell", "qemu64"];

/// Builds the engine for 64-bit ARM and runs its tests under emulation, once for each core; on an x86 machine, those of its
/// kernels as x86 cores with less than this one may have, too.
///
/// cortex-a72 is a Raspberry Pi 4 (NEON alone), cortex-a76 a Raspberry Pi 5 and near a Jetson Orin (products of bytes), and
/// max has all that QEMU knows (products of matrices of bytes, too); Haswell has AVX2 and no AVX-512, qemu64 neither.
/// Installs what is missing, on Debian and Ubuntu. Emulation shows whether code is right, never how fast it is; --count says
/// how many instructions it takes.
#[derive(clap::Args)]
pub struct Args {
    /// ARM cores to emulate, by QEMU's names
    #[arg(long, value_name = "CORE", default_values = ["cortex-a72", "cortex-a76", "max"])]
    cpu: Vec<String>,
    /// Count the instructions of each operator on the ARM cores instead, and see that they are those of the core
    #[arg(long)]
    count: bool,
}

/// Runs the tests, or the counts; a core that fails does not keep the next from running.
///
/// # Errors
/// [`Failures`] when a test or a check failed; otherwise when a program is missing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let cross = Cross::new(&workspace)?;
    if args.count {
        return count::run(&workspace, &cross, &args.cpu);
    }
    let mut failures = Vec::new();
    for cpu in &args.cpu {
        let mut command = cross.cargo(&workspace, cpu);
        command.args(["test", "--lib", "--tests", "--no-fail-fast"]);
        failures.extend(tested(cpu, command.args(ENGINE.iter().flat_map(|package| ["--package", package]))));
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
    let failure = process::run(command).err().map(|error| format!("tests as {cpu}: {error:#}"));
    println!("tests as {cpu}: {}", if failure.is_some() { "FAILED" } else { "ok" });
    failure
}

/// What it takes to build for ARM here.
pub struct Cross {
    /// The folder of another compiler than the one on the path, if there is need of one.
    compiler: Option<PathBuf>,
}

impl Cross {
    fn new(workspace: &Workspace) -> anyhow::Result<Self> {
        let said = process::output(&mut Command::new(workspace.root.join("ci/setup-arm64")))?;
        let folder = String::from_utf8(said).context("reading what ci/setup-arm64 says")?;
        let folder = folder.trim();
        Ok(Self { compiler: (!folder.is_empty()).then(|| folder.into()) })
    }

    /// Where this builds: apart from what is built for this machine, maybe by another compiler.
    fn target_directory(workspace: &Workspace) -> PathBuf {
        workspace.target_directory.join("arm64")
    }

    /// `cargo` for ARM, which runs what it builds as that core.
    fn cargo(&self, workspace: &Workspace, cpu: &str) -> Command {
        let mut command = process::cargo(&workspace.root);
        command.env("CARGO_BUILD_TARGET", TARGET);
        command.env("CARGO_TARGET_DIR", Self::target_directory(workspace));
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
        command.env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc");
        command.env("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar");
        let runner = format!("qemu-aarch64 -cpu {cpu} -L {C_LIBRARY}");
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner);
        if let Some(folder) = &self.compiler {
            command.env("RUSTC", folder.join("rustc")).env("RUSTDOC", folder.join("rustdoc"));
            command.env_remove("RUSTUP_TOOLCHAIN");
        }
        command
    }
}

//! `cargo ci camera`: `v4l2:` sources, with a camera that is none, in a machine that is none.

mod cases;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::cache;
use crate::failures::Failures;
use crate::process;
use crate::workspace::Workspace;

/// Runs `glimpse camera` with cameras by V4L2: formats and colours, sizes, two cameras, one that is busy, unplugged,
/// multi-planar.
///
/// The cameras are vivid's, the kernel's own virtual camera, in an emulated machine that boots Debian's kernel: no right on this
/// machine is needed but to run QEMU, and no module is loaded. The kernel is downloaded once.
#[derive(clap::Args)]
pub struct Args {
    /// Print all that the machines say
    #[arg(long)]
    verbose: bool,
}

/// A machine: what it runs, and the cameras that it has.
struct Machine {
    name: &'static str,
    devices: &'static str,
    planes: &'static str,
    cases: &'static [cases::Case],
}

const MACHINES: [Machine; 2] = [
    Machine { name: "single", devices: "2", planes: "single", cases: cases::SINGLE },
    Machine { name: "multi", devices: "1", planes: "multi", cases: cases::MULTI },
];

/// Boots the machines and holds what they say against what they should.
///
/// # Errors
/// [`Failures`] when a case did not hold; otherwise when a machine could not be run.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the emulated machine is an x86 machine: run it on one"
    );
    let workspace = Workspace::here()?;
    // as `cargo ci test` builds it, so that nothing is built twice
    let build = ["test", "--workspace", "--features", Workspace::FEATURES, "--test", "camera", "--no-run"];
    process::run(process::cargo(&workspace.root).args(build))?;
    let folder = workspace.target_directory.join("camera");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // what debuggers read would fill the machine's memory
    let program = folder.join("glimpse");
    process::run(Command::new("strip").arg("-o").arg(&program).arg(workspace.target_directory.join("debug/glimpse")))?;
    let mut failures = Vec::new();
    for machine in &MACHINES {
        let started = Instant::now();
        let said = boot(&workspace.root, &program, machine)?;
        if args.verbose {
            eprintln!("{said}");
        }
        for case in machine.cases {
            let failure = case.failure(&said);
            println!("{}: {}", case.what, if failure.is_some() { "FAILED" } else { "ok" });
            failures.extend(failure);
        }
        println!("machine `{}`: {}", machine.name, process::shown_duration(started.elapsed()));
    }
    Failures::unless_empty(failures)
}

/// What a machine says, from its start to its end.
fn boot(root: &Path, program: &Path, machine: &Machine) -> anyhow::Result<String> {
    let cache = cache::folder()?.join("camera");
    fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
    let scripts = root.join("ci/src/camera");
    let mut command = Command::new("bash");
    command.arg(scripts.join("boot.sh")).arg(cache).arg(program).arg(scripts.join(format!("{}.sh", machine.name)));
    let said = process::output(command.args([machine.devices, machine.planes]))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(said.contains("\n== end"), "the machine `{}` did not come to its end; it said:\n{said}", machine.name);
    Ok(said)
}

//! `cargo ci test`: runs everything that can be run without a board.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;

use crate::failures::Failures;
use crate::golden;
use crate::process;
use crate::workspace::Workspace;

/// Runs the tests of every crate, those that need a GPU, a browser, a broker or systemd too, then `cargo ci golden`.
///
/// The GPU is Mesa's lavapipe, a program, unless `VK_DRIVER_FILES` or `VK_ICD_FILENAMES` says otherwise.
#[derive(clap::Args)]
pub struct Args {
    /// Only the default members, which do without burn
    #[arg(long)]
    fast: bool,
}

/// Runs every test; a failed part does not keep the next from running.
///
/// # Errors
/// [`Failures`] when one did not pass.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let mut failures = Vec::new();
    if args.fast {
        failures.extend(timed("tests of the default members", || {
            process::run(process::cargo(&workspace.root).arg("test"))
        }));
    } else {
        // One invocation for all crates: features are unified over the crates of an invocation, and with several of
        // them tract and others would be compiled once for each.
        failures.extend(timed("tests of all crates", || {
            process::run(process::cargo(&workspace.root).args([
                "test",
                "--workspace",
                "--features",
                Workspace::FEATURES,
                "--no-fail-fast",
            ]))
        }));
        failures.extend(timed("tests that need a GPU", || on_gpu(&workspace)));
        failures.extend(timed("tests that need other programs", || with_programs(&workspace)));
        failures.extend(timed("golden", || golden::run(&golden::Args::default())));
    }
    Failures::unless_empty(failures)
}

/// Where Linux keeps the drivers' descriptions.
const DRIVERS: &str = "/usr/share/vulkan/icd.d";

/// Runs the tests that need a GPU, all of which have `gpu` in their names.
fn on_gpu(workspace: &Workspace) -> anyhow::Result<()> {
    let mut command = process::cargo(&workspace.root);
    command.args([
        "test",
        "--workspace",
        "--features",
        Workspace::FEATURES,
        "--lib",
        "--tests",
        "--no-fail-fast",
        "--",
        "--ignored",
        "gpu",
    ]);
    // what they tune is not for the programs of whoever runs them
    command.env("XDG_CACHE_HOME", workspace.target_directory.join("gpu-cache"));
    if ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().all(|name| env::var_os(name).is_none()) {
        command.env("VK_ICD_FILENAMES", software_driver()?);
    }
    process::run(&mut command)
}

/// Runs the tests that need a browser, ffmpeg, `GStreamer`, a broker or systemd.
///
/// As all tests are built, so that nothing is built twice.
fn with_programs(workspace: &Workspace) -> anyhow::Result<()> {
    // Debian keeps brokers with the programs of the system
    let path = format!("{}:/usr/sbin", env::var("PATH").unwrap_or_default());
    for (program, option) in [
        ("chromium", "--version"),
        ("ffmpeg", "-version"),
        ("gst-launch-1.0", "--version"),
        ("mosquitto", "-h"),
        ("openssl", "version"),
        ("systemd-analyze", "--version"),
    ] {
        let found = Command::new(program).env("PATH", &path).arg(option).output();
        found.with_context(|| format!("there is no {program}: `ci/setup tests` installs Debian's"))?;
    }
    let mut command = process::cargo(&workspace.root);
    command.args(["test", "--workspace", "--features", Workspace::FEATURES, "--no-fail-fast"]);
    command.args(["browser", "disk", "film", "mqtt", "rtsp", "service"].iter().flat_map(|tests| ["--test", tests]));
    process::run(command.args(["--", "--ignored"]))
}

/// The description of Mesa's driver for no GPU.
fn software_driver() -> anyhow::Result<PathBuf> {
    let missing = || format!("no lvp_icd.*.json in {DRIVERS}: `ci/setup tests` installs Debian's mesa-vulkan-drivers");
    let entries = fs::read_dir(DRIVERS).with_context(missing)?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_software =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd"));
    paths.into_iter().find(is_software).with_context(missing)
}

/// Runs a part and says how long it took; what failed, if it did.
fn timed(name: &str, part: impl FnOnce() -> anyhow::Result<()>) -> Option<String> {
    eprintln!("{name} …");
    let started = Instant::now();
    let failure = part().err().map(|error| format!("{name}: {error:#}"));
    let verdict = if failure.is_some() { "FAILED" } else { "ok" };
    println!("{name}: {verdict} ({})", process::shown_duration(started.elapsed()));
    failure
}

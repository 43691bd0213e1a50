//! `cargo ci test`: runs everything that can be run without a board.

use std::time::Instant;

use crate::failures::Failures;
use crate::golden;
use crate::process;
use crate::workspace::Workspace;

/// Runs the tests of every crate, then `cargo ci golden`.
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
            process::run(process::cargo(&workspace.root).args(["test", "--workspace", "--no-fail-fast"]))
        }));
        failures.extend(timed("golden", || golden::run(&golden::Args::default())));
    }
    Failures::unless_empty(failures)
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

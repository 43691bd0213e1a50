//! `cargo ci check`: what can be said of the sources without running them.

mod arrows;
mod clippy;
mod docs;
mod format;
mod private_names;
mod records;
mod sizes;

use std::time::Instant;

use crate::failures::Failures;
use crate::process;
use crate::workspace::Workspace;

/// Checks the sources: format, lints, docs, arrows between crates, file sizes, names of one machine, the README's measurements.
///
/// All checks run; what failed is listed at the end.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out what has to compile glimpse-export, which brings burn
    #[arg(long)]
    fast: bool,
    /// Look at crates and features apart, too: whether each has what it names, which beside others it would be given
    #[arg(long, conflicts_with = "fast")]
    apart: bool,
}

/// What a check says is wrong, one sentence each; an error when it could not look.
type Found = anyhow::Result<Vec<String>>;

/// Which crates a check compiles.
#[derive(Clone, Copy)]
enum Scope {
    /// The default members, which leave glimpse-export out.
    Default,
    /// Every crate, with every feature, as their tests are built.
    Whole,
    /// That, then the default members, glimpse-export, and the program with the features that have to be asked for, each alone.
    ///
    /// cargo gives a crate the features that anyone in the same invocation asks for, so that beside others a forgotten feature
    /// goes unseen, and compiles what they stand on anew for each.
    Apart,
}

impl Scope {
    /// Runs `cargo` for every crate of the scope; what failed. It is given the arguments that select some of them.
    fn failures_of(self, cargo: impl Fn(&[&str]) -> anyhow::Result<()>) -> Vec<String> {
        let whole: &[&str] = &["--workspace", "--features", Workspace::FEATURES];
        let selections: &[&[&str]] = match self {
            Self::Default => &[&[]],
            Self::Whole => &[whole],
            Self::Apart => &[
                whole,
                &[],
                &["--package", "glimpse-export"],
                &["--package", "glimpse", "--features", Workspace::FEATURES],
            ],
        };
        selections.iter().filter_map(|selection| cargo(selection).err()).map(|error| format!("{error:#}")).collect()
    }
}

struct Check {
    name: &'static str,
    run: fn(&Workspace, Scope) -> Found,
}

/// What is quick comes first: a person at a terminal reads it while the rest compiles.
const CHECKS: &[Check] = &[
    Check { name: "arrows", run: |workspace, _| arrows::check(workspace) },
    Check { name: "sizes", run: |workspace, _| sizes::check(workspace) },
    Check { name: "private names", run: |workspace, _| private_names::check(workspace) },
    Check { name: "records", run: |workspace, _| records::check(workspace) },
    Check { name: "format", run: |workspace, _| format::check(workspace) },
    Check { name: "clippy", run: clippy::check },
    Check { name: "docs", run: |workspace, scope| Ok(docs::check(workspace, scope)) },
];

/// Runs every check.
///
/// # Errors
/// [`Failures`] when one did not hold.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let scope = match args {
        Args { fast: true, .. } => Scope::Default,
        Args { apart: true, .. } => Scope::Apart,
        _ => Scope::Whole,
    };
    let mut failures = Vec::new();
    for check in CHECKS {
        let started = Instant::now();
        let found = (check.run)(&workspace, scope).unwrap_or_else(|error| vec![format!("{error:#}")]);
        let verdict = if found.is_empty() { "ok" } else { "FAILED" };
        println!("{}: {verdict} ({})", check.name, process::shown_duration(started.elapsed()));
        failures.extend(found.into_iter().map(|failure| format!("{}: {failure}", check.name)));
    }
    Failures::unless_empty(failures)
}

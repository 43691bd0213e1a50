//! `cargo ci workflows`: what GitHub would say of its workflows.

use std::process::{Command, Stdio};

use anyhow::Context;

use crate::failures::Failures;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

/// Runs actionlint on the workflows, and with it shellcheck: those on the path, or else those from `PyPI`, which fetches them from
/// GitHub.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// [`Failures`] when a workflow is wrong; otherwise when actionlint cannot be had.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let is_here = |program: &str| {
        let said = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        said.is_ok_and(|status| status.success())
    };
    // where shellcheck is missing, actionlint leaves it out without a word
    let mut command = if is_here("actionlint") && is_here("shellcheck") {
        Command::new("actionlint")
    } else {
        let python =
            venv::python(&workspace, venv::WORKFLOWS).context("actionlint or shellcheck is not on the path")?;
        let mut command = Command::new(python.with_file_name("actionlint"));
        command.arg("-shellcheck").arg(python.with_file_name("shellcheck"));
        command
    };
    let found = process::run(command.current_dir(&workspace.root)).err().map(|error| format!("{error:#}"));
    Failures::unless_empty(found.into_iter().collect())
}

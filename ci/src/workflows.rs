//! `cargo ci workflows`: what GitHub would say of its workflows.

use std::process::{Command, Stdio};

use anyhow::Context;

use crate::failures::Failures;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

/// Runs actionlint on the workflows: the one on the path, or else one from `PyPI`, which fetches it from GitHub.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// [`Failures`] when a workflow is wrong; otherwise when actionlint cannot be had.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let is_here = |program: &str| {
        let said = Command::new(program).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        said.is_ok_and(|status| status.success())
    };
    let program = if is_here("actionlint") {
        "actionlint".into()
    } else {
        let python = venv::python(&workspace, venv::WORKFLOWS).context("actionlint is not on the path")?;
        python.with_file_name("actionlint")
    };
    let found =
        process::run(Command::new(program).current_dir(&workspace.root)).err().map(|error| format!("{error:#}"));
    Failures::unless_empty(found.into_iter().collect())
}

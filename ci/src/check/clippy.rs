//! No lint of the workspace speaks, in the library, the programs or the tests of any crate.

use super::{Found, Scope};
use crate::process;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace, scope: Scope) -> Found {
    process::require_component(&workspace.root, "clippy", "clippy")?;
    Ok(scope.failures_of(|selection| {
        process::run(process::cargo(&workspace.root).arg("clippy").args(selection).args([
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    }))
}

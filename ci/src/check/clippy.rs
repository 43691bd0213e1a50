//! No lint of the workspace speaks, in the library, the programs or the tests of any crate, nor where features are left out.

use super::{Found, Scope};
use crate::process;
use crate::workspace::Workspace;

/// The programs and libraries that have features, without any of them.
const PLAIN: [&str; 5] = ["--package", "glimpse", "--package", "glimpse-runtime", "--no-default-features"];

pub fn check(workspace: &Workspace, scope: Scope) -> Found {
    process::require_component(&workspace.root, "clippy", "clippy")?;
    let clippy = |selection: &[&str]| {
        let mut command = process::cargo(&workspace.root);
        command.arg("clippy").args(selection).args(["--all-targets", "--", "-D", "warnings"]);
        process::run(&mut command)
    };
    let mut failures = scope.failures_of(clippy);
    failures.extend(clippy(&PLAIN).err().map(|error| format!("{error:#}")));
    Ok(failures)
}

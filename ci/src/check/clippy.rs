//! No lint of the workspace speaks, in the library, the programs or the tests of any crate, nor where features are left out or
//! added.

use super::{Found, Scope};
use crate::process;
use crate::workspace::Workspace;

/// The programs and libraries that have features, without any of them.
const PLAIN: [&str; 5] = ["--package", "glimpse", "--package", "glimpse-runtime", "--no-default-features"];

/// The program with the feature that has to be asked for.
const CAMERAS: [&str; 4] = ["--package", "glimpse", "--features", "v4l2,zenoh"];

pub fn check(workspace: &Workspace, scope: Scope) -> Found {
    process::require_component(&workspace.root, "clippy", "clippy")?;
    let clippy = |selection: &[&str]| {
        let mut command = process::cargo(&workspace.root);
        command.arg("clippy").args(selection).args(["--all-targets", "--", "-D", "warnings"]);
        process::run(&mut command)
    };
    let mut failures = scope.failures_of(clippy);
    let selections = [&PLAIN[..], &CAMERAS[..]].into_iter();
    failures.extend(selections.filter_map(|selection| clippy(selection).err()).map(|error| format!("{error:#}")));
    Ok(failures)
}

//! The documentation builds, and every link in it leads somewhere.

use super::Scope;
use crate::process;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace, scope: Scope) -> Vec<String> {
    scope.failures_of(|selection| {
        process::run(
            process::cargo(&workspace.root)
                .args(["doc", "--no-deps"])
                .args(selection)
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    })
}

//! The sources are as rustfmt writes them.

use super::Found;
use crate::process;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> Found {
    process::require_component(&workspace.root, "fmt", "rustfmt")?;
    process::run(process::cargo(&workspace.root).args(["fmt", "--all", "--check"]))?;
    Ok(Vec::new())
}

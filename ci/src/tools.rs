//! Programs of cargo's that some commands need, built once into the user's cache folder.

use std::path::PathBuf;

use crate::cache;
use crate::process;
use crate::workspace::Workspace;

/// A program on the registry of crates, in one version.
pub struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Says what a program is made of.
pub const CYCLONEDX: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9" };
/// Holds libraries to rules.
pub const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Runs fuzzers.
pub const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

impl Tool {
    /// Where it is. Builds it when it is not there, without optimisation: that takes longer than it runs.
    ///
    /// # Errors
    /// When it does not build.
    pub fn path(&self, workspace: &Workspace) -> anyhow::Result<PathBuf> {
        let Self { name, version } = self;
        // two that start together would build it twice
        let _lock = cache::lock(name)?;
        let root = cache::folder()?.join("tools").join(format!("{name}-{version}"));
        let program = root.join("bin").join(name);
        if !program.exists() {
            let mut command = process::cargo(&workspace.root);
            command.args(["install", "--debug", "--locked", "--root"]).arg(&root).arg(format!("{name}@{version}"));
            process::run(command.env("CARGO_TARGET_DIR", workspace.target_directory.join("tools")))?;
        }
        Ok(program)
    }
}

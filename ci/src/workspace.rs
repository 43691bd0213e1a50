//! The workspace as cargo and git know it: its root, its crates and its files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::process;

/// What `cargo metadata --no-deps` says, as far as the checks ask.
#[derive(Deserialize)]
pub struct Workspace {
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    pub target_directory: PathBuf,
    pub packages: Vec<Package>,
}

/// A crate of the workspace.
#[derive(Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub repository: Option<String>,
    pub manifest_path: PathBuf,
    pub dependencies: Vec<Dependency>,
    #[serde(default)]
    pub targets: Vec<Target>,
}

/// What is built of a crate.
#[derive(Deserialize)]
pub struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    /// The names of its tests that are programs of their own.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        let tests = self.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "test"));
        tests.map(|target| target.name.as_str())
    }
}

/// A line under any `[dependencies]`, whatever its kind and platform, by the name that the registry knows.
#[derive(Deserialize)]
pub struct Dependency {
    pub name: String,
}

impl Workspace {
    /// Features that have to be asked for, and that all tests are built with: whoever builds with others builds all anew.
    pub const FEATURES: &str = "glimpse/v4l2,glimpse/zenoh";

    /// The workspace around the current folder.
    ///
    /// # Errors
    /// When there is none, or cargo is missing.
    pub fn here() -> anyhow::Result<Self> {
        let here = env::current_dir().context("finding the current folder")?;
        let metadata = process::output(process::cargo(&here).args(["metadata", "--no-deps", "--format-version=1"]))?;
        Self::from_metadata(&metadata)
    }

    fn from_metadata(json: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(json).context("reading what `cargo metadata` printed")
    }

    /// A crate of the workspace.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn package(&self, name: &str) -> anyhow::Result<&Package> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .with_context(|| format!("there is no crate {name} here"))
    }

    /// The release program: the one that is built already, if one is named; else it is built.
    ///
    /// # Errors
    /// When it does not build, or the one named is not there.
    pub fn glimpse(&self, built: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(program) = built {
            return fs::canonicalize(program).with_context(|| format!("finding {}", program.display()));
        }
        process::run(process::cargo(&self.root).args(["build", "--release", "--package", "glimpse"]))?;
        Ok(self.target_directory.join("release/glimpse"))
    }

    /// The files that git keeps, and those that it would keep if they were added, in name order; `/` between folders.
    ///
    /// # Errors
    /// When git is missing or this is no repository.
    pub fn files(&self) -> anyhow::Result<Vec<String>> {
        let listed = process::output(Command::new("git").current_dir(&self.root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let listed = String::from_utf8(listed).context("a file's name is not UTF-8")?;
        let mut files: Vec<_> = listed
            .split_terminator('\0')
            // A file that was deleted but not yet committed is still listed.
            .filter(|path| self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort_unstable();
        files.dedup();
        Ok(files)
    }

    /// The bytes of a file of [`files`](Self::files).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        fs::read(self.root.join(path)).with_context(|| format!("reading {path}"))
    }
}

/// Whether the name of a file ends in a dot and `extension`.
pub fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_found_with_its_crates_and_files() {
        let workspace = Workspace::here().unwrap();
        let names: Vec<_> = workspace.packages.iter().map(|p| p.name.as_str()).collect();
        assert!(names.contains(&"glimpse-ci"));
        let files = workspace.files().unwrap();
        assert!(files.iter().any(|path| path == "ci/src/workspace.rs"));
        assert!(!files.iter().any(|path| path.starts_with("target/")));
    }

    #[test]
    fn what_is_not_metadata_is_an_error() {
        assert!(Workspace::from_metadata(b"{}").is_err());
    }
}

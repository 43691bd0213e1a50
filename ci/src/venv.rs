//! `cargo ci venv`: the Python environments with the peers that Glimpse is compared with.
//!
//! Each is kept in the user's cache folder and made anew when the requirements or Python itself have changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::cache;
use crate::process;
use crate::workspace::Workspace;

/// An environment: what is in it, and the folder that it has in the cache.
#[derive(Clone, Copy)]
pub struct Environment {
    requirements: &'static str,
    folder: &'static str,
}

/// ONNX Runtime and OpenCV, which every check has at hand.
pub const CHECKS: Environment = Environment { requirements: "ci/requirements.txt", folder: "venv" };
/// The libraries that public weights are for: gigabytes, which only `cargo ci parity` needs.
pub const PARITY: Environment = Environment { requirements: "ci/requirements-parity.txt", folder: "venv-parity" };

/// The engines that `cargo ci bench peers` measures Glimpse beside.
pub const PEERS: Environment = Environment { requirements: "ci/requirements-peers.txt", folder: "venv-peers" };

/// What programs for other machines are linked with.
pub const CROSS: Environment = Environment { requirements: "ci/requirements-cross.txt", folder: "venv-cross" };

/// What looks at workflows.
pub const WORKFLOWS: Environment =
    Environment { requirements: "ci/requirements-workflows.txt", folder: "venv-workflows" };

/// The file in an environment that says what it was made from; written last, so that one half made does not have it.
const STAMP: &str = "glimpse-stamp.txt";

/// Makes the Python environment of the checks and prints the path of its python.
#[derive(clap::Args)]
pub struct Args {}

/// Prints the path of a python that has the requirements.
///
/// # Errors
/// When Python is missing or the requirements cannot be installed.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    println!("{}", python(&Workspace::here()?, CHECKS)?.display());
    Ok(())
}

/// The path of a python that has an environment's requirements; makes it when there is none that fits.
///
/// # Errors
/// When Python is missing or the requirements cannot be installed.
pub fn python(workspace: &Workspace, environment: Environment) -> anyhow::Result<PathBuf> {
    let requirements = workspace.root.join(environment.requirements);
    let required = fs::read_to_string(&requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let stamp = stamp(&required, &python_version()?);

    let folder = cache::folder()?.join(environment.folder);
    // Two checks that start together would otherwise make the environment into each other.
    let _lock = cache::lock(environment.folder)?;
    if !is_current(&folder, &stamp) {
        make(&folder, &requirements)?;
        fs::write(folder.join(STAMP), stamp).with_context(|| format!("writing into {}", folder.display()))?;
    }
    Ok(python_in(&folder))
}

fn make(folder: &Path, requirements: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))
        .context("Python cannot make an environment: `apt install python3-venv`")?;
    process::run(
        Command::new(python_in(folder))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--only-binary", ":all:", "--requirement"])
            .arg(requirements),
    )
}

fn python_in(folder: &Path) -> PathBuf {
    folder.join("bin").join("python")
}

fn python_version() -> anyhow::Result<String> {
    let version = process::output(Command::new("python3").arg("--version"))?;
    Ok(String::from_utf8_lossy(&version).trim().to_owned())
}

/// What an environment is made from: equal stamps, equal environments.
fn stamp(requirements: &str, python_version: &str) -> String {
    format!("# {python_version}\n{requirements}")
}

fn is_current(folder: &Path, stamp: &str) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|found| found == stamp) && python_in(folder).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(stamp: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(python_in(folder.path()), "").unwrap();
        fs::write(folder.path().join(STAMP), stamp).unwrap();
        folder
    }

    #[test]
    fn an_environment_is_current_until_requirements_or_python_change() {
        let folder = environment(&stamp("numpy==1.0\n", "Python 3.11.2"));
        let is_current = |requirements, python| is_current(folder.path(), &stamp(requirements, python));
        assert!(is_current("numpy==1.0\n", "Python 3.11.2"));
        assert!(!is_current("numpy==1.1\n", "Python 3.11.2"));
        assert!(!is_current("numpy==1.0\n", "Python 3.13.1"));
    }

    #[test]
    fn an_environment_half_made_is_not_current() {
        let stamp = stamp("numpy==1.0\n", "Python 3.11.2");
        let folder = environment(&stamp);
        fs::remove_file(python_in(folder.path())).unwrap();
        assert!(!is_current(folder.path(), &stamp));
        let folder = environment(&stamp);
        fs::remove_file(folder.path().join(STAMP)).unwrap();
        assert!(!is_current(folder.path(), &stamp));
    }
}

//! The program of a Debian package, under emulation, beside this machine's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::package::Packed;
use crate::process;
use crate::workspace::Workspace;

const PICTURE: &str = "edge-apps/samples/sushi.jpg";
const MASK: &str = "edge-apps/samples/sushi.mask.png";
/// The most grey levels between a painted pixel and the same one, in int8: an answer that is rounded the other way.
const MOST_LEVELS: u8 = 1;
/// The most relative error between features, in f32: sums in another order.
const MOST_ERROR: f64 = 1e-4;

/// Installs the package into a folder of its own, and says what is wrong with what it paints and sees.
///
/// # Errors
/// When a program cannot be run.
pub fn failures(workspace: &Workspace, packed: &Packed) -> anyhow::Result<Vec<String>> {
    // as `cargo ci test` builds it, so that nothing is built twice
    let build = ["test", "--workspace", "--features", Workspace::FEATURES, "--test", "camera", "--no-run"];
    process::run(process::cargo(&workspace.root).args(build))?;
    let here = workspace.target_directory.join("debug/glimpse");
    let scratch = packed.cross.target_directory(workspace).join("installed");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
    }
    process::run(Command::new("dpkg-deb").arg("--extract").arg(&packed.deb).arg(&scratch))?;
    let there = scratch.join("usr/bin/glimpse");
    let pair = Pair {
        root: &workspace.root,
        scratch: &scratch,
        here: || Command::new(&here),
        there: || packed.cross.program(&there),
    };
    let mut failures = Vec::new();
    for precision in ["int8", "f32"] {
        let [ours, theirs] =
            pair.outputs("png", &["inpaint", PICTURE, "--mask", MASK, "--method", "mae", "--precision", precision])?;
        let levels = levels_between(&ours, &theirs)?;
        println!("{}: painted in {precision}: {levels} grey levels at most from x86's", packed.machine.name());
        if levels > MOST_LEVELS {
            failures
                .push(format!("{}: painted in {precision}, {levels} grey levels from x86's", packed.machine.name()));
        }
    }
    let [ours, theirs] = pair.outputs("jsonl", &["features", PICTURE, "--pool", "none", "--precision", "f32"])?;
    let error = relative_error(&numbers(&ours)?, &numbers(&theirs)?)?;
    println!("{}: features in f32: relative error {error:.1e} from x86's", packed.machine.name());
    if error > MOST_ERROR {
        failures.push(format!("{}: features in f32, {error:.1e} from x86's", packed.machine.name()));
    }
    Ok(failures)
}

struct Pair<'a, Here: Fn() -> Command, There: Fn() -> Command> {
    root: &'a Path,
    scratch: &'a Path,
    here: Here,
    there: There,
}

impl<Here: Fn() -> Command, There: Fn() -> Command> Pair<'_, Here, There> {
    /// What both write when they are started with these words: there, and here.
    fn outputs(&self, ending: &str, words: &[&str]) -> anyhow::Result<[PathBuf; 2]> {
        let [there, here] = ["there", "here"].map(|name| self.scratch.join(format!("{name}.{ending}")));
        for (mut command, out) in [((self.there)(), &there), ((self.here)(), &here)] {
            process::run(command.current_dir(self.root).args(words).arg("--force").arg("-o").arg(out))?;
        }
        Ok([there, here])
    }
}

/// The most that a pixel differs in a channel.
fn levels_between(one: &Path, other: &Path) -> anyhow::Result<u8> {
    let read = |path: &Path| image::open(path).with_context(|| format!("reading {}", path.display()));
    let (one, other) = (read(one)?.to_rgb8(), read(other)?.to_rgb8());
    ensure!(one.dimensions() == other.dimensions(), "the pictures have not the same size");
    Ok(one.as_raw().iter().zip(other.as_raw()).map(|(one, other)| one.abs_diff(*other)).max().unwrap_or(0))
}

/// Features of a file with one line.
fn numbers(path: &Path) -> anyhow::Result<Vec<f64>> {
    let reading = || format!("reading {}", path.display());
    let row: Value = serde_json::from_str(&fs::read_to_string(path).with_context(reading)?).with_context(reading)?;
    let tokens = row["features"].as_array().with_context(reading)?;
    let numbers: Vec<f64> =
        tokens.iter().flat_map(|token| token.as_array().into_iter().flatten()).filter_map(Value::as_f64).collect();
    ensure!(!numbers.is_empty(), "{}: no features", path.display());
    Ok(numbers)
}

fn relative_error(one: &[f64], other: &[f64]) -> anyhow::Result<f64> {
    ensure!(one.len() == other.len(), "{} features and {}", one.len(), other.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    Ok(norm(&mut one.iter().zip(other).map(|(one, other)| one - other)) / norm(&mut other.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_relative_to_this_machine_s() {
        assert!((relative_error(&[3.0, 0.0], &[3.0, 4.0]).unwrap() - 0.8).abs() < 1e-12);
        assert!(relative_error(&[1.0], &[1.0, 2.0]).is_err());
    }
}

//! Checkpoints: everything that a run needs to go on as if it had never stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::optim::ModuleOptimizer;
use burn::tensor::Bytes;
use glimpse_models::{Classifier, Measure, ModelSpec, Training};
use serde::{Deserialize, Serialize};

use crate::weights::Weights;

/// Finished checkpoints that a run keeps.
const KEPT: usize = 2;
const PREFIX: &str = "step-";
/// The model: what is emitted.
const MODEL: &str = "model.safetensors";
/// The weights that training goes on with, where the model is their average.
const CURRENT: &str = "current.safetensors";

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Seconds spent on them, over all parts of the run.
    pub seconds: f64,
}

/// What a checkpoint is made of.
pub struct Parts<'a> {
    /// The model's sizes.
    pub spec: &'a ModelSpec,
    /// What is known of the run.
    pub training: &'a Training,
    /// How far it has come.
    pub progress: Progress,
    /// The weights that training goes on with.
    pub current: &'a Weights,
    /// Their average, where one is kept: then that is the model.
    pub average: Option<&'a Weights>,
    /// The classifier of a model that is fine-tuned, and its classes' names.
    pub classifier: Option<(&'a Classifier, &'a [String])>,
    /// What was measured of the model.
    pub quality: &'a BTreeMap<String, Measure>,
    /// The optimizer with its state.
    pub optimizer: &'a ModuleOptimizer,
}

/// Writes the checkpoint of a step into the folder `run`, whole or not at all, and drops older ones.
///
/// # Errors
/// When a file cannot be written.
pub fn save(run: &Path, parts: &Parts) -> anyhow::Result<PathBuf> {
    let Parts { spec, training, progress, .. } = parts;
    let target = run.join(format!("{PREFIX}{:09}", progress.step));
    let folder = tempfile::Builder::new()
        .prefix(".checkpoint-")
        .tempdir_in(run)
        .with_context(|| format!("making a folder in {}", run.display()))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes)
            .and_then(|()| fs::File::open(&path)?.sync_all())
            .with_context(|| format!("writing {}", path.display()))
    };
    write(MODEL, &parts.average.unwrap_or(parts.current).to_safetensors()?)?;
    if parts.average.is_some() {
        write(CURRENT, &parts.current.to_safetensors()?)?;
    }
    write("spec.toml", toml::to_string(spec)?.as_bytes())?;
    write("training.toml", toml::to_string(training)?.as_bytes())?;
    if let Some((classifier, class_names)) = parts.classifier {
        write("classifier.toml", toml::to_string(classifier)?.as_bytes())?;
        write("labels.txt", (class_names.join("\n") + "\n").as_bytes())?;
    }
    if !parts.quality.is_empty() {
        write("quality.toml", toml::to_string(parts.quality)?.as_bytes())?;
    }
    let optimizer = parts.optimizer.into_bytes().context("writing down the optimizer's state")?;
    write("optimizer.bpk", &optimizer)?;
    write("progress.toml", toml::to_string(progress)?.as_bytes())?;
    if target.exists() {
        fs::remove_dir_all(&target).with_context(|| format!("replacing {}", target.display()))?;
    }
    let folder = folder.keep();
    fs::rename(&folder, &target).with_context(|| format!("renaming {} to {}", folder.display(), target.display()))?;
    for (_, old) in all(run)?.into_iter().rev().skip(KEPT) {
        fs::remove_dir_all(&old).with_context(|| format!("dropping {}", old.display()))?;
    }
    Ok(target)
}

/// The checkpoint meant by `path`: itself, or the newest one of the run in it.
///
/// # Errors
/// When there is none.
pub fn find(path: &Path) -> anyhow::Result<PathBuf> {
    if path.join(MODEL).is_file() {
        return Ok(path.to_owned());
    }
    let found = if path.is_dir() { all(path)? } else { Vec::new() };
    match found.into_iter().next_back() {
        Some((_, newest)) => Ok(newest),
        None => bail!(
            "{} holds no checkpoint: give a folder with model.safetensors, or the output folder of `glimpse-export train` or `finetune`",
            path.display()
        ),
    }
}

/// Reads the spec of a checkpoint.
///
/// # Errors
/// Names the file when it is missing or wrong.
pub fn spec(checkpoint: &Path) -> anyhow::Result<ModelSpec> {
    read_toml(&checkpoint.join("spec.toml"))
}

/// Reads what a checkpoint says of its run.
///
/// # Errors
/// Names the file when it is missing or wrong.
pub fn training(checkpoint: &Path) -> anyhow::Result<Training> {
    read_toml(&checkpoint.join("training.toml"))
}

/// Reads how far the run had come.
///
/// # Errors
/// Names the file when it is missing or wrong.
pub fn progress(checkpoint: &Path) -> anyhow::Result<Progress> {
    read_toml(&checkpoint.join("progress.toml"))
}

/// Reads the weights of a checkpoint's model.
///
/// # Errors
/// Names the file when it is missing or wrong.
pub fn weights(checkpoint: &Path) -> anyhow::Result<Weights> {
    Weights::read(&checkpoint.join(MODEL))
}

/// Reads the weights that training goes on with.
///
/// # Errors
/// Names the file when it is missing or wrong.
pub fn current_weights(checkpoint: &Path) -> anyhow::Result<Weights> {
    let current = checkpoint.join(CURRENT);
    if current.is_file() { Weights::read(&current) } else { weights(checkpoint) }
}

/// Puts the state of a checkpoint into `optimizer`.
///
/// # Errors
/// Names the file when it is missing or wrong.
pub fn restore_optimizer(checkpoint: &Path, optimizer: ModuleOptimizer) -> anyhow::Result<ModuleOptimizer> {
    let path = checkpoint.join("optimizer.bpk");
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    optimizer.from_bytes(Bytes::from_bytes_vec(bytes)).with_context(|| format!("reading {}", path.display()))
}

/// The checkpoints of a run with their steps, oldest first.
fn all(run: &Path) -> anyhow::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(run).with_context(|| format!("looking for checkpoints in {}", run.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(step) = name.strip_prefix(PREFIX).and_then(|digits| digits.parse().ok()) {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file of TOML.
///
/// # Errors
/// Names the file when it is missing or wrong.
pub fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

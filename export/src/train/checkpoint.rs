//! Checkpoints: everything that a run needs to go on as if it had never stopped.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use burn::optim::ModuleOptimizer;
use burn::tensor::Bytes;
use glimpse_models::{Classifier, Measure, ModelSpec, Training};
use serde::{Deserialize, Serialize};

use crate::data::Listing;
use crate::weights::Weights;

/// Finished checkpoints that a run keeps.
const KEPT: usize = 2;
const PREFIX: &str = "step-";
/// The model: what is emitted.
const MODEL: &str = "model.safetensors";
/// The weights that training goes on with, where the model is their average.
const CURRENT: &str = "current.safetensors";
/// The pictures that the run was started with.
const PICTURES: &str = "pictures.toml";

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
    /// The folder that it learns from, where it is one.
    pub pictures: Option<&'a Listing>,
    /// What was measured of the model.
    pub quality: &'a BTreeMap<String, Measure>,
    /// The optimizer with its state.
    pub optimizer: &'a ModuleOptimizer,
}

/// Writes the checkpoint of a step into the folder `run`, whole or not at all, and drops older ones.
///
/// # Errors
/// When a weight is no number, or a file cannot be written.
pub fn save(run: &Path, parts: &Parts) -> anyhow::Result<PathBuf> {
    let Parts { spec, training, progress, .. } = parts;
    check_numbers(run, parts)?;
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
    if let Some(pictures) = parts.pictures {
        write(PICTURES, toml::to_string(pictures)?.as_bytes())?;
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

/// Weights that are no numbers are not worth the place of those before them, which a run can go on from.
fn check_numbers(run: &Path, parts: &Parts) -> anyhow::Result<()> {
    let tensors = [Some(parts.current), parts.average].into_iter().flatten().flat_map(Weights::iter);
    for (key, weight) in tensors {
        if weight.values.iter().all(|value| value.is_finite()) {
            continue;
        }
        let step = parts.progress.step;
        bail!("the weights are no numbers after step {step} (`{key}`) and are not saved: {}", way_on(run));
    }
    Ok(())
}

/// What to do with a run whose numbers are none any more.
#[must_use]
pub fn way_on(run: &Path) -> String {
    match all(run).ok().and_then(|mut found| found.pop()) {
        Some((_, newest)) => format!("lower --learning-rate and go on from {} with --resume", newest.display()),
        None => "begin again with a lower --learning-rate".to_owned(),
    }
}

/// Whether a run has left a checkpoint in that folder.
#[must_use]
pub fn is_run(folder: &Path) -> bool {
    all(folder).is_ok_and(|found| found.iter().any(|(_, checkpoint)| checkpoint.join(MODEL).is_file()))
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

/// Whether `data`, which holds `pictures`, is as it was when a checkpoint's run was started.
///
/// # Errors
/// When it holds others: another share of them would be kept apart, and the run has learnt from some of that.
pub fn same_pictures(checkpoint: &Path, data: impl Display, pictures: &Listing) -> anyhow::Result<()> {
    let path = checkpoint.join(PICTURES);
    // a run that learns from no folder has none, nor has a checkpoint of a version that did not write it
    if !path.is_file() {
        return Ok(());
    }
    let started_with: Listing = read_toml(&path)?;
    ensure!(
        started_with == *pictures,
        "{data} holds other pictures, by their names, than when the run was started ({} then, {} now), and it would learn from \
         some that it kept apart: put back what was there, or begin another run in another folder, from the weights of {}",
        started_with.pictures,
        pictures.pictures,
        checkpoint.display()
    );
    Ok(())
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::emit::tests::{small_spec, small_weights};
    use crate::model::Mae;
    use crate::train::adamw;

    #[test]
    fn weights_that_are_no_numbers_leave_those_before_them() {
        let run = tempfile::tempdir().unwrap();
        let spec = small_spec(true);
        let good = small_weights(&spec, 1);
        let mut broken = good.clone();
        let bias = broken.take("norm.bias").unwrap();
        broken.insert("norm.bias", bias.shape, vec![f32::INFINITY; bias.values.len()]);
        let model = Mae::from_weights(&spec, &good, &Device::flex().autodiff()).unwrap();
        let optimizer = adamw(&model, 0.05);
        let save = |step, current: &Weights, average: Option<&Weights>| {
            let parts = Parts {
                spec: &spec,
                training: &Training::default(),
                progress: Progress { step, seconds: 1.0 },
                current,
                average,
                classifier: None,
                pictures: None,
                quality: &BTreeMap::new(),
                optimizer: &optimizer,
            };
            super::save(run.path(), &parts)
        };
        let refused = |step, current, average| save(step, current, average).unwrap_err().to_string();
        assert!(refused(1, &broken, None).contains("begin again"));
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
        let kept = [save(1, &good, None).unwrap(), save(2, &good, Some(&good)).unwrap()];
        for (current, average) in [(&broken, None), (&good, Some(&broken)), (&broken, Some(&good))] {
            let said = refused(3, current, average);
            assert!(said.contains("`norm.bias`") && said.contains("step-000000002"), "{said}");
        }
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 2);
        for checkpoint in kept {
            assert_eq!(current_weights(&checkpoint).unwrap(), good);
        }
    }
}

//! Where a run begins: at random weights, at trained ones, or where it was interrupted.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use glimpse_models::{Base, ModelSpec, RawSpec};

use super::checkpoint::{self, Progress};
use super::run::Settings;
use crate::data::Listing;
use crate::import::{Options, Plan};
use crate::model::random_weights;
use crate::weights::Weights;

/// A model before the first step of this part of a run.
pub struct Start {
    /// Of the sizes that were asked for. What no option says, such as the epsilon of norms, is as its weights have it.
    pub spec: ModelSpec,
    /// The weights that are trained.
    pub weights: Weights,
    /// The weights that their average goes on from, if not from the same.
    pub average: Option<Weights>,
    /// The checkpoint that a run goes on from.
    pub checkpoint: Option<PathBuf>,
    /// How far it had come.
    pub done: Progress,
    /// What the first weights are called, where they were trained.
    pub source: Option<String>,
    /// The command that the run was started with.
    pub command: String,
}

impl Start {
    /// Reads or draws weights. `pictures` are those of the folder.
    ///
    /// # Errors
    /// When a run is there that is not gone on with or none is that is to be, when weights cannot be read, are of other sizes
    /// than was asked for, or the folder holds other pictures than before.
    pub fn of(settings: &Settings, pictures: &Listing) -> anyhow::Result<Self> {
        if settings.resume { resumed(settings, pictures) } else { fresh(settings) }
    }
}

fn fresh(settings: &Settings) -> anyhow::Result<Start> {
    ensure!(
        checkpoint::find(&settings.out).is_err(),
        "{} holds a run already: go on with --resume, or give another folder",
        settings.out.display()
    );
    let wanted = &settings.batch.model;
    let (spec, weights) = match &settings.start_from {
        Some(path) => trained(path, wanted)?,
        None => (*wanted, random_weights(wanted, settings.batch.seed)?),
    };
    let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
    Ok(Start {
        spec,
        weights,
        average: None,
        checkpoint: None,
        done: Progress { step: 0, seconds: 0.0 },
        source: settings.start_from.as_ref().and_then(name),
        command: settings.command.clone(),
    })
}

/// Weights that are already trained: of a checkpoint, a run, a bundle or a public file. What they predicted may be another
/// thing: the decoder learns that anew.
fn trained(path: &Path, wanted: &ModelSpec) -> anyhow::Result<(ModelSpec, Weights)> {
    let starting = || format!("starting from {}", path.display());
    let found = Plan::open(path, &Options::default()).with_context(starting)?;
    let spec = found.description.spec;
    ensure!(
        spec.decoder().is_some(),
        "{} holds an encoder alone, and a masked autoencoder's decoder is trained with it: start from weights that have one",
        path.display()
    );
    ensure!(
        same_sizes(&spec, wanted),
        "{} holds a model of other sizes: give them, {}, or start from another",
        path.display(),
        sizes(&spec)
    );
    let spec = ModelSpec::new(RawSpec { base: wanted.base(), norm_pix: wanted.norm_pix(), ..RawSpec::from(spec) })?;
    Ok((spec, found.weights().with_context(starting)?))
}

fn resumed(settings: &Settings, pictures: &Listing) -> anyhow::Result<Start> {
    let found = checkpoint::find(&settings.out)?;
    let (spec, wanted) = (checkpoint::spec(&found)?, &settings.batch.model);
    ensure!(
        same_sizes(&spec, wanted) && (spec.base(), spec.norm_pix()) == (wanted.base(), wanted.norm_pix()),
        "{} holds another model than the options say: go on with those that the run was started with, {}{}",
        found.display(),
        sizes(&spec),
        prediction(&spec)
    );
    checkpoint::same_pictures(&found, settings.data.display(), pictures)?;
    let training = checkpoint::training(&found)?;
    Ok(Start {
        spec,
        weights: checkpoint::current_weights(&found)?,
        average: settings.average.map(|_| checkpoint::weights(&found)).transpose()?,
        done: checkpoint::progress(&found)?,
        source: training.source,
        command: training.command.unwrap_or_else(|| settings.command.clone()),
        checkpoint: Some(found),
    })
}

/// Whether two models have the sizes that options give.
fn same_sizes(one: &ModelSpec, other: &ModelSpec) -> bool {
    let sizes = |spec: &ModelSpec| (spec.image_side(), spec.patch_side(), spec.encoder(), spec.decoder());
    one.family() == other.family() && sizes(one) == sizes(other)
}

/// The options that give a model's sizes.
fn sizes(spec: &ModelSpec) -> String {
    let encoder = spec.encoder();
    let mut options = format!(
        "--image-side {} --patch-side {} --width {} --depth {} --heads {}",
        spec.image_side(),
        spec.patch_side(),
        encoder.width,
        encoder.depth,
        encoder.heads
    );
    if let Some(decoder) = spec.decoder() {
        // Writing to a string cannot fail.
        let _ = write!(
            options,
            " --decoder-width {} --decoder-depth {} --decoder-heads {}",
            decoder.width, decoder.depth, decoder.heads
        );
    }
    options
}

/// The options that say what a model predicts, after those of its sizes.
fn prediction(spec: &ModelSpec) -> &'static str {
    match (spec.norm_pix(), spec.base()) {
        (true, _) => " --norm-pix",
        (false, Base::Membrane) => " --base membrane",
        (false, _) => "",
    }
}

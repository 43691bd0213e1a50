//! Checkpoint to bundle: two ONNX files, a golden file, a card and a manifest.
//!
//! | file | what it does |
//! | --- | --- |
//! | `checkpoint.rs` | reads a checkpoint folder |
//! | `inventory.rs` | which tensors a checkpoint must hold |
//! | `encoder.rs`, `decoder.rs`, `classifier.rs`, `block.rs` | the model as ONNX nodes, one operation a line |
//! | `graph.rs` | the builder that they write with |
//! | `golden.rs`, `picture.rs` | made-up inputs and burn's answers |
//! | `card.rs` | the card of a bundle that nobody wrote one for |

mod block;
mod card;
mod checkpoint;
mod classifier;
mod decoder;
mod encoder;
pub mod golden;
mod graph;
pub mod inventory;
mod picture;

use anyhow::Context;
use glimpse_models::onnx::Bytes;
use glimpse_models::{BundleFile, Files, Manifest, NormPlace, Part, Precision};

pub use checkpoint::{Checkpoint, Description};

use crate::weights::Weights;
use golden::Case;

/// What a bundle is called, and on which terms it is given.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    /// The bundle's name.
    pub name: &'a str,
    /// The licence of the weights, as SPDX has it or in words.
    pub licence: &'a str,
    /// The model card in Markdown; a short one is generated in its place.
    pub card: Option<&'a str>,
}

/// Writes a checkpoint as the parts of a bundle in f32: the same checkpoint and labels give the same bytes.
///
/// # Errors
/// When the manifest refuses a label, or burn the weights.
pub fn emit(checkpoint: &Checkpoint, labels: &Labels) -> anyhow::Result<(Manifest, Files)> {
    let description = checkpoint.description();
    let cases = golden::cases(&description.spec, description.classifier.as_ref(), checkpoint.weights().clone())
        .context("asking the model the golden questions")?;
    files(description, labels, checkpoint.weights().clone(), &cases)
}

/// The parts of a bundle in f32, of a model whose golden `cases` are known. The weights are moved into the graphs, so
/// that they are in memory once.
///
/// # Errors
/// When the manifest refuses a label, or a weight is missing.
pub fn files(
    description: &Description,
    labels: &Labels,
    mut weights: Weights,
    cases: &[Case],
) -> anyhow::Result<(Manifest, Files)> {
    let Description { spec, classifier, class_names, training, quality } = description;
    let mut manifest = Manifest::new(labels.name, labels.licence, *spec)?;
    manifest.training = training.clone();
    manifest.quality = quality.clone();
    manifest.classifier = *classifier;

    let mut files = Files::new();
    let mut add = |file, contents: Vec<u8>| files.insert(file, Bytes::from(contents));
    let norm = classifier.map_or(NormPlace::Encoder, |classifier| classifier.norm);
    add(BundleFile::Graph(Part::Encoder, Precision::F32), encoder::encoder(spec, norm, &mut weights)?);
    if let Some(stack) = spec.decoder() {
        add(BundleFile::Graph(Part::Decoder, Precision::F32), decoder::decoder(spec, stack, &mut weights)?);
    }
    if let Some(classifier) = classifier {
        add(BundleFile::Classifier, classifier::classifier(spec, classifier, &mut weights)?);
    }
    if let Some(names) = class_names {
        add(BundleFile::Labels, (names.join("\n") + "\n").into_bytes());
    }
    add(BundleFile::Golden, golden::to_bytes(spec, cases)?);
    let text = labels.card.map_or_else(|| card::card(labels.name, labels.licence, description), str::to_owned);
    add(BundleFile::Card, text.into_bytes());
    Ok((manifest, files))
}

#[cfg(test)]
pub(crate) mod tests;

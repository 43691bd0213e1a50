//! A plan carried out: the files of a bundle, and what is to be said of it.
//!
//! The weights are read anew for each step, so that one copy of them is in memory at a time.

use std::fmt;

use anyhow::Context;
use glimpse_models::{BundleFile, Classifier, Files, Manifest, ModelSpec, Precision};
use serde::Serialize;

use super::plan::Plan;
use crate::emit::golden::{self, Question};
use crate::emit::{self, Labels};
use crate::model::Answer;
use crate::quantize;

/// In which forms a bundle is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// f32 and int8.
    Both,
    /// f32 alone.
    F32,
    /// int8 alone.
    Int8,
}

/// What was imported.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The bundle's name.
    pub bundle: String,
    /// Whose names the tensors had.
    pub layout: String,
    /// The files that the weights came from, where they are public.
    pub source: Option<String>,
    /// The terms of the weights.
    pub licence: String,
    /// What the model is.
    pub spec: ModelSpec,
    /// How it tells classes apart.
    pub classifier: Option<Classifier>,
    /// Whether its positions are a table that came with the weights, and not the fixed sines and cosines.
    pub stored_positions: bool,
    /// What was assumed, in sentences.
    pub notes: Vec<String>,
    /// What the int8 form costs.
    pub int8: Option<quantize::Report>,
}

/// Makes the files of a bundle; `step` is told what is being done.
///
/// # Errors
/// When the weights cannot be read or do not fit, or the manifest refuses a label.
pub fn bundle(
    plan: &Plan,
    labels: &Labels,
    form: Form,
    step: &dyn Fn(&'static str),
) -> anyhow::Result<(Manifest, Files, Report)> {
    let description = &plan.description;
    let (spec, classifier) = (&description.spec, description.classifier.as_ref());
    step("asking the model the golden questions");
    let cases = golden::cases(spec, classifier, plan.weights()?).context("asking the model the golden questions")?;
    let questions: Vec<Question> = cases.iter().map(|case| case.question.clone()).collect();
    let rounded = if form == Form::F32 {
        None
    } else {
        step("asking the model in int8");
        Some(golden::answers(spec, classifier, quantize::rounded(plan.weights()?), &questions)?)
    };
    step("writing the graphs");
    let weights = plan.weights()?;
    let stored_positions = weights.contains("pos_embed");
    let (manifest, mut files) = emit::files(description, labels, weights, &cases)?;
    let int8 = match rounded {
        Some(found) => {
            step("quantizing");
            let mut report = quantize::Report::new(labels.name);
            quantize::add_int8(&mut files, &mut report)?;
            let right: Vec<Answer> = cases.into_iter().map(|case| case.answer).collect();
            report.add_cases(&questions, &right, &found, spec.encoder().width);
            Some(report)
        }
        None => None,
    };
    if form == Form::Int8 {
        files.retain(|file, _| !matches!(file, BundleFile::Graph(_, Precision::F32)));
    }
    let report = Report {
        bundle: labels.name.to_owned(),
        layout: plan.layout.to_string(),
        source: description.training.source.clone(),
        licence: labels.licence.to_owned(),
        spec: *spec,
        classifier: description.classifier,
        stored_positions,
        notes: plan.notes.clone(),
        int8,
    };
    Ok((manifest, files, report))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spec, encoder) = (&self.spec, self.spec.encoder());
        writeln!(f, "layout      {}", self.layout)?;
        if let Some(source) = &self.source {
            writeln!(f, "source      {source}")?;
        }
        writeln!(f, "picture     {} px in patches of {} px", spec.image_side(), spec.patch_side())?;
        writeln!(f, "encoder     width {}, {} blocks, {} heads", encoder.width, encoder.depth, encoder.heads)?;
        if let Some(decoder) = spec.decoder() {
            let pixels = if spec.norm_pix() { "normalized patches" } else { "plain pixels" };
            writeln!(
                f,
                "decoder     width {}, {} blocks, {} heads, for {pixels}",
                decoder.width, decoder.depth, decoder.heads
            )?;
        }
        if let Some(classifier) = self.classifier {
            writeln!(f, "classifier  {} classes", classifier.classes)?;
        }
        writeln!(f, "positions   {}", if self.stored_positions { "the file's own" } else { "sines and cosines" })?;
        writeln!(f, "licence     {}", self.licence)?;
        for note in &self.notes {
            writeln!(f, "note        {note}")?;
        }
        match &self.int8 {
            Some(int8) => write!(f, "\n{int8}"),
            None => write!(f, "\n{}: f32 alone", self.bundle),
        }
    }
}

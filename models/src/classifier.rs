//! What a fine-tuned model has beyond its encoder: how it reads tokens, and how many classes it tells apart.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;

const CLASSES: RangeInclusive<usize> = 1..=65_536;

/// The classifier of a fine-tuned model: the `[classifier]` table of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// Which tokens it reads.
    pub pool: Pool,
    /// Where the model's last layer norm stands.
    pub norm: NormPlace,
    /// `K`: how many classes it tells apart, from 1 to 65,536.
    pub classes: usize,
}

/// How a classifier makes one token of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// It reads the class token.
    Cls,
    /// It reads the mean of the visible patches' tokens, without the class token.
    Mean,
}

/// Where a model's last layer norm stands: there is one, here or there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormPlace {
    /// At the end of the encoder, so that its tokens come out normalized.
    Encoder,
    /// In the classifier, after pooling: the encoder's tokens come out as its last block leaves them.
    Classifier,
}

impl Classifier {
    /// # Errors
    /// [`Error::SpecField`] for a number of classes that no classifier has.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if CLASSES.contains(&self.classes) {
            return Ok(());
        }
        let allowed = format!("{} to {}", CLASSES.start(), CLASSES.end());
        Err(Error::SpecField { field: "classifier.classes", value: self.classes.to_string(), allowed })
    }
}

/// The labels of a text file: a line a class, in the order of the logits.
///
/// # Errors
/// [`Error::Labels`] if there is not one line for each of `classes`, [`Error::LabelEmpty`] if one says nothing.
pub(crate) fn labels(file: &Path, text: &str, classes: usize) -> Result<Vec<String>, Error> {
    let labels: Vec<String> = text.lines().map(str::to_owned).collect();
    if labels.len() != classes {
        return Err(Error::Labels { file: file.to_owned(), expected: classes, found: labels.len() });
    }
    match labels.iter().position(|label| label.trim().is_empty()) {
        Some(index) => Err(Error::LabelEmpty { file: file.to_owned(), line: index + 1 }),
        None => Ok(labels),
    }
}

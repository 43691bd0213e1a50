//! `manifest.toml`: what a bundle says about itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{BundleFile, Classifier, Error, FileEntry, Files, MAX_FILE_BYTES, ModelSpec, Part, Precision, RawSpec};

/// The version of the manifest that this crate reads and writes.
pub const FORMAT_VERSION: u32 = 1;

const NAME_MAX_LEN: usize = 64;
const NAME_ALLOWED: &str = "1 to 64 lowercase letters, digits, - and _, the first a letter or digit";

/// What a bundle says about itself: checked when it is made, and again when it is read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    format_version: u32,
    name: String,
    licence: String,
    spec: ModelSpec,
    /// What a fine-tuned model has beyond its encoder; checked when the manifest is written or read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier: Option<Classifier>,
    /// What the model was trained on, how, and for how long.
    pub training: Training,
    /// What was measured of it: numbers by name, such as `psnr_masked_db`.
    pub quality: BTreeMap<String, Measure>,
    files: BTreeMap<BundleFile, FileEntry>,
}

/// What a model was trained on, how, and for how long; whatever is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// The pictures: a data set's name, or a folder's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Where weights that were not trained here come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Pictures trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Steps of the optimiser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Pictures a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// How masks were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// The seed of everything random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Wall-clock time in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// A measured number, or a table of them, such as one a hole size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measure {
    /// One number; its name says its unit.
    Number(f64),
    /// Numbers by name.
    Table(BTreeMap<String, Measure>),
}

/// The manifest as it is written, before anything is checked but the fields' names and types.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    // Read and checked before the rest, so that a newer manifest is called newer and not wrong.
    #[serde(rename = "format_version")]
    _format_version: u32,
    name: String,
    licence: String,
    spec: RawSpec,
    classifier: Option<Classifier>,
    #[serde(default)]
    training: Training,
    #[serde(default)]
    quality: BTreeMap<String, Measure>,
    files: BTreeMap<String, FileEntry>,
}

impl Manifest {
    /// A manifest that lists no file yet: [`Bundle::write`](crate::Bundle::write) adds them.
    ///
    /// # Errors
    /// [`Error::ManifestField`] for a name or a licence that a bundle may not have.
    pub fn new(name: &str, licence: &str, spec: ModelSpec) -> Result<Self, Error> {
        let manifest = Self {
            format_version: FORMAT_VERSION,
            name: name.to_owned(),
            licence: licence.to_owned(),
            spec,
            classifier: None,
            training: Training::default(),
            quality: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        manifest.check(Path::new(crate::MANIFEST_FILE))?;
        Ok(manifest)
    }

    /// Reads a manifest and checks every field; `file` is the name that errors give it.
    ///
    /// # Errors
    /// [`Error::ManifestSyntax`], [`Error::UnknownVersion`], [`Error::ManifestField`], [`Error::UnknownFile`] or
    /// [`Error::FileTooLarge`], and those of an incomplete list of files: [`Error::NotListed`], [`Error::NoForm`],
    /// [`Error::HalfForm`], [`Error::DecoderWithoutSpec`], [`Error::ClassifierNotListed`],
    /// [`Error::ClassifierWithoutTable`].
    pub fn from_toml(text: &str, file: &Path) -> Result<Self, Error> {
        let syntax = |reason| Error::ManifestSyntax { file: file.to_owned(), reason: Box::new(reason) };
        let table: toml::Table = toml::from_str(text).map_err(syntax)?;
        let version = table.get("format_version");
        if version.and_then(toml::Value::as_integer) != Some(i64::from(FORMAT_VERSION)) {
            let found = version.map_or_else(|| "missing".to_owned(), ToString::to_string);
            return Err(Error::UnknownVersion { file: file.to_owned(), found });
        }
        let raw: RawManifest = toml::from_str(text).map_err(syntax)?;
        let spec = ModelSpec::new(raw.spec).map_err(|error| in_manifest(error, file))?;
        let mut files = BTreeMap::new();
        for (name, entry) in raw.files {
            let Some(listed) = BundleFile::from_name(&name) else {
                return Err(Error::UnknownFile { file: file.to_owned(), field: format!("files.\"{name}\"") });
            };
            files.insert(listed, entry);
        }
        let manifest = Self {
            format_version: FORMAT_VERSION,
            name: raw.name,
            licence: raw.licence,
            spec,
            classifier: raw.classifier,
            training: raw.training,
            quality: raw.quality,
            files,
        };
        manifest.check(file)?;
        manifest.check_files(file)?;
        Ok(manifest)
    }

    /// The manifest as text; the same manifest gives the same bytes.
    ///
    /// # Errors
    /// [`Error::ManifestField`] for a field that [`Manifest::from_toml`] would refuse, and [`Error::ManifestWrite`] for
    /// what TOML cannot say.
    pub fn to_toml(&self) -> Result<String, Error> {
        let file = Path::new(crate::MANIFEST_FILE);
        self.check(file)?;
        toml::to_string(self).map_err(|reason| Error::ManifestWrite { file: file.to_owned(), reason: Box::new(reason) })
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The licence of the weights, as SPDX has it or in words.
    #[must_use]
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// What the model is.
    #[must_use]
    pub const fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The files, with their sizes and hashes.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<BundleFile, FileEntry> {
        &self.files
    }

    /// This manifest, listing `files` and nothing else.
    pub(crate) fn listing(&self, files: &Files) -> Self {
        let files = files.iter().map(|(&file, contents)| (file, FileEntry::of(contents))).collect();
        Self { files, ..self.clone() }
    }

    fn check(&self, file: &Path) -> Result<(), Error> {
        let refuse = |field: &str, value: String, allowed: &str| {
            let (file, field, allowed) = (file.to_owned(), field.to_owned(), allowed.to_owned());
            Err(Error::ManifestField { file, field, value, allowed })
        };
        if !is_simple(&self.name) {
            return refuse("name", format!("{:?}", self.name), NAME_ALLOWED);
        }
        if self.licence.trim().is_empty() {
            return refuse("licence", format!("{:?}", self.licence), "an SPDX name, or words");
        }
        if let Some(classifier) = &self.classifier {
            classifier.check().map_err(|error| in_manifest(error, file))?;
        }
        let training = &self.training;
        let counts = [
            ("training.images", training.images),
            ("training.steps", training.steps),
            ("training.batch", training.batch),
            ("training.seed", training.seed),
        ];
        for (field, count) in counts {
            // TOML's integers end there.
            if let Some(count) = count.filter(|&count| i64::try_from(count).is_err()) {
                return refuse(field, count.to_string(), "a number below 2^63");
            }
        }
        if let Some(duration_s) = training.duration_s.filter(|duration_s| !duration_s.is_finite() || *duration_s < 0.0)
        {
            return refuse("training.duration_s", duration_s.to_string(), "a number of seconds from 0");
        }
        if let Some((field, value)) = first_not_finite("quality", &self.quality) {
            return refuse(&field, value.to_string(), "a finite number");
        }
        for (listed, entry) in &self.files {
            let field = listed.field();
            if entry.bytes > MAX_FILE_BYTES {
                return Err(Error::FileTooLarge { file: file.to_owned(), field: field + ".bytes", bytes: entry.bytes });
            }
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if entry.sha256.len() != 64 || !entry.sha256.bytes().all(is_hex) {
                return refuse(&(field + ".sha256"), format!("{:?}", entry.sha256), "64 lowercase hexadecimal digits");
            }
        }
        Ok(())
    }

    /// Every bundle has a golden file and a card, and at least one form, each form whole.
    fn check_files(&self, file: &Path) -> Result<(), Error> {
        for needed in [BundleFile::Golden, BundleFile::Card] {
            if !self.files.contains_key(&needed) {
                return Err(Error::NotListed { file: file.to_owned(), field: needed.field() });
            }
        }
        let has = |listed| self.files.contains_key(&listed);
        for listed in [BundleFile::Classifier, BundleFile::Labels] {
            if has(listed) && self.classifier.is_none() {
                return Err(Error::ClassifierWithoutTable { file: file.to_owned(), field: listed.field() });
            }
        }
        let mut forms = 0;
        for precision in Precision::ALL {
            let [encoder, decoder] = Part::ALL.map(|part| BundleFile::Graph(part, precision));
            if has(decoder) && self.spec.decoder().is_none() {
                return Err(Error::DecoderWithoutSpec { file: file.to_owned(), field: decoder.field() });
            }
            match (has(encoder), has(decoder) || self.spec.decoder().is_none()) {
                (true, true) => forms += 1,
                (true, false) => {
                    return Err(Error::HalfForm { file: file.to_owned(), field: decoder.field() });
                }
                (false, _) if has(decoder) => {
                    return Err(Error::HalfForm { file: file.to_owned(), field: encoder.field() });
                }
                (false, _) => {}
            }
        }
        if forms == 0 {
            return Err(Error::NoForm { file: file.to_owned() });
        }
        if self.classifier.is_some() && !has(BundleFile::Classifier) {
            return Err(Error::ClassifierNotListed { file: file.to_owned(), field: BundleFile::Classifier.field() });
        }
        Ok(())
    }
}

fn is_simple(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_MAX_LEN
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'_')
}

fn first_not_finite(path: &str, table: &BTreeMap<String, Measure>) -> Option<(String, f64)> {
    table.iter().find_map(|(name, measure)| {
        let path = format!("{path}.{name}");
        match measure {
            Measure::Number(number) => (!number.is_finite()).then_some((path, *number)),
            Measure::Table(table) => first_not_finite(&path, table),
        }
    })
}

fn in_manifest(error: Error, file: &Path) -> Error {
    match error {
        Error::SpecField { field, value, allowed } => {
            Error::ManifestField { file: file.to_owned(), field: field.to_owned(), value, allowed }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;

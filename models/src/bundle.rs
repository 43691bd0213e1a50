//! Opening a bundle: read once, checked whole, then trusted.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use crate::graph::Subject;
use crate::onnx::Bytes;
use crate::{
    BundleFile, Classifier, Error, FileEntry, Files, MANIFEST_FILE, Manifest, ModelSpec, Part, Precision, classifier,
    graph,
};

/// The most bytes that a manifest may have.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A model with all its files in memory, every one of them checked.
///
/// Cloning shares the files.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    files: Files,
    labels: Option<Vec<String>>,
    card: String,
}

impl Bundle {
    /// Reads the bundle in the folder `dir`.
    ///
    /// A file's size is compared with the manifest's before it is read, so no manifest makes this allocate more than
    /// the folder holds.
    ///
    /// # Errors
    /// Whatever is wrong with the folder, its manifest, its files or its graphs: each its own variant of [`Error`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let manifest = read_manifest(&dir.join(MANIFEST_FILE))?;
        Self::assemble(dir, &manifest, read_file)
    }

    /// The bundle whose files `contents` gives by name, `manifest.toml` among them.
    ///
    /// Errors call the files `label/NAME`.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn from_files(label: impl AsRef<Path>, contents: impl Fn(&str) -> Option<Bytes>) -> Result<Self, Error> {
        let label = label.as_ref();
        let path = label.join(MANIFEST_FILE);
        let manifest = contents(MANIFEST_FILE).ok_or_else(|| Error::ManifestMissing { file: path.clone() })?;
        check_manifest_size(&path, manifest.len() as u64)?;
        Self::assemble(label, &manifest, |path, file, entry| {
            let missing = || Error::FileMissing { file: path.to_owned(), field: file.field() };
            let contents = contents(file.name()).ok_or_else(missing)?;
            check_size(path, file, entry, contents.len() as u64)?;
            Ok(contents)
        })
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.manifest.name()
    }

    /// What the model is.
    #[must_use]
    pub const fn spec(&self) -> &ModelSpec {
        self.manifest.spec()
    }

    /// What the bundle says about itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The forms that the weights come in; at least one.
    #[must_use]
    pub fn precisions(&self) -> Vec<Precision> {
        let has = |precision| self.graph(Part::Encoder, precision).is_some();
        Precision::ALL.into_iter().filter(|&precision| has(precision)).collect()
    }

    /// The ONNX file of a part in a form, if the bundle has it.
    #[must_use]
    pub fn graph(&self, part: Part, precision: Precision) -> Option<&Bytes> {
        self.files.get(&BundleFile::Graph(part, precision))
    }

    /// What the bundle says of its classifier; `None` in a model that was not fine-tuned.
    #[must_use]
    pub const fn classifier(&self) -> Option<&Classifier> {
        self.manifest.classifier.as_ref()
    }

    /// The ONNX file of the classifier, if the bundle has one.
    #[must_use]
    pub fn classifier_graph(&self) -> Option<&Bytes> {
        self.files.get(&BundleFile::Classifier)
    }

    /// The classes' names in the order of the logits, if the bundle has them.
    #[must_use]
    pub fn labels(&self) -> Option<&[String]> {
        self.labels.as_deref()
    }

    /// The golden file: a safetensors file of inputs and the answers that they must give.
    #[must_use]
    pub fn golden(&self) -> &[u8] {
        self.files.get(&BundleFile::Golden).map_or(&[], AsRef::as_ref)
    }

    /// The model card, in Markdown.
    #[must_use]
    pub fn card(&self) -> &str {
        &self.card
    }

    /// Every file but the manifest: what [`Bundle::write`] takes, to add a form or change the card.
    #[must_use]
    pub const fn files(&self) -> &Files {
        &self.files
    }

    fn assemble(
        label: &Path,
        manifest: &[u8],
        read: impl Fn(&Path, BundleFile, &FileEntry) -> Result<Bytes, Error>,
    ) -> Result<Self, Error> {
        let manifest_path = label.join(MANIFEST_FILE);
        let manifest = Manifest::from_toml(text(&manifest_path, manifest)?, &manifest_path)?;
        let mut files = Files::new();
        let mut labels = None;
        let mut card = String::new();
        for (&file, entry) in manifest.files() {
            let path = label.join(file.name());
            let contents = read(&path, file, entry)?;
            check_hash(&path, file, entry, &contents)?;
            match (file, &manifest.classifier) {
                (BundleFile::Graph(part, _), _) => {
                    graph::check(&path, Subject::Part(part), manifest.spec(), &contents)?;
                }
                (BundleFile::Classifier, Some(classifier)) => {
                    graph::check(&path, Subject::Classifier(*classifier), manifest.spec(), &contents)?;
                }
                (BundleFile::Labels, Some(Classifier { classes, .. })) => {
                    labels = Some(classifier::labels(&path, text(&path, &contents)?, *classes)?);
                }
                (BundleFile::Card, _) => text(&path, &contents)?.clone_into(&mut card),
                // A classifier's files without its table were refused with the manifest.
                (BundleFile::Golden | BundleFile::Classifier | BundleFile::Labels, _) => {}
            }
            files.insert(file, contents);
        }
        Ok(Self { manifest, files, labels, card })
    }
}

fn read_manifest(path: &Path) -> Result<Vec<u8>, Error> {
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Error::ManifestMissing { file: path.to_owned() },
        _ => Error::Io { file: path.to_owned(), action: "read", source },
    })?;
    if !metadata.is_file() {
        return Err(Error::ManifestMissing { file: path.to_owned() });
    }
    check_manifest_size(path, metadata.len())?;
    read_at_most(path, metadata.len())
}

fn read_file(path: &Path, file: BundleFile, entry: &FileEntry) -> Result<Bytes, Error> {
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::FileMissing { file: path.to_owned(), field: file.field() },
        _ => Error::Io { file: path.to_owned(), action: "read", source },
    })?;
    // A pipe would be waited on for ever.
    if !metadata.is_file() {
        return Err(Error::NotAFile { file: path.to_owned(), field: file.field() });
    }
    check_size(path, file, entry, metadata.len())?;
    let contents = read_at_most(path, metadata.len())?;
    check_size(path, file, entry, contents.len() as u64)?;
    Ok(Bytes::from(contents))
}

/// Reads at most `bytes`, however the file may grow meanwhile.
fn read_at_most(path: &Path, bytes: u64) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { file: path.to_owned(), action: "read", source };
    let mut contents = Vec::new();
    let capacity = usize::try_from(bytes).map_err(|_| io(ErrorKind::OutOfMemory.into()))?;
    contents.try_reserve_exact(capacity).map_err(|_| io(ErrorKind::OutOfMemory.into()))?;
    File::open(path).map_err(io)?.take(bytes).read_to_end(&mut contents).map_err(io)?;
    Ok(contents)
}

fn check_manifest_size(path: &Path, bytes: u64) -> Result<(), Error> {
    if bytes > MAX_MANIFEST_BYTES {
        return Err(Error::ManifestTooLarge { file: path.to_owned(), bytes, limit: MAX_MANIFEST_BYTES });
    }
    Ok(())
}

fn check_size(path: &Path, file: BundleFile, entry: &FileEntry, found: u64) -> Result<(), Error> {
    if found != entry.bytes {
        let field = file.field() + ".bytes";
        return Err(Error::FileSize { file: path.to_owned(), field, expected: entry.bytes, found });
    }
    Ok(())
}

fn check_hash(path: &Path, file: BundleFile, entry: &FileEntry, contents: &[u8]) -> Result<(), Error> {
    let found = FileEntry::of(contents).sha256;
    if found != entry.sha256 {
        let (field, expected) = (file.field() + ".sha256", entry.sha256.clone());
        return Err(Error::FileAltered { file: path.to_owned(), field, expected, found });
    }
    Ok(())
}

fn text<'a>(path: &Path, contents: &'a [u8]) -> Result<&'a str, Error> {
    std::str::from_utf8(contents).map_err(|_| Error::NotText { file: path.to_owned() })
}

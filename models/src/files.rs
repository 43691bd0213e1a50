//! The files of a bundle, and nothing but them: a manifest cannot name a path.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::onnx::Bytes;
use crate::{Part, Precision};

/// The file that lists all others.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// The most bytes that one file of a bundle may have: more is refused before it is read.
pub const MAX_FILE_BYTES: u64 = 4 << 30;

/// The contents of a bundle's files, less the manifest.
pub type Files = BTreeMap<BundleFile, Bytes>;

/// A file that a manifest lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BundleFile {
    /// `encoder.onnx`, `decoder.onnx`, `encoder.int8.onnx` or `decoder.int8.onnx`.
    Graph(Part, Precision),
    /// `classifier.onnx`: tokens to a number for each class.
    Classifier,
    /// `labels.txt`: the classes' names.
    Labels,
    /// `golden.safetensors`: inputs and the answers that they must give.
    Golden,
    /// `CARD.md`: the model card.
    Card,
}

impl BundleFile {
    /// Every file that a manifest may list.
    pub const ALL: [Self; 8] = [
        Self::Graph(Part::Encoder, Precision::F32),
        Self::Graph(Part::Decoder, Precision::F32),
        Self::Graph(Part::Encoder, Precision::Int8),
        Self::Graph(Part::Decoder, Precision::Int8),
        Self::Classifier,
        Self::Labels,
        Self::Golden,
        Self::Card,
    ];

    /// The file's name in the bundle's folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Graph(Part::Encoder, Precision::F32) => "encoder.onnx",
            Self::Graph(Part::Decoder, Precision::F32) => "decoder.onnx",
            Self::Graph(Part::Encoder, Precision::Int8) => "encoder.int8.onnx",
            Self::Graph(Part::Decoder, Precision::Int8) => "decoder.int8.onnx",
            Self::Classifier => "classifier.onnx",
            Self::Labels => "labels.txt",
            Self::Golden => "golden.safetensors",
            Self::Card => "CARD.md",
        }
    }

    /// The file of this name, if a bundle has one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.name() == name)
    }

    /// The manifest's field about this file, as an error names it: `files."encoder.onnx"`.
    pub(crate) fn field(self) -> String {
        format!("files.\"{self}\"")
    }
}

impl fmt::Display for BundleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for BundleFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a manifest says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in 64 lowercase hexadecimal digits.
    pub sha256: String,
}

impl FileEntry {
    /// The entry that fits `contents`.
    #[must_use]
    pub fn of(contents: &[u8]) -> Self {
        use fmt::Write as _;
        let mut sha256 = String::with_capacity(64);
        for byte in Sha256::digest(contents) {
            // Writing to a string cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Self { bytes: contents.len() as u64, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for file in BundleFile::ALL {
            assert_eq!(BundleFile::from_name(file.name()), Some(file));
        }
        assert_eq!(BundleFile::from_name("../encoder.onnx"), None);
        assert_eq!(BundleFile::from_name(MANIFEST_FILE), None);
    }

    #[test]
    fn a_hash_is_the_published_one() {
        // FIPS 180-2, appendix B.1.
        let entry = FileEntry::of(b"abc");
        assert_eq!(entry.bytes, 3);
        assert_eq!(entry.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

//! Which files are pictures, and which of them are kept for validation.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use walkdir::WalkDir;

/// One picture in this many, in name order, is kept for validation.
const VALIDATION_STRIDE: usize = 20;

/// File name endings that are read as pictures.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// A folder's pictures, parted so that what is measured was never trained on.
#[derive(Clone, Debug)]
pub struct Split {
    /// To train on.
    pub train: Vec<PathBuf>,
    /// To measure on: each twentieth file in name order.
    pub validation: Vec<PathBuf>,
}

/// All JPEG, PNG and WebP files under `folder`, at any depth, in the order of their paths.
///
/// # Errors
/// When the folder cannot be read, or holds no picture.
pub fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    ensure!(folder.is_dir(), "there is no folder {}: name one that holds pictures", folder.display());
    let mut pictures = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true) {
        let entry = entry.with_context(|| format!("looking for pictures in {}", folder.display()))?;
        let ending = entry.path().extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if entry.file_type().is_file() && ENDINGS.contains(&ending.as_str()) {
            pictures.push(entry.into_path());
        }
    }
    ensure!(
        !pictures.is_empty(),
        "no pictures in {}: Glimpse reads files ending in .jpg, .jpeg, .png and .webp",
        folder.display()
    );
    pictures.sort();
    Ok(pictures)
}

/// Parts pictures, in the order given, into those to train on and each twentieth for validation.
#[must_use]
pub fn split(pictures: Vec<PathBuf>) -> Split {
    let mut split = Split { train: Vec::new(), validation: Vec::new() };
    for (index, picture) in pictures.into_iter().enumerate() {
        let kept = index % VALIDATION_STRIDE == VALIDATION_STRIDE - 1;
        if kept { split.validation.push(picture) } else { split.train.push(picture) }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_twentieth_is_for_validation_and_none_is_in_both() {
        let pictures: Vec<PathBuf> = (0..61).map(|i| format!("{i:03}.jpg").into()).collect();
        let split = split(pictures);
        assert_eq!(split.validation, ["019.jpg", "039.jpg", "059.jpg"].map(PathBuf::from));
        assert_eq!(split.train.len(), 58);
        assert!(split.train.iter().all(|p| !split.validation.contains(p)));
    }

    #[test]
    fn pictures_are_found_at_any_depth_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["z.JPG", "b/a.webp", "notes.txt", "a.png"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let found = list(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|p| p.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.png", "b/a.webp", "z.JPG"]);
    }

    #[test]
    fn an_empty_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = list(folder.path()).unwrap_err().to_string();
        assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    }
}

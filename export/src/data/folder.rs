//! Which files are pictures, and which of them are kept for validation.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use walkdir::WalkDir;

use crate::train::checkpoint;

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

/// All JPEG, PNG and WebP files under `folder`, at any depth, in the order of their paths. Those of runs of training are left
/// out: they show validation pictures, and which pictures are for validation must not change as a run adds its own.
///
/// # Errors
/// When the folder cannot be read, or holds no picture.
pub fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    listed(folder, None)
}

/// The same for a run that writes into `out`, which is left out even while it holds no checkpoint.
///
/// # Errors
/// Those of [`list`], and when `out` is the folder itself.
pub fn list_for(folder: &Path, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    // what is not there yet holds no pictures
    let out = out.canonicalize().ok();
    ensure!(
        out.is_none() || out != folder.canonicalize().ok(),
        "the run would put its pictures among those of {} that it learns from: give it a folder of its own, such as -o {}",
        folder.display(),
        folder.join("run").display()
    );
    listed(folder, out.as_deref())
}

fn listed(folder: &Path, out: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    ensure!(folder.is_dir(), "there is no folder {}: name one that holds pictures", folder.display());
    let is_out = |path: &Path| out.is_some() && path.canonicalize().ok().as_deref() == out;
    let mut pictures = Vec::new();
    let mut walk = WalkDir::new(folder).follow_links(true).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.with_context(|| format!("looking for pictures in {}", folder.display()))?;
        if entry.file_type().is_dir() {
            if entry.depth() > 0 && (is_out(entry.path()) || checkpoint::is_run(entry.path())) {
                eprintln!("passed over: {} holds a run of training", entry.path().display());
                walk.skip_current_dir();
            }
            continue;
        }
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

/// At most `limit` of the pictures, evenly spread.
#[must_use]
pub fn spread(pictures: Vec<PathBuf>, limit: usize) -> Vec<PathBuf> {
    let count = pictures.len();
    if limit < count { (0..limit).map(|i| pictures[i * count / limit].clone()).collect() } else { pictures }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(folder: &Path, names: &[&str]) {
        for name in names {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
    }

    fn names(folder: &Path, found: &[PathBuf]) -> Vec<String> {
        found.iter().map(|path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_twentieth_is_for_validation_and_none_is_in_both() {
        let pictures: Vec<PathBuf> = (0..61).map(|i| format!("{i:03}.jpg").into()).collect();
        let split = split(pictures);
        assert_eq!(split.validation, ["019.jpg", "039.jpg", "059.jpg"].map(PathBuf::from));
        assert_eq!(split.train.len(), 58);
        assert!(split.train.iter().all(|p| !split.validation.contains(p)));
    }

    #[test]
    fn a_limit_spreads_over_all_pictures() {
        let pictures: Vec<PathBuf> = (0..10).map(|i| format!("{i}").into()).collect();
        assert_eq!(spread(pictures.clone(), 3), ["0", "3", "6"].map(PathBuf::from));
        for all in [10, usize::MAX] {
            assert_eq!(spread(pictures.clone(), all), pictures);
        }
    }

    #[test]
    fn pictures_are_found_at_any_depth_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["z.JPG", "b/a.webp", "notes.txt", "a.png"]);
        let found = list(folder.path()).unwrap();
        assert_eq!(names(folder.path(), &found), ["a.png", "b/a.webp", "z.JPG"]);
    }

    #[test]
    fn a_run_s_own_pictures_are_no_pictures_to_learn_from() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["a.png", "step-1/b.png", "new/loss.png", "old/loss.png"]);
        touch(folder.path(), &["old/step-000000012/model.safetensors", "old/sheet-000000012.jpg"]);
        let found = list(folder.path()).unwrap();
        assert_eq!(names(folder.path(), &found), ["a.png", "new/loss.png", "step-1/b.png"]);
        let found = list_for(folder.path(), &folder.path().join("step-1/../new")).unwrap();
        assert_eq!(names(folder.path(), &found), ["a.png", "step-1/b.png"]);
        let found = list_for(folder.path(), Path::new("nowhere")).unwrap();
        assert_eq!(names(folder.path(), &found), ["a.png", "new/loss.png", "step-1/b.png"]);
        let error = list_for(folder.path(), &folder.path().join("new/..")).unwrap_err().to_string();
        assert!(error.contains("a folder of its own"), "{error}");
    }

    #[test]
    fn an_empty_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = list(folder.path()).unwrap_err().to_string();
        assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    }
}

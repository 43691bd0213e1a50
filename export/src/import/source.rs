//! Which files a path means.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use glimpse_models::MANIFEST_FILE;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::store::Store;
use crate::train::checkpoint;

/// What a path was found to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A bundle's folder.
    Bundle(PathBuf),
    /// One of our own checkpoints.
    Checkpoint(PathBuf),
    /// Public weights: a file, or several that make one.
    Weights { folder: PathBuf, files: Vec<PathBuf> },
}

/// The files of a folder that hold weights, the best first.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// What the list of several files that make one is called: this stands behind the name that one file would have.
const INDEX: &str = ".index.json";

/// How much of a file is hashed at a time.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Source {
    /// Finds out what `path` is.
    ///
    /// # Errors
    /// When it is nothing that can be imported: what is looked for is listed.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        ensure!(path.exists(), "{} is not there", path.display());
        if !path.is_dir() {
            let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
            let files = if is_index(path) { shards(path)? } else { vec![path.to_owned()] };
            return Ok(Self::Weights { folder, files });
        }
        if path.join(MANIFEST_FILE).is_file() {
            return Ok(Self::Bundle(path.to_owned()));
        }
        if let Ok(found) = checkpoint::find(path)
            && found.join("spec.toml").is_file()
        {
            return Ok(Self::Checkpoint(found));
        }
        for name in WEIGHTS {
            let (whole, index) = (path.join(name), path.join(format!("{name}{INDEX}")));
            if whole.is_file() || index.is_file() {
                let files = if whole.is_file() { vec![whole] } else { shards(&index)? };
                return Ok(Self::Weights { folder: path.to_owned(), files });
            }
        }
        bail!(
            "{} holds neither a bundle (manifest.toml), nor a checkpoint (spec.toml), nor public weights (model.safetensors or \
             pytorch_model.bin, whole or with their index): name the file itself",
            path.display()
        )
    }

    /// Lists the tensors of all files.
    ///
    /// # Errors
    /// When one cannot be read, or two hold the same tensor.
    pub fn store(files: &[PathBuf]) -> anyhow::Result<Store> {
        let mut store = Store::default();
        for file in files {
            store.join(Store::open(file)?)?;
        }
        Ok(store)
    }
}

/// What public weights are called: their file, or their folder where every such file has the same name.
#[must_use]
pub fn name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let plain = WEIGHTS.iter().any(|weights| file.starts_with(weights));
    let named =
        if plain { path.canonicalize().ok()?.parent()?.file_name()?.to_str()?.to_owned() } else { file.to_owned() };
    let stem = [".pth", ".pt", ".bin", ".safetensors"].iter().find_map(|ending| named.strip_suffix(ending));
    let simple = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let name: String = stem.unwrap_or(&named).chars().map(simple).collect();
    Some(name.trim_matches(['-', '_']).chars().take(64).collect())
}

/// The files by name and SHA-256.
///
/// # Errors
/// When one cannot be read.
pub fn hashes(files: &[PathBuf]) -> anyhow::Result<String> {
    let hash = |path: &PathBuf| {
        let mut hasher = Sha256::new();
        let reading = || format!("reading {}", path.display());
        let mut file = File::open(path).with_context(reading)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match file.read(&mut buffer).with_context(reading)? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
        let mut hex = String::new();
        for byte in hasher.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(format!("{name} (SHA-256 {hex})"))
    };
    Ok(files.iter().map(hash).collect::<anyhow::Result<Vec<_>>>()?.join(", "))
}

fn is_index(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(INDEX))
}

/// The files that an index lists, each once.
fn shards(index: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(index).with_context(|| format!("reading {}", index.display()))?;
    let listed: Index = serde_json::from_str(&text).with_context(|| format!("reading {}", index.display()))?;
    let names: BTreeSet<&String> = listed.weight_map.values().collect();
    let path = |name: &String| {
        // An index speaks of its neighbours alone.
        let is_plain = Path::new(name).file_name().is_some_and(|file| file == name.as_str());
        ensure!(is_plain, "{} lists {name:?}, which is not a file beside it", index.display());
        Ok(index.with_file_name(name))
    };
    let files: Vec<PathBuf> = names.into_iter().map(path).collect::<anyhow::Result<_>>()?;
    ensure!(!files.is_empty(), "{} lists no files", index.display());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_file_s_or_its_folder_s() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("ViT-MAE base");
        fs::create_dir(&folder).unwrap();
        for file in ["model.safetensors", "pytorch_model.bin.index.json"] {
            let path = folder.join(file);
            fs::write(&path, "").unwrap();
            assert_eq!(name(&path).unwrap(), "vit-mae-base");
        }
        assert_eq!(name(Path::new("x/mae_pretrain_vit_base.pth")).unwrap(), "mae_pretrain_vit_base");
        assert_eq!(name(&folder).unwrap(), "vit-mae-base");
    }

    #[test]
    fn an_index_speaks_of_its_neighbours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join("model.safetensors.index.json");
        let write =
            |file: &str| fs::write(&index, format!(r#"{{"weight_map":{{"a":"{file}","b":"{file}"}}}}"#)).unwrap();
        write("one.safetensors");
        assert_eq!(shards(&index).unwrap(), [dir.path().join("one.safetensors")]);
        for elsewhere in ["../one.safetensors", "/etc/passwd", "a/one", ".."] {
            write(elsewhere);
            assert!(shards(&index).unwrap_err().to_string().contains(elsewhere));
        }
        fs::write(&index, r#"{"weight_map":{}}"#).unwrap();
        assert!(shards(&index).is_err());
    }

    #[test]
    fn a_hash_is_the_published_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc.pth");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let right = "abc.pth (SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad)";
        assert_eq!(hashes(&[path]).unwrap(), right);
    }
}

//! The names of a run's pictures, which tell whether its folder is still the one that it was started with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A folder's pictures by their names: which of them are learnt from follows from the names of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// How many there are.
    pub pictures: u64,
    /// SHA-256 of their paths within the folder, in order.
    pub sha256: String,
}

impl Listing {
    /// The listing of `pictures`, which lie in `folder`. It is the same wherever the folder is, and in whatever order they are.
    pub fn of<'a>(folder: &Path, pictures: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        let within = |path: &'a PathBuf| path.strip_prefix(folder).unwrap_or(path);
        let mut names: Vec<&Path> = pictures.into_iter().map(within).collect();
        names.sort_unstable();
        let mut hasher = Sha256::new();
        for name in &names {
            for part in *name {
                hasher.update(part.as_encoded_bytes());
                hasher.update(b"/");
            }
            // no file's name holds this
            hasher.update([0]);
        }
        let mut sha256 = String::new();
        for byte in hasher.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Self { pictures: names.len() as u64, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(folder: &str, names: &[&str]) -> Listing {
        let pictures: Vec<PathBuf> = names.iter().map(|name| Path::new(folder).join(name)).collect();
        Listing::of(Path::new(folder), &pictures)
    }

    #[test]
    fn names_alone_decide() {
        let listing = of("photos", &["a/1.jpg", "b.jpg"]);
        assert_eq!((listing.pictures, listing.sha256.len()), (2, 64));
        assert_eq!(listing, of("/elsewhere/./photos", &["b.jpg", "a/1.jpg"]));
        for other in [&["a/1.jpg"][..], &["a/1.jpg", "c.jpg"], &["a", "1.jpg/b.jpg"], &["a/1.jpgb.jpg"]] {
            assert_ne!(listing.sha256, of("photos", other).sha256, "{other:?}");
        }
    }
}

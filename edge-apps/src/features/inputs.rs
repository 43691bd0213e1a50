//! Which pictures, and which of them are this shard's.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use glimpse_models::FileEntry;

use crate::picture::list;

/// A picture to compute features of.
#[derive(Debug, Clone)]
pub struct Input {
    pub path: PathBuf,
    /// Its place below the folder that was named, parted by `/`; of a file that was named, the file's name. What is
    /// drawn for a picture follows from it, so that it does not depend on where the folder lies.
    pub name: String,
}

/// The pictures at all paths, in the order of the paths; a folder's in name order.
pub fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        inputs.extend(list(path)?.into_iter().map(|(path, below)| Input { path, name: name(&below) }));
    }
    Ok(inputs)
}

fn name(below: &Path) -> String {
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// A hash that another list of pictures, and one of whose files was written anew, does not have.
pub fn fingerprint(inputs: &[Input]) -> Result<String> {
    let mut text = String::new();
    for Input { path, name } in inputs {
        let about = || format!("looking at {}", path.display());
        let metadata = std::fs::metadata(path).with_context(about)?;
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let (bytes, modified_ns) = (metadata.len(), modified.as_nanos());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\0{name}\0{bytes}\0{modified_ns}", path.display());
    }
    Ok(FileEntry::of(text.as_bytes()).sha256)
}

/// A part of a list: the `number`-th of `count`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    count: usize,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { number: 1, count: 1 };

    /// This part of the list: neighbours stay neighbours, so that all parts, one after another, are the list.
    pub fn of<T>(self, list: Vec<T>) -> Result<Vec<T>> {
        let Self { number, count } = self;
        let len = list.len();
        if count > len {
            bail!("--shard {self} parts {len} pictures into {count}: some parts would be empty; take at most {len}");
        }
        let (start, end) = ((number - 1) * len / count, number * len / count);
        Ok(list.into_iter().take(end).skip(start).collect())
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |text: &str| text.parse::<u32>().ok().map(|number| number as usize);
        let numbers = text.split_once('/').and_then(|(number, count)| Some((parse(number)?, parse(count)?)));
        match numbers {
            Some((number, count)) if (1..=count).contains(&number) => Ok(Self { number, count }),
            _ => Err("a shard is i/n, its number from 1 to n and how many there are, such as 2/5".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_one_after_another_are_the_list_and_about_as_long_as_each_other() {
        for len in 1..40 {
            for count in 1..=len {
                let list: Vec<usize> = (0..len).collect();
                let shards = (1..=count).map(|number| Shard { number, count }.of(list.clone()).unwrap());
                let shards: Vec<Vec<usize>> = shards.collect();
                assert_eq!(shards.concat(), list);
                let lengths = shards.iter().map(Vec::len);
                assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
            }
        }
        assert!(Shard { number: 1, count: 3 }.of(vec![1, 2]).is_err());
    }

    #[test]
    fn a_shard_is_read_as_it_is_written_and_nothing_else_is() {
        let shard: Shard = "2/5".parse().unwrap();
        assert_eq!((shard, shard.to_string()), (Shard { number: 2, count: 5 }, "2/5".to_owned()));
        for text in ["0/3", "4/3", "1/0", "1", "a/b", "1/2/3", "-1/3", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_name_is_what_lies_below_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for file in ["b.png", "sub/a.jpg"] {
            std::fs::write(folder.path().join(file), b"").unwrap();
        }
        let listed = inputs(&[folder.path().to_owned(), folder.path().join("sub/a.jpg")]).unwrap();
        let names: Vec<&str> = listed.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(names, ["b.png", "sub/a.jpg", "a.jpg"]);

        let before = fingerprint(&listed).unwrap();
        assert_eq!(before, fingerprint(&listed).unwrap());
        std::fs::write(folder.path().join("b.png"), b"more").unwrap();
        assert_ne!(before, fingerprint(&listed).unwrap());
    }
}

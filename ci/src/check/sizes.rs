//! Nothing is too big: neither a source file to be read in one go, nor the repository to be cloned quickly.

use super::Found;
use crate::workspace::{Workspace, has_extension};

/// The largest file: the shipped model's, with room for its pictures.
const MAX_FILE_BYTES: usize = 8 << 20;
/// The largest sum of all files: a clone over a board's slow link takes a minute.
const MAX_TREE_BYTES: usize = 48 << 20;
/// The longest source file: past it, it is two things.
const MAX_SOURCE_LINES: usize = 500;
const SOURCES: [&str; 2] = ["rs", "wgsl"];

pub fn check(workspace: &Workspace) -> Found {
    let mut found = Vec::new();
    let mut tree_bytes = 0;
    for path in workspace.files()? {
        let contents = workspace.read(&path)?;
        tree_bytes += contents.len();
        found.extend(too_big(&path, &contents));
    }
    found.extend(tree_too_big(tree_bytes));
    Ok(found)
}

fn too_big(path: &str, contents: &[u8]) -> Option<String> {
    if contents.len() > MAX_FILE_BYTES {
        return Some(format!("{path} has {} bytes; {MAX_FILE_BYTES} is the most", contents.len()));
    }
    if !SOURCES.iter().any(|extension| has_extension(path, extension)) {
        return None;
    }
    let lines = String::from_utf8_lossy(contents).lines().count();
    (lines > MAX_SOURCE_LINES)
        .then(|| format!("{path} has {lines} lines; {MAX_SOURCE_LINES} is the most: split it by stage of the flow"))
}

fn tree_too_big(bytes: usize) -> Option<String> {
    (bytes > MAX_TREE_BYTES).then(|| format!("all files together have {bytes} bytes; {MAX_TREE_BYTES} is the most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_as_big_as_the_limit_and_no_bigger() {
        assert_eq!(too_big("model.onnx", &vec![0; MAX_FILE_BYTES]), None);
        let failure = too_big("model.onnx", &vec![0; MAX_FILE_BYTES + 1]).unwrap();
        assert!(failure.starts_with("model.onnx has 8388609 bytes"));
    }

    #[test]
    fn the_tree_may_be_as_big_as_the_limit_and_no_bigger() {
        assert_eq!(tree_too_big(MAX_TREE_BYTES), None);
        assert!(tree_too_big(MAX_TREE_BYTES + 1).is_some());
    }

    #[test]
    fn a_long_source_file_is_named_and_a_long_text_is_not() {
        let long = "line\n".repeat(MAX_SOURCE_LINES + 1);
        let longest = "line\n".repeat(MAX_SOURCE_LINES);
        assert_eq!(too_big("a.rs", longest.as_bytes()), None);
        assert_eq!(too_big("Cargo.lock", long.as_bytes()), None);
        for path in ["a.rs", "shaders/a.wgsl"] {
            assert!(too_big(path, long.as_bytes()).unwrap().contains("501 lines"));
        }
    }
}

//! The tensors of a PyTorch file: a zip archive with a pickle that describes them, and their bytes beside it.
//!
//! The pickle is read as data, by a machine that knows the few objects that checkpoints are made of. It calls nothing, and
//! refuses a file that asks for more.
//!
//! | file | what it does |
//! | --- | --- |
//! | `archive.rs` | where the files of a zip archive lie |
//! | `pickle.rs` | the machine |
//! | `value.rs` | what it makes, and from which Python objects |

mod archive;
mod pickle;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use self::archive::Archive;
use self::value::{Heap, Tensor, Value};
use super::store::{Entry, Place};

/// The most bytes of a pickle: it holds names and shapes, not weights.
const MAX_PICKLE_BYTES: u64 = 64 << 20;
/// How deep dictionaries may lie in each other.
const MAX_DEPTH: usize = 8;
/// The most dictionaries that wait to be looked into.
const MAX_DICTS: usize = 1 << 12;

/// Lists the tensors of the file `path`, those within dictionaries under dotted names.
///
/// # Errors
/// When it is no such file, is cut short, or holds an object that no checkpoint needs.
pub fn entries(path: &Path) -> anyhow::Result<BTreeMap<String, Entry>> {
    let archive = Archive::open(path)?;
    let pickle = archive.read("data.pkl", MAX_PICKLE_BYTES)?;
    if archive.has("byteorder") {
        let order = archive.read("byteorder", 16)?;
        ensure!(order == b"little", "its numbers are big-endian: load and save it on another machine");
    }
    let (root, mut heap) = pickle::read(&pickle).context("the pickle in it")?;
    let mut found = BTreeMap::new();
    for (name, tensor) in tensors(&root, &mut heap)? {
        let entry = entry(&archive, path, &tensor).with_context(|| format!("the tensor `{name}`"))?;
        found.insert(name, entry);
    }
    Ok(found)
}

/// The tensors in a dictionary and in those that it holds, under dotted names.
fn tensors(root: &Value, heap: &mut Heap) -> anyhow::Result<Vec<(String, Tensor)>> {
    let Value::Dict(root) = root else { bail!("it holds no dictionary of tensors: save a model's state_dict") };
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), *root, 0)];
    while let Some((prefix, dict, depth)) = waiting.pop() {
        ensure!(depth < MAX_DEPTH && waiting.len() < MAX_DICTS, "its dictionaries lie in each other too deep");
        for (key, value) in heap.entries(dict).iter() {
            // Keys that are no text count an optimizer's parameters.
            let Value::Text(key) = key else { continue };
            let name = format!("{prefix}{key}");
            match value {
                Value::Dict(inner) => waiting.push((name + ".", *inner, depth + 1)),
                Value::Tensor(tensor) => found.push((name, tensor.clone())),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Where a tensor's numbers lie in the file.
fn entry(archive: &Archive, path: &Path, tensor: &Tensor) -> anyhow::Result<Entry> {
    let Tensor { storage, offset, shape, strides } = tensor;
    let places = shape.iter().try_fold(1_usize, |places, &length| places.checked_mul(length));
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(0_usize, |last, (&length, &stride)| last.checked_add(stride.checked_mul(length.saturating_sub(1))?));
    let span = if places == Some(0) { Some(0) } else { last.and_then(|last| last.checked_add(1)) };
    let end = span.and_then(|span| span.checked_add(*offset));
    // A tensor that repeats numbers of its storage could be of any size.
    let fits = end.is_some_and(|end| end <= storage.len) && places.is_some_and(|places| places <= storage.len);
    ensure!(shape.len() == strides.len() && fits, "it does not lie within its storage: fetch the file again");
    let (start, bytes) = archive.find(&format!("data/{}", storage.key))?;
    let size = storage.bytes_each as u64;
    ensure!(bytes >= storage.len as u64 * size, "the file ends before its numbers do: fetch it again");
    Ok(Entry {
        shape: shape.clone(),
        number: storage.number,
        place: Place {
            file: path.to_owned(),
            start: start + *offset as u64 * size,
            len: span.unwrap_or(0) as u64 * size,
            strides: (!is_plain(shape, strides)).then(|| strides.clone()),
        },
    })
}

/// Whether the numbers lie in the order of the axes, without gaps.
fn is_plain(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1;
    shape.iter().zip(strides).rev().all(|(&length, &stride)| {
        let plain = length == 1 || stride == step;
        step *= length;
        plain
    })
}

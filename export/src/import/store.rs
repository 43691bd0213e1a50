//! The tensors of one file or several, by name; none of them is read before it is asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use half::{bf16, f16};

use super::{pytorch, safetensors};

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    F16,
    Bf16,
    F32,
    F64,
    /// Whole numbers and others that no weight is made of.
    Other,
}

/// A tensor that has not been read.
#[derive(Clone, Debug)]
pub struct Entry {
    pub shape: Vec<usize>,
    pub number: Number,
    pub place: Place,
}

/// Where a tensor's bytes lie.
#[derive(Clone, Debug)]
pub struct Place {
    pub file: PathBuf,
    pub start: u64,
    pub len: u64,
    /// How many numbers lie between two of each axis, where they are not in the order of the axes.
    pub strides: Option<Vec<usize>>,
}

/// Tensors by name.
#[derive(Clone, Debug, Default)]
pub struct Store(BTreeMap<String, Entry>);

impl Store {
    /// Lists the tensors of a safetensors or PyTorch file; what it holds says which it is.
    ///
    /// # Errors
    /// When it is neither, is cut short, or asks to be executed.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut start = [0; 9];
        let read = File::open(path).and_then(|mut file| file.read(&mut start));
        let read = read.with_context(|| format!("reading {}", path.display()))?;
        // A safetensors file begins with the length of a JSON object, and then that.
        let entries =
            if read == start.len() && start[8] == b'{' { safetensors::entries(path) } else { pytorch::entries(path) };
        entries.map(Self).with_context(|| format!("reading {}", path.display()))
    }

    /// Adds the tensors of another file of the same model.
    ///
    /// # Errors
    /// When both hold a tensor of the same name.
    pub fn join(&mut self, other: Self) -> anyhow::Result<()> {
        for (name, entry) in other.0 {
            ensure!(!self.0.contains_key(&name), "two of the files hold a tensor `{name}`");
            self.0.insert(name, entry);
        }
        Ok(())
    }

    /// These tensors under names without `prefix`; those that do not begin with it are left out. All of them as they are,
    /// if none begins with it.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        if !self.0.keys().any(|name| name.starts_with(prefix)) {
            return self;
        }
        let inner = self.0.into_iter();
        Self(inner.filter_map(|(name, entry)| Some((name.strip_prefix(prefix)?.to_owned(), entry))).collect())
    }

    /// Names in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// Reads the tensor `name` as f32, row-major.
    ///
    /// # Errors
    /// When there is none, it is not made of floating-point numbers, or the file cannot be read.
    pub fn read(&self, name: &str) -> anyhow::Result<Vec<f32>> {
        let entry = self.get(name).with_context(|| format!("there is no tensor `{name}`"))?;
        let bytes = entry.place.bytes().with_context(|| format!("reading the tensor `{name}`"))?;
        let mut values = match entry.number {
            Number::F16 => each(&bytes, |b| f16::from_le_bytes(b).to_f32()),
            Number::Bf16 => each(&bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Number::F32 => each(&bytes, f32::from_le_bytes),
            Number::F64 => each(&bytes, |b| f64::from_le_bytes(b) as f32),
            Number::Other => bail!("the tensor `{name}` is not made of floating-point numbers"),
        };
        if let Some(strides) = &entry.place.strides {
            values = gathered(&values, &entry.shape, strides)?;
        }
        ensure!(values.len() == entry.shape.iter().product::<usize>(), "the tensor `{name}` is cut short");
        Ok(values)
    }
}

impl Place {
    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut file = File::open(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = vec![0; usize::try_from(self.len)?];
        file.read_exact(&mut bytes).with_context(|| format!("reading {}", self.file.display()))?;
        Ok(bytes)
    }
}

/// The numbers of a view in the order of its axes, the last one fastest.
///
/// # Errors
/// When a number lies outside.
fn gathered(values: &[f32], shape: &[usize], strides: &[usize]) -> anyhow::Result<Vec<f32>> {
    let mut places = vec![0];
    for (&length, &stride) in shape.iter().zip(strides) {
        places = places.iter().flat_map(|place| (0..length).map(move |index| place + index * stride)).collect();
    }
    places.iter().map(|&place: &usize| values.get(place).copied().context("a view reaches outside")).collect()
}

fn each<const N: usize>(bytes: &[u8], widen: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&number| widen(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_gathered_in_the_order_of_its_axes() {
        let values: Vec<f32> = (0..6_u8).map(f32::from).collect();
        // A matrix of two rows, turned; a column of it.
        assert_eq!(gathered(&values, &[3, 2], &[1, 3]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(gathered(&values, &[2, 1], &[3, 1]).unwrap(), [0.0, 3.0]);
        assert!(gathered(&values, &[3, 2], &[2, 3]).is_err());
    }
}

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
pub enum Place {
    /// So many bytes of a file, from the byte `start`.
    Bytes { file: PathBuf, start: u64, len: u64 },
    /// In a PyTorch file, whose reader knows where.
    Pytorch(pytorch_reader::Tensor),
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
        let bytes = entry.bytes().with_context(|| format!("reading the tensor `{name}`"))?;
        let values = match entry.number {
            Number::F16 => each(&bytes, |b| f16::from_le_bytes(b).to_f32()),
            Number::Bf16 => each(&bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Number::F32 => each(&bytes, f32::from_le_bytes),
            Number::F64 => each(&bytes, |b| f64::from_le_bytes(b) as f32),
            Number::Other => bail!("the tensor `{name}` is not made of floating-point numbers"),
        };
        ensure!(values.len() == entry.shape.iter().product::<usize>(), "the tensor `{name}` is cut short");
        Ok(values)
    }
}

impl Entry {
    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        match &self.place {
            Place::Pytorch(tensor) => Ok(tensor.read()?),
            Place::Bytes { file, start, len } => {
                let mut opened = File::open(file).with_context(|| format!("reading {}", file.display()))?;
                opened.seek(SeekFrom::Start(*start))?;
                let mut bytes = vec![0; usize::try_from(*len)?];
                opened.read_exact(&mut bytes).with_context(|| format!("reading {}", file.display()))?;
                Ok(bytes)
            }
        }
    }
}

fn each<const N: usize>(bytes: &[u8], widen: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&number| widen(number)).collect()
}

//! A safetensors file, read whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use safetensors::{Dtype, SafeTensors};

/// The f32 tensors of a file, and whose answers they are.
pub struct Tensors {
    pub whose: &'static str,
    by_name: BTreeMap<String, Tensor>,
}

/// Numbers and their shape, the last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Tensors {
    /// Reads the f32 tensors of a file; those of other types are passed over.
    ///
    /// # Errors
    /// When there is no such file or it is not safetensors.
    pub fn read(whose: &'static str, path: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let file = SafeTensors::deserialize(&bytes).with_context(|| format!("reading {}", path.display()))?;
        let by_name = file
            .iter()
            .filter(|(_, view)| view.dtype() == Dtype::F32)
            .map(|(name, view)| {
                let (values, _) = view.data().as_chunks();
                let tensor = Tensor {
                    shape: view.shape().to_vec(),
                    values: values.iter().copied().map(f32::from_le_bytes).collect(),
                };
                (name.to_owned(), tensor)
            })
            .collect();
        Ok(Self { whose, by_name })
    }

    /// # Errors
    /// When there is no f32 tensor of that name.
    pub fn get(&self, name: &str) -> anyhow::Result<&Tensor> {
        match self.by_name.get(name) {
            Some(tensor) => Ok(tensor),
            None => bail!("{} gave no f32 tensor {name}", self.whose),
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

#[cfg(test)]
impl Tensors {
    pub fn from_pairs(whose: &'static str, pairs: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        Self { whose, by_name: pairs.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_other_types_are_passed_over() {
        let numbers = [1.5_f32, -2.0].map(f32::to_le_bytes).concat();
        let positions = 7_i64.to_le_bytes();
        let views = [
            ("one.tokens", TensorView::new(Dtype::F32, vec![1, 2], &numbers).unwrap()),
            ("one.positions", TensorView::new(Dtype::I64, vec![1], &positions).unwrap()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golden.safetensors");
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();

        let tensors = Tensors::read("burn", &path).unwrap();
        let tokens = tensors.get("one.tokens").unwrap();
        assert_eq!((tokens.shape.as_slice(), tokens.values.as_slice()), (&[1, 2][..], &[1.5, -2.0][..]));
        assert!(!tensors.contains("one.positions"));
        let error = tensors.get("all.tokens").unwrap_err();
        assert_eq!(error.to_string(), "burn gave no f32 tensor all.tokens");
    }

    #[test]
    fn a_file_that_is_not_there_or_cut_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golden.safetensors");
        assert!(Tensors::read("burn", &path).is_err());
        fs::write(&path, [9; 4]).unwrap();
        assert!(Tensors::read("burn", &path).is_err());
    }
}

//! Named weights, as they stand in a checkpoint: the form in which models are initialised, saved, loaded and emitted.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// One f32 tensor: its shape and its values, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values, the last axis fastest.
    pub values: Vec<f32>,
}

/// Weights by checkpoint key, in key order, so that whatever is written from them has a fixed order.
///
/// Matrices of linear layers are stored `[d_input, d_output]`, as burn and ONNX `MatMul` take them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(BTreeMap<String, Weight>);

impl Weights {
    /// Adds a tensor under `key`, in place of any that was there.
    pub fn insert(&mut self, key: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        self.0.insert(key.into(), Weight { shape, values });
    }

    /// The tensor of that key.
    ///
    /// # Errors
    /// Names the key when it is missing.
    pub fn get(&self, key: &str) -> anyhow::Result<&Weight> {
        self.0.get(key).with_context(|| format!("the weights have no tensor `{key}`"))
    }

    /// Whether there is a tensor of that key.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The tensor of that key, which is then no longer here.
    ///
    /// # Errors
    /// Names the key when it is missing.
    pub fn take(&mut self, key: &str) -> anyhow::Result<Weight> {
        self.0.remove(key).with_context(|| format!("the weights have no tensor `{key}`"))
    }

    /// The tensors whose keys `chosen` names, and the others.
    #[must_use]
    pub fn partition(self, chosen: impl Fn(&str) -> bool) -> (Self, Self) {
        let (chosen, others) = self.0.into_iter().partition(|(key, _)| chosen(key));
        (Self(chosen), Self(others))
    }

    /// These tensors after `change` was made to each.
    #[must_use]
    pub fn map(mut self, mut change: impl FnMut(&str, &mut Weight)) -> Self {
        for (key, weight) in &mut self.0 {
            change(key, weight);
        }
        self
    }

    /// All tensors in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Weight)> {
        self.0.iter().map(|(key, weight)| (key.as_str(), weight))
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of values in all tensors together.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.0.values().map(|weight| weight.values.len()).sum()
    }

    /// The weights as a safetensors file; the same weights give the same bytes.
    ///
    /// # Errors
    /// When safetensors refuses a tensor.
    pub fn to_safetensors(&self) -> anyhow::Result<Vec<u8>> {
        let bytes: Vec<(&str, &Weight, Vec<u8>)> = self
            .iter()
            .map(|(key, weight)| {
                let bytes = weight.values.iter().flat_map(|v| v.to_le_bytes()).collect();
                (key, weight, bytes)
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(key, weight, bytes)| Ok((*key, TensorView::new(Dtype::F32, weight.shape.clone(), bytes)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(safetensors::serialize(views, None)?)
    }

    /// Reads weights from the bytes of a safetensors file.
    ///
    /// # Errors
    /// When the bytes are no safetensors file, or a tensor is not f32.
    pub fn from_safetensors(bytes: &[u8]) -> anyhow::Result<Self> {
        let file = SafeTensors::deserialize(bytes)?;
        let mut weights = Self::default();
        for (key, view) in file.tensors() {
            ensure!(view.dtype() == Dtype::F32, "tensor `{key}` is {:?}, only f32 is read here", view.dtype());
            let (chunks, []) = view.data().as_chunks::<4>() else {
                bail!("tensor `{key}` ends in the middle of a number");
            };
            let values = chunks.iter().map(|b| f32::from_le_bytes(*b)).collect();
            weights.insert(key, view.shape().to_vec(), values);
        }
        Ok(weights)
    }

    /// Reads weights from a safetensors file.
    ///
    /// # Errors
    /// Names the file when it cannot be read or understood.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Self::from_safetensors(&bytes).with_context(|| format!("reading {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_the_file_and_two_writes_are_identical() {
        let mut weights = Weights::default();
        weights.insert("b.weight", vec![2, 3], vec![1.0, -2.5, 0.0, f32::MIN_POSITIVE, 4.0, 5.0]);
        weights.insert("a.bias", vec![1], vec![-0.0]);
        let bytes = weights.to_safetensors().unwrap();
        assert_eq!(Weights::from_safetensors(&bytes).unwrap(), weights);
        assert_eq!(bytes, weights.clone().to_safetensors().unwrap());
    }
}

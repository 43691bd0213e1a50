//! Our tensors, from theirs: which of them, and what is to be turned.

use super::layout::Layout;
use super::sizes::find;
use super::store::Store;
use crate::weights::Weight;

/// How one of our tensors is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Our key.
    key: String,
    shape: Vec<usize>,
    /// Their tensors, joined along the first axis: timm's key and the shape that it must have.
    parts: Vec<(String, Vec<usize>)>,
    turn: Turn,
}

/// What is done to their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Keep,
    /// `[out, in]` to `[in, out]`.
    Transpose,
    /// `[C, 3, P, P]` to `[P·P·3, C]`, the channel last inside a patch.
    Patches,
}

impl Recipe {
    /// The recipe for our tensor `key` of the shape `shape`, in patches of `patch_side`.
    #[must_use]
    pub fn new(key: &str, shape: &[usize], layout: Layout, patch_side: usize) -> Self {
        let one = |name: &str, shape: Vec<usize>| vec![(name.to_owned(), shape)];
        let (parts, turn) = match (layout, key, shape) {
            (Layout::Glimpse, ..) => (one(key, shape.to_vec()), Turn::Keep),
            (_, "patch_embed.weight", &[_, c]) => {
                (one("patch_embed.proj.weight", vec![c, 3, patch_side, patch_side]), Turn::Patches)
            }
            (_, "patch_embed.bias", _) => (one("patch_embed.proj.bias", shape.to_vec()), Turn::Keep),
            (_, "cls_token" | "mask_token", &[_, c]) => (one(key, vec![1, 1, c]), Turn::Keep),
            (Layout::HuggingFace, _, &[k, m]) if key.ends_with(".qkv.weight") => {
                (three(key, &[m / 3, k]), Turn::Transpose)
            }
            (Layout::HuggingFace, _, &[m]) if key.ends_with(".qkv.bias") => (three(key, &[m / 3]), Turn::Keep),
            (_, _, &[k, m]) => (one(key, vec![m, k]), Turn::Transpose),
            _ => (one(key, shape.to_vec()), Turn::Keep),
        };
        Self { key: key.to_owned(), shape: shape.to_vec(), parts, turn }
    }

    /// Our key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Every name that one of their tensors has in `store`.
    pub fn candidates(&self, store: &Store, layout: Layout) -> impl Iterator<Item = String> {
        self.parts.iter().filter_map(move |(part, _)| find(store, layout, part))
    }

    /// Names of their tensors in `store`, or what is wrong with them.
    ///
    /// # Errors
    /// A line for each tensor that is missing or of another shape.
    pub fn names(&self, store: &Store, layout: Layout) -> Result<Vec<String>, Vec<String>> {
        let mut names = Vec::new();
        let mut faults = Vec::new();
        for (part, shape) in &self.parts {
            let Some(name) = find(store, layout, part) else {
                let published = layout.names(part, store).into_iter().next().unwrap_or_default();
                faults.push(format!("missing: {published} {shape:?}"));
                continue;
            };
            match store.get(&name) {
                Some(entry) if entry.shape != *shape => {
                    faults.push(format!("misshapen: {name} is {:?}, the model asks for {shape:?}", entry.shape));
                }
                _ => names.push(name),
            }
        }
        if faults.is_empty() { Ok(names) } else { Err(faults) }
    }

    /// Makes the tensor of theirs, `names`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn make(&self, store: &Store, names: &[String]) -> anyhow::Result<Weight> {
        let mut values = Vec::new();
        for name in names {
            let part = store.read(name)?;
            if values.is_empty() { values = part } else { values.extend(part) }
        }
        let values = match (self.turn, self.shape.as_slice()) {
            (Turn::Transpose, &[inputs, outputs]) => transposed(&values, outputs, inputs),
            (Turn::Patches, &[inputs, outputs]) => from_convolution(&values, outputs, inputs / 3),
            _ => values,
        };
        Ok(Weight { shape: self.shape.clone(), values })
    }
}

/// Timm's `….attn.qkv.…` as the three that Hugging Face has in its place, each of the shape `shape`.
fn three(key: &str, shape: &[usize]) -> Vec<(String, Vec<usize>)> {
    ["q", "k", "v"].map(|part| (key.replace(".qkv.", &format!(".{part}.")), shape.to_vec())).into()
}

/// # Shapes
/// - `values`: `[rows, columns]`
/// - returns `[columns, rows]`
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..columns {
        turned.extend((0..rows).map(|row| values[row * columns + column]));
    }
    turned
}

/// A convolution whose steps are as long as its kernel is a linear layer on patches.
///
/// # Shapes
/// - `values`: `[C, 3, pixels]`, `pixels` = P·P
/// - returns `[pixels·3, C]`
fn from_convolution(values: &[f32], c: usize, pixels: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for pixel in 0..pixels {
        for channel in 0..3 {
            turned.extend((0..c).map(|out| values[(out * 3 + channel) * pixels + pixel]));
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_turned_and_a_kernel_is_read_pixel_by_pixel() {
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        // Two outputs, three channels, two pixels; a value says all three.
        let values: Vec<f32> =
            (0..12).map(|i| f32::from([0_u8, 100][i / 6]) + [0.0, 10.0, 20.0][i / 2 % 3] + (i % 2) as f32).collect();
        let rows = [[0.0, 100.0], [10.0, 110.0], [20.0, 120.0], [1.0, 101.0], [11.0, 111.0], [21.0, 121.0]];
        assert_eq!(from_convolution(&values, 2, 2), rows.concat());
    }

    #[test]
    fn three_tensors_of_hugging_face_make_one_of_ours() {
        let recipe = Recipe::new("blocks.3.attn.qkv.weight", &[4, 12], Layout::HuggingFace, 16);
        let names: Vec<_> = recipe.parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["blocks.3.attn.q.weight", "blocks.3.attn.k.weight", "blocks.3.attn.v.weight"]);
        assert!(recipe.parts.iter().all(|(_, shape)| *shape == [4, 4]));
    }
}

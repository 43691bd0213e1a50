//! The model's sizes, from its tensors' shapes.

use anyhow::{Context, bail, ensure};

use super::layout::Layout;
use super::store::Store;

/// What the shapes of a checkpoint tell of its model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    pub patch_side: usize,
    /// Patches along a side of the picture that the positions are for.
    pub grid_side: usize,
    /// Width and depth.
    pub encoder: [usize; 2],
    /// Width and depth; none in an encoder alone.
    pub decoder: Option<[usize; 2]>,
    pub mlp_ratio: usize,
    /// How many classes a classifier tells apart.
    pub classes: Option<usize>,
    /// Whether the classifier has a norm of its own, behind the pooling.
    pub has_classifier_norm: bool,
}

impl Sizes {
    /// Reads them off the shapes of `store`. `depths` are those of a configuration file; where there is none, the blocks are
    /// counted.
    ///
    /// # Errors
    /// Names the tensor that tells a size and is missing, or has a shape that no such model's has.
    pub fn of(store: &Store, layout: Layout, depths: [Option<usize>; 2]) -> anyhow::Result<Self> {
        let shape = |key: &str| find(store, layout, key).map(|name| store.get(&name).map_or(&[][..], |e| &e.shape));
        let needed = |key: &str| {
            shape(key).with_context(|| {
                let name = layout.names(key, store).into_iter().next().unwrap_or_default();
                format!("the weights do not fit a masked autoencoder:\n  missing: {name}")
            })
        };
        let [width, 3, patch_side, patch_columns] = *needed("patch_embed.proj.weight")? else {
            bail!(
                "patch_embed.proj.weight is {:?}: a patch embedding is [C, 3, P, P]",
                needed("patch_embed.proj.weight")?
            );
        };
        ensure!(
            patch_side == patch_columns && patch_side > 0 && width > 0,
            "the patches are {patch_side}×{patch_columns} px: a bundle's are square"
        );
        let places = positions(needed("pos_embed")?)?;
        let grid_side = (places as f64).sqrt().round() as usize;
        ensure!(grid_side * grid_side == places, "the {places} positions are not those of a square picture");
        let hidden = needed("blocks.0.mlp.fc1.weight")?.first().copied().unwrap_or_default();
        ensure!(
            hidden > 0 && hidden.is_multiple_of(width),
            "the perceptrons are {hidden} wide: a bundle's are a multiple of the width {width}"
        );
        let depth = |prefix, known: Option<usize>| known.unwrap_or_else(|| depth(store, layout, prefix));
        let decoder = match shape("decoder_embed.weight") {
            Some(&[width, _]) => Some([width, depth("decoder_blocks", depths[1])]),
            Some(other) => bail!("decoder_embed.weight is {other:?}: a matrix was looked for"),
            None => None,
        };
        Ok(Self {
            patch_side,
            grid_side,
            encoder: [width, depth("blocks", depths[0])],
            decoder,
            mlp_ratio: hidden / width,
            classes: shape("head.weight").and_then(|shape| shape.first().copied()),
            has_classifier_norm: shape("fc_norm.weight").is_some(),
        })
    }
}

/// The name under which `store` has the tensor that timm calls `key`.
#[must_use]
pub fn find(store: &Store, layout: Layout, key: &str) -> Option<String> {
    layout.names(key, store).into_iter().find(|name| store.get(name).is_some())
}

/// Patches in a table of positions `[1, L+1, C]`: the class token's row is not one's.
fn positions(shape: &[usize]) -> anyhow::Result<usize> {
    match shape {
        [1, rows, _] if *rows > 1 => Ok(rows - 1),
        other => bail!("the table of positions is {other:?}: [1, L+1, C] was looked for, the class token's row first"),
    }
}

/// One more than the largest number of a block.
fn depth(store: &Store, layout: Layout, prefix: &str) -> usize {
    // Every block has a first norm; a gap among the others is for the list of what is missing.
    let stems = layout.names(&format!("{prefix}.#.norm1.weight"), store);
    let blocks = stems.iter().filter_map(|stem| stem.split_once('#')).flat_map(|(before, _)| {
        let inner = store.names().filter_map(move |name| name.strip_prefix(before)?.split_once('.')?.0.parse().ok());
        inner.map(|block: usize| block + 1)
    });
    blocks.max().unwrap_or(0)
}

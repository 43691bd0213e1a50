//! The decoder as an ONNX file: tokens and the order of the grid in, every patch out.

use glimpse_models::onnx::Dimension;
use glimpse_models::{ModelSpec, Transformer};

use super::block::block;
use super::graph::GraphBuilder;
use crate::weights::Weights;

/// Writes the decoder of `spec`, whose size is `stack`, with `weights`, which are moved into it.
///
/// # Shapes
/// The graph's own:
/// - `tokens`: `[T, C]` with T = N+1, f32; `restore`: `[L]`, i64, 0 for a masked place, i+1 for the i-th visible one
/// - `patches`: `[L, P·P·3]`, f32
///
/// # Errors
/// When a weight of the decoder is missing.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, section 3.
pub fn decoder(spec: &ModelSpec, stack: Transformer, weights: &mut Weights) -> anyhow::Result<Vec<u8>> {
    let grid = spec.grid();
    let (l, d) = (grid.len(), stack.width);
    let doc = "Tokens and where each place of the grid finds its own (0: masked) to every patch of the picture.";
    let mut graph = GraphBuilder::new("decoder", doc, weights, spec.layer_norm_epsilon());
    let tokens = graph.input_f32("tokens", vec![Dimension::symbol("T"), Dimension::fixed(spec.encoder().width)]);
    let restore = graph.input_i64("restore", vec![Dimension::fixed(l)]);

    let x = graph.linear("decoder_embed", &tokens)?; // [N+1, D]
    let class = graph.slice_rows("decoder_embed.class", &x, 0, 1); // [1, D]
    let visible = graph.slice_rows("decoder_embed.visible", &x, 1, i64::MAX); // [N, D]
    // With the mask token in row 0, `restore` is an index into this table as it stands.
    let mask = graph.weight("mask_token")?; // [1, D]
    let choices = graph.concat_rows("restore.choices", &mask, &visible); // [N+1, D]
    let x = graph.node("Gather", "restore.gathered", &[&choices, &restore], Vec::new()); // [L, D]
    let table = graph.positions("decoder_pos_embed", &grid, d); // [L, D]
    let x = graph.node("Add", "restore.placed", &[&x, &table], Vec::new()); // [L, D]
    let mut x = graph.concat_rows("decoder_blocks.input", &class, &x); // [L+1, D]
    for i in 0..stack.depth {
        x = block(&mut graph, &format!("decoder_blocks.{i}"), stack, &x)?; // [L+1, D]
    }
    let x = graph.layer_norm("decoder_norm", &x)?; // [L+1, D]
    let x = graph.slice_rows("decoder_norm.patches", &x, 1, i64::MAX); // [L, D]
    graph.linear("decoder_pred", &x)?; // [L, P·P·3]
    Ok(graph.finish("patches", vec![Dimension::fixed(l), Dimension::fixed(grid.patch_len())]))
}

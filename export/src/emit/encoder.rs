//! The encoder as an ONNX file: visible patches and their positions in, tokens out.

use glimpse_models::onnx::Dimension;
use glimpse_models::{ModelSpec, NormPlace};

use super::block::block;
use super::graph::GraphBuilder;
use crate::weights::Weights;

/// Writes the encoder of `spec` with `weights`, which are moved into it.
///
/// # Shapes
/// The graph's own:
/// - `patches`: `[N, P·P·3]`, f32; `positions`: `[N]`, i64
/// - `tokens`: `[N+1, C]`, f32, the class token first
///
/// # Errors
/// When a weight of the encoder is missing.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, section 3.
pub fn encoder(spec: &ModelSpec, norm: NormPlace, weights: &mut Weights) -> anyhow::Result<Vec<u8>> {
    let (grid, stack) = (spec.grid(), spec.encoder());
    let c = stack.width;
    let doc = "Visible patches of a picture and their places in its grid to tokens, the class token first.";
    let mut graph = GraphBuilder::new("encoder", doc, weights, spec.layer_norm_epsilon());
    let patches = graph.input_f32("patches", vec![Dimension::symbol("N"), Dimension::fixed(grid.patch_len())]);
    let positions = graph.input_i64("positions", vec![Dimension::symbol("N")]);

    let x = graph.linear("patch_embed", &patches)?; // [N, C]
    let table = graph.positions("pos_embed", &grid, c); // [L, C]
    let places = graph.node("Gather", "pos_embed.gathered", &[&table, &positions], Vec::new()); // [N, C]
    let x = graph.node("Add", "patch_embed.placed", &[&x, &places], Vec::new()); // [N, C]
    // The class token stands at no place: nothing is added to it here.
    let class = graph.weight("cls_token")?; // [1, C]
    let mut x = graph.concat_rows("blocks.input", &class, &x); // [N+1, C]
    for i in 0..stack.depth {
        x = block(&mut graph, &format!("blocks.{i}"), stack, &x)?; // [N+1, C]
    }
    if norm == NormPlace::Encoder {
        graph.layer_norm("norm", &x)?; // [N+1, C]
    }
    Ok(graph.finish("tokens", vec![Dimension::symbol("N + 1"), Dimension::fixed(c)]))
}

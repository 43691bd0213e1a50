//! One pre-norm transformer block, as ONNX nodes.
//!
//! The nodes stand in the order that most exporters write, since that is the form that the fusion passes of ONNX tools
//! look for: the attention scale is a `Mul` of its own and GELU is `Div → Erf → Add → Mul → Mul`.

use glimpse_models::Transformer;
use glimpse_models::onnx::AttributeProto;

use super::graph::GraphBuilder;

/// Attention and perceptron, each behind its layer norm and beside a residual.
///
/// # Shapes
/// - `x`: `[T, C]`
/// - returns `[T, C]`
///
/// # Errors
/// When the checkpoint lacks one of the block's weights.
///
/// # Source
/// Dosovitskiy et al. 2020, arXiv:2010.11929, equations 2 and 3.
pub fn block(graph: &mut GraphBuilder, key: &str, stack: Transformer, x: &str) -> anyhow::Result<String> {
    let y = graph.layer_norm(&format!("{key}.norm1"), x)?; // [T, C]
    let y = attention(graph, &format!("{key}.attn"), stack, &y)?; // [T, C]
    let x = graph.node("Add", &format!("{key}.attn.residual"), &[x, &y], Vec::new()); // [T, C]
    let y = graph.layer_norm(&format!("{key}.norm2"), &x)?; // [T, C]
    let y = mlp(graph, &format!("{key}.mlp"), &y)?; // [T, C]
    Ok(graph.node("Add", &format!("{key}.mlp.residual"), &[&x, &y], Vec::new())) // [T, C]
}

/// Multi-head self-attention: q, k and v stand after each other in one product, each split into heads.
///
/// # Shapes
/// - `x`: `[T, C]`
/// - returns `[T, C]`
fn attention(graph: &mut GraphBuilder, key: &str, stack: Transformer, x: &str) -> anyhow::Result<String> {
    let (c, h) = (stack.width, stack.heads);
    let d = c / h;
    let qkv = graph.linear(&format!("{key}.qkv"), x)?; // [T, 3C]
    let [q, k, v] = graph.split(&qkv, c, ["q", "k", "v"].map(|part| format!("{key}.{part}"))); // [T, C]
    let q = heads(graph, &q, [h, d], [1, 0, 2]); // [h, T, d]
    let k = heads(graph, &k, [h, d], [1, 2, 0]); // [h, d, T]
    let v = heads(graph, &v, [h, d], [1, 0, 2]); // [h, T, d]
    let scale = graph.constant_f32("attention.scale", &[], &[(d as f64).powf(-0.5) as f32]);
    let q = graph.node("Mul", &format!("{key}.q.scaled"), &[&q, &scale], Vec::new()); // [h, T, d]
    let scores = graph.node("MatMul", &format!("{key}.scores"), &[&q, &k], Vec::new()); // [h, T, T]
    let shares = AttributeProto::from_i64("axis", -1);
    let shares = graph.node("Softmax", &format!("{key}.shares"), &[&scores], vec![shares]); // [h, T, T]
    let mixed = graph.node("MatMul", &format!("{key}.mixed"), &[&shares, &v], Vec::new()); // [h, T, d]
    let order = AttributeProto::from_i64s("perm", &[1, 0, 2]);
    let rows = graph.node("Transpose", &format!("{key}.mixed.rows"), &[&mixed], vec![order]); // [T, h, d]
    let joined = graph.constant_i64("heads.joined", &[0, c as i64]);
    let rows = graph.node("Reshape", &format!("{key}.joined"), &[&rows, &joined], Vec::new()); // [T, C]
    graph.linear(&format!("{key}.proj"), &rows) // [T, C]
}

/// Splits the width into heads and puts the axes into the order `perm`.
///
/// # Shapes
/// - `x`: `[T, h·d]`
/// - returns `[T, h, d]`, its axes permuted
fn heads(graph: &mut GraphBuilder, x: &str, [h, d]: [usize; 2], perm: [i64; 3]) -> String {
    // In a Reshape, 0 keeps the length of the axis: the token count stays symbolic.
    let apart = graph.constant_i64("heads.apart", &[0, h as i64, d as i64]);
    let apart = graph.node("Reshape", &format!("{x}.apart"), &[x, &apart], Vec::new());
    graph.node("Transpose", &format!("{x}.heads"), &[&apart], vec![AttributeProto::from_i64s("perm", &perm)])
}

/// The two-layer perceptron.
///
/// # Shapes
/// - `x`: `[T, C]`
/// - returns `[T, C]`
fn mlp(graph: &mut GraphBuilder, key: &str, x: &str) -> anyhow::Result<String> {
    let hidden = graph.linear(&format!("{key}.fc1"), x)?; // [T, r·C]
    let hidden = gelu(graph, &format!("{key}.gelu"), &hidden); // [T, r·C]
    graph.linear(&format!("{key}.fc2"), &hidden) // [T, C]
}

/// The erf form of GELU: `x · (1 + erf(x / √2)) · ½`.
///
/// # Source
/// Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
fn gelu(graph: &mut GraphBuilder, key: &str, x: &str) -> String {
    let root = graph.constant_f32("gelu.root_two", &[], &[std::f32::consts::SQRT_2]);
    let one = graph.constant_f32("gelu.one", &[], &[1.0]);
    let half = graph.constant_f32("gelu.half", &[], &[0.5]);
    let y = graph.node("Div", &format!("{key}.scaled"), &[x, &root], Vec::new());
    let y = graph.node("Erf", &format!("{key}.erf"), &[&y], Vec::new());
    let y = graph.node("Add", &format!("{key}.raised"), &[&y, &one], Vec::new());
    let y = graph.node("Mul", &format!("{key}.doubled"), &[x, &y], Vec::new());
    graph.node("Mul", key, &[&y, &half], Vec::new())
}

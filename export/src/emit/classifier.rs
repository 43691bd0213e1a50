//! The classifier as an ONNX file: tokens in, a number for each class out.

use glimpse_models::onnx::{AttributeProto, Dimension};
use glimpse_models::{Classifier, ModelSpec, NormPlace, Pool};

use super::graph::GraphBuilder;
use crate::weights::Weights;

/// Writes the classifier of a model of `spec` with `weights`, which are moved into it.
///
/// # Shapes
/// The graph's own:
/// - `tokens`: `[T, C]` with T = N+1, f32, the class token first
/// - `logits`: `[K]`, f32
///
/// # Errors
/// When a weight of the classifier is missing.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, appendix A.1.
pub fn classifier(spec: &ModelSpec, classifier: &Classifier, weights: &mut Weights) -> anyhow::Result<Vec<u8>> {
    let doc = "An encoder's tokens, the class token first, to a number for each class.";
    let mut graph = GraphBuilder::new("classifier", doc, weights, spec.layer_norm_epsilon());
    let tokens = graph.input_f32("tokens", vec![Dimension::symbol("T"), Dimension::fixed(spec.encoder().width)]);
    let mut x = match classifier.pool {
        Pool::Cls => graph.slice_rows("pooled", &tokens, 0, 1),
        Pool::Mean => {
            let patches = graph.slice_rows("patches", &tokens, 1, i64::MAX); // [N, C]
            graph.node("ReduceMean", "pooled", &[&patches], vec![AttributeProto::from_i64s("axes", &[0])])
        }
    }; // [1, C]
    if classifier.norm == NormPlace::Classifier {
        x = graph.layer_norm("fc_norm", &x)?; // [1, C]
    }
    let x = graph.linear("head", &x)?; // [1, K]
    let shape = graph.constant_i64("classes", &[classifier.classes as i64]);
    graph.node("Reshape", "head.row", &[&x, &shape], Vec::new()); // [K]
    Ok(graph.finish("logits", vec![Dimension::fixed(classifier.classes)]))
}

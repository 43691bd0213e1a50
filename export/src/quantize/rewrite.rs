//! A graph's linear weights, moved into int8 behind `DequantizeLinear`; everything else stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use glimpse_models::onnx::{AttributeProto, Bytes, GraphProto, Message, ModelProto, NodeProto, TensorProto, data_type};

use super::report::relative_error;
use super::scale::Quantized;

/// A linear layer's weights in int8, and what that costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The weight's name: its checkpoint key.
    pub name: String,
    /// `[K, M]`.
    pub shape: [usize; 2],
    /// Root of the mean squared error over that of the mean squared weight.
    pub relative_rms_error: f64,
    /// The largest error of a weight.
    pub max_error: f64,
}

impl Layer {
    fn new(name: String, shape: [usize; 2], weights: &[f32], quantized: &Quantized) -> Self {
        let wide = quantized.widened();
        let errors = weights.iter().zip(&wide).map(|(a, b)| f64::from((a - b).abs()));
        let max_error = errors.fold(0.0, f64::max);
        Self { name, shape, relative_rms_error: relative_error(weights, &wide), max_error }
    }
}

/// Quantizes every weight of a `MatMul` in an ONNX file in f32. Returns the new file and the layers, in the order that
/// they run. The widened weight keeps the name of the old one, so no other node changes.
///
/// # Errors
/// When the file is no ONNX file, has no such weight, or has one that is not finite.
pub fn quantize_graph(onnx: &Bytes) -> anyhow::Result<(Vec<u8>, Vec<Layer>)> {
    let mut model = ModelProto::decode(onnx.clone()).context("the graph is no ONNX file")?;
    let graph = model.graph.as_mut().context("the ONNX file has no graph")?;
    let (layers, constants) = linear_layers(graph)?;
    ensure!(!layers.is_empty(), "the graph has no linear weight in f32 to quantize");
    put_in(graph, constants);
    Ok((model.into_file(), layers))
}

/// What stands for a weight in int8, by the weight's name.
type Constants = BTreeMap<String, [TensorProto; 3]>;

/// Quantizes the 2-D f32 constants on the right of a `MatMul`, each once.
fn linear_layers(graph: &GraphProto) -> anyhow::Result<(Vec<Layer>, Constants)> {
    let constants: BTreeMap<&str, &TensorProto> = graph.initializer.iter().map(|c| (c.name.as_str(), c)).collect();
    let (mut layers, mut found) = (Vec::new(), Constants::new());
    for node in graph.node.iter().filter(|node| node.op_type == "MatMul") {
        let Some(&constant) = node.input.get(1).and_then(|name| constants.get(name.as_str())) else { continue };
        let known = found.contains_key(&constant.name);
        if constant.data_type != data_type::FLOAT || constant.dims.len() != 2 || known {
            continue;
        }
        let shape = [constant.dims[0] as usize, constant.dims[1] as usize];
        let weights = f32_values(constant)?;
        ensure!(
            weights.len() == shape[0] * shape[1] && !weights.is_empty(),
            "weight `{}` has {} values for the shape {shape:?}",
            constant.name,
            weights.len()
        );
        ensure!(weights.iter().all(|w| w.is_finite()), "weight `{}` holds a number that is not finite", constant.name);
        let quantized = Quantized::from_weights(&weights, shape[1]);
        layers.push(Layer::new(constant.name.clone(), shape, &weights, &quantized));
        found.insert(constant.name.clone(), int8_constants(&constant.name, shape, &quantized));
    }
    Ok((layers, found))
}

/// Replaces the layers' constants, and puts the node that widens each of them before the first node that reads it.
fn put_in(graph: &mut GraphProto, mut constants: Constants) {
    let mut waiting: BTreeSet<String> = constants.keys().cloned().collect();
    let old = std::mem::take(&mut graph.initializer);
    for constant in old {
        match constants.remove(&constant.name) {
            Some(int8) => graph.initializer.extend(int8),
            None => graph.initializer.push(constant),
        }
    }
    let old = std::mem::take(&mut graph.node);
    for node in old {
        for input in &node.input {
            if waiting.remove(input) {
                graph.node.push(widen(input));
            }
        }
        graph.node.push(node);
    }
}

fn int8_constants(name: &str, shape: [usize; 2], quantized: &Quantized) -> [TensorProto; 3] {
    let [codes, scale, zero] = constant_names(name);
    let outputs = shape[1];
    [
        TensorProto::from_i8(&codes, &shape, &quantized.codes),
        TensorProto::from_f32(&scale, &[outputs], &quantized.scales),
        // The zero point may be left out, but some runtimes read its absence as uint8.
        TensorProto::from_i8(&zero, &[outputs], &vec![0; outputs]),
    ]
}

fn widen(name: &str) -> NodeProto {
    let [codes, scale, zero] = constant_names(name);
    NodeProto::new("DequantizeLinear", &[&codes, &scale, &zero], &[name], vec![AttributeProto::from_i64("axis", 1)])
}

fn constant_names(name: &str) -> [String; 3] {
    ["quantized", "scale", "zero_point"].map(|part| format!("{name}_{part}"))
}

/// An f32 constant's values, wherever the writer put them.
///
/// # Errors
/// When the constant is not f32.
pub(super) fn f32_values(constant: &TensorProto) -> anyhow::Result<Vec<f32>> {
    if constant.data_type != data_type::FLOAT {
        bail!("constant `{}` is not f32", constant.name);
    }
    if constant.raw_data.is_empty() {
        return Ok(constant.float_data.clone());
    }
    Ok(constant.raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

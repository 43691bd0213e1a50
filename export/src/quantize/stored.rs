//! The weights that a bundle's graphs hold, back under their checkpoint keys: int8 ones widened.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use glimpse_models::onnx::{Bytes, GraphProto, Message, ModelProto, NodeProto, TensorProto, data_type};
use glimpse_models::{Bundle, BundleFile, Files, Manifest, Part, Precision};

use super::rewrite::f32_values;
use super::scale::Quantized;
use crate::emit::inventory::{classifier_inventory, inventory_beside, tables};
use crate::model::sin_cos_positions;
use crate::weights::Weights;

/// The weights of `bundle` in the form `precision`, as burn's model takes them.
///
/// # Errors
/// When the bundle lacks that form, or a graph does not hold the weights that its spec asks for under their keys, as the
/// graphs of another exporter may not.
pub fn stored_weights(bundle: &Bundle, precision: Precision) -> anyhow::Result<Weights> {
    weights_of(bundle.files(), bundle.manifest(), precision)
}

/// The weights of a bundle's files in the form `precision`: those of encoder, decoder and classifier, and the tables of
/// positions that are not the fixed ones.
///
/// # Errors
/// As [`stored_weights`].
pub fn weights_of(files: &Files, manifest: &Manifest, precision: Precision) -> anyhow::Result<Weights> {
    let (spec, name) = (manifest.spec(), manifest.name());
    let classifier = manifest.classifier.as_ref();
    let mut weights = Weights::default();
    for (part, (key, shape)) in Part::ALL.into_iter().zip(tables(spec)) {
        let mut wanted = inventory_beside(spec, classifier, part);
        wanted.push((key.to_owned(), shape.clone()));
        let onnx = files.get(&BundleFile::Graph(part, precision));
        let onnx = onnx.with_context(|| format!("{name} has no {part} in {precision}"))?;
        collect(onnx, &wanted, &mut weights).with_context(|| format!("reading the {precision} {part} of {name}"))?;
        if weights.get(key)?.values == sin_cos_positions(&spec.grid(), shape[1]) {
            weights.take(key)?;
        }
    }
    if let Some(classifier) = classifier {
        let onnx = files.get(&BundleFile::Classifier).with_context(|| format!("{name} has no classifier"))?;
        collect(onnx, &classifier_inventory(spec, classifier), &mut weights)
            .with_context(|| format!("reading the classifier of {name}"))?;
    }
    Ok(weights)
}

/// Adds the weights `wanted` of an ONNX file to `weights`.
///
/// # Errors
/// When one is missing or of another shape.
fn collect(onnx: &Bytes, wanted: &[(String, Vec<usize>)], weights: &mut Weights) -> anyhow::Result<()> {
    let model = ModelProto::decode(onnx.clone()).context("no ONNX file")?;
    let graph = model.graph.context("no graph")?;
    let constants = graph.initializer.iter().map(|constant| (constant.name.as_str(), constant)).collect();
    let widened = widening_nodes(&graph);
    for (key, shape) in wanted {
        let values = match widened.get(key.as_str()) {
            Some(node) => widen(node, &constants)?,
            None => f32_values(named(&constants, key)?)?,
        };
        let stored = widened.get(key.as_str()).map_or(Ok(key.as_str()), |node| input(node, 0))?;
        let stored = &named(&constants, stored)?.dims;
        ensure!(
            stored.iter().copied().eq(shape.iter().map(|&length| length as i64))
                && values.len() == shape.iter().product::<usize>(),
            "`{key}` is {stored:?}, the spec asks for {shape:?}"
        );
        weights.insert(key.clone(), shape.clone(), values);
    }
    Ok(())
}

/// The `DequantizeLinear` nodes by what they make.
fn widening_nodes(graph: &GraphProto) -> BTreeMap<&str, &NodeProto> {
    let nodes = graph.node.iter().filter(|node| node.op_type == "DequantizeLinear");
    nodes.flat_map(|node| node.output.iter().map(move |output| (output.as_str(), node))).collect()
}

fn widen(node: &NodeProto, constants: &BTreeMap<&str, &TensorProto>) -> anyhow::Result<Vec<f32>> {
    let codes = named(constants, input(node, 0)?)?;
    ensure!(codes.data_type == data_type::INT8, "`{}` is not int8", codes.name);
    let scales = f32_values(named(constants, input(node, 1)?)?)?;
    let outputs = codes.dims.last().copied().unwrap_or_default();
    ensure!(
        outputs > 0 && outputs == scales.len() as i64,
        "`{}` has {} scales for {outputs} output channels",
        codes.name,
        scales.len()
    );
    let codes = codes.raw_data.iter().map(|&byte| i8::from_le_bytes([byte])).collect();
    Ok(Quantized { codes, scales }.widened())
}

fn input(node: &NodeProto, index: usize) -> anyhow::Result<&str> {
    node.input.get(index).map(String::as_str).with_context(|| format!("node `{}` has no input {index}", node.name))
}

fn named<'a>(constants: &BTreeMap<&str, &'a TensorProto>, name: &str) -> anyhow::Result<&'a TensorProto> {
    constants.get(name).copied().with_context(|| format!("the graph has no constant `{name}`"))
}

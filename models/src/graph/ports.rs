//! The check of a graph's inputs and outputs.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Subject, type_name};
use crate::onnx::{Dimension, DimensionValue, GraphProto, ValueInfoProto, data_type};
use crate::{Error, ModelSpec, Part};

/// The length that the contract gives an axis.
#[derive(Debug, Clone, Copy)]
enum Axis {
    Fixed(usize),
    Symbol,
}

/// An input or output as the contract has it.
#[derive(Debug)]
struct Port {
    name: &'static str,
    elem_type: i32,
    axes: Vec<Axis>,
}

/// Checks that `graph` takes and gives what the contract says of `subject`.
pub(super) fn check(file: &Path, subject: Subject, spec: &ModelSpec, graph: &GraphProto) -> Result<(), Error> {
    let (inputs, outputs) = expected(subject, spec);
    check_side(file, "inputs", &inputs, &fed_inputs(graph))?;
    let found: Vec<_> = graph.output.iter().collect();
    check_side(file, "outputs", &outputs, &found)
}

/// Inputs and outputs that the contract gives a graph.
fn expected(subject: Subject, spec: &ModelSpec) -> (Vec<Port>, Vec<Port>) {
    use Axis::{Fixed, Symbol};
    let grid = spec.grid();
    let float = |name, axes| Port { name, elem_type: data_type::FLOAT, axes };
    let int64 = |name, axes| Port { name, elem_type: data_type::INT64, axes };
    let tokens = float("tokens", vec![Symbol, Fixed(spec.encoder().width)]);
    match subject {
        Subject::Part(Part::Encoder) => {
            let patches = float("patches", vec![Symbol, Fixed(grid.patch_len())]);
            (vec![patches, int64("positions", vec![Symbol])], vec![tokens])
        }
        Subject::Part(Part::Decoder) => {
            let patches = float("patches", vec![Fixed(grid.len()), Fixed(grid.patch_len())]);
            (vec![tokens, int64("restore", vec![Fixed(grid.len())])], vec![patches])
        }
        Subject::Classifier(classifier) => (vec![tokens], vec![float("logits", vec![Fixed(classifier.classes)])]),
    }
}

/// The inputs less those that only give a constant's shape, as old writers list them.
fn fed_inputs(graph: &GraphProto) -> Vec<&ValueInfoProto> {
    let constants: BTreeSet<&str> = graph.initializer.iter().map(|constant| constant.name.as_str()).collect();
    graph.input.iter().filter(|input| !constants.contains(input.name.as_str())).collect()
}

/// Checks names, element types and shapes of one side, `inputs` or `outputs`.
fn check_side(file: &Path, side: &'static str, expected: &[Port], found: &[&ValueInfoProto]) -> Result<(), Error> {
    if !expected.iter().map(|port| port.name).eq(found.iter().map(|port| port.name.as_str())) {
        let expected: Vec<_> = expected.iter().map(|port| port.name).collect();
        let found: Vec<_> = found.iter().map(|port| port.name.as_str()).collect();
        let (expected, found) = (expected.join(", "), found.join(", "));
        return Err(Error::GraphPorts { file: file.to_owned(), side, expected, found });
    }
    // Patches and positions have one count, so one symbol.
    let mut symbol = None;
    for (expected, found) in expected.iter().zip(found) {
        check_port(file, side, expected, found, &mut symbol)?;
    }
    Ok(())
}

fn check_port<'a>(
    file: &Path,
    side: &'static str,
    expected: &Port,
    found: &'a ValueInfoProto,
    symbol: &mut Option<&'a str>,
) -> Result<(), Error> {
    let port = || format!("`{}` of the {side}", expected.name);
    let tensor = found.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref());
    let elem_type = tensor.map_or(0, |tensor| tensor.elem_type);
    if elem_type != expected.elem_type {
        let expected = if expected.elem_type == data_type::FLOAT { "float" } else { "int64" };
        let found = type_name(elem_type);
        return Err(Error::GraphPortType { file: file.to_owned(), port: port(), expected, found });
    }
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice());
    let Some(dims) = dims.filter(|dims| dims.len() == expected.axes.len()) else {
        let found = dims.map_or_else(|| "unknown".to_owned(), |dims| dims.len().to_string());
        let expected = expected.axes.len();
        return Err(Error::GraphPortRank { file: file.to_owned(), port: port(), expected, found });
    };
    for (axis, (expected, found)) in expected.axes.iter().zip(dims).enumerate() {
        if !fits(*expected, found, symbol) {
            let expected = match (expected, symbol) {
                (Axis::Fixed(length), _) => length.to_string(),
                (Axis::Symbol, None) => "a symbol, such as `N`".to_owned(),
                (Axis::Symbol, Some(symbol)) => format!("`{symbol}`"),
            };
            let found = match &found.value {
                Some(DimensionValue::DimValue(length)) => length.to_string(),
                Some(DimensionValue::DimParam(symbol)) => format!("`{symbol}`"),
                None => "unknown".to_owned(),
            };
            return Err(Error::GraphPortDim { file: file.to_owned(), port: port(), axis, expected, found });
        }
    }
    Ok(())
}

fn fits<'a>(expected: Axis, found: &'a Dimension, symbol: &mut Option<&'a str>) -> bool {
    match (expected, &found.value) {
        (Axis::Fixed(expected), Some(DimensionValue::DimValue(found))) => usize::try_from(*found) == Ok(expected),
        (Axis::Symbol, Some(DimensionValue::DimParam(found))) if !found.is_empty() => {
            *symbol.get_or_insert(found) == found
        }
        _ => false,
    }
}

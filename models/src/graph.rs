//! The check that an ONNX file fits the contract and the spec.

mod ports;

use std::ops::RangeInclusive;
use std::path::Path;

use prost::Message as _;

use crate::onnx::{Bytes, ModelProto, NodeProto, TensorProto, data_type};
use crate::{Classifier, Error, ModelSpec, Part};

const IR_VERSIONS: RangeInclusive<i64> = 8..=10;
const OPSETS: RangeInclusive<i64> = 17..=18;

/// What a graph is to compute.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    /// Half of a masked autoencoder.
    Part(Part),
    /// Tokens to logits.
    Classifier(Classifier),
}

/// Checks the file that holds `subject` of the model that `spec` describes; `file` is the name that errors give it.
pub(crate) fn check(file: &Path, subject: Subject, spec: &ModelSpec, contents: &Bytes) -> Result<(), Error> {
    // From `Bytes`, weights are shared with the buffer and not copied.
    let model =
        ModelProto::decode(contents.clone()).map_err(|reason| Error::GraphSyntax { file: file.to_owned(), reason })?;
    let Some(graph) = &model.graph else {
        return Err(Error::GraphMissing { file: file.to_owned() });
    };
    check_versions(file, &model)?;
    for node in &graph.node {
        check_node(file, node)?;
    }
    for constant in &graph.initializer {
        check_constant(file, &|| constant.name.clone(), constant)?;
    }
    ports::check(file, subject, spec, graph)
}

fn check_versions(file: &Path, model: &ModelProto) -> Result<(), Error> {
    if !IR_VERSIONS.contains(&model.ir_version) {
        return Err(Error::GraphIrVersion { file: file.to_owned(), found: model.ir_version });
    }
    if let Some(foreign) = model.opset_import.iter().find(|opset| !is_standard(&opset.domain)) {
        let (place, domain) = ("`opset_import`".to_owned(), foreign.domain.clone());
        return Err(Error::GraphDomain { file: file.to_owned(), place, domain });
    }
    match model.opset_import.as_slice() {
        [opset] if OPSETS.contains(&opset.version) => Ok(()),
        opsets => {
            let found: Vec<_> = opsets.iter().map(|opset| opset.version.to_string()).collect();
            let found = if found.is_empty() { "none".to_owned() } else { found.join(" and ") };
            Err(Error::GraphOpset { file: file.to_owned(), found })
        }
    }
}

fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn check_node(file: &Path, node: &NodeProto) -> Result<(), Error> {
    let label = || {
        if node.name.is_empty() { node.op_type.clone() } else { node.name.clone() }
    };
    if !is_standard(&node.domain) {
        let (place, domain) = (format!("node `{}` ({})", label(), node.op_type), node.domain.clone());
        return Err(Error::GraphDomain { file: file.to_owned(), place, domain });
    }
    for attribute in &node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            let (node, attribute) = (label(), attribute.name.clone());
            return Err(Error::GraphNested { file: file.to_owned(), node, attribute });
        }
        if let Some(constant) = &attribute.t {
            let name = || format!("{}.{}", label(), attribute.name);
            check_constant(file, &name, constant)?;
        }
    }
    Ok(())
}

/// A constant holds as many bytes as its shape asks for, so that no reader allocates for a shape alone.
fn check_constant(file: &Path, name: &dyn Fn() -> String, constant: &TensorProto) -> Result<(), Error> {
    if constant.data_location != 0 || !constant.external_data.is_empty() {
        return Err(Error::GraphExternalData { file: file.to_owned(), name: name() });
    }
    let Some((size, listed)) = element(constant) else {
        let found = type_name(constant.data_type);
        return Err(Error::GraphConstantType { file: file.to_owned(), name: name(), found });
    };
    let bytes = constant.dims.iter().try_fold(size, |bytes, &dim| bytes.checked_mul(u64::try_from(dim).ok()?));
    let Some(expected) = bytes else {
        return Err(Error::GraphConstantShape { file: file.to_owned(), name: name(), dims: constant.dims.clone() });
    };
    let found = constant.raw_data.len() as u64 + listed as u64 * size;
    if found != expected {
        return Err(Error::GraphConstantSize { file: file.to_owned(), name: name(), expected, found });
    }
    Ok(())
}

/// Bytes an element, and how many elements lie outside `raw_data`; `None` for a type that the contract does not know.
fn element(constant: &TensorProto) -> Option<(u64, usize)> {
    let listed = constant.int32_data.len();
    Some(match constant.data_type {
        data_type::FLOAT => (4, constant.float_data.len()),
        data_type::UINT8 | data_type::INT8 | data_type::BOOL => (1, listed),
        data_type::INT32 => (4, listed),
        data_type::INT64 => (8, constant.int64_data.len()),
        data_type::FLOAT16 => (2, listed),
        data_type::DOUBLE => (8, constant.double_data.len()),
        _ => return None,
    })
}

fn type_name(elem_type: i32) -> String {
    match elem_type {
        data_type::FLOAT => "float".to_owned(),
        data_type::UINT8 => "uint8".to_owned(),
        data_type::INT8 => "int8".to_owned(),
        data_type::INT32 => "int32".to_owned(),
        data_type::INT64 => "int64".to_owned(),
        data_type::BOOL => "bool".to_owned(),
        data_type::FLOAT16 => "float16".to_owned(),
        data_type::DOUBLE => "double".to_owned(),
        other => format!("type {other}"),
    }
}

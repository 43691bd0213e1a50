//! Constants as initializers, whichever way a file has them.

use std::collections::{HashMap, HashSet};

use glimpse_models::onnx::{GraphProto, NodeProto, TensorProto};

/// Makes an initializer of each `Constant`, and has nodes that read an `Identity` of a constant read the constant itself.
pub(super) fn settle(graph: &mut GraphProto) {
    let mut known: HashSet<String> = graph.initializer.iter().map(|constant| constant.name.clone()).collect();
    let mut aliases: HashMap<String, String> = HashMap::new();
    let outputs: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut kept = Vec::new();
    for mut node in std::mem::take(&mut graph.node) {
        for name in &mut node.input {
            if let Some(constant) = aliases.get(name) {
                name.clone_from(constant);
            }
        }
        if let Some(constant) = value(&node) {
            known.insert(constant.name.clone());
            graph.initializer.push(constant);
            continue;
        }
        match (node.op_type.as_str(), node.input.as_slice(), node.output.as_slice()) {
            ("Identity", [from], [to]) if known.contains(from) && !outputs.contains(to) => {
                aliases.insert(to.clone(), from.clone());
            }
            _ => kept.push(node),
        }
    }
    graph.node = kept;
}

/// The tensor that a `Constant` is, under the name of its output.
fn value(node: &NodeProto) -> Option<TensorProto> {
    let tensor = match node.attribute.as_slice() {
        [attribute] if node.op_type == "Constant" => attribute.t.clone(),
        _ => None,
    }?;
    Some(TensorProto { name: node.output.first()?.clone(), ..tensor })
}

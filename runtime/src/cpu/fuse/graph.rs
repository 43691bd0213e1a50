//! Who makes a value of an ONNX graph, and who reads it.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

/// A graph's values, by name.
pub(super) struct Values<'a> {
    makers: HashMap<&'a str, (usize, &'a NodeProto)>,
    reads: HashMap<&'a str, usize>,
    constants: HashMap<&'a str, &'a TensorProto>,
    pub(super) nodes: &'a [NodeProto],
}

impl<'a> Values<'a> {
    pub(super) fn of(graph: &'a GraphProto) -> Self {
        let mut reads = HashMap::new();
        let read = graph.node.iter().flat_map(|node| &node.input).chain(graph.output.iter().map(|output| &output.name));
        for name in read {
            *reads.entry(name.as_str()).or_default() += 1;
        }
        let nodes = graph.node.iter().enumerate();
        let made = nodes.flat_map(|(at, node)| node.output.iter().map(move |name| (name.as_str(), (at, node))));
        let constants = graph.initializer.iter().map(|constant| (constant.name.as_str(), constant)).collect();
        Self { makers: made.collect(), reads, constants, nodes: &graph.node }
    }

    /// The node of that type that makes a value which nothing else reads.
    pub(super) fn only(&self, op_type: &str, value: &str) -> Option<(usize, &'a NodeProto)> {
        let &(at, node) = self.makers.get(value)?;
        (node.op_type == op_type && self.reads.get(value) == Some(&1)).then_some((at, node))
    }

    /// The only node that reads a value, if it is of that type.
    pub(super) fn reader(&self, op_type: &str, value: &str) -> Option<(usize, &'a NodeProto)> {
        let (at, node) = self.nodes.iter().enumerate().find(|(_, node)| node.input.iter().any(|name| name == value))?;
        (node.op_type == op_type && self.reads.get(value) == Some(&1)).then_some((at, node))
    }

    /// A constant list of i64.
    pub(super) fn i64s(&self, name: &str) -> Option<Vec<i64>> {
        let constant = self.constants.get(name)?;
        let read = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes);
        Some(if constant.raw_data.is_empty() {
            constant.int64_data.clone()
        } else {
            constant.raw_data.as_chunks().0.iter().map(read).collect()
        })
    }

    /// A constant f32 that is alone in its tensor.
    pub(super) fn scalar(&self, name: &str) -> Option<f32> {
        let constant = self.constants.get(name)?;
        let raw = constant.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let mut values = raw.chain(constant.float_data.iter().copied());
        let value = values.next();
        value.filter(|_| values.next().is_none())
    }
}

/// The numbers of a node's attribute, as far as it has it.
pub(super) fn ints<'a>(node: &'a NodeProto, name: &str) -> Option<&'a [i64]> {
    Some(&node.attribute.iter().find(|attribute| attribute.name == name)?.ints)
}

/// The number of a node's attribute, as far as it has it.
pub(super) fn int(node: &NodeProto, name: &str) -> Option<i64> {
    Some(node.attribute.iter().find(|attribute| attribute.name == name)?.i)
}

/// A node to put in the place of others.
pub(super) struct Replacement {
    pub(super) node: NodeProto,
    /// Nodes that it replaces; it comes where the last of them stood.
    pub(super) replaced: Vec<usize>,
}

/// Puts nodes in the place of others.
pub(super) fn replace(graph: &mut GraphProto, replacements: Vec<Replacement>) {
    let gone: HashSet<usize> =
        replacements.iter().flat_map(|replacement| replacement.replaced.iter().copied()).collect();
    let mut coming: HashMap<usize, NodeProto> = replacements
        .into_iter()
        .filter_map(|replacement| Some((*replacement.replaced.iter().max()?, replacement.node)))
        .collect();
    let old = std::mem::take(&mut graph.node);
    for (at, node) in old.into_iter().enumerate() {
        if let Some(new) = coming.remove(&at) {
            graph.node.push(new);
        } else if !gone.contains(&at) {
            graph.node.push(node);
        }
    }
}

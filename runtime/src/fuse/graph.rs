//! Who makes a value of an ONNX graph, who reads it, and what is constant.

use std::collections::{HashMap, HashSet};

use glimpse_models::onnx::{AttributeProto, GraphProto, NodeProto, TensorProto, data_type};

use super::operators::Operator;
use super::{Made, PLACEHOLDER};

/// Attributes of a placeholder: which operator of ours it stands for, how that is called, and its widths.
pub(crate) const SLOT: &str = "slot";
const OPERATOR: &str = "operator";
const WIDTHS: &str = "widths";

/// A node and its place in the graph.
pub(crate) type Placed<'a> = (usize, &'a NodeProto);

/// A graph's values, by name.
pub(crate) struct Values<'a> {
    makers: HashMap<&'a str, Placed<'a>>,
    readers: HashMap<&'a str, Vec<Placed<'a>>>,
    outputs: HashSet<&'a str>,
    constants: HashMap<&'a str, &'a TensorProto>,
    pub(crate) nodes: &'a [NodeProto],
}

impl<'a> Values<'a> {
    pub(crate) fn of(graph: &'a GraphProto) -> Self {
        let mut readers: HashMap<_, Vec<_>> = HashMap::new();
        for (at, node) in graph.node.iter().enumerate() {
            for name in &node.input {
                readers.entry(name.as_str()).or_default().push((at, node));
            }
        }
        let nodes = graph.node.iter().enumerate();
        let made = nodes.flat_map(|(at, node)| node.output.iter().map(move |name| (name.as_str(), (at, node))));
        let constants = graph.initializer.iter().map(|constant| (constant.name.as_str(), constant));
        Self {
            makers: made.collect(),
            readers,
            outputs: graph.output.iter().map(|output| output.name.as_str()).collect(),
            constants: constants.collect(),
            nodes: &graph.node,
        }
    }

    /// The node that makes a value.
    pub(crate) fn maker(&self, value: &str) -> Option<Placed<'a>> {
        self.makers.get(value).copied()
    }

    /// The nodes that read a value; none if it is also an output of the graph.
    pub(crate) fn readers(&self, value: &str) -> &[Placed<'a>] {
        if self.outputs.contains(value) {
            return &[];
        }
        self.readers.get(value).map_or(&[], Vec::as_slice)
    }

    /// The node of that type that makes a value which just one node reads.
    pub(crate) fn only(&self, op_type: &str, value: &str) -> Option<Placed<'a>> {
        self.maker(value).filter(|(_, node)| node.op_type == op_type && self.readers(value).len() == 1)
    }

    /// The only node that reads a value, if it is of that type.
    pub(crate) fn reader(&self, op_type: &str, value: &str) -> Option<Placed<'a>> {
        match self.readers(value) {
            [(at, node)] if node.op_type == op_type => Some((*at, node)),
            _ => None,
        }
    }

    /// A constant.
    pub(crate) fn constant(&self, name: &str) -> Option<&'a TensorProto> {
        self.constants.get(name).copied()
    }

    /// A constant list of i64.
    pub(crate) fn i64s(&self, name: &str) -> Option<Vec<i64>> {
        let constant = self.constant(name).filter(|constant| constant.data_type == data_type::INT64)?;
        let read = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes);
        Some(if constant.raw_data.is_empty() {
            constant.int64_data.clone()
        } else {
            constant.raw_data.as_chunks().0.iter().map(read).collect()
        })
    }

    /// A constant's f32 values.
    pub(crate) fn f32s(&self, name: &str) -> Option<Vec<f32>> {
        let constant = self.constant(name).filter(|constant| constant.data_type == data_type::FLOAT)?;
        let raw = constant.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        Some(raw.chain(constant.float_data.iter().copied()).collect())
    }

    /// A constant vector of f32 of that length.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Option<Vec<f32>> {
        let is_vector = self.constant(name)?.dims == [len as i64];
        self.f32s(name).filter(|values| is_vector && values.len() == len)
    }

    /// A constant f32 that is alone in its tensor.
    pub(crate) fn scalar(&self, name: &str) -> Option<f32> {
        self.f32s(name).filter(|values| values.len() == 1)?.first().copied()
    }

    /// The other input of a node of two inputs.
    pub(crate) fn other(node: &'a NodeProto, value: &str) -> Option<&'a str> {
        match node.input.as_slice() {
            [left, right] if left == value && right != value => Some(right),
            [left, right] if right == value && left != value => Some(left),
            _ => None,
        }
    }
}

/// A node's first output.
pub(crate) fn output(node: &NodeProto) -> Option<&str> {
    node.output.first().map(String::as_str)
}

/// A node's input.
pub(crate) fn input(node: &NodeProto, index: usize) -> Option<&str> {
    node.input.get(index).map(String::as_str)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// The numbers of a node's attribute, as far as it has it.
pub(crate) fn ints<'a>(node: &'a NodeProto, name: &str) -> Option<&'a [i64]> {
    Some(&attribute(node, name)?.ints)
}

/// The number of a node's attribute, as far as it has it.
pub(crate) fn int(node: &NodeProto, name: &str) -> Option<i64> {
    Some(attribute(node, name)?.i)
}

/// The f32 of a node's attribute, as far as it has it.
pub(crate) fn float(node: &NodeProto, name: &str) -> Option<f32> {
    Some(attribute(node, name)?.f)
}

/// What a node that stands for an operator of ours says.
pub(crate) struct Placeholder<'a> {
    pub(crate) slot: usize,
    pub(crate) operator: &'a str,
    /// Values in a row of the input, and of the answer; none where the operator takes any.
    pub(crate) widths: Option<[usize; 2]>,
}

/// What a node says, if it stands for an operator of ours.
pub(crate) fn placeholder(node: &NodeProto) -> Option<Placeholder<'_>> {
    let ours = node.op_type == PLACEHOLDER && node.domain.is_empty();
    let widths = match ints(node, WIDTHS).filter(|_| ours)? {
        &[taken, given] => Some([usize::try_from(taken).ok()?, usize::try_from(given).ok()?]),
        _ => None,
    };
    Some(Placeholder {
        slot: usize::try_from(int(node, SLOT)?).ok()?,
        operator: str::from_utf8(&attribute(node, OPERATOR)?.s).ok()?,
        widths,
    })
}

/// An operator to put in the place of nodes.
pub(super) struct Replacement {
    operator: Replacing,
    inputs: Vec<String>,
    output: String,
    /// Nodes that it replaces; it comes where the last of them stood.
    replaced: Vec<usize>,
}

/// What comes in the place of nodes.
enum Replacing {
    /// An operator.
    New(Operator),
    /// The one in that slot, which takes more inputs now.
    Known(usize),
}

impl Replacement {
    /// An operator that has not been there.
    pub(super) fn new(operator: Operator, inputs: &[&str], output: &str, replaced: Vec<usize>) -> Self {
        let inputs = inputs.iter().map(|&name| name.to_owned()).collect();
        Self { operator: Replacing::New(operator), inputs, output: output.to_owned(), replaced }
    }

    /// The operator in a slot, which is among those that are replaced, with these inputs.
    pub(super) fn extended(slot: usize, inputs: &[&str], output: &str, replaced: Vec<usize>) -> Self {
        let inputs = inputs.iter().map(|&name| name.to_owned()).collect();
        Self { operator: Replacing::Known(slot), inputs, output: output.to_owned(), replaced }
    }
}

/// Puts operators in the place of nodes; they go into `made`.
pub(crate) fn replace(graph: &mut GraphProto, replacements: Vec<Replacement>, made: &mut Vec<Made>) {
    let mut gone = HashSet::new();
    let mut coming = HashMap::new();
    for Replacement { operator, inputs, output, mut replaced } in replacements {
        replaced.sort_unstable();
        gone.extend(replaced.iter().copied());
        let old = replaced.iter().map(|&at| &graph.node[at]);
        let (slot, attributes) = match operator {
            Replacing::New(operator) => {
                let widths: Vec<i64> = operator.widths().iter().flatten().map(|&width| width as i64).collect();
                let attributes = vec![
                    AttributeProto::from_i64(SLOT, made.len() as i64),
                    AttributeProto::from_text(OPERATOR, operator.name()),
                    AttributeProto::from_i64s(WIDTHS, &widths),
                ];
                made.push(Made { operator, fused: Vec::new() });
                (made.len() - 1, attributes)
            }
            Replacing::Known(slot) => {
                let known = old.clone().find(|node| placeholder(node).is_some_and(|placed| placed.slot == slot));
                (slot, known.map(|node| node.attribute.clone()).unwrap_or_default())
            }
        };
        if let Some(made) = made.get_mut(slot) {
            made.fused.extend(old.filter(|node| placeholder(node).is_none()).map(|node| node.op_type.clone()));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let node = NodeProto::new(PLACEHOLDER, &inputs, &[&output], attributes);
        coming.extend(replaced.last().map(|&last| (last, node)));
    }
    let old = std::mem::take(&mut graph.node);
    for (at, node) in old.into_iter().enumerate() {
        if let Some(new) = coming.remove(&at) {
            graph.node.push(new);
        } else if !gone.contains(&at) {
            graph.node.push(node);
        }
    }
}

/// Takes out nodes and constants that nothing reads any longer.
pub(crate) fn sweep(graph: &mut GraphProto) {
    let mut read: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut kept = Vec::new();
    // a node comes after those that it reads from
    while let Some(node) = graph.node.pop() {
        if node.output.iter().any(|name| read.contains(name)) {
            read.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|constant| read.contains(&constant.name));
}

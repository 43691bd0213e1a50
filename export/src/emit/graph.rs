//! A small builder of ONNX graphs: nodes are added in the order that they run, weights by their checkpoint key.

use std::collections::BTreeSet;

use glimpse_models::onnx::{
    AttributeProto, Dimension, GraphProto, IR_VERSION, ModelProto, NodeProto, OPSET_VERSION, OperatorSetIdProto,
    TensorProto, ValueInfoProto, data_type,
};

use glimpse_models::PatchGrid;

use crate::model::sin_cos_positions;
use crate::weights::Weights;

/// A graph that is being written. Values go by name; each method that adds a node returns the name of what it makes.
pub struct GraphBuilder<'a> {
    graph: GraphProto,
    weights: &'a mut Weights,
    layer_norm_epsilon: f32,
    constants: BTreeSet<String>,
}

impl<'a> GraphBuilder<'a> {
    /// An empty graph whose weights will be moved out of `weights`.
    pub fn new(name: &str, doc: &str, weights: &'a mut Weights, layer_norm_epsilon: f64) -> Self {
        let graph = GraphProto { name: name.to_owned(), doc_string: doc.to_owned(), ..GraphProto::default() };
        Self { graph, weights, layer_norm_epsilon: layer_norm_epsilon as f32, constants: BTreeSet::new() }
    }

    /// Declares an f32 input.
    pub fn input_f32(&mut self, name: &str, shape: Vec<Dimension>) -> String {
        self.graph.input.push(ValueInfoProto::tensor(name, data_type::FLOAT, shape));
        name.to_owned()
    }

    /// Declares an i64 input.
    pub fn input_i64(&mut self, name: &str, shape: Vec<Dimension>) -> String {
        self.graph.input.push(ValueInfoProto::tensor(name, data_type::INT64, shape));
        name.to_owned()
    }

    /// The weight of that checkpoint key, as an initializer of the same name.
    ///
    /// # Errors
    /// When the checkpoint has no such key.
    pub fn weight(&mut self, key: &str) -> anyhow::Result<String> {
        if self.constants.insert(key.to_owned()) {
            let weight = self.weights.take(key)?;
            self.graph.initializer.push(TensorProto::from_f32(key, &weight.shape, &weight.values));
        }
        Ok(key.to_owned())
    }

    /// An f32 constant; nodes that ask for the same name share it.
    pub fn constant_f32(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        if self.constants.insert(name.to_owned()) {
            self.graph.initializer.push(TensorProto::from_f32(name, shape, values));
        }
        name.to_owned()
    }

    /// A vector of i64 as a constant; nodes that ask for the same name share it.
    pub fn constant_i64(&mut self, name: &str, values: &[i64]) -> String {
        if self.constants.insert(name.to_owned()) {
            self.graph.initializer.push(TensorProto::from_i64(name, &[values.len()], values));
        }
        name.to_owned()
    }

    /// The table of positions `key`: the weight of that name, or else sines and cosines.
    ///
    /// # Shapes
    /// - the constant: `[L, width]`
    pub fn positions(&mut self, key: &str, grid: &PatchGrid, width: usize) -> String {
        let table = self.weights.take(key).map_or_else(|_| sin_cos_positions(grid, width), |stored| stored.values);
        self.constant_f32(key, &[grid.len(), width], &table)
    }

    /// One operator with one output, which is named `name`.
    pub fn node(&mut self, op_type: &str, name: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        self.graph.node.push(NodeProto::new(op_type, inputs, &[name], attributes));
        name.to_owned()
    }

    /// Cuts the matrix `x` into parts of `width` columns, named `names`.
    pub fn split<const K: usize>(&mut self, x: &str, width: usize, names: [String; K]) -> [String; K] {
        let widths = self.constant_i64("split.widths", &[width as i64; K]);
        let outputs = names.each_ref().map(String::as_str);
        let axis = AttributeProto::from_i64("axis", 1);
        self.graph.node.push(NodeProto::new("Split", &[x, &widths], &outputs, vec![axis]));
        names
    }

    /// `x·W + b` with the weights `<key>.weight` `[K, M]` and `<key>.bias` `[M]`.
    ///
    /// # Errors
    /// When the checkpoint lacks one of them.
    pub fn linear(&mut self, key: &str, x: &str) -> anyhow::Result<String> {
        let weight = self.weight(&format!("{key}.weight"))?;
        let bias = self.weight(&format!("{key}.bias"))?;
        let product = self.node("MatMul", &format!("{key}.product"), &[x, &weight], Vec::new());
        Ok(self.node("Add", key, &[&product, &bias], Vec::new()))
    }

    /// The layer norm over the last axis, with the weights `<key>.weight` and `<key>.bias`.
    ///
    /// # Errors
    /// When the checkpoint lacks one of them.
    pub fn layer_norm(&mut self, key: &str, x: &str) -> anyhow::Result<String> {
        let weight = self.weight(&format!("{key}.weight"))?;
        let bias = self.weight(&format!("{key}.bias"))?;
        let attributes =
            vec![AttributeProto::from_i64("axis", -1), AttributeProto::from_f32("epsilon", self.layer_norm_epsilon)];
        Ok(self.node("LayerNormalization", key, &[x, &weight, &bias], attributes))
    }

    /// The rows of `x` from `start` up to `end`; an `end` of [`i64::MAX`] takes all that are left.
    pub fn slice_rows(&mut self, name: &str, x: &str, start: i64, end: i64) -> String {
        let row = |value: i64| format!("row.{}", if value == i64::MAX { "end".to_owned() } else { value.to_string() });
        let start = self.constant_i64(&row(start), &[start]);
        let end = self.constant_i64(&row(end), &[end]);
        let axes = self.constant_i64("axis.rows", &[0]);
        self.node("Slice", name, &[x, &start, &end, &axes], Vec::new())
    }

    /// `above` and `below` as one matrix, row upon row.
    pub fn concat_rows(&mut self, name: &str, above: &str, below: &str) -> String {
        self.node("Concat", name, &[above, below], vec![AttributeProto::from_i64("axis", 0)])
    }

    /// Makes what the last node yields the graph's f32 output, under the name `name`, and encodes the file.
    pub fn finish(mut self, name: &str, shape: Vec<Dimension>) -> Vec<u8> {
        if let Some(last) = self.graph.node.last_mut() {
            last.output = vec![name.to_owned()];
        }
        self.graph.output.push(ValueInfoProto::tensor(name, data_type::FLOAT, shape));
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "glimpse-export".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET_VERSION }],
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        model.into_file()
    }
}

#[cfg(test)]
mod tests {
    use glimpse_models::onnx::Message as _;

    use super::*;

    #[test]
    fn a_file_reads_back_as_what_was_written() {
        let mut weights = Weights::default();
        weights.insert("a.weight", vec![2, 3], (0..6).map(|i| i as f32 / 3.0).collect());
        weights.insert("a.bias", vec![3], vec![-1.0, 0.0, 200.0]);
        let mut graph = GraphBuilder::new("small", "a linear layer", &mut weights, 1e-6);
        let x = graph.input_f32("x", vec![Dimension::symbol("N"), Dimension::fixed(2)]);
        graph.linear("a", &x).unwrap();
        let shown = graph.graph.clone();
        let file = graph.finish("y", vec![Dimension::symbol("N"), Dimension::fixed(3)]);
        let model = ModelProto::decode(file.as_slice()).unwrap();
        let read = model.graph.unwrap();
        assert_eq!((model.ir_version, model.opset_import[0].version), (IR_VERSION, OPSET_VERSION));
        assert_eq!((read.initializer, read.input), (shown.initializer, shown.input));
        assert_eq!((read.node.len(), read.output[0].name.as_str()), (2, "y"));
        assert!(weights.is_empty(), "what is written is no longer held");
    }
}

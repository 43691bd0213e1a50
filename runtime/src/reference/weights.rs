//! A graph's weights by their names.

use std::collections::BTreeMap;

use glimpse_models::onnx::{Bytes, GraphProto, Message, ModelProto, TensorProto, data_type};
use ndarray::{Array2, ArrayView1, ArrayView2};

use crate::{Error, Result};

/// The weights of an ONNX graph that Glimpse exported, int8 ones widened.
#[derive(Debug, Clone)]
pub struct Weights(BTreeMap<String, Array2<f32>>);

impl Weights {
    /// Reads them from an ONNX file. A vector is kept as a matrix of one row; what is neither is passed over.
    ///
    /// # Errors
    /// [`Error::WeightMissing`] if the file is no ONNX file.
    pub fn from_onnx(file: &[u8]) -> Result<Self> {
        let missing = |_| Error::WeightMissing { name: "graph".to_owned() };
        let model = ModelProto::decode(Bytes::copy_from_slice(file)).map_err(missing)?;
        let graph = model.graph.unwrap_or_default();
        let tensors = graph.initializer.iter();
        let stored: BTreeMap<String, Array2<f32>> =
            tensors.filter_map(|tensor| Some((tensor.name.clone(), matrix(tensor)?))).collect();
        let widened = widened(&graph, &stored);
        Ok(Self(stored.into_iter().chain(widened).collect()))
    }

    /// The matrix of that name.
    ///
    /// # Errors
    /// [`Error::WeightMissing`].
    pub fn matrix(&self, name: &str) -> Result<ArrayView2<'_, f32>> {
        let missing = || Error::WeightMissing { name: name.to_owned() };
        self.0.get(name).map(|matrix| matrix.view()).ok_or_else(missing)
    }

    /// The vector of that name.
    ///
    /// # Errors
    /// [`Error::WeightMissing`].
    pub fn vector(&self, name: &str) -> Result<ArrayView1<'_, f32>> {
        let matrix = self.matrix(name)?;
        let missing = |_| Error::WeightMissing { name: name.to_owned() };
        let len = matrix.len();
        matrix.into_shape_with_order(len).map_err(missing)
    }
}

fn matrix(tensor: &TensorProto) -> Option<Array2<f32>> {
    let (rows, cols) = match *tensor.dims.as_slice() {
        [cols] => (1, cols as usize),
        [rows, cols] => (rows as usize, cols as usize),
        _ => return None,
    };
    let values: Vec<f32> = match tensor.data_type {
        data_type::FLOAT => {
            let words = tensor.raw_data.as_chunks::<4>().0;
            words.iter().map(|&word| f32::from_le_bytes(word)).collect()
        }
        data_type::INT8 => tensor.raw_data.iter().map(|&byte| f32::from(byte.cast_signed())).collect(),
        _ => return None,
    };
    Array2::from_shape_vec((rows, cols), values).ok()
}

/// What the graph's `DequantizeLinear` nodes make of its int8 weights: code times its column's scale.
fn widened(graph: &GraphProto, stored: &BTreeMap<String, Array2<f32>>) -> BTreeMap<String, Array2<f32>> {
    let nodes = graph.node.iter().filter(|node| node.op_type == "DequantizeLinear");
    let widen = nodes.filter_map(|node| match (node.input.as_slice(), node.output.as_slice()) {
        ([codes, scale, ..], [name]) => Some((name.clone(), stored.get(codes)? * stored.get(scale)?)),
        _ => None,
    });
    widen.collect()
}

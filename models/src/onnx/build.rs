//! Short ways to write the messages.

use super::{
    AttributeProto, Bytes, Dimension, DimensionValue, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto, attribute_type, data_type,
};

impl TensorProto {
    /// A tensor of f32 values, row-major.
    #[must_use]
    pub fn from_f32(name: &str, dims: &[usize], values: &[f32]) -> Self {
        Self::raw(name, dims, data_type::FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A tensor of int8 values, row-major.
    #[must_use]
    pub fn from_i8(name: &str, dims: &[usize], values: &[i8]) -> Self {
        Self::raw(name, dims, data_type::INT8, values.iter().map(|value| value.to_le_bytes()[0]).collect())
    }

    /// A tensor of i64 values, row-major.
    #[must_use]
    pub fn from_i64(name: &str, dims: &[usize], values: &[i64]) -> Self {
        Self::raw(name, dims, data_type::INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn raw(name: &str, dims: &[usize], data_type: i32, raw_data: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type,
            raw_data: Bytes::from(raw_data),
            ..Self::default()
        }
    }
}

impl NodeProto {
    /// An operator of the standard domain, named after its first output.
    #[must_use]
    pub fn new(op_type: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> Self {
        Self {
            name: outputs.first().copied().unwrap_or_default().to_owned(),
            op_type: op_type.to_owned(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: outputs.iter().map(|&name| name.to_owned()).collect(),
            attribute,
            ..Self::default()
        }
    }
}

impl AttributeProto {
    /// A setting that is a float.
    #[must_use]
    pub fn from_f32(name: &str, f: f32) -> Self {
        Self { name: name.to_owned(), f, r#type: attribute_type::FLOAT, ..Self::default() }
    }

    /// A setting that is an integer.
    #[must_use]
    pub fn from_i64(name: &str, i: i64) -> Self {
        Self { name: name.to_owned(), i, r#type: attribute_type::INT, ..Self::default() }
    }

    /// A setting that is a list of integers.
    #[must_use]
    pub fn from_i64s(name: &str, ints: &[i64]) -> Self {
        Self { name: name.to_owned(), ints: ints.to_vec(), r#type: attribute_type::INTS, ..Self::default() }
    }

    /// A setting that is a string.
    #[must_use]
    pub fn from_text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), s: text.into(), r#type: attribute_type::STRING, ..Self::default() }
    }

    /// A setting that is a tensor.
    #[must_use]
    pub fn from_tensor(name: &str, t: TensorProto) -> Self {
        Self { name: name.to_owned(), t: Some(t), r#type: attribute_type::TENSOR, ..Self::default() }
    }
}

impl ValueInfoProto {
    /// A tensor's name, element type (one of [`data_type`]) and shape.
    #[must_use]
    pub fn tensor(name: &str, elem_type: i32, dim: Vec<Dimension>) -> Self {
        let tensor = TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) };
        Self { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    }
}

impl Dimension {
    /// An axis of fixed length.
    #[must_use]
    pub fn fixed(length: usize) -> Self {
        Self { value: Some(DimensionValue::DimValue(length as i64)) }
    }

    /// An axis whose length has a name.
    #[must_use]
    pub fn symbol(name: &str) -> Self {
        Self { value: Some(DimensionValue::DimParam(name.to_owned())) }
    }
}

//! A product with constant weights, and what follows it: a bias, GELU.

use std::f32::consts::SQRT_2;

use glimpse_kernels::{int8, linear};
use glimpse_models::onnx::{NodeProto, TensorProto, data_type};

use super::graph::{Replacement, Values, input, int, output};
use crate::cpu::Arithmetic;
use crate::cpu::ops::{Layer, Linear};

/// How far a constant may be from what GELU's formula has.
const CLOSE: f32 = 1e-6;

/// Finds the products of rows with constant weights. Their arithmetic is int8 if they are and that is asked for.
pub(super) fn find(values: &Values, arithmetic: Arithmetic) -> Vec<Replacement> {
    let products = values.nodes.iter().enumerate().filter(|(_, node)| node.op_type == "MatMul");
    products.filter_map(|(at, node)| around(values, at, node, arithmetic)).collect()
}

/// The layer around a product.
fn around(values: &Values, at: usize, product: &NodeProto, arithmetic: Arithmetic) -> Option<Replacement> {
    let stored = Stored::of(values, input(product, 1)?)?;
    let mut replaced = vec![at];
    let mut made = output(product)?;

    let bias = values.reader("Add", made).and_then(|(at, add)| {
        let bias = values.vector(Values::other(add, made)?, stored.outputs())?;
        Some((at, add, bias))
    });
    let mut offsets = Vec::new();
    if let Some((at, add, bias)) = bias {
        replaced.push(at);
        (made, offsets) = (output(add)?, bias);
    }

    let activation = gelu(values, made);
    let gelu = activation.is_some();
    if let Some((nodes, answer)) = activation {
        replaced.extend(nodes);
        made = answer;
    }

    let layer = stored.packed(&offsets, arithmetic)?;
    Some(Replacement::new(Linear { layer, gelu }, &[input(product, 0)?], made, replaced))
}

/// Weights as a file has them.
enum Stored {
    F32 {
        /// `K`
        inputs: usize,
        /// `[K, C]`
        values: Vec<f32>,
    },
    Int8 {
        /// `K`
        inputs: usize,
        /// `[K, C]`
        codes: Vec<i8>,
        /// `[C]`
        scale: Vec<f32>,
    },
}

impl Stored {
    /// The constant matrix of that name, or the int8 one that a `DequantizeLinear` makes it of.
    fn of(values: &Values, name: &str) -> Option<Self> {
        if let Some((_, node)) = values.maker(name) {
            return if node.op_type == "DequantizeLinear" { Self::widened(values, node) } else { None };
        }
        let [inputs, outputs] = shape(values.constant(name)?)?;
        let values = values.f32s(name).filter(|values| values.len() == inputs * outputs)?;
        Some(Self::F32 { inputs, values })
    }

    /// int8 with one scale a column or one in all, and no zero point but 0.
    fn widened(values: &Values, widen: &NodeProto) -> Option<Self> {
        let codes = values.constant(input(widen, 0)?).filter(|codes| codes.data_type == data_type::INT8)?;
        let [inputs, outputs] = shape(codes).filter(|[inputs, outputs]| codes.raw_data.len() == inputs * outputs)?;
        let zero = values.constant(input(widen, 2)?)?;
        let is_zero = zero.raw_data.iter().all(|&byte| byte == 0) && zero.int32_data.iter().all(|&value| value == 0);
        let mut scale = values.f32s(input(widen, 1)?)?;
        match scale.as_slice() {
            &[one] => scale = vec![one; outputs],
            scale if scale.len() == outputs && [1, -1].contains(&int(widen, "axis").unwrap_or(1)) => {}
            _ => return None,
        }
        let codes = codes.raw_data.iter().map(|&byte| byte.cast_signed());
        is_zero.then(|| Self::Int8 { inputs, codes: codes.collect(), scale })
    }

    /// `C`
    fn outputs(&self) -> usize {
        match self {
            Self::F32 { inputs, values } => values.len() / inputs.max(&1),
            Self::Int8 { scale, .. } => scale.len(),
        }
    }

    /// As they are multiplied.
    fn packed(&self, bias: &[f32], arithmetic: Arithmetic) -> Option<Layer> {
        match (self, arithmetic) {
            (Self::F32 { inputs, values }, _) => linear::Weights::pack(*inputs, values, bias).map(Layer::F32),
            (Self::Int8 { inputs, codes, scale }, Arithmetic::Int8(family)) => {
                int8::Weights::pack(family, *inputs, codes, scale, bias).map(Layer::Int8)
            }
            (Self::Int8 { inputs, codes, scale }, Arithmetic::F32) => {
                let rows = codes.chunks_exact(scale.len().max(1));
                let values: Vec<f32> =
                    rows.flat_map(|row| row.iter().zip(scale).map(|(&code, scale)| f32::from(code) * scale)).collect();
                linear::Weights::pack(*inputs, &values, bias).map(Layer::F32)
            }
        }
    }
}

/// A matrix's shape.
fn shape(constant: &TensorProto) -> Option<[usize; 2]> {
    let &[inputs, outputs] = constant.dims.as_slice() else { return None };
    Some([usize::try_from(inputs).ok()?, usize::try_from(outputs).ok()?])
}

/// The nodes of a GELU that begins with a value, and what it makes: `x · (1 + erf(x / √2)) · ½`, multiplied in any order.
fn gelu<'a>(values: &Values<'a>, x: &str) -> Option<(Vec<usize>, &'a str)> {
    let is = |name: &str, wanted: f32| values.scalar(name).is_some_and(|value| (value - wanted).abs() <= CLOSE);
    let is_half = |name: &str| is(name, 0.5);
    let readers = values.readers(x);
    let (at, divide) = *readers.iter().find(|(_, node)| node.op_type == "Div")?;
    let erf = values.reader("Erf", output(divide)?)?;
    let raised = values.reader("Add", output(erf.1)?)?;
    let divided = readers.len() == 2 && input(divide, 0)? == x && is(input(divide, 1)?, SQRT_2);
    if !divided || !is(Values::other(raised.1, output(erf.1)?)?, 1.0) {
        return None;
    }
    let mut nodes = vec![at, erf.0, raised.0];
    // what is multiplied is `made`, by `x` and by a half
    let mut made = output(raised.1)?;
    let (mut by_x, mut by_half) = (false, false);
    while !(by_x && by_half) {
        let (at, multiply) = values.reader("Mul", made)?;
        let factor = Values::other(multiply, made)?;
        if !by_x && (factor == x || (!by_half && halved(values, factor, x, is_half, &mut nodes))) {
            by_half |= factor != x;
            by_x = true;
        } else if !by_half && is_half(factor) {
            by_half = true;
        } else {
            return None;
        }
        nodes.push(at);
        made = output(multiply)?;
    }
    Some((nodes, made))
}

/// Whether a value is `x · ½`, made for one reader alone; its node is added to `nodes`.
fn halved(values: &Values, value: &str, x: &str, is_half: impl Fn(&str) -> bool, nodes: &mut Vec<usize>) -> bool {
    let half = values.only("Mul", value).filter(|(_, node)| Values::other(node, x).is_some_and(is_half));
    nodes.extend(half.map(|(at, _)| at));
    half.is_some()
}

//! A product with constant weights, and what follows it: a bias, GELU.

use std::f32::consts::SQRT_2;

use glimpse_models::onnx::{Bytes, NodeProto, TensorProto, data_type};

use super::graph::{Replacement, Values, input, int, output};
use super::operators::{Linear, Operator, Weights};

/// How far a constant may be from what GELU's formula has.
const CLOSE: f32 = 1e-6;

/// Finds the products of rows with constant weights.
pub(super) fn find(values: &Values) -> Vec<Replacement> {
    let products = values.nodes.iter().enumerate().filter(|(_, node)| node.op_type == "MatMul");
    products.filter_map(|(at, node)| around(values, at, node)).collect()
}

/// The layer around a product.
fn around(values: &Values, at: usize, product: &NodeProto) -> Option<Replacement> {
    let weights = stored(values, input(product, 1)?)?;
    let mut replaced = vec![at];
    let mut made = output(product)?;

    let bias = values.reader("Add", made).and_then(|(at, add)| {
        let bias = values.vector(Values::other(add, made)?, weights.outputs())?;
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

    let layer = Linear { weights, bias: offsets, gelu };
    Some(Replacement::new(Operator::Linear(layer), &[input(product, 0)?], made, replaced))
}

/// The constant matrix of that name, or the int8 one that a `DequantizeLinear` makes it of.
fn stored(values: &Values, name: &str) -> Option<Weights> {
    if let Some((_, node)) = values.maker(name) {
        return if node.op_type == "DequantizeLinear" { int8(values, node) } else { None };
    }
    let constant = values.constant(name).filter(|constant| constant.data_type == data_type::FLOAT)?;
    let [inputs, outputs] = shape(constant)?;
    let values = if constant.raw_data.is_empty() {
        constant.float_data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    } else {
        constant.raw_data.clone()
    };
    (values.len() == inputs * outputs * size_of::<f32>()).then_some(Weights::F32 { inputs, values })
}

/// int8 with one scale a column or one in all, and no zero point but 0.
fn int8(values: &Values, widen: &NodeProto) -> Option<Weights> {
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
    is_zero.then(|| Weights::Int8 { inputs, codes: Bytes::clone(&codes.raw_data), scale })
}

/// The shape of a matrix that has a value at least.
fn shape(constant: &TensorProto) -> Option<[usize; 2]> {
    let &[inputs, outputs] = constant.dims.as_slice() else { return None };
    let shape = [usize::try_from(inputs).ok()?, usize::try_from(outputs).ok()?];
    (!shape.contains(&0)).then_some(shape)
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

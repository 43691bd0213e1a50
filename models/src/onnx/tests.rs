//! Messages, there and back, and as other programs write them.

use proptest::prelude::*;

use super::*;

fn tensors() -> impl Strategy<Value = TensorProto> {
    let values = proptest::collection::vec(-1e6..1e6_f32, 0..20);
    ("[a-z.]{0,9}", values.clone(), any::<bool>(), any::<[i64; 2]>()).prop_map(|(name, values, raw, dims)| {
        let tensor = TensorProto::from_f32(&name, &[values.len()], &values);
        if raw {
            tensor
        } else {
            TensorProto { raw_data: Bytes::new(), float_data: values, dims: dims.to_vec(), ..tensor }
        }
    })
}

fn attributes() -> impl Strategy<Value = AttributeProto> {
    prop_oneof![
        any::<i64>().prop_map(|i| AttributeProto::from_i64("axis", i)),
        (-1e6..1e6_f32).prop_map(|f| AttributeProto::from_f32("epsilon", f)),
        proptest::collection::vec(any::<i64>(), 0..5).prop_map(|ints| AttributeProto::from_i64s("perm", &ints)),
        ".{0,9}".prop_map(|text| AttributeProto::from_text("mode", &text)),
        tensors().prop_map(|t| AttributeProto::from_tensor("value", t)),
    ]
}

fn ports() -> impl Strategy<Value = ValueInfoProto> {
    let axis = prop_oneof![(0_usize..9).prop_map(Dimension::fixed), "[A-Z ]{0,3}".prop_map(|s| Dimension::symbol(&s))];
    ("[a-z]{0,9}", 0..17, proptest::collection::vec(axis, 0..4))
        .prop_map(|(name, elem_type, dims)| ValueInfoProto::tensor(&name, elem_type, dims))
}

fn models() -> impl Strategy<Value = ModelProto> {
    let nodes = proptest::collection::vec(attributes(), 0..4)
        .prop_map(|attribute| NodeProto::new("Gemm", &["a", "b"], &["c"], attribute));
    let list = |size| proptest::collection::vec(ports(), size);
    (
        proptest::collection::vec(nodes, 0..4),
        proptest::collection::vec(tensors(), 0..4),
        list(0..4),
        list(0..4),
        any::<i64>(),
    )
        .prop_map(|(node, initializer, input, output, ir_version)| ModelProto {
            ir_version,
            producer_name: "glimpse".to_owned(),
            graph: Some(GraphProto { node, initializer, input, output, ..GraphProto::default() }),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET_VERSION }],
            ..ModelProto::default()
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(model in models()) {
        let bytes = Bytes::from(model.encode_to_vec());
        prop_assert_eq!(ModelProto::decode(bytes).unwrap(), model);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ModelProto::decode(Bytes::from(bytes));
    }
}

#[test]
fn weights_are_shared_and_not_copied() {
    let graph = GraphProto { initializer: vec![TensorProto::from_i8("w", &[64], &[7; 64])], ..GraphProto::default() };
    let file = Bytes::from(ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec());
    let model = ModelProto::decode(file.clone()).unwrap();
    let weights = &model.graph.unwrap().initializer[0].raw_data;
    assert!(file.as_ptr_range().contains(&weights.as_ptr()));
}

#[test]
fn the_wire_format_is_onnx_s() {
    // A float tensor `b` of shape [1] that holds 1.0, worked out by hand from the field numbers of `onnx.proto`.
    let written = [0x08, 0x01, 0x10, 0x01, 0x22, 0x04, 0x00, 0x00, 0x80, 0x3f, 0x42, 0x01, b'b'];
    let tensor = TensorProto::decode(&written[..]).unwrap();
    assert_eq!((tensor.name.as_str(), tensor.dims.as_slice()), ("b", &[1][..]));
    assert_eq!((tensor.data_type, tensor.float_data.as_slice()), (data_type::FLOAT, &[1.0][..]));
}

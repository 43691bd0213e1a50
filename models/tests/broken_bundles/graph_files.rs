//! ONNX files with a right hash that are not what the contract allows.

use std::fs;

use glimpse_models::Error;
use glimpse_models::onnx::{
    AttributeProto, GraphProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
};

use crate::assert_broken;
use crate::folder::Folder;

const FILES: [&str; 5] = ["encoder.onnx", "decoder.onnx", "encoder.int8.onnx", "decoder.int8.onnx", "classifier.onnx"];

#[test]
fn truncated() {
    for name in FILES {
        let folder = Folder::whole();
        let contents = fs::read(folder.path(name)).unwrap();
        let folder = folder.put(name, &contents[..contents.len() / 2]);
        assert_broken!(folder, Error::GraphSyntax { .. }, &format!("tiny/{name}"), "cut short");
    }
}

#[test]
fn truncated_anywhere() {
    let mut folder = Folder::whole();
    let contents = fs::read(folder.path("encoder.int8.onnx")).unwrap();
    for len in 0..contents.len() {
        folder = folder.put("encoder.int8.onnx", &contents[..len]);
        let message = folder.open().unwrap_err().to_string();
        assert!(message.contains("encoder.int8.onnx"), "{len}: {message}");
    }
}

#[test]
fn not_onnx_at_all() {
    let folder = Folder::whole().put("encoder.onnx", b"\x89PNG\r\n\x1a\n");
    assert_broken!(folder, Error::GraphSyntax { .. }, "tiny/encoder.onnx");
    let folder = Folder::whole().put("decoder.onnx", b"");
    assert_broken!(folder, Error::GraphMissing { .. }, "tiny/decoder.onnx", "`graph`");
}

#[test]
fn without_a_graph() {
    let folder = Folder::whole().edit_model("encoder.onnx", |model| model.graph = None);
    assert_broken!(folder, Error::GraphMissing { .. }, "tiny/encoder.onnx", "`graph`");
}

#[test]
fn of_another_container_version() {
    for version in [0, 3, 11, -1] {
        let folder = Folder::whole().edit_model("encoder.onnx", |model| model.ir_version = version);
        let found = format!("`ir_version` is {version}:");
        assert_broken!(folder, Error::GraphIrVersion { .. }, "tiny/encoder.onnx", &found);
    }
}

#[test]
fn of_another_operator_set() {
    for version in [0, 16, 19] {
        let folder = Folder::whole().edit_model("decoder.onnx", |model| {
            model.opset_import[0].version = version;
        });
        let found = format!("`opset_import` gives version {version} ");
        assert_broken!(folder, Error::GraphOpset { .. }, "tiny/decoder.onnx", &found);
    }
    let folder = Folder::whole().edit_model("decoder.onnx", |model| model.opset_import.clear());
    assert_broken!(folder, Error::GraphOpset { .. }, "tiny/decoder.onnx", "version none");
    let folder = Folder::whole().edit_model("decoder.onnx", |model| {
        model.opset_import.push(OperatorSetIdProto { domain: "ai.onnx".to_owned(), version: 18 });
    });
    assert_broken!(folder, Error::GraphOpset { .. }, "tiny/decoder.onnx", "version 17 and 18");
}

#[test]
fn with_foreign_operators() {
    let domain = || "com.microsoft".to_owned();
    let folder = Folder::whole().edit_model("encoder.onnx", |model| {
        model.opset_import.push(OperatorSetIdProto { domain: domain(), version: 1 });
    });
    assert_broken!(folder, Error::GraphDomain { .. }, "tiny/encoder.onnx", "`opset_import`", "`com.microsoft`");
    let folder = Folder::whole().edit_graph("encoder.onnx", |graph| graph.node[0].domain = domain());
    assert_broken!(folder, Error::GraphDomain { .. }, "tiny/encoder.onnx", "`embedded` (MatMul)", "`com.microsoft`");
}

#[test]
fn with_a_graph_in_a_node() {
    let foreign = NodeProto { domain: "com.microsoft".to_owned(), ..NodeProto::default() };
    let inner = GraphProto { node: vec![foreign], ..GraphProto::default() };
    let one = AttributeProto { g: Some(inner.clone()), name: "then_branch".to_owned(), ..AttributeProto::default() };
    let list = AttributeProto { graphs: vec![inner], name: "branches".to_owned(), ..AttributeProto::default() };
    for attribute in [one, list] {
        let field = format!("`{}`", attribute.name);
        let node = NodeProto::new("If", &["patches"], &["choice"], vec![attribute]);
        let folder = Folder::whole().edit_graph("encoder.onnx", |graph| graph.node.push(node));
        assert_broken!(folder, Error::GraphNested { .. }, "tiny/encoder.onnx", "`choice`", &field);
    }
}

/// Changes the first constant of a file.
fn edit_constant(name: &str, change: impl FnOnce(&mut TensorProto)) -> Folder {
    Folder::whole().edit_graph(name, |graph| change(&mut graph.initializer[0]))
}

#[test]
fn with_constants_elsewhere() {
    let folder = edit_constant("encoder.onnx", |constant| {
        let location = StringStringEntryProto { key: "location".to_owned(), value: "/etc/passwd".to_owned() };
        constant.external_data.push(location);
    });
    assert_broken!(folder, Error::GraphExternalData { .. }, "tiny/encoder.onnx", "`weight`");
    let folder = edit_constant("encoder.onnx", |constant| constant.data_location = 1);
    assert_broken!(folder, Error::GraphExternalData { .. }, "tiny/encoder.onnx", "`weight`");
}

#[test]
fn with_constants_that_do_not_fill_their_shape() {
    let folder = edit_constant("encoder.int8.onnx", |constant| {
        constant.dims = vec![1 << 20, 1 << 20];
    });
    assert_broken!(folder, Error::GraphConstantSize { .. }, "tiny/encoder.int8.onnx", "`weight.int8`", "1099511627776");
    let folder = edit_constant("encoder.onnx", |constant| constant.raw_data.truncate(7));
    assert_broken!(folder, Error::GraphConstantSize { .. }, "tiny/encoder.onnx", "`weight` holds 7 bytes");
    // Values twice, in the two places that readers look for them.
    let folder = edit_constant("encoder.onnx", |constant| {
        constant.float_data = vec![0.0; 96];
    });
    assert_broken!(folder, Error::GraphConstantSize { .. }, "tiny/encoder.onnx", "`weight` holds 768 bytes");
    // A constant that is a node's setting.
    let folder = Folder::whole().edit_graph("encoder.onnx", |graph| {
        let value = TensorProto { dims: vec![1 << 40], ..TensorProto::from_f32("", &[], &[0.0]) };
        let setting = AttributeProto::from_tensor("value", value);
        graph.node.push(NodeProto::new("Constant", &[], &["zeros"], vec![setting]));
    });
    assert_broken!(folder, Error::GraphConstantSize { .. }, "tiny/encoder.onnx", "`zeros.value`");
}

#[test]
fn with_constants_of_no_shape() {
    for dims in [vec![-1, 8], vec![i64::MAX, i64::MAX]] {
        let found = format!("{dims:?}");
        let folder = edit_constant("encoder.onnx", |constant| constant.dims = dims);
        assert_broken!(folder, Error::GraphConstantShape { .. }, "tiny/encoder.onnx", "`weight`", &found);
    }
}

#[test]
fn with_constants_of_an_unknown_type() {
    for data_type in [0, 8, 99] {
        let folder = edit_constant("encoder.onnx", |constant| constant.data_type = data_type);
        let found = format!("type {data_type}");
        assert_broken!(folder, Error::GraphConstantType { .. }, "tiny/encoder.onnx", "`weight`", &found);
    }
}

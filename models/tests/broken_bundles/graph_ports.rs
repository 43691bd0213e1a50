//! Graphs whose inputs and outputs do not fit the spec.

use glimpse_models::onnx::{Dimension, GraphProto, ValueInfoProto, data_type};
use glimpse_models::{Error, Precision};

use crate::assert_broken;
use crate::folder::{Folder, files, manifest};

/// Every input and output of the contract: file, which of the file's ports, its words in a message.
const PORTS: [(&str, Side, &str); 8] = [
    ("encoder.onnx", Side::Input(0), "`patches` of the inputs"),
    ("encoder.onnx", Side::Input(1), "`positions` of the inputs"),
    ("encoder.onnx", Side::Output, "`tokens` of the outputs"),
    ("decoder.int8.onnx", Side::Input(0), "`tokens` of the inputs"),
    ("decoder.int8.onnx", Side::Input(1), "`restore` of the inputs"),
    ("decoder.int8.onnx", Side::Output, "`patches` of the outputs"),
    ("classifier.onnx", Side::Input(0), "`tokens` of the inputs"),
    ("classifier.onnx", Side::Output, "`logits` of the outputs"),
];

#[derive(Clone, Copy)]
enum Side {
    Input(usize),
    Output,
}

impl Side {
    fn of(self, graph: &mut GraphProto) -> &mut ValueInfoProto {
        match self {
            Self::Input(index) => &mut graph.input[index],
            Self::Output => &mut graph.output[0],
        }
    }
}

/// The axes of a port, as a whole bundle has them.
fn dims(port: &mut ValueInfoProto) -> &mut Vec<Dimension> {
    &mut port.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap().dim
}

#[test]
fn of_another_name() {
    for (file, side, _) in PORTS {
        let folder = Folder::whole().edit_graph(file, |graph| side.of(graph).name = "pixels".to_owned());
        let words = if matches!(side, Side::Output) { "the graph's outputs are" } else { "the graph's inputs are" };
        assert_broken!(folder, Error::GraphPorts { .. }, &format!("tiny/{file}"), words, "pixels");
    }
}

#[test]
fn too_many_too_few_or_in_another_order() {
    let inputs = "inputs are [positions, patches], the contract's [patches, positions]";
    let folder = Folder::whole().edit_graph("encoder.onnx", |graph| graph.input.reverse());
    assert_broken!(folder, Error::GraphPorts { .. }, "tiny/encoder.onnx", inputs);
    let folder = Folder::whole().edit_graph("encoder.onnx", |graph| graph.input.truncate(1));
    assert_broken!(folder, Error::GraphPorts { .. }, "tiny/encoder.onnx", "inputs are [patches]");
    let folder = Folder::whole().edit_graph("encoder.onnx", |graph| graph.output.clear());
    assert_broken!(folder, Error::GraphPorts { .. }, "tiny/encoder.onnx", "outputs are []");
    let folder = Folder::whole().edit_graph("decoder.onnx", |graph| {
        graph.output.extend(graph.input.clone());
    });
    assert_broken!(folder, Error::GraphPorts { .. }, "tiny/decoder.onnx", "outputs are [patches, tokens, restore]");
}

#[test]
fn of_another_element_type() {
    for (file, side, words) in PORTS {
        for elem_type in [data_type::INT32, data_type::FLOAT16, 0] {
            let folder = Folder::whole().edit_graph(file, |graph| {
                let port = side.of(graph).r#type.as_mut().unwrap();
                port.tensor_type.as_mut().unwrap().elem_type = elem_type;
            });
            assert_broken!(folder, Error::GraphPortType { .. }, &format!("tiny/{file}"), words);
        }
        let folder = Folder::whole().edit_graph(file, |graph| side.of(graph).r#type = None);
        assert_broken!(folder, Error::GraphPortType { .. }, &format!("tiny/{file}"), words);
    }
}

#[test]
fn of_another_rank() {
    for (file, side, words) in PORTS {
        let batched = |graph: &mut GraphProto| dims(side.of(graph)).insert(0, Dimension::fixed(1));
        let folder = Folder::whole().edit_graph(file, batched);
        assert_broken!(folder, Error::GraphPortRank { .. }, &format!("tiny/{file}"), words, "axes");
        let folder = Folder::whole().edit_graph(file, |graph| {
            side.of(graph).r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape = None;
        });
        assert_broken!(folder, Error::GraphPortRank { .. }, &format!("tiny/{file}"), words, "unknown axes");
    }
}

#[test]
fn with_an_axis_of_another_length() {
    for (file, side, words) in PORTS {
        let rank = dims(side.of(&mut whole_graph(file))).len();
        for axis in 0..rank {
            for wrong in [Dimension::fixed(7), Dimension::symbol(""), Dimension::default()] {
                let folder = Folder::whole().edit_graph(file, |graph| dims(side.of(graph))[axis] = wrong);
                let axis = format!("axis {axis} of {words}");
                assert_broken!(folder, Error::GraphPortDim { .. }, &format!("tiny/{file}"), &axis);
            }
        }
    }
}

#[test]
fn with_two_counts_of_patches() {
    let folder = Folder::whole().edit_graph("encoder.onnx", |graph| {
        dims(&mut graph.input[1])[0] = Dimension::symbol("M");
    });
    assert_broken!(folder, Error::GraphPortDim { .. }, "tiny/encoder.onnx", "axis 0 of `positions`", "`M`", "`N`");
}

#[test]
fn of_another_model() {
    // The files fit one another; the spec is another's.
    let folder = Folder::of(&manifest(), &files(&Precision::ALL)).replace("image_side = 4", "image_side = 8");
    assert_broken!(folder, Error::GraphPortDim { .. }, "decoder.onnx", "`restore`", "is 4, the spec says 16");
}

#[test]
fn of_another_number_of_classes() {
    let folder = Folder::whole().replace("classes = 3", "classes = 5");
    assert_broken!(folder, Error::GraphPortDim { .. }, "classifier.onnx", "`logits`", "is 3, the spec says 5");
}

fn whole_graph(file: &str) -> GraphProto {
    let mut whole = GraphProto::default();
    // An edit must change something; the producer's name is nobody's concern.
    let _ = Folder::whole().edit_model(file, |model| {
        whole = model.graph.clone().unwrap();
        model.producer_name.push('!');
    });
    whole
}

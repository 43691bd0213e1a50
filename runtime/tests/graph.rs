//! Any ONNX file on the engine: sizes that files may have and models of ours do not, and runs that fail.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

use glimpse_models::onnx::{
    AttributeProto, Bytes, Dimension, GraphProto, IR_VERSION, Message, ModelProto, NodeProto, OPSET_VERSION,
    OperatorSetIdProto, TensorProto, ValueInfoProto, data_type,
};
use glimpse_runtime::{Error, Graph, Options};
use ndarray::{Array1, Array2, ArrayD, arr1};

const INPUTS: usize = 4;
const OUTPUTS: usize = 3;

/// A graph of one input and one output.
fn file(node: Vec<NodeProto>, initializer: Vec<TensorProto>, input: Vec<Dimension>, output: Vec<Dimension>) -> Bytes {
    let graph = GraphProto {
        node,
        initializer,
        input: vec![ValueInfoProto::tensor("x", data_type::FLOAT, input)],
        output: vec![ValueInfoProto::tensor("y", data_type::FLOAT, output)],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: OPSET_VERSION }];
    let model = ModelProto { ir_version: IR_VERSION, graph: Some(graph), opset_import, ..ModelProto::default() };
    Bytes::from(model.encode_to_vec())
}

/// A linear layer whose weights count up, for inputs of those lengths before its own.
fn linear(before: &[Dimension]) -> Graph {
    let values: Vec<f32> = (0..INPUTS * OUTPUTS).map(|at| at as f32).collect();
    let weights = TensorProto::from_f32("weights", &[INPUTS, OUTPUTS], &values);
    let shape = |width| before.iter().cloned().chain([Dimension::fixed(width)]).collect();
    let node = NodeProto::new("MatMul", &["x", "weights"], &["y"], vec![]);
    let graph =
        Graph::load(&file(vec![node], vec![weights], shape(INPUTS), shape(OUTPUTS)), &Options::default()).unwrap();
    assert!(graph.steps().iter().any(|step| step.operator == "Linear"), "{:?}", graph.steps());
    graph
}

fn run(graph: &mut Graph, x: &ArrayD<f32>) -> Result<ArrayD<f32>, Error> {
    graph.run(&[x.view()]).map(|answers| answers.into_iter().next().unwrap())
}

#[test]
fn a_run_that_fails_spoils_none_after_it() {
    let mut graph = linear(&[Dimension::symbol("N")]);
    assert!(run(&mut graph, &Array2::zeros((5, INPUTS - 1)).into_dyn()).is_err());
    for rows in [7, 5, 1] {
        let answer = run(&mut graph, &Array2::ones((rows, INPUTS)).into_dyn()).unwrap();
        assert_eq!(answer.shape(), [rows, OUTPUTS]);
        assert_eq!(answer.iter().skip(OUTPUTS * (rows - 1)).copied().collect::<Vec<_>>(), [18.0, 22.0, 26.0]);
    }
}

#[test]
fn no_rows_give_no_rows() {
    let mut graph = linear(&[Dimension::symbol("N")]);
    let answer = run(&mut graph, &Array2::zeros((0, INPUTS)).into_dyn()).unwrap();
    assert_eq!(answer.shape(), [0, OUTPUTS]);
}

#[test]
fn a_vector_is_a_row() {
    let answer = run(&mut linear(&[]), &Array1::ones(INPUTS).into_dyn()).unwrap();
    assert_eq!(answer, arr1(&[18.0, 22.0, 26.0]).into_dyn());
}

#[test]
fn a_place_beyond_the_table_is_an_error_and_the_next_run_goes_on() {
    let table = TensorProto::from_f32("table", &[2, 1], &[10.0, 20.0]);
    let cast =
        NodeProto::new("Cast", &["x"], &["places"], vec![AttributeProto::from_i64("to", data_type::INT64.into())]);
    let gather = NodeProto::new("Gather", &["table", "places"], &["y"], vec![AttributeProto::from_i64("axis", 0)]);
    let rows = || Dimension::symbol("N");
    let onnx = file(vec![cast, gather], vec![table], vec![rows()], vec![rows(), Dimension::fixed(1)]);
    let mut graph = Graph::load(&onnx, &Options::default()).unwrap();
    assert!(run(&mut graph, &arr1(&[0.0, 9.0, 1.0]).into_dyn()).is_err());
    assert_eq!(run(&mut graph, &arr1(&[1.0, 0.0]).into_dyn()).unwrap().into_raw_vec_and_offset().0, [20.0, 10.0]);
}

#[test]
fn an_output_that_nothing_makes_is_said() {
    let node = NodeProto::new("Relu", &["x"], &["z"], vec![]);
    let shape = || vec![Dimension::fixed(2)];
    let refused = Graph::load(&file(vec![node], Vec::new(), shape(), shape()), &Options::default()).unwrap_err();
    assert!(format!("{refused:?}").contains("no node makes its output `y`"), "{refused:?}");
}

//! Vision transformers of other libraries, as other exporters write them: `ci/src/foreign_graphs.py` made the files.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

use std::fs;
use std::path::{Path, PathBuf};

use glimpse_models::Precision;
use glimpse_models::onnx::Bytes;
use glimpse_runtime::reference::tolerance::F32_RELATIVE_ERROR;
use glimpse_runtime::{Graph, Options};
use ndarray::{ArrayD, ArrayViewD};
use safetensors::SafeTensors;

const MODELS: [&str; 3] = ["timm-vit", "deit", "dinov2"];
const EXPORTERS: [&str; 2] = ["trace", "dynamo"];
/// Blocks of each model.
const DEPTH: usize = 2;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign")
}

fn tensor(name: &str) -> ArrayD<f32> {
    let file = fs::read(folder().join("answers.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&file).unwrap();
    let tensor = file.tensor(name).unwrap();
    let values = tensor.data().as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect();
    ArrayD::from_shape_vec(tensor.shape(), values).unwrap()
}

fn load(model: &str, exporter: &str) -> Graph {
    let file = Bytes::from(fs::read(folder().join(format!("{model}.{exporter}.onnx"))).unwrap());
    Graph::load(&file, &Options { precision: Precision::F32, threads: Some(2), ..Options::default() }).unwrap()
}

fn relative_error(got: ArrayViewD<f32>, wanted: ArrayViewD<f32>) -> f64 {
    assert_eq!(got.shape(), wanted.shape());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let error = square(&mut got.iter().zip(&wanted).map(|(&got, &wanted)| f64::from(got - wanted)));
    (error / square(&mut wanted.iter().map(|&value| f64::from(value)))).sqrt()
}

#[test]
fn their_answers_are_pytorchs() {
    for model in MODELS {
        let (image, wanted) = (tensor(&format!("{model}.image")), tensor(&format!("{model}.answer")));
        for exporter in EXPORTERS {
            let mut graph = load(model, exporter);
            for _ in 0..2 {
                let answer = graph.run(&[image.view()]).unwrap().swap_remove(0);
                let error = relative_error(answer.view(), wanted.view());
                assert!(error <= F32_RELATIVE_ERROR, "{model}.{exporter}: relative error {error:e}");
            }
        }
    }
}

#[test]
fn their_blocks_are_fused() {
    for model in MODELS {
        for exporter in EXPORTERS {
            let graph = load(model, exporter);
            let count = |operator| graph.steps().iter().filter(|step| step.operator == operator).count();
            let counts = ["Attention", "LayerNorm", "MatMul", "Erf"].map(count);
            assert_eq!(counts, [DEPTH, 2 * DEPTH + 1, 0, 0], "{model}.{exporter}: {:#?}", graph.steps());
            let gelus = graph.steps().iter().filter(|step| step.detail.ends_with("GELU")).count();
            assert_eq!(gelus, DEPTH, "{model}.{exporter}");
        }
    }
}

#[test]
fn what_is_no_onnx_file_is_refused() {
    let refused = Graph::load(&Bytes::from_static(b"no graph"), &Options::default()).unwrap_err();
    assert!(refused.to_string().starts_with("planning the ONNX file: "), "{refused}");
}

//! A GPU that computes wrong is not trusted.

use glimpse_models::{Bundle, BundleFile, Existing, Precision};

use super::model::TINY;
use crate::gpu::GpuError;
use crate::gpu::engine::{Engine, Settings};

/// The bundle with one value of a golden answer changed.
fn changed(field: &str, value: f32) -> Bundle {
    let bundle = Bundle::open(TINY).unwrap();
    let mut golden = bundle.golden().to_vec();
    let file = safetensors::SafeTensors::deserialize(bundle.golden()).unwrap();
    let data = file.tensor(field).unwrap().data();
    let start = data.as_ptr() as usize - bundle.golden().as_ptr() as usize;
    golden[start..start + 4].copy_from_slice(&value.to_le_bytes());
    with_golden(&bundle, golden)
}

fn with_golden(bundle: &Bundle, golden: Vec<u8>) -> Bundle {
    let mut files = bundle.files().clone();
    files.insert(BundleFile::Golden, golden.into());
    let folder = tempfile::tempdir().unwrap();
    Bundle::write(folder.path().join("changed"), bundle.manifest(), &files, Existing::Refuse).unwrap()
}

#[test]
#[ignore = "needs a GPU"]
fn another_answer_than_the_golden_one_is_refused() {
    for field in ["quarter.tokens", "quarter.painted"] {
        for value in [1e3, f32::NAN] {
            let bundle = changed(field, value);
            let settings = Settings { folder: None, ..Settings::new(None, Precision::Int8, false) };
            let refused = Engine::new(&bundle, Precision::Int8, &settings).unwrap_err();
            assert!(matches!(refused, GpuError::Wrong { .. }), "{field}: {refused}");
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_bundle_without_a_question_is_not_trusted_to_a_gpu() {
    let bundle = with_golden(&Bundle::open(TINY).unwrap(), Vec::new());
    let refused = Engine::new(
        &bundle,
        Precision::Int8,
        &Settings { folder: None, ..Settings::new(None, Precision::Int8, false) },
    )
    .unwrap_err();
    assert!(matches!(refused, GpuError::Unchecked), "{refused}");
}

//! The engine against the one on the CPU, on whatever GPU is there.

use std::time::Instant;

use glimpse_models::{Bundle, Part, Precision};
use ndarray::Array2;

use super::relative_error;
use crate::gpu::GpuError;
use crate::gpu::context::{Context, Level};
use crate::gpu::engine::{Engine, Settings, Task};
use crate::gpu::kernels::{Form, Tile};
use crate::gpu::plan::Choice;
use crate::gpu::weights::Product;
use crate::reference::tolerance::{GPU_F16, GPU_F16_PRODUCTS, GPU_F32, GPU_INT8_AS_ON_CPU, INT8_PAINTED_RMS};
use crate::{Mask, Model, Options};

pub(super) const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/glimpse-tiny");

#[test]
#[ignore = "needs a GPU"]
fn a_whole_model_answers_as_it_does_on_the_cpu() {
    let bundle = Bundle::open(TINY).unwrap();
    let grid = bundle.spec().grid();
    let patches = Array2::from_shape_fn((grid.len(), grid.patch_len()), |(i, j)| {
        ((i * 131 + j * 17) % 97) as f32 / 40.0 - 1.2 + (i as f32 * 0.3).sin()
    });
    let rms = |got: &[f32], expected: &[f32]| {
        let square: f64 = got.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        (square / got.len() as f64).sqrt()
    };
    for (product, cpu, tolerance) in [
        (Product::Wide(Form::F32), Precision::F32, GPU_F32),
        (Product::Wide(Form::Int8), Precision::F32, GPU_F32),
        (Product::Wide(Form::F16), Precision::F32, GPU_F16),
        (Product::Half, Precision::F32, GPU_F16_PRODUCTS),
        (Product::Bytes, Precision::Int8, GPU_INT8_AS_ON_CPU),
    ] {
        let mut model = Model::load(&bundle, &Options { precision: cpu, ..Options::default() }).unwrap();
        let (floor, full) = (Level::Floor, Level::Full);
        for (level, side, split, subgroups, blocks) in [
            (floor, 8, 1, false, false),
            (full, 16, 1, false, false),
            (full, 8, 4, true, false),
            (floor, 8, 1, false, true),
        ] {
            // blocks are not multiplied in f16
            if blocks && product == Product::Half {
                continue;
            }
            let choice = Choice { product, tile: Tile { side, split }, subgroups, blocks };
            let settings = Settings { level, choice: Some(choice), ..Settings::new(None, cpu, false) };
            let context = Context::open(None, level).unwrap();
            if !choice.runs_on(&context.device) {
                let refused = Engine::new(&bundle, Precision::Int8, &settings).unwrap_err();
                assert!(matches!(refused, GpuError::Refused { .. }), "{choice}: {refused}");
                continue;
            }
            let mut engine = Engine::new(&bundle, Precision::Int8, &settings).unwrap();
            // all patches, which take longest where a GPU is a program, for the first kernels alone
            let ratios: &[f32] = if level == Level::Floor && !blocks { &[0.0, 0.5, 0.97] } else { &[0.5, 0.97] };
            for &ratio in ratios {
                let mask = Mask::random(grid, ratio, 3).unwrap();
                let expected = model.encode(patches.view(), &mask).unwrap().to_owned();
                let got = engine.run(Task::Encode(patches.view()), &mask).unwrap();
                let error = relative_error(&got.tokens, expected.as_slice().unwrap());
                assert!(error <= tolerance, "{choice} {level:?} {ratio}: {error:e}");
                let expected = model.predict(patches.view(), &mask).unwrap().to_owned();
                let got = engine.run(Task::Predict(patches.view()), &mask).unwrap();
                let expected = expected.as_slice().unwrap();
                if product == Product::Bytes {
                    let error = rms(&got.painted, expected);
                    assert!(error <= INT8_PAINTED_RMS, "{choice} {level:?} {ratio}: {error:e}");
                } else {
                    let error = relative_error(&got.painted, expected);
                    assert!(error <= tolerance, "{choice} {level:?} {ratio}: {error:e}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn what_was_measured_once_is_not_measured_again() {
    let bundle = Bundle::open(TINY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings =
        |precision, half| Settings { folder: Some(folder.path().join("gpu")), ..Settings::new(None, precision, half) };
    let files = || -> Vec<_> {
        let files = std::fs::read_dir(folder.path().join("gpu")).unwrap();
        let answers = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some());
        let mut files: Vec<_> = answers.collect();
        files.sort();
        files
    };
    let start = Instant::now();
    Engine::new(&bundle, Precision::Int8, &settings(Precision::Int8, false)).unwrap();
    let tuning = start.elapsed();
    let [kept] = files().try_into().unwrap();
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.contains(bundle.name()) && text.contains("tiles"), "{text}");

    // a choice that was kept is taken, though it was not the fastest
    let [key, _] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    std::fs::write(&kept, format!("{key}\nint8, 64×64 tiles\n")).unwrap();
    let start = Instant::now();
    let engine = Engine::new(&bundle, Precision::Int8, &settings(Precision::Int8, false)).unwrap();
    assert!(engine.steps(Part::Encoder).iter().any(|step| step.detail.ends_with("192 → 576, int8")), "{tuning:?}");
    assert!(start.elapsed() < tuning);
    // so are whole blocks
    std::fs::write(&kept, format!("{key}\nint8, 32×32 tiles, whole blocks\n")).unwrap();
    let engine = Engine::new(&bundle, Precision::Int8, &settings(Precision::Int8, false)).unwrap();
    let blocks = engine.steps(Part::Encoder).iter().filter(|step| step.operator == "Block");
    assert_eq!(blocks.count(), bundle.spec().encoder().depth + 1);
    // another one's is not, nor is what was never among the choices
    for text in [format!("other; {key}\nint8, 64×64 tiles\n"), format!("{key}\nf64, 64×64 tiles\n"), String::new()] {
        std::fs::write(&kept, &text).unwrap();
        Engine::new(&bundle, Precision::Int8, &settings(Precision::Int8, false)).unwrap();
        let again = std::fs::read_to_string(&kept).unwrap();
        assert!(again.starts_with(key) && again != text, "{again}");
    }
    // other arithmetic is another choice
    Engine::new(&bundle, Precision::Int8, &settings(Precision::F32, true)).unwrap();
    assert_eq!(files().len(), 2);
}

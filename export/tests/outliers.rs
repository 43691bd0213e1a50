//! int8 at ViT-Base's real size, where some channels are far larger than the others.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

use std::path::Path;

use glimpse_export::emit::{Checkpoint, Description, Labels, emit};
use glimpse_export::model::random_weights;
use glimpse_export::quantize::quantize;
use glimpse_export::weights::Weights;
use glimpse_models::{Base, Bundle, Existing, Family, ModelSpec, Precision, RawSpec, Training, Transformer};
use glimpse_runtime::{Mask, Model, Options, Preprocessor, patchify};
use ndarray::{Array2, ArrayView3};

/// Least cosine of a token in int8 with the same token in f32.
const COSINE_MIN: f64 = 0.999;
/// Channels that are large from the second block on, and how large: others are about 1.
const OUTLIERS: [(usize, f32); 4] = [(37, 12.0), (233, -20.0), (511, 30.0), (700, 8.0)];
/// Their weight in a layer norm, as it is in models that have learned to live with them: so tokens are not these channels alone.
const NORM_WEIGHT: f32 = 0.1;
const PHOTOGRAPHS: [&str; 3] = ["example.jpg", "stingray.jpg", "sushi.jpg"];

fn spec() -> ModelSpec {
    ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 224,
        patch_side: 16,
        encoder: Transformer { width: 768, depth: 12, heads: 12 },
        decoder: Some(Transformer { width: 64, depth: 1, heads: 1 }),
        mlp_ratio: 4,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap()
}

/// The paper's first weights, with outliers in the residual.
fn weights(spec: &ModelSpec) -> Weights {
    random_weights(spec, 0).unwrap().map(|key, weight| {
        for (channel, value) in OUTLIERS {
            match key {
                "blocks.0.mlp.fc2.bias" => weight.values[channel] = value,
                _ if key.contains("norm") && key.ends_with("weight") && !key.starts_with("decoder") => {
                    weight.values[channel] = NORM_WEIGHT;
                }
                _ => {}
            }
        }
    })
}

/// `[L, P·P·3]`
fn patches(spec: &ModelSpec, photograph: &str) -> Array2<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../edge-apps/samples").join(photograph);
    let rgb = image::open(path).unwrap().to_rgb8();
    let frame = ArrayView3::from_shape((rgb.height() as usize, rgb.width() as usize, 3), rgb.as_raw()).unwrap();
    patchify(Preprocessor::new(spec).image_from_frame(frame).unwrap(), spec.grid()).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn int8_keeps_tokens_where_they_were_despite_outliers() {
    let spec = spec();
    let checkpoint = Checkpoint::new(Description::new(spec, Training::default()), weights(&spec)).unwrap();
    let (manifest, files) = emit(&checkpoint, &Labels { name: "outliers", licence: "MIT", card: None }).unwrap();
    drop(checkpoint);
    let dir = tempfile::tempdir().unwrap();
    let bundle = Bundle::write(dir.path().join("bundle"), &manifest, &files, Existing::Refuse).unwrap();
    let (files, _) = quantize(&bundle, false).unwrap();
    let bundle = Bundle::write(dir.path().join("bundle"), &manifest, &files, Existing::Replace).unwrap();
    let model = |precision| Model::load(&bundle, &Options { precision, ..Options::default() }).unwrap();
    let (mut f32, mut int8) = (model(Precision::F32), model(Precision::Int8));
    for photograph in PHOTOGRAPHS {
        let patches = patches(&spec, photograph);
        for ratio in [0.0, 0.75] {
            let mask = Mask::random(spec.grid(), ratio, 1).unwrap();
            let wanted = f32.encode(patches.view(), &mask).unwrap();
            let found = int8.encode(patches.view(), &mask).unwrap();
            let rows = wanted.outer_iter().zip(found.outer_iter());
            let least = rows.map(|(a, b)| cosine(&a.to_vec(), &b.to_vec())).fold(1.0, f64::min);
            println!("{photograph}, {ratio}: least cosine {least:.6}");
            assert!(least >= COSINE_MIN, "{photograph}, {ratio} hidden: cosine {least}");
        }
    }
}

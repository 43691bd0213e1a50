//! The shipped model against the answers that it gave where it was trained.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

mod common;
mod golden {
    pub mod case;
}

use glimpse_models::{Bundle, Part, Precision};
use glimpse_runtime::reference::tolerance::{F32_RELATIVE_ERROR, INT8_COSINE, INT8_PAINTED_RMS};
use glimpse_runtime::reference::{self, Weights};
use ndarray::ArrayView2;

use common::{bundle, model};
use golden::case::{Case, NAMES, cosine_min, relative_error, rms_error};

fn check(bundle: &Bundle, precision: Precision, right: impl Fn(&str, ArrayView2<f32>, ArrayView2<f32>)) {
    let mut model = model(bundle, precision, 2);
    for name in NAMES {
        let case = Case::read(bundle, name);
        let patches = case.all_patches();
        let tokens = model.encode(patches.view(), &case.mask).unwrap();
        right(&format!("{name}.tokens"), tokens, case.tokens.view());
        if let Some(expected) = &case.painted {
            let painted = model.predict(patches.view(), &case.mask).unwrap();
            right(&format!("{name}.painted"), painted, expected.view());
        }
    }
}

#[test]
fn int8_points_where_the_golden_answer_does() {
    let bundle = bundle();
    check(&bundle, Precision::Int8, |name, got, expected| {
        if name.ends_with("tokens") {
            let cosine = cosine_min(got, expected);
            assert!(cosine >= INT8_COSINE, "{name}: cosine {cosine}");
        } else {
            let rms = rms_error(got, expected);
            assert!(rms <= INT8_PAINTED_RMS, "{name}: {rms} normalized units");
        }
    });
}

#[test]
fn f32_is_the_golden_answer_or_the_int8_form_widened() {
    let bundle = bundle();
    if bundle.precisions().contains(&Precision::F32) {
        check(&bundle, Precision::F32, |name, got, expected| {
            let error = relative_error(got, expected);
            assert!(error <= F32_RELATIVE_ERROR, "{name}: relative error {error:e}");
        });
    } else {
        let (mut f32, mut int8) = (model(&bundle, Precision::F32, 1), model(&bundle, Precision::Int8, 1));
        let case = Case::read(&bundle, "quarter");
        let patches = case.all_patches();
        let tokens = f32.encode(patches.view(), &case.mask).unwrap();
        assert_eq!(tokens, int8.encode(patches.view(), &case.mask).unwrap());
    }
}

#[test]
fn the_engine_computes_what_the_reference_does() {
    let bundle = bundle();
    let precision = bundle.precisions()[0];
    let weights = |part| Weights::from_onnx(bundle.graph(part, precision).unwrap()).unwrap();
    let (spec, encoder) = (bundle.spec(), weights(Part::Encoder));
    let mut model = model(&bundle, precision, 1);
    for name in NAMES {
        let case = Case::read(&bundle, name);
        let (positions, restore) = (case.mask.positions(), case.mask.restore());
        let tokens = reference::encoder(spec, &encoder, case.patches.view(), positions).unwrap();
        let got = model.encode(case.all_patches().view(), &case.mask).unwrap();
        let error = relative_error(got, tokens.view());
        assert!(error <= F32_RELATIVE_ERROR, "{name}.tokens: relative error {error:e}");
        let Some(stack) = spec.decoder() else { continue };
        let painted = reference::decoder(spec, stack, &weights(Part::Decoder), tokens.view(), restore).unwrap();
        let got = model.predict(case.all_patches().view(), &case.mask).unwrap();
        let error = relative_error(got, painted.view());
        assert!(error <= F32_RELATIVE_ERROR, "{name}.painted: relative error {error:e}");
    }
}

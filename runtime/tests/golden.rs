//! The shipped model against the answers that it gave where it was trained.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

mod common;
mod golden {
    pub mod case;
}

use glimpse_models::{Part, Precision};
use glimpse_runtime::reference::tolerance::{F32_RELATIVE_ERROR, INT8_COSINE, INT8_PAINTED_RMS};
use glimpse_runtime::reference::{self, Weights};

use common::{bundle, model};
use golden::case::{Case, NAMES, cosine_min, relative_error, rms_error};

#[test]
fn int8_points_where_the_golden_answer_does() {
    let bundle = bundle();
    let mut model = model(&bundle, Precision::Int8, 2);
    for name in NAMES {
        let case = Case::read(&bundle, name);
        let patches = case.all_patches();
        let tokens = model.encode(patches.view(), &case.mask).unwrap();
        let cosine = cosine_min(tokens, case.tokens.view());
        assert!(cosine >= INT8_COSINE, "{name}.tokens: cosine {cosine}");
        let Some(expected) = &case.painted else { continue };
        let rms = rms_error(model.predict(patches.view(), &case.mask).unwrap(), expected.view());
        assert!(rms <= INT8_PAINTED_RMS, "{name}.painted: {rms} normalized units");
    }
}

#[test]
fn arithmetic_in_f32_gives_what_the_reference_does() {
    let bundle = bundle();
    let weights = |part| Weights::from_onnx(bundle.graph(part, bundle.precisions()[0]).unwrap()).unwrap();
    let (spec, encoder) = (bundle.spec(), weights(Part::Encoder));
    let mut model = model(&bundle, Precision::F32, 1);
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

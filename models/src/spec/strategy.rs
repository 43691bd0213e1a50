//! Specs for property tests.

use proptest::prelude::*;

use super::{Base, Family, ModelSpec, RawSpec, Transformer};

fn transformers() -> impl Strategy<Value = Transformer> {
    (1_usize..9, 1_usize..17, 1_usize..13).prop_map(|(heads, quarter_head, depth)| Transformer {
        width: heads * quarter_head * 4,
        depth,
        heads,
    })
}

/// Specs in every range that small models have.
pub(crate) fn specs() -> impl Strategy<Value = ModelSpec> {
    let pixels = ([0.0..1.0_f32, 0.0..1.0, 0.0..1.0], [0.01..2.0_f32, 0.01..2.0, 0.01..2.0]);
    let sides = (1_usize..20, 1_usize..33);
    (sides, transformers(), proptest::option::of(transformers()), 1_usize..9, pixels, 0..3, 1e-12..1e-3).prop_map(
        |((side, patch_side), encoder, decoder, mlp_ratio, (mean, std), predicts, epsilon)| {
            let raw = RawSpec {
                family: Family::Mae,
                image_side: side * patch_side,
                patch_side,
                encoder,
                decoder,
                mlp_ratio,
                mean,
                std,
                norm_pix: predicts == 1,
                base: if predicts == 2 { Base::Membrane } else { Base::Zero },
                layer_norm_epsilon: epsilon,
            };
            ModelSpec::new(raw).unwrap()
        },
    )
}

//! Specs, in range and out of it.

use proptest::prelude::*;

use super::strategy::specs;
use super::*;

/// ViT-B/16 with the paper's decoder.
fn base() -> RawSpec {
    RawSpec {
        family: Family::Mae,
        image_side: 224,
        patch_side: 16,
        encoder: Transformer { width: 768, depth: 12, heads: 12 },
        decoder: Some(Transformer { width: 512, depth: 8, heads: 16 }),
        mlp_ratio: 4,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: true,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(spec in specs()) {
        let text = toml::to_string(&spec).unwrap();
        prop_assert_eq!(toml::from_str::<ModelSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn the_grid_covers_the_picture(spec in specs()) {
        let grid = PatchGrid::new(spec.image_side(), spec.image_side(), spec.patch_side()).unwrap();
        prop_assert_eq!(spec.grid(), grid);
    }
}

#[test]
fn the_paper_s_model_has_the_published_size() {
    let spec = ModelSpec::new(base()).unwrap();
    // ViT-B/16 without its head, less the 197·768 positions that are learned there and fixed here.
    assert_eq!(spec.parameters(Part::Encoder), 85_798_656 - 197 * 768);
    assert_eq!(spec.grid().len(), 196);
}

#[test]
fn the_largest_preset_fits() {
    let encoder = Transformer { width: 1280, depth: 32, heads: 16 };
    assert!(ModelSpec::new(RawSpec { encoder, patch_side: 14, ..base() }).is_ok());
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    type Change = fn(&mut RawSpec);
    let cases: [(&str, Change); 14] = [
        ("spec.image_side", |raw| raw.image_side = 0),
        ("spec.patch_side", |raw| raw.patch_side = 0),
        ("spec.patch_side", |raw| raw.patch_side = 15),
        ("spec.patch_side", |raw| raw.patch_side = 448),
        ("spec.encoder.width", |raw| raw.encoder.width = 770),
        ("spec.encoder.depth", |raw| raw.encoder.depth = 0),
        ("spec.encoder.heads", |raw| raw.encoder.heads = 0),
        ("spec.encoder.heads", |raw| raw.encoder.heads = 7),
        ("spec.mlp_ratio", |raw| raw.mlp_ratio = 0),
        ("spec.mean", |raw| raw.mean[1] = f32::NAN),
        ("spec.std", |raw| raw.std[2] = 0.0),
        ("spec.std", |raw| raw.std[0] = f32::INFINITY),
        ("spec.layer_norm_epsilon", |raw| {
            raw.layer_norm_epsilon = 0.0;
        }),
        // Each number alone is in range; together they ask for terabytes.
        ("spec.encoder", |raw| {
            (raw.encoder.width, raw.encoder.depth) = (8184, 256);
        }),
    ];
    for (expected, change) in cases {
        let mut raw = base();
        change(&mut raw);
        match ModelSpec::new(raw) {
            Err(Error::SpecField { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn too_many_patches_are_refused() {
    let raw = RawSpec { image_side: 4096, patch_side: 1, ..base() };
    let error = ModelSpec::new(raw).unwrap_err();
    assert!(error.to_string().contains("`spec.patch_side` is 1"), "{error}");
}

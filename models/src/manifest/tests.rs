//! Manifests, there and back.

use proptest::prelude::*;

use super::*;
use crate::onnx::Bytes;
use crate::{NormPlace, Pool};

fn measures() -> impl Strategy<Value = BTreeMap<String, Measure>> {
    let number = (-1e12..1e12_f64).prop_map(Measure::Number);
    let measure = number.prop_recursive(3, 12, 4, |inner| {
        proptest::collection::btree_map("[a-z0-9_. -]{1,8}", inner, 0..4).prop_map(Measure::Table)
    });
    proptest::collection::btree_map("[a-z0-9_]{1,8}", measure, 0..4)
}

fn trainings() -> impl Strategy<Value = Training> {
    let text = || proptest::option::of(".{0,40}");
    let count = || proptest::option::of(0..=i64::MAX as u64);
    ((text(), text(), text()), (count(), count(), count()), proptest::option::of(0.0..1e9_f64)).prop_map(
        |((data, device, command), (images, steps, seed), duration_s)| Training {
            data,
            images,
            steps,
            seed,
            device,
            duration_s,
            command,
            ..Training::default()
        },
    )
}

fn classifiers() -> impl Strategy<Value = Option<Classifier>> {
    let pool = prop_oneof![Just(Pool::Cls), Just(Pool::Mean)];
    let norm = prop_oneof![Just(NormPlace::Encoder), Just(NormPlace::Classifier)];
    let classifier = (pool, norm, 1..=65_536_usize);
    proptest::option::of(classifier.prop_map(|(pool, norm, classes)| Classifier { pool, norm, classes }))
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let contents = proptest::collection::vec(any::<u8>(), 0..50);
    let name = "[a-z0-9][a-z0-9_-]{0,20}";
    let spec = (crate::spec::strategy::specs(), classifiers());
    (name, "[A-Za-z].{0,30}", spec, trainings(), measures(), contents).prop_map(
        |(name, licence, (spec, classifier), training, quality, contents)| {
            let belongs = |file: &BundleFile| match file {
                BundleFile::Graph(Part::Decoder, _) => spec.decoder().is_some(),
                BundleFile::Classifier | BundleFile::Labels => classifier.is_some(),
                _ => true,
            };
            let files =
                BundleFile::ALL.into_iter().filter(belongs).map(|file| (file, Bytes::from(contents.clone()))).collect();
            let manifest = Manifest::new(&name, &licence, spec).unwrap();
            Manifest { classifier, training, quality, ..manifest.listing(&files) }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(manifest in manifests()) {
        let text = manifest.to_toml().unwrap();
        let read = Manifest::from_toml(&text, Path::new("manifest.toml")).unwrap();
        prop_assert_eq!(&read, &manifest);
        prop_assert_eq!(read.to_toml().unwrap(), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = Manifest::from_toml(&text, Path::new("manifest.toml"));
    }
}

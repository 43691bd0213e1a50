//! Bundles that have nothing wrong with them.

use glimpse_models::onnx::Bytes;
use glimpse_models::{Bundle, BundleFile, MANIFEST_FILE, Manifest, ModelSpec, Part, Precision, RawSpec};

use crate::folder::{Folder, files, manifest, raw_spec};

#[test]
fn a_whole_bundle_opens() {
    let bundle = Folder::whole().open().unwrap();
    assert_eq!(bundle.name(), "tiny");
    assert_eq!(bundle.spec(), &ModelSpec::new(raw_spec()).unwrap());
    assert_eq!(bundle.precisions(), Precision::ALL);
    assert_eq!(bundle.card(), "# tiny\n");
    assert_eq!(bundle.golden(), &files(&[])[&BundleFile::Golden]);
    assert_eq!(bundle.classifier(), manifest().classifier.as_ref());
    assert_eq!(bundle.classifier_graph(), files(&[]).get(&BundleFile::Classifier));
    assert_eq!(bundle.labels().unwrap(), ["cat", "dog", "fish"]);
    for part in Part::ALL {
        for precision in Precision::ALL {
            assert!(bundle.graph(part, precision).is_some(), "{part} {precision}");
        }
    }
}

#[test]
fn one_form_alone_is_whole() {
    for precision in Precision::ALL {
        let bundle = Folder::of(&manifest(), &files(&[precision])).open().unwrap();
        assert_eq!(bundle.precisions(), [precision]);
        for other in Precision::ALL {
            assert_eq!(bundle.graph(Part::Encoder, other).is_some(), other == precision);
        }
    }
}

#[test]
fn a_model_for_features_needs_no_decoder() {
    let spec = ModelSpec::new(RawSpec { decoder: None, ..raw_spec() }).unwrap();
    let mut features = Manifest::new("features", "MIT", spec).unwrap();
    features.classifier = manifest().classifier;
    let mut files = files(&[Precision::F32]);
    files.remove(&BundleFile::Graph(Part::Decoder, Precision::F32));
    let bundle = Folder::of(&features, &files).open().unwrap();
    assert_eq!(bundle.spec().decoder(), None);
    assert_eq!(bundle.graph(Part::Decoder, Precision::F32), None);
}

#[test]
fn a_classifier_need_not_be_there_nor_name_its_classes() {
    let mut files = files(&[Precision::Int8]);
    files.remove(&BundleFile::Labels);
    let bundle = Folder::of(&manifest(), &files).open().unwrap();
    assert!(bundle.classifier_graph().is_some() && bundle.labels().is_none());
    files.remove(&BundleFile::Classifier);
    let mut plain = manifest();
    plain.classifier = None;
    let bundle = Folder::of(&plain, &files).open().unwrap();
    assert!(bundle.classifier().is_none() && bundle.classifier_graph().is_none());
}

#[test]
fn files_in_memory_make_the_same_bundle() {
    let folder = Folder::whole();
    let bundle = Bundle::from_files("tiny (in memory)", |name| std::fs::read(folder.path(name)).ok().map(Bytes::from));
    let (bundle, opened) = (bundle.unwrap(), folder.open().unwrap());
    assert_eq!(bundle.manifest(), opened.manifest());
    assert_eq!(bundle.files(), opened.files());

    let error = Bundle::from_files("tiny (in memory)", |_| None).unwrap_err();
    assert!(error.to_string().contains("tiny (in memory)/manifest.toml"), "{error}");
}

#[test]
fn what_else_lies_in_the_folder_does_not_matter() {
    let folder = Folder::whole();
    std::fs::write(folder.path("contact-sheet.png"), b"a picture of the card").unwrap();
    folder.open().unwrap();
}

#[test]
fn either_operator_set_will_do() {
    Folder::whole().edit_model("encoder.onnx", |model| model.opset_import[0].version = 18).open().unwrap();
}

#[test]
fn constants_may_be_listed_among_the_inputs() {
    let folder = Folder::whole().edit_graph("encoder.onnx", |graph| {
        let mut listed = graph.input[0].clone();
        listed.name.clone_from(&graph.initializer[0].name);
        graph.input.push(listed);
    });
    folder.open().unwrap();
}

#[test]
fn the_manifest_reads_as_its_documentation_shows() {
    let text = std::fs::read_to_string(Folder::whole().path(MANIFEST_FILE)).unwrap();
    for line in ["format_version = 1", "name = \"tiny\"", "[spec]", "image_side = 4", "[files.\"encoder.int8.onnx\"]"] {
        assert!(text.lines().any(|found| found == line), "{text} has no line {line}");
    }
}

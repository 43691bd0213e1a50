//! `glimpse-export import` as it is typed, on small checkpoints that the real libraries wrote, with their own answers.
//!
//! `tests/public_weights` is made by `ci/src/public_weights.py fixtures`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use glimpse_models::{Bundle, Classifier, NormPlace, Part, Pool, Precision};
use glimpse_runtime::{Mask, Model, Options};
use ndarray::{Array2, ArrayView2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// The same maths in another order of sums.
const RELATIVE_ERROR: f32 = 1e-4;
/// int8 weights of so few channels turn an answer by more than those of a real model.
const COSINE: f32 = 0.98;
/// What the tensors of these small models do not tell.
const HEADS: [&str; 4] = ["--heads", "2", "--decoder-heads", "2"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_weights").join(name)
}

fn import(source: &Path, out: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glimpse-export"));
    command.current_dir(out.parent().unwrap());
    command.arg("import").arg(source).arg("-o").arg(out).args(options).output().unwrap()
}

/// Imports what must be importable; the bundle and what was printed.
fn imported(source: &Path, out: &Path, options: &[&str]) -> (Bundle, String) {
    let output = import(source, out, options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (Bundle::open(out).unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Imports what must be refused, with code 2 and nothing written; what was said.
fn refused(source: &Path, options: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = import(source, &dir.path().join("bundle"), options);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was written");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// The f32 matrices of a file; a vector is a matrix of one row.
fn matrices(path: &Path) -> HashMap<String, Array2<f32>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let of_f32 = file.iter().filter(|(_, view)| view.dtype() == Dtype::F32);
    let matrix = |(name, view): (&str, TensorView)| {
        let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let columns = *view.shape().last().unwrap();
        (name.to_owned(), Array2::from_shape_vec((values.len() / columns, columns), values).unwrap())
    };
    of_f32.map(matrix).collect()
}

fn positions(path: &Path, question: &str) -> Vec<usize> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(&format!("{question}.positions")).unwrap();
    view.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as usize).collect()
}

fn relative_error(found: ArrayView2<f32>, right: ArrayView2<f32>) -> f32 {
    assert_eq!(found.dim(), right.dim());
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0, f32::max);
    largest(&mut found.iter().zip(right).map(|(a, b)| (a - b).abs())) / largest(&mut right.iter().map(|b| b.abs()))
}

fn cosine(found: ArrayView2<f32>, right: ArrayView2<f32>) -> f32 {
    assert_eq!(found.dim(), right.dim());
    let dot = |a: ArrayView2<f32>, b: ArrayView2<f32>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(found, right) / (dot(found, found) * dot(right, right)).sqrt()
}

/// Asks a bundle the questions of a fixture, in both of its forms, and compares with the library's answers.
fn agrees(bundle: &Bundle, answers: &str, questions: &[&str]) {
    let path = fixture(answers);
    let right = matrices(&path);
    let mut compared = 0;
    for precision in bundle.precisions() {
        let mut model = Model::load(bundle, &Options { precision, threads: Some(1), ..Options::default() }).unwrap();
        for question in questions {
            let visible = positions(&path, question);
            let mask = Mask::from_visible(model.grid(), &visible).unwrap();
            let mut patches = Array2::zeros((model.grid().len(), model.grid().patch_len()));
            for (&place, patch) in visible.iter().zip(right[&format!("{question}.patches")].outer_iter()) {
                patches.row_mut(place).assign(&patch);
            }
            let mut found = vec![("tokens", model.encode(patches.view(), &mask).unwrap().to_owned())];
            if bundle.spec().decoder().is_some() {
                found.push(("painted", model.predict(patches.view(), &mask).unwrap().to_owned()));
            }
            if bundle.classifier().is_some() {
                let logits = model.classify(patches.view(), &mask).unwrap().to_owned();
                found.push(("logits", logits.insert_axis(ndarray::Axis(0))));
            }
            for (what, found) in found {
                let right = right[&format!("{question}.{what}")].view();
                let (error, cosine) = (relative_error(found.view(), right), cosine(found.view(), right));
                let holds = if precision == Precision::F32 { error <= RELATIVE_ERROR } else { cosine >= COSINE };
                assert!(holds, "{answers}, {question}, {precision}, {what}: error {error:e}, cosine {cosine}");
                compared += 1;
            }
        }
    }
    let outputs = 1 + usize::from(bundle.spec().decoder().is_some()) + usize::from(bundle.classifier().is_some());
    assert_eq!(compared, bundle.precisions().len() * questions.len() * outputs);
}

#[test]
fn the_original_s_decoder_paints_what_it_painted() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("mae_visualize_vit.pth");
    let (bundle, printed) = imported(&source, &dir.path().join("a"), &HEADS);
    agrees(&bundle, "original-decoder.answers.safetensors", &["all", "quarter"]);
    assert_eq!((bundle.name(), bundle.manifest().licence()), ("mae_visualize_vit", "CC-BY-NC-4.0"));
    assert!(!bundle.spec().norm_pix() && (bundle.spec().layer_norm_epsilon() - 1e-6).abs() < 1e-12);
    for words in
        ["norm_pix false: assumed", "licence CC-BY-NC-4.0: assumed", "sines and cosines", "decoder_pred.weight"]
    {
        assert!(printed.contains(words), "{printed} does not say {words:?}");
    }
    let recorded = bundle.manifest().training.source.clone().unwrap();
    assert!(recorded.starts_with("mae_visualize_vit.pth (SHA-256 ") && bundle.card().contains(&recorded));

    let options = [&HEADS[..], &["--norm-pix", "true", "--licence", "MIT", "--name", "mine", "--f32-only"]].concat();
    let (bundle, printed) = imported(&source, &dir.path().join("b"), &options);
    assert!(bundle.spec().norm_pix() && !printed.contains("assumed"), "{printed}");
    assert_eq!((bundle.name(), bundle.manifest().licence()), ("mine", "MIT"));
    assert_eq!(bundle.precisions(), [Precision::F32]);
    let (bundle, _) = imported(&source, &dir.path().join("b"), &[&HEADS[..], &["--int8-only", "--force"]].concat());
    assert_eq!(bundle.precisions(), [Precision::Int8]);
}

#[test]
fn a_fine_tuned_model_tells_its_classes_apart() {
    let dir = tempfile::tempdir().unwrap();
    let labels = dir.path().join("names.txt");
    fs::write(&labels, "one\ntwo\nthree\nfour\nfive\n").unwrap();
    let options = ["--heads", "2", "--labels", labels.to_str().unwrap()];
    let source = fixture("mae_finetuned_vit.pth");
    let (bundle, printed) = imported(&source, &dir.path().join("a"), &options);
    agrees(&bundle, "original-finetuned.answers.safetensors", &["all", "quarter"]);
    let right = Classifier { pool: Pool::Mean, norm: NormPlace::Classifier, classes: 5 };
    assert_eq!(bundle.classifier(), Some(&right));
    assert_eq!(bundle.labels().unwrap(), ["one", "two", "three", "four", "five"]);
    assert!(printed.contains("the file's own") && bundle.graph(Part::Decoder, Precision::F32).is_none());

    fs::write(&labels, "one\n").unwrap();
    assert!(refused(&source, &options).contains("labels.txt has 1 lines"));
    let plain = fixture("timm.mae/model.safetensors");
    assert!(refused(&plain, &options).contains("--labels names classes"));
    assert!(refused(&plain, &["--heads", "2", "--norm-pix", "true"]).contains("have none"));
}

#[test]
fn positions_are_stretched_to_another_picture() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("mae_finetuned_vit.pth");
    let (bundle, _) = imported(&source, &dir.path().join("a"), &["--heads", "2", "--image-side", "12"]);
    assert_eq!((bundle.spec().image_side(), bundle.spec().grid().len()), (12, 36));
    agrees(&bundle, "original-finetuned.answers.safetensors", &["stretched"]);
    assert!(refused(&source, &["--heads", "2", "--image-side", "13"]).contains("spec.patch_side"));
}

#[test]
fn timm_s_encoders_are_read_with_and_without_a_head() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, _) = imported(&fixture("timm.mae"), &dir.path().join("a"), &["--heads", "2"]);
    agrees(&bundle, "timm-encoder.answers.safetensors", &["all", "quarter"]);
    assert_eq!((bundle.name(), bundle.spec().decoder(), bundle.classifier()), ("timm-mae", None, None));
    let (bundle, _) = imported(&fixture("timm.head/model.safetensors"), &dir.path().join("b"), &["--heads", "2"]);
    agrees(&bundle, "timm-head.answers.safetensors", &["all", "quarter"]);
    assert_eq!(bundle.classifier(), Some(&Classifier { pool: Pool::Cls, norm: NormPlace::Encoder, classes: 5 }));
}

#[test]
fn hugging_face_s_folders_are_read_however_they_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["hf-sharded", "hf-published", "hf-bf16"] {
        let (bundle, printed) = imported(&fixture(name), &dir.path().join(name), &[]);
        agrees(&bundle, &format!("{name}.answers.safetensors"), &["all", "quarter"]);
        assert!(bundle.spec().layer_norm_epsilon() < 1e-11 && !bundle.spec().norm_pix());
        assert!(printed.contains("Hugging Face") && !printed.contains("norm_pix"), "{printed}");
    }
    let index = fixture("hf-sharded/model.safetensors.index.json");
    let (bundle, _) = imported(&index, &dir.path().join("by-index"), &[]);
    agrees(&bundle, "hf-sharded.answers.safetensors", &["quarter"]);
    assert_eq!(bundle.manifest().training.source.as_ref().unwrap().matches("SHA-256").count(), {
        let shards = fs::read_dir(fixture("hf-sharded")).unwrap();
        shards.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "safetensors").count()
    });
    let (bundle, _) = imported(&fixture("hf-classifier"), &dir.path().join("classes"), &[]);
    agrees(&bundle, "hf-classifier.answers.safetensors", &["all", "quarter"]);
    assert_eq!(bundle.labels().unwrap()[4], "class 4");
}

#[test]
fn the_same_source_gives_the_same_bundle_and_a_report_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("hf-bf16");
    let (one, printed) = imported(&source, &dir.path().join("one"), &["--json"]);
    let (two, _) = imported(&source, &dir.path().join("two"), &["--json"]);
    assert_eq!((one.manifest(), one.files()), (two.manifest(), two.files()));
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["bundle"], &report["spec"]["encoder"]["heads"]), (&"hf-bf16".into(), &2.into()));
    assert_eq!(report["int8"]["cases"][0]["name"], "one");
}

#[test]
fn a_bundle_is_imported_again_with_the_weights_that_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let (int8, _) = imported(&fixture("timm.head"), &dir.path().join("int8"), &["--heads", "2", "--int8-only"]);
    let (both, _) = imported(&dir.path().join("int8"), &dir.path().join("both"), &[]);
    assert_eq!((both.name(), both.precisions()), (int8.name(), Precision::ALL.to_vec()));
    assert_eq!(both.graph(Part::Encoder, Precision::Int8), int8.graph(Part::Encoder, Precision::Int8));
    assert_eq!(both.classifier_graph(), int8.classifier_graph());
    assert!(refused(&dir.path().join("int8"), &["--heads", "2"]).contains("a bundle says that itself"));
}

/// The tensors of a safetensors file, as they are stored.
type Tensors = HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// Rewrites the small timm encoder.
fn altered(folder: &Path, change: impl FnOnce(&mut Tensors)) -> PathBuf {
    let bytes = fs::read(fixture("timm.mae/model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = file
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let path = folder.join("altered.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

#[test]
fn what_is_missing_surplus_or_misshapen_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let path = altered(dir.path(), |tensors| {
        tensors.remove("blocks.1.attn.qkv.bias").unwrap();
        tensors.remove("norm.weight").unwrap();
        tensors.insert("gamma".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
        tensors.get_mut("blocks.0.attn.proj.weight").unwrap().1 = vec![4, 16];
        tensors.get_mut("blocks.1.mlp.fc2.weight").unwrap().1 = vec![16, 8];
    });
    let said = refused(&path, &["--heads", "2"]);
    for line in [
        "missing: blocks.1.attn.qkv.bias [24]\n",
        "missing: norm.weight [8]\n",
        "surplus: gamma [1]",
        "misshapen: blocks.0.attn.proj.weight is [4, 16], the model asks for [8, 8]\n",
        "misshapen: blocks.1.mlp.fc2.weight is [16, 8], the model asks for [8, 16]\n",
    ] {
        assert!(said.contains(line), "{said} does not say {line:?}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[test]
fn what_no_bundle_can_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused_with = |change: fn(&mut Tensors), words: &str| {
        let said = refused(&altered(dir.path(), change), &["--heads", "2"]);
        assert!(said.contains(words), "{said} does not say {words:?}");
    };
    refused_with(
        |tensors| tensors.get_mut("norm.bias").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes()),
        "not finite: norm.bias",
    );
    refused_with(|tensors| tensors.get_mut("norm.bias").unwrap().0 = Dtype::I32, "not made of floating-point numbers");
    refused_with(|tensors| drop(tensors.remove("pos_embed")), "missing: pos_embed");
    refused_with(|tensors| drop(tensors.remove("patch_embed.proj.weight")), "missing: patch_embed.proj.weight");
    refused_with(
        |tensors| tensors.retain(|name, _| name.starts_with("norm")),
        "the tensors of no layout that is known",
    );
    refused_with(HashMap::clear, "the first are none");
    let source = fixture("timm.mae/model.safetensors");
    assert!(refused(&source, &[]).contains("give --heads"));
    assert!(refused(&source, &["--heads", "3"]).contains("spec.encoder.heads"));
    assert!(refused(&fixture("mae_visualize_vit.pth"), &["--heads", "2"]).contains("give --decoder-heads"));
}

#[test]
fn a_file_that_is_cut_short_or_none_at_all_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["timm.mae/model.safetensors", "mae_finetuned_vit.pth"] {
        let whole = fs::read(fixture(name)).unwrap();
        for length in [0, 5, 9, 100, whole.len() / 2, whole.len() - 1] {
            let path = dir.path().join("part");
            fs::write(&path, &whole[..length]).unwrap();
            let said = refused(&path, &["--heads", "2"]);
            assert!(said.contains("part") && !said.contains("missing: "), "{length} of {name}: {said}");
        }
    }
    let json = dir.path().join("config.json");
    fs::write(&json, "{}").unwrap();
    assert!(refused(&json, &[]).contains("torch.save"));
    assert!(refused(dir.path(), &[]).contains("model.safetensors"));
    assert!(refused(&dir.path().join("nowhere"), &[]).contains("is not there"));
    fs::copy(fixture("hf-bf16/model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    fs::remove_file(&json).unwrap();
    assert!(refused(dir.path(), &[]).contains("config.json is not beside them"));
}

#[test]
fn a_shard_that_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture("hf-sharded")).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_str().unwrap().contains("00002-of") {
            fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    assert!(refused(dir.path(), &[]).contains("model-00002-of"));
}

#[test]
fn a_pickle_that_calls_something_is_refused_and_calls_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Loaded by Python, either would make a file `harm`.
    let said = refused(&fixture("harmful.pth"), &[]);
    assert!(said.contains("`__builtin__.exec`") && said.contains("nothing of it was run"), "{said}");
    let plain = dir.path().join("harmful.pkl");
    fs::write(&plain, b"cos\nsystem\n(S'touch harm'\ntR.").unwrap();
    assert!(refused(&plain, &[]).contains("it is no file that can be read"));
    for folder in [dir.path(), Path::new(env!("CARGO_MANIFEST_DIR"))] {
        assert!(!folder.join("harm").exists());
    }
}

//! What a model promises besides being right.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

mod common;

use std::sync::{Arc, Mutex};

use glimpse_models::{Base, Bundle, BundleFile, Existing, Part, PatchGrid, Precision};
use glimpse_runtime::{Error, Family, Mask, Model, Options, Threads, base_patches};
use ndarray::Array2;

use common::{bundle, model};

/// Patches with some structure and no symmetry.
fn patches(grid: PatchGrid) -> Array2<f32> {
    Array2::from_shape_fn((grid.len(), grid.patch_len()), |(index, value)| {
        ((index * 31 + value * 7) % 101) as f32 / 50.0 - 1.0
    })
}

#[test]
fn the_answer_does_not_depend_on_threads() {
    let bundle = bundle();
    let patches = patches(bundle.spec().grid());
    let mask = Mask::random(bundle.spec().grid(), 0.25, 3).unwrap();
    let answers: Vec<_> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            let mut model = model(&bundle, Precision::Int8, threads);
            model.reconstruct(patches.view(), &mask).unwrap().to_owned()
        })
        .collect();
    assert!(answers.iter().all(|answer| answer == answers[0]));
}

#[test]
fn models_share_threads_that_an_application_starts() {
    let bundle = bundle();
    let patches = patches(bundle.spec().grid());
    let mask = Mask::random(bundle.spec().grid(), 0.25, 3).unwrap();
    let wanted = model(&bundle, Precision::Int8, 1).encode(patches.view(), &mask).unwrap().to_owned();
    let started = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&started);
    let threads = Threads::with_start(2, move |index| told.lock().unwrap().push(index)).unwrap();
    let mut models = [(); 2].map(|()| Model::load_on(&bundle, &Options::default(), &threads).unwrap());
    for model in &mut models {
        assert_eq!(model.encode(patches.view(), &mask).unwrap(), wanted);
    }
    drop((models, threads));
    let mut started = started.lock().unwrap().clone();
    started.sort_unstable();
    assert_eq!(started, [0, 1]);
    assert!(matches!(Threads::with_start(0, |_| ()), Err(Error::Threads { .. })));
}

#[test]
fn the_answer_does_not_depend_on_kernels() {
    let bundle = bundle();
    let patches = patches(bundle.spec().grid());
    let mask = Mask::random(bundle.spec().grid(), 0.4, 3).unwrap();
    let answers: Vec<_> = Family::available()
        .map(|family| {
            let options = Options { kernels: Some(family), threads: Some(1), ..Options::default() };
            let mut model = Model::load(&bundle, &options).unwrap();
            assert!(model.steps(Part::Encoder).iter().any(|step| step.detail.contains(family.name())));
            model.reconstruct(patches.view(), &mask).unwrap().to_owned()
        })
        .collect();
    assert!(answers.iter().all(|answer| answer == answers[0]));
    let foreign = if cfg!(target_arch = "x86_64") { Family::Neon } else { Family::Avx2 };
    let refused = Model::load(&bundle, &Options { kernels: Some(foreign), ..Options::default() });
    assert!(matches!(refused, Err(Error::Kernels { .. })));
}

#[test]
fn a_reconstruction_is_the_decoder_s_answer_upon_the_base() {
    let bundle = bundle();
    let grid = bundle.spec().grid();
    let patches = patches(grid);
    let mask = Mask::blocks(grid, 0.4, 3).unwrap();
    let mut model = model(&bundle, Precision::Int8, 1);
    let base = base_patches(bundle.spec(), patches.view(), &mask).unwrap();
    let wanted = model.predict(patches.view(), &mask).unwrap().to_owned() + &base;
    assert_eq!(model.reconstruct(patches.view(), &mask).unwrap(), wanted);
    assert_eq!(bundle.spec().base() == Base::Membrane, base.iter().any(|b| *b != 0.0));
}

#[test]
fn a_model_has_no_memory_of_other_masks() {
    let bundle = bundle();
    let grid = bundle.spec().grid();
    let patches = patches(grid);
    let mut kept = model(&bundle, Precision::Int8, 1);
    for (ratio, seed) in [(0.0, 1), (0.9, 2), (0.5, 3), (0.9, 4), (0.9, 5)] {
        let mask = Mask::blocks(grid, ratio, seed).unwrap();
        let got = kept.encode(patches.view(), &mask).unwrap().to_owned();
        assert_eq!(got.dim(), (mask.visible().len() + 1, bundle.spec().encoder().width));
        let mut fresh = model(&bundle, Precision::Int8, 1);
        assert_eq!(got, fresh.encode(patches.view(), &mask).unwrap());
    }
}

#[test]
fn twins_answer_alike_side_by_side() {
    let bundle = bundle();
    let grid = bundle.spec().grid();
    let patches = patches(grid);
    let mut first = model(&bundle, Precision::Int8, 1);
    let twins = [first.twin().unwrap(), first.twin().unwrap()];
    assert!(twins.iter().all(|twin| (twin.form(), twin.spec()) == (first.form(), first.spec())));
    let masks: Vec<Mask> = (0..4).map(|seed| Mask::random(grid, 0.2 * seed as f32, seed).unwrap()).collect();
    let answers = |model: &mut Model| -> Vec<Array2<f32>> {
        masks.iter().map(|mask| model.reconstruct(patches.view(), mask).unwrap().to_owned()).collect()
    };
    let right = answers(&mut first);
    let answers = &answers;
    std::thread::scope(|scope| {
        let running: Vec<_> = twins.into_iter().map(|mut twin| scope.spawn(move || answers(&mut twin))).collect();
        assert!(running.into_iter().all(|twin| twin.join().unwrap() == right));
    });
}

#[test]
fn the_form_that_was_loaded_is_said() {
    let bundle = bundle();
    assert_eq!(model(&bundle, Precision::Int8, 1).form(), Precision::Int8);
    let has_f32 = bundle.graph(Part::Encoder, Precision::F32).is_some();
    let form = if has_f32 { Precision::F32 } else { Precision::Int8 };
    assert_eq!(model(&bundle, Precision::F32, 1).form(), form);
}

#[test]
fn what_is_masked_is_not_read() {
    let bundle = bundle();
    let grid = bundle.spec().grid();
    let mask = Mask::random(grid, 0.5, 1).unwrap();
    let patches = patches(grid);
    let mut spoiled = patches.clone();
    for &index in mask.masked() {
        spoiled.row_mut(index).fill(f32::NAN);
    }
    let mut model = model(&bundle, Precision::Int8, 1);
    let answer = model.reconstruct(patches.view(), &mask).unwrap().to_owned();
    assert_eq!(answer, model.reconstruct(spoiled.view(), &mask).unwrap());
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let bundle = bundle();
    let grid = bundle.spec().grid();
    let mut model = model(&bundle, Precision::Int8, 1);
    let few = Array2::zeros((grid.len() - 1, grid.patch_len()));
    let refused = model.encode(few.view(), &Mask::all_visible(grid));
    assert!(matches!(refused, Err(Error::Shape { what: "patches", .. })));
    let other = PatchGrid::new(grid.height(), grid.width() * 2, grid.patch()).unwrap();
    let refused = model.encode(patches(grid).view(), &Mask::all_visible(other));
    assert!(matches!(refused, Err(Error::OtherGrid { .. })));
    let refused = Model::load(&bundle, &Options { threads: Some(0), ..Options::default() });
    assert!(matches!(refused, Err(Error::Threads { threads: 0, .. })));
}

#[test]
fn a_missing_int8_form_is_named_with_the_way_to_it() {
    let bundle = bundle();
    let mut files = bundle.files().clone();
    for part in Part::ALL {
        let graph = files.remove(&BundleFile::Graph(part, Precision::Int8)).unwrap();
        files.insert(BundleFile::Graph(part, Precision::F32), graph);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("f32-alone");
    Bundle::write(&folder, bundle.manifest(), &files, Existing::Refuse).unwrap();
    let bundle = Bundle::open(&folder).unwrap();
    let refused = Model::load(&bundle, &Options::default()).unwrap_err();
    assert!(matches!(refused, Error::FormMissing { precision: Precision::Int8, .. }));
    let sentence = refused.to_string();
    assert!(sentence.contains(bundle.name()) && sentence.contains("glimpse-export quantize"), "{sentence}");
}

//! Which kernels are fastest on a GPU: measured once, at the first start with a model, and kept.
//!
//! The floor's kernels run on every GPU. Larger tiles, products of bytes and of f16, sums over subgroups, and whole blocks in one
//! dispatch gain much on some and cost on others, and no list of names says which; so each is asked for the model's golden answer
//! and then timed. What is wrong is not taken, however fast.

use std::time::{Duration, Instant};

use glimpse_models::{Bundle, Precision};
use ndarray::{Array2, ArrayView2};

use super::GpuError;
use super::context::Context;
use super::engine::{Engine, Settings, Task};
use super::kept::Kept;
use super::kernels::{Form, Tile};
use super::plan::Choice;
use super::weights::Product;
use crate::Mask;

/// The tile of a linear layer that is sure to run, and a larger one.
const TILES: [Tile; 2] = [Tile { side: 8, split: 1 }, Tile { side: 16, split: 1 }];
/// Groups that may share summands, the most first.
const SPLITS: [u32; 2] = [4, 2];
/// Frames that are timed at most, of which the fastest counts.
const FRAMES: usize = 3;
/// After so long no further one is: where frames are slow, a start would be, too, and what disturbs one is a small part of it.
const LONG: Duration = Duration::from_millis(100);

/// The engine with what is fastest, of those that `make` makes, which may be prepared together: measured before,
/// or now.
///
/// # Errors
/// When the choice that is sure to run does not.
pub(super) fn fastest(
    bundle: &Bundle,
    form: Precision,
    context: &Context,
    settings: &Settings,
    prepare: impl Fn(&[Choice]),
    make: impl Fn(Choice) -> Result<Engine, GpuError>,
) -> Result<Engine, GpuError> {
    // what does not run here keeps nothing else from it
    let make = |choice| make(choice).inspect_err(|_| context.forget());
    let runs = |choice: &Choice| choice.runs_on(&context.device);
    let (sure, other) = products(settings.precision, form, settings.half);
    let with = |product| Choice { product, tile: TILES[0], subgroups: false, blocks: false };
    let (sure, other) = (with(sure), other.map(with).filter(runs));
    let question = format!("{}, {} or whole blocks", settings.precision, other.unwrap_or(sure).product);
    let kept = Kept::new(settings.folder.as_deref(), &context.adapter, bundle, form, &question);
    let known = kept.read();
    // other tiles
    let tiles = |choice: Choice| {
        let [_, larger] = TILES;
        let of = move |tile| Choice { tile, ..choice };
        // f16 sums are not shared
        let shared = SPLITS.map(|split| of(Tile { split, ..TILES[0] })).into_iter().find(runs);
        [Some(of(larger)), shared.filter(|_| choice.product != Product::Half)].into_iter().flatten().filter(runs)
    };
    let by_subgroups = |choice: Choice| Some(Choice { subgroups: true, ..choice }).filter(runs);
    let all = [Some(sure), other].into_iter().flatten().flat_map(|choice| tiles(choice).chain([choice]));
    // blocks are not multiplied in f16, and f32 weights not in bytes
    let of_bytes = other.filter(|choice| choice.product == Product::Bytes && form == Precision::Int8);
    let whole_blocks = [Some(sure), of_bytes].into_iter().flatten().map(|choice| Choice { blocks: true, ..choice });
    let mut all = all.chain(whole_blocks.clone()).flat_map(|choice| [Some(choice), by_subgroups(choice)]).flatten();
    let known = all.find(|choice| Some(choice.to_string()) == known);
    if let Some(engine) = known.and_then(|choice| context.compiled_anew_if_need_be(|| make(choice)).ok()) {
        return Ok(engine);
    }
    let paints = bundle.spec().decoder().is_some();
    let timed = |choice| -> Result<_, GpuError> {
        let mut engine = make(choice)?;
        let time = least_time(bundle, |patches, mask| {
            engine.run(if paints { Task::Predict(patches) } else { Task::Encode(patches) }, mask).map(drop)
        })?;
        Ok((time, choice, engine))
    };
    let mut best = timed(sure)?;
    // what will be tried after it, most likely, is compiled together
    let likely = other.unwrap_or(sure);
    let mut ahead: Vec<Choice> = other.into_iter().chain(tiles(likely)).chain(whole_blocks.clone()).collect();
    ahead.extend(by_subgroups(likely));
    prepare(&ahead);
    // one thing at a time, on top of what was best so far
    if let Some(choice) = other {
        best = faster(best, timed(choice));
    }
    for choice in tiles(best.1) {
        best = faster(best, timed(choice));
    }
    if let Some(choice) = by_subgroups(best.1) {
        best = faster(best, timed(choice));
    }
    let subgroups = best.1.subgroups;
    for choice in whole_blocks {
        best = faster(best, timed(Choice { subgroups, ..choice }));
    }
    let (_, choice, engine) = best;
    kept.write(&choice.to_string());
    Ok(engine)
}

/// An engine, or another one that gives the right answer in less time.
fn faster(
    best: (Duration, Choice, Engine),
    other: Result<(Duration, Choice, Engine), GpuError>,
) -> (Duration, Choice, Engine) {
    match other {
        Ok(other) if other.0 < best.0 => other,
        _ => best,
    }
}

/// What linear layers may be multiplied in: what is sure to run, and another.
fn products(precision: Precision, form: Precision, half: bool) -> (Product, Option<Product>) {
    match (precision, form, half) {
        (Precision::F32, _, true) => (Product::Wide(Form::F16), Some(Product::Half)),
        (Precision::F32, Precision::F32, false) => (Product::Wide(Form::F32), None),
        // int8 weights that are to be multiplied in f32
        (Precision::F32, Precision::Int8, false) => (Product::Wide(Form::Int8), None),
        (Precision::Int8, _, _) => (Product::Wide(Form::Int8), Some(Product::Bytes)),
    }
}

/// How long the fastest of a few frames takes, all patches visible.
///
/// # Errors
/// Those of a frame.
pub(crate) fn least_time<E>(
    bundle: &Bundle,
    mut frame: impl FnMut(ArrayView2<f32>, &Mask) -> Result<(), E>,
) -> Result<Duration, E> {
    let grid = bundle.spec().grid();
    let patches =
        Array2::from_shape_fn((grid.len(), grid.patch_len()), |(i, j)| ((i * 31 + j * 7) % 61) as f32 / 20.0 - 1.5);
    let mask = Mask::all_visible(grid);
    // a first one warms up
    frame(patches.view(), &mask)?;
    let (mut least, mut spent) = (Duration::MAX, Duration::ZERO);
    for _ in 0..FRAMES {
        let start = Instant::now();
        frame(patches.view(), &mask)?;
        let time = start.elapsed();
        least = least.min(time);
        spent += time;
        if spent >= LONG {
            break;
        }
    }
    Ok(least)
}

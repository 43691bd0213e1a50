//! Every encoder, share and classifier → a report.

use anyhow::{Context, ensure};
use glimpse_models::{Bundle, Precision};
use glimpse_runtime::Pool;
use indicatif::ProgressBar;
use ndarray::Array2;

use super::extract::{Extracted, Extractor, POOLS};
use super::pca::Pca;
use super::pixels::{Reduced, without_equal_channels};
use super::random_encoder::random_encoder;
use super::report::{Accuracy, Cell, DataReport, Definitions, Report, Row};
use super::{knn, linear};
use crate::data::Labelled;

/// Shares of the patches that the encoder sees.
pub const SHARES: [f32; 3] = [0.25, 0.5, 1.0];
/// Examples to be asked about are counted from here, so that none draws as one to learn from does.
const TEST_FIRST: u64 = 1 << 32;

/// How the bundle is probed.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Form of the bundle's weights.
    pub precision: Precision,
    /// Seed of the masks, the random encoder and the classifiers.
    pub seed: u64,
}

/// Measures what the bundle's features of a labelled set are worth. The same arguments give the same numbers.
///
/// # Errors
/// When an encoder cannot be run, or too few examples can be read.
pub fn probe(bundle: &Bundle, data: &Labelled, settings: &Settings, progress: &ProgressBar) -> anyhow::Result<Report> {
    let Settings { precision, seed } = *settings;
    let random = random_encoder(bundle.spec(), seed).context("making a random encoder")?;
    let extractor = Extractor::new(&[(bundle, precision), (&random, Precision::F32)], &SHARES, seed)?;
    progress.set_message("pictures");
    progress.set_length((data.train.len() + data.test.len()) as u64);
    let train = extractor.extract(&data.train, 0, progress)?;
    let test = extractor.extract(&data.test, TEST_FIRST, progress)?;
    for (examples, part) in [(&train, "learn from"), (&test, "ask about")] {
        ensure!(!examples.labels.is_empty(), "none of the pictures to {part} in {} can be read", data.name);
    }

    let width = bundle.spec().encoder().width;
    let (train_labels, test_labels) = (&train.labels[..], &test.labels[..]);
    let judge = Judge { train_labels, test_labels, classes: data.classes(), seed, progress };
    let mut rows = Vec::new();
    let encoders = [
        (format!("glimpse_{precision}"), format!("{} ({precision})", bundle.name())),
        ("random".to_owned(), "the same encoder, untrained".to_owned()),
    ];
    progress.reset();
    progress.set_message("classifiers");
    progress.set_length(((encoders.len() * POOLS.len() + 2) * SHARES.len()) as u64);
    for (encoder, (key, title)) in encoders.iter().enumerate() {
        for (pool, name) in POOLS.into_iter().map(pool_name).enumerate() {
            let cell = |share: usize| {
                let place = extractor.place(share, encoder, pool);
                judge.cell(share, &train.features[place], &test.features[place])
            };
            rows.push(Row {
                method: format!("{key}_{}", POOLS[pool].name()),
                title: format!("{title}, {name}"),
                numbers: width,
                cells: (0..SHARES.len()).map(cell).collect(),
            });
        }
    }
    rows.extend(pixel_rows(bundle, &extractor, &train, &test, &judge)?);
    Ok(Report {
        bundle: bundle.name().to_owned(),
        precision: precision.name(),
        data: DataReport {
            name: data.name.clone(),
            classes: data.classes(),
            split: data.split.clone(),
            train: train.labels.len(),
            test: test.labels.len(),
            passed_over: train.passed_over + test.passed_over,
            commonest_percent: commonest_percent(&test.labels, data.classes()),
        },
        seed,
        patches: bundle.spec().grid().len(),
        definitions: Definitions::default(),
        rows,
    })
}

/// Pixels, and as many of their principal components as the encoder has numbers.
fn pixel_rows(
    bundle: &Bundle,
    extractor: &Extractor,
    train: &Extracted,
    test: &Extracted,
    judge: &Judge,
) -> anyhow::Result<[Row; 2]> {
    let reduced = Reduced::new(bundle.spec());
    let (side, split) = (reduced.side(), train.labels.len());
    // Together, so that both have one channel or both have three.
    let together = ndarray::concatenate(ndarray::Axis(0), &[train.pixels.view(), test.pixels.view()])?;
    let (train_pixels, test_pixels) = {
        let pixels = without_equal_channels(together);
        let (train, test) = pixels.view().split_at(ndarray::Axis(0), split);
        (train.to_owned(), test.to_owned())
    };
    let channels = train_pixels.ncols() / (side * side);
    let mut pixels = Row {
        method: "pixels".to_owned(),
        title: format!("pixels, {side} × {side} × {channels}"),
        numbers: train_pixels.ncols(),
        cells: Vec::new(),
    };
    let mut components =
        Row { method: "pca".to_owned(), title: "their principal components".to_owned(), numbers: 0, cells: Vec::new() };
    for share in 0..SHARES.len() {
        let masked = |pixels: &Array2<f32>, numbers: &[u64]| -> anyhow::Result<Array2<f32>> {
            let masks =
                numbers.iter().map(|number| extractor.mask(*number, share)).collect::<anyhow::Result<Vec<_>>>()?;
            Ok(reduced.masked(pixels, &masks))
        };
        let (seen, asked) = (masked(&train_pixels, &train.numbers)?, masked(&test_pixels, &test.numbers)?);
        pixels.cells.push(judge.cell(share, &seen, &asked));
        let pca = Pca::fit(&seen, bundle.spec().encoder().width, judge.seed)?;
        components.numbers = pca.components();
        components.cells.push(judge.cell(share, &pca.project(&seen), &pca.project(&asked)));
    }
    Ok([pixels, components])
}

/// What every set of features is judged by.
struct Judge<'a> {
    train_labels: &'a [usize],
    test_labels: &'a [usize],
    classes: usize,
    seed: u64,
    progress: &'a ProgressBar,
}

impl Judge<'_> {
    fn cell(&self, share: usize, train: &Array2<f32>, test: &Array2<f32>) -> Cell {
        let neighbours = knn::classify(train, self.train_labels, test, self.classes);
        let learnt = linear::classify(train, self.train_labels, test, self.classes, self.seed);
        self.progress.inc(1);
        Cell {
            visible_percent: 100.0 * SHARES[share],
            knn: Accuracy::new(&neighbours, self.test_labels),
            linear: Accuracy::new(&learnt.classes, self.test_labels),
            strength: learnt.strength,
        }
    }
}

fn pool_name(pool: Pool) -> &'static str {
    match pool {
        Pool::Cls => "class token",
        Pool::Mean => "mean of the patches",
    }
}

/// How often someone is right who always says the commonest class.
fn commonest_percent(labels: &[usize], classes: usize) -> f64 {
    let most = (0..classes).map(|class| labels.iter().filter(|label| **label == class).count()).max();
    100.0 * most.unwrap_or(0) as f64 / labels.len() as f64
}

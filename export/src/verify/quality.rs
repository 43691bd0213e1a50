//! Every picture, every hole, every method: tables of what came out, and a contact sheet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use glimpse_models::{Bundle, Precision};
use glimpse_runtime::inpaint::{Fill, PaintOptions};
use image::RgbImage;
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::fills::{ClassicFills, OpenCv, mean_fill};
use super::holes::HoleClass;
use super::metrics::{Estimate, Score};
use super::painter::{Painter, filled};
use super::report::{Definitions, MethodQuality, Painting, Row, Table};
use super::trial::{Draw, Scale, Trial};
use crate::sheet::{Layout, contact_sheet};

/// Most pictures that a thread holds, with all their holes and fills, at a time.
const LOT_MAX: usize = 12;
/// Most rows of the contact sheet.
const SHEET_ROWS: usize = 12;
const SHEET: Layout = Layout { cell_px: 240, gap_px: 6 };

/// What to paint, and how.
pub struct Settings {
    /// Longest side that pictures are reduced to.
    pub side_px: u32,
    /// Seed of the holes.
    pub seed: u64,
    /// Holes of each class and picture.
    pub holes_per_picture: usize,
    /// Forms of the weights; the first is the one on the contact sheet.
    pub precisions: Vec<Precision>,
    /// Runs OpenCV, if its fills are wanted.
    pub opencv: Option<OpenCv>,
    /// How the runtime paints.
    pub paint: PaintOptions,
}

/// What came out.
pub struct Quality {
    /// The numbers.
    pub painting: Painting,
    /// A row for each of a dozen holes: masked, mean fill, Telea, Navier–Stokes, Glimpse, original.
    pub sheet: RgbImage,
}

/// A way to fill a hole, in the order of the tables' columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    MeanFill,
    OpenCvTelea,
    OpenCvNavierStokes,
    Fill(Fill),
    Pasted(Precision),
    Glimpse(Precision),
}

impl Method {
    fn key(self) -> String {
        match self {
            Self::MeanFill => "mean_fill".to_owned(),
            Self::OpenCvTelea => "opencv_telea".to_owned(),
            Self::OpenCvNavierStokes => "opencv_ns".to_owned(),
            Self::Fill(fill) => fill.to_string(),
            Self::Pasted(precision) => format!("pasted_{precision}"),
            Self::Glimpse(precision) => format!("glimpse_{precision}"),
        }
    }

    fn title(self) -> String {
        match self {
            Self::MeanFill => "mean fill".to_owned(),
            Self::OpenCvTelea => "OpenCV's Telea".to_owned(),
            Self::OpenCvNavierStokes => "OpenCV's Navier–Stokes".to_owned(),
            Self::Fill(fill) => format!("Glimpse without its model ({fill})"),
            Self::Pasted(precision) => format!("model's answer, pasted ({precision})"),
            Self::Glimpse(precision) => format!("Glimpse ({precision})"),
        }
    }
}

/// Scores by what they are of: the scale, the class's place in [`HoleClass::ALL`], the method, the picture.
type Scores = BTreeMap<(Scale, usize, Method, usize), Score>;

/// What one thread found out about some pictures.
#[derive(Default)]
struct Findings {
    scores: Scores,
    sheet_rows: Vec<Vec<RgbImage>>,
    passed_over: usize,
}

/// Paints seeded holes in the pictures at `paths`, which lie in `folder`, and compares them with what was there. The
/// same arguments give the same numbers; a file that is broken or too small is named on stderr and passed over.
///
/// # Errors
/// When the model cannot paint, OpenCV fails, or no picture can be used.
pub fn quality(
    bundle: &Bundle,
    folder: &Path,
    paths: &[PathBuf],
    settings: &Settings,
    progress: &ProgressBar,
) -> anyhow::Result<Quality> {
    let (spec, count) = (bundle.spec(), paths.len());
    let scales = vec![
        Scale::Photo { side_px: settings.side_px },
        Scale::Model { side_px: spec.image_side() as u32, patch_px: spec.patch_side() as u32 },
    ];
    let draw = Draw { scales, seed: settings.seed, holes_per_picture: settings.holes_per_picture };
    let shown = shown(count);
    progress.set_length(count as u64);

    let pictures: Vec<(usize, &PathBuf)> = paths.iter().enumerate().collect();
    let lot = count.div_ceil(2 * rayon::current_num_threads()).clamp(1, LOT_MAX);
    let judge = |lot: &[(usize, &PathBuf)]| judge_lot(bundle, folder, lot, settings, &draw, &shown, progress);
    let lots: Vec<Findings> = pictures.par_chunks(lot).map(judge).collect::<anyhow::Result<_>>()?;

    let mut all = Findings::default();
    for mut lot in lots {
        all.scores.append(&mut lot.scores);
        all.sheet_rows.append(&mut lot.sheet_rows);
        all.passed_over += lot.passed_over;
    }
    ensure!(all.passed_over < count, "none of the {count} pictures in {} can be used", folder.display());
    let painting = Painting {
        pictures: count - all.passed_over,
        passed_over: all.passed_over,
        seed: settings.seed,
        holes_per_picture: settings.holes_per_picture,
        definitions: Definitions::default(),
        tables: draw.scales.iter().map(|&scale| table(scale, &all.scores)).collect(),
    };
    Ok(Quality { painting, sheet: contact_sheet(&all.sheet_rows, SHEET) })
}

/// Which picture and class each row of the contact sheet shows: pictures evenly spread, classes in turn.
fn shown(pictures: usize) -> Vec<(usize, HoleClass)> {
    let classes = HoleClass::ALL;
    let rows = SHEET_ROWS.min(pictures * classes.len());
    (0..rows).map(|row| (row * pictures / rows, classes[row % classes.len()])).collect()
}

fn judge_lot(
    bundle: &Bundle,
    folder: &Path,
    lot: &[(usize, &PathBuf)],
    settings: &Settings,
    draw: &Draw,
    shown: &[(usize, HoleClass)],
    progress: &ProgressBar,
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut trials = Vec::new();
    for &(picture, path) in lot {
        match draw.trials(folder, path) {
            Ok(of_picture) => trials.extend(of_picture.into_iter().map(|trial| (picture, trial))),
            Err(error) => {
                findings.passed_over += 1;
                progress.suspend(|| eprintln!("passed over: {error:#}"));
            }
        }
    }
    let cases: Vec<_> = trials.iter().map(|(_, trial)| (&trial.blank, &trial.hole)).collect();
    let classic = settings.opencv.as_ref().map(|opencv| opencv.fill(&cases)).transpose()?;
    let mut classic = classic.into_iter().flatten();

    let load = |&precision: &Precision| Ok((precision, Painter::new(bundle, precision, settings.paint)?));
    let mut painters: Vec<(Precision, Painter)> =
        settings.precisions.iter().map(load).collect::<anyhow::Result<_>>()?;
    let mut finished = None;
    for (picture, trial) in &trials {
        let fills = fill(trial, classic.next(), &mut painters)
            .with_context(|| format!("painting a hole of {} in picture {}", trial.class, picture + 1))?;
        let class = HoleClass::ALL.iter().position(|class| *class == trial.class).unwrap_or_default();
        for (method, painted) in &fills {
            let score = Score::new(&trial.original, painted, &trial.hole)?;
            *findings.scores.entry((trial.scale, class, *method, *picture)).or_default() += score;
        }
        let on_sheet = trial.index == 0 && matches!(trial.scale, Scale::Photo { .. });
        if on_sheet && shown.contains(&(*picture, trial.class)) {
            findings.sheet_rows.push(sheet_row(trial, fills, settings.precisions.first()));
        }
        if finished.replace(picture).is_some_and(|before| before != picture) {
            progress.inc(1);
        }
    }
    progress.inc(u64::from(finished.is_some()) + findings.passed_over as u64);
    Ok(findings)
}

/// The hole, filled by every method that there is.
fn fill(
    trial: &Trial,
    classic: Option<ClassicFills>,
    painters: &mut [(Precision, Painter)],
) -> anyhow::Result<BTreeMap<Method, RgbImage>> {
    let mut fills = BTreeMap::new();
    fills.insert(Method::MeanFill, mean_fill(&trial.blank, &trial.hole));
    if let Some(ClassicFills { telea, navier_stokes }) = classic {
        fills.insert(Method::OpenCvTelea, telea);
        fills.insert(Method::OpenCvNavierStokes, navier_stokes);
    }
    for method in Fill::ALL {
        fills.insert(Method::Fill(method), filled(&trial.blank, &trial.hole, method)?);
    }
    for (precision, painter) in painters {
        fills.insert(Method::Glimpse(*precision), painter.inpaint(&trial.blank, &trial.hole)?);
        if matches!(trial.scale, Scale::Model { .. }) {
            fills.insert(Method::Pasted(*precision), painter.paste(&trial.blank, &trial.hole)?);
        }
    }
    Ok(fills)
}

fn sheet_row(trial: &Trial, mut fills: BTreeMap<Method, RgbImage>, precision: Option<&Precision>) -> Vec<RgbImage> {
    let columns = [Method::MeanFill, Method::OpenCvTelea, Method::OpenCvNavierStokes];
    let columns = columns.into_iter().chain(precision.map(|precision| Method::Glimpse(*precision)));
    let mut row = vec![trial.blank.clone()];
    row.extend(columns.filter_map(|method| fills.remove(&method)));
    row.push(RgbImage::clone(&trial.original));
    row
}

fn table(scale: Scale, scores: &Scores) -> Table {
    let mut methods: Vec<Method> = scores.keys().filter(|key| key.0 == scale).map(|key| key.2).collect();
    methods.sort_unstable();
    methods.dedup();
    let rows = HoleClass::ALL.into_iter().enumerate().map(|(class, range)| Row {
        hole: range.to_string(),
        percent: range.percent(),
        methods: methods.iter().map(|&method| method_quality(scale, class, method, scores)).collect(),
    });
    Table { scale: scale.key(), title: scale.title(), rows: rows.collect() }
}

fn method_quality(scale: Scale, class: usize, method: Method, scores: &Scores) -> MethodQuality {
    let of_pictures = |method| {
        let range = (scale, class, method, 0)..=(scale, class, method, usize::MAX);
        scores.range(range).map(|(_, score)| *score)
    };
    let estimate =
        |value: fn(&Score) -> f64| Estimate::new(&of_pictures(method).map(|s| value(&s)).collect::<Vec<_>>());
    let gains: Vec<f64> =
        of_pictures(method).zip(of_pictures(Method::MeanFill)).map(|(a, b)| a.psnr_db() - b.psnr_db()).collect();
    MethodQuality {
        method: method.key(),
        title: method.title(),
        psnr_db: estimate(Score::psnr_db),
        ssim: estimate(Score::ssim),
        psnr_over_mean_fill_db: Estimate::new(&gains),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_shows_pictures_evenly_and_every_class() {
        let many = shown(26);
        assert_eq!(many.len(), SHEET_ROWS);
        assert!(many.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(HoleClass::ALL.iter().all(|class| many.iter().filter(|row| row.1 == *class).count() == 3));
        let one: Vec<_> = HoleClass::ALL.iter().map(|class| (0, *class)).collect();
        assert_eq!(shown(1), one);
    }

    #[test]
    fn a_table_is_of_its_own_scale_and_compares_picture_by_picture() {
        let original = RgbImage::from_pixel(40, 40, image::Rgb([100, 100, 100]));
        let painted = |offset: u8| RgbImage::from_pixel(40, 40, image::Rgb([100 + offset; 3]));
        let hole = ndarray::Array2::from_shape_fn((40, 40), |(y, _)| y < 10);
        let score = |offset| Score::new(&original, &painted(offset), &hole).unwrap();
        let photo = Scale::Photo { side_px: 480 };
        let glimpse = Method::Glimpse(Precision::Int8);
        let scores = Scores::from([
            ((photo, 0, Method::MeanFill, 3), score(100)),
            ((photo, 0, Method::MeanFill, 7), score(10)),
            ((photo, 0, glimpse, 3), score(10)),
            ((photo, 0, glimpse, 7), score(1)),
            ((Scale::Model { side_px: 32, patch_px: 4 }, 0, Method::Pasted(Precision::Int8), 3), score(5)),
        ]);
        let table = table(photo, &scores);
        assert_eq!((table.scale, table.rows.len()), ("photo", HoleClass::ALL.len()));
        let [mean, glimpse] = &table.rows[0].methods[..] else { panic!("two methods") };
        assert_eq!((mean.method.as_str(), glimpse.method.as_str()), ("mean_fill", "glimpse_int8"));
        let gain = glimpse.psnr_over_mean_fill_db.unwrap();
        assert!((gain.mean - 20.0).abs() < 1e-9 && gain.standard_error.unwrap() < 1e-9, "{gain:?}");
        assert!(mean.psnr_over_mean_fill_db.unwrap().mean.abs() < f64::EPSILON);
        assert!(table.rows[1].methods.iter().all(|quality| quality.psnr_db.is_none()));
    }
}

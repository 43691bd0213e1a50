//! What was found, as data for JSON, as Markdown for people, and as numbers for the bundle's manifest.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use glimpse_models::{Manifest, Measure};
use serde::Serialize;

/// The manifest's key of what [`Report::record`] writes.
const QUALITY: &str = "probe_accuracy_percent";

/// Everything that `probe` finds out about a bundle.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the bundle.
    pub bundle: String,
    /// Form of its weights.
    pub precision: &'static str,
    /// The labelled set.
    pub data: DataReport,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Patches of a picture.
    pub patches: usize,
    /// What the numbers mean.
    pub definitions: Definitions,
    /// One for each way to features.
    pub rows: Vec<Row>,
}

/// The labelled set.
#[derive(Clone, Debug, Serialize)]
pub struct DataReport {
    /// Its name.
    pub name: String,
    /// How many classes it has.
    pub classes: usize,
    /// How it was parted, in words.
    pub split: String,
    /// Pictures learnt from.
    pub train: usize,
    /// Pictures asked about.
    pub test: usize,
    /// Files that could not be used.
    pub passed_over: usize,
    /// How often someone is right who always says the commonest class.
    pub commonest_percent: f64,
}

/// What the numbers mean, in words.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Definitions {
    /// Of `visible_percent`.
    pub visible: &'static str,
    /// Of `knn`.
    pub knn: &'static str,
    /// Of `linear`.
    pub linear: &'static str,
    /// Of the methods.
    pub methods: &'static str,
    /// Of `standard_error`.
    pub standard_error: &'static str,
}

impl Default for Definitions {
    fn default() -> Self {
        Self {
            visible: "Share of the patches that are shown, drawn anew for each picture; every method is shown the same \
                      ones. Hidden pixels are 0.",
            knn: "The 20 nearest by cosine vote, each with exp(cosine / 0.07) (Wu et al. 2018, arXiv:1805.01978).",
            linear: "Multinomial logistic regression on features of mean 0 and deviation 1, L-BFGS over the whole set; \
                     the L2 penalty is chosen among 1e-1 to 1e-5 on a fifth of what is learnt from.",
            methods: "Untrained: the same spec with first weights. Pixels: means of squares of the model's image, 0 to \
                      1. Principal components: of those pixels, as shown, as many as the encoder has numbers.",
            standard_error: "± is the binomial standard error over the pictures asked about.",
        }
    }
}

/// One way to features.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its key, such as `glimpse_int8_mean`.
    pub method: String,
    /// Its name for people.
    pub title: String,
    /// Numbers of a picture.
    pub numbers: usize,
    /// One for each share of visible patches.
    pub cells: Vec<Cell>,
}

/// One way to features at one share.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cell {
    /// The share of the patches that are visible.
    pub visible_percent: f32,
    /// The nearest neighbours'.
    pub knn: Accuracy,
    /// The logistic regression's.
    pub linear: Accuracy,
    /// The penalty that was chosen.
    pub strength: f64,
}

/// How often the right class was said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Of 100.
    pub percent: f64,
    /// Binomial, of 100.
    pub standard_error: f64,
}

impl Accuracy {
    /// Compares what was said with what is right.
    ///
    /// # Shapes
    /// - `said`, `right`: `[m]`
    #[must_use]
    pub fn new(said: &[usize], right: &[usize]) -> Self {
        let hits = said.iter().zip(right).filter(|(said, right)| said == right).count();
        let (n, share) = (right.len() as f64, hits as f64 / right.len() as f64);
        Self { percent: 100.0 * share, standard_error: 100.0 * (share * (1.0 - share) / n).sqrt() }
    }
}

impl Report {
    /// The report for people.
    #[must_use]
    pub fn markdown(&self) -> String {
        let DataReport { name, classes, split, train, test, passed_over, commonest_percent } = &self.data;
        let mut text = format!("# {}: probe on {name}\n\n", self.bundle);
        let _ = writeln!(
            text,
            "{train} pictures learnt from, {test} asked about; {classes} classes; split: {split}; seed {}. Always \
             saying the commonest class is right in {commonest_percent:.1}%.",
            self.seed
        );
        if *passed_over > 0 {
            let _ = writeln!(text, "Files that could not be used: {passed_over}.");
        }
        self.table(&mut text, "20 nearest neighbours", |cell| cell.knn);
        self.table(&mut text, "Linear", |cell| cell.linear);
        let Definitions { visible, knn, linear, methods, standard_error } = self.definitions;
        let _ = writeln!(text, "\n- Visible: {visible}\n- Neighbours: {knn}\n- Linear: {linear}\n- {methods}");
        let _ = writeln!(text, "- {standard_error}");
        text
    }

    fn table(&self, text: &mut String, title: &str, accuracy: impl Fn(&Cell) -> Accuracy) {
        let shares: Vec<String> = self.rows.first().map_or(Vec::new(), |row| {
            row.cells.iter().map(|cell| format!("{}% visible", cell.visible_percent)).collect()
        });
        let _ = writeln!(text, "\n| {title}, % right | numbers | {} |", shares.join(" | "));
        let _ = writeln!(text, "| --- | ---: |{}", " ---: |".repeat(shares.len()));
        for row in &self.rows {
            let cell = |cell: &Cell| {
                let Accuracy { percent, standard_error } = accuracy(cell);
                format!("{percent:.1} ± {standard_error:.1}")
            };
            let cells: Vec<String> = row.cells.iter().map(cell).collect();
            let _ = writeln!(text, "| {} | {} | {} |", row.title, row.numbers, cells.join(" | "));
        }
    }

    /// The report for programs; equal reports give equal bytes.
    ///
    /// # Errors
    /// When serde refuses it.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Writes the percentages into a manifest, beside those of other sets and other measures: by set, classifier, method
    /// and share.
    pub fn record(&self, manifest: &mut Manifest) {
        let of = |accuracy: fn(&Cell) -> Accuracy| {
            let of_row = |row: &Row| {
                let cells = row.cells.iter().map(|cell| {
                    let tenths = (accuracy(cell).percent * 10.0).round() / 10.0;
                    (format!("{}% visible", cell.visible_percent), Measure::Number(tenths))
                });
                (row.method.clone(), Measure::Table(cells.collect()))
            };
            Measure::Table(self.rows.iter().map(of_row).collect())
        };
        let set = format!("{}, {} learnt from, {} asked about", self.data.name, self.data.train, self.data.test);
        let measured =
            BTreeMap::from([("knn".to_owned(), of(|cell| cell.knn)), ("linear".to_owned(), of(|cell| cell.linear))]);
        let mut sets = match manifest.quality.remove(QUALITY) {
            Some(Measure::Table(sets)) => sets,
            _ => BTreeMap::new(),
        };
        sets.insert(set, Measure::Table(measured));
        manifest.quality.insert(QUALITY.to_owned(), Measure::Table(sets));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::tests::small_spec;

    fn report() -> Report {
        let accuracy = |percent| Accuracy { percent, standard_error: 1.25 };
        let cell = |visible_percent, knn| Cell {
            visible_percent,
            knn: accuracy(knn),
            linear: accuracy(knn + 10.0),
            strength: 0.01,
        };
        let rows = vec![Row {
            method: "pixels".to_owned(),
            title: "pixels, 2 × 2".to_owned(),
            numbers: 4,
            cells: vec![cell(25.0, 50.0), cell(100.0, 61.26)],
        }];
        let data = DataReport {
            name: "toys".to_owned(),
            classes: 2,
            split: "the folders train and val".to_owned(),
            train: 30,
            test: 16,
            passed_over: 1,
            commonest_percent: 50.0,
        };
        let (precision, definitions) = ("int8", Definitions::default());
        Report { bundle: "small".to_owned(), precision, data, seed: 7, patches: 16, definitions, rows }
    }

    #[test]
    fn an_accuracy_is_a_share_and_its_error() {
        let accuracy = Accuracy::new(&[1, 2, 0, 1], &[1, 2, 0, 0]);
        assert_eq!(accuracy.percent, 75.0);
        assert!((accuracy.standard_error - 21.650_635).abs() < 1e-5);
    }

    #[test]
    fn markdown_has_a_row_a_method_and_a_column_a_share() {
        let text = report().markdown();
        assert!(text.contains("| numbers | 25% visible | 100% visible |\n| --- | ---: | ---: | ---: |\n"), "{text}");
        assert!(text.contains("| pixels, 2 × 2 | 4 | 50.0 ± 1.2 | 61.3 ± 1.2 |\n"), "{text}");
        assert!(text.contains("| pixels, 2 × 2 | 4 | 60.0 ± 1.2 | 71.3 ± 1.2 |\n"), "{text}");
        assert!(text.contains("could not be used: 1.") && text.contains("seed 7"), "{text}");
    }

    #[test]
    fn a_manifest_keeps_what_else_was_measured() {
        let mut manifest = Manifest::new("small", "MIT", small_spec(false)).unwrap();
        manifest.quality.insert("masked_psnr_db".to_owned(), Measure::Number(20.0));
        report().record(&mut manifest);
        let mut other = report();
        other.data.name = "tools".to_owned();
        other.record(&mut manifest);
        assert_eq!(manifest.quality["masked_psnr_db"], Measure::Number(20.0));
        let json = serde_json::to_value(&manifest.quality[QUALITY]).unwrap();
        for set in ["toys", "tools"] {
            let set = &json[format!("{set}, 30 learnt from, 16 asked about")];
            assert_eq!(set["knn"]["pixels"]["100% visible"], 61.3);
            assert_eq!(set["linear"]["pixels"]["25% visible"], 60.0);
        }
    }
}

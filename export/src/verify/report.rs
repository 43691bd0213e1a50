//! What was found, as data for JSON and as Markdown for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use glimpse_models::{Measure, Precision};
use glimpse_runtime::inpaint::Method;
use serde::Serialize;

use super::metrics::Estimate;
use super::parity::Comparison;
use super::trial::Scale;

/// Everything that `verify` finds out about a bundle.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the bundle.
    pub bundle: String,
    /// Whether the runtime answers as burn does, within the limits.
    pub passed: bool,
    /// The runtime beside burn.
    pub parity: Vec<Comparison>,
    /// Painted pictures beside the originals, if there were pictures.
    pub painting: Option<Painting>,
}

/// How well holes in pictures are painted.
#[derive(Clone, Debug, Serialize)]
pub struct Painting {
    /// How many pictures were painted.
    pub pictures: usize,
    /// Files that could not be used.
    pub passed_over: usize,
    /// Seed of the holes.
    pub seed: u64,
    /// Holes of each class and picture.
    pub holes_per_picture: usize,
    /// What the numbers mean.
    pub definitions: Definitions,
    /// One for each size that the pictures were painted at.
    pub tables: Vec<Table>,
}

/// What the numbers of a [`Painting`] mean, in words.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Definitions {
    /// Of the holes.
    pub holes: &'static str,
    /// Of `psnr_db`.
    pub psnr_db: &'static str,
    /// Of `ssim`.
    pub ssim: &'static str,
    /// Of the means.
    pub estimates: &'static str,
}

impl Default for Definitions {
    fn default() -> Self {
        Self {
            holes: "Rectangles and unions of them, seeded, by the share of the picture's pixels that they hide. All \
                    methods fill the same holes and see the same pixels.",
            psnr_db: "Of one picture: 10·log10(255² / mean squared error), the mean over the hole's pixels and the \
                      channels R, G, B of 8 bits; a picture's holes of one class count as one hole.",
            ssim: "Of one picture: the mean over the hole's pixels of the SSIM map on luma (BT.601), 11 × 11 Gaussian \
                   window with σ = 1.5, K1 = 0.01, K2 = 0.03, L = 255.",
            estimates: "Mean over the pictures ± standard error of the mean.",
        }
    }
}

/// Holes painted at one size of the pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// The same in a word: `photo` or `model`.
    pub scale: &'static str,
    /// What the pictures were brought to, in words.
    pub title: String,
    /// One for each hole class.
    pub rows: Vec<Row>,
}

/// One class of holes.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The class, as a range of percents.
    pub hole: String,
    /// The class: this share of the picture or more, and less than that.
    pub percent: [usize; 2],
    /// One for each method, the same ones in every row of a table.
    pub methods: Vec<MethodQuality>,
}

/// How well one method filled one class of holes.
#[derive(Clone, Debug, Serialize)]
pub struct MethodQuality {
    /// The method's key, such as `mean_fill` or `glimpse_int8`.
    pub method: String,
    /// The method's name for people.
    pub title: String,
    /// Masked PSNR; none without a picture.
    pub psnr_db: Option<Estimate>,
    /// Masked SSIM.
    pub ssim: Option<Estimate>,
    /// Masked PSNR less that of the mean fill, picture by picture.
    pub psnr_over_mean_fill_db: Option<Estimate>,
}

impl Painting {
    /// What a bundle's manifest says of it: the masked PSNR of every method, by size of the pictures, hole class and
    /// method; and, of the photographs' own size, that of the methods of `glimpse inpaint`, which chooses by it.
    #[must_use]
    pub fn measures(&self) -> BTreeMap<String, Measure> {
        let of_row = |row: &Row| {
            let methods = row.methods.iter().map(|quality| quality.method.as_str());
            let measured = |method: &str| Some((method.to_owned(), row.hundredths_db(method)?));
            (row.hole.clone(), Measure::Table(methods.filter_map(measured).collect()))
        };
        let of_table = |table: &Table| (table.title.clone(), Measure::Table(table.rows.iter().map(of_row).collect()));
        let tables = Measure::Table(self.tables.iter().map(of_table).collect());

        let to_choose_by = |row: &Row| {
            let measured = |method: Method| Some((method.name().to_owned(), row.hundredths_db_of(method)?));
            let [least, below] = row.percent;
            (format!("{least}-{below}"), Measure::Table(Method::ALL.into_iter().filter_map(measured).collect()))
        };
        let photo = self.tables.iter().filter(|table| table.scale == Scale::PHOTO).flat_map(|table| &table.rows);
        let chosen_by = Measure::Table(photo.map(to_choose_by).collect());
        BTreeMap::from([("masked_psnr_db".to_owned(), tables), (Method::QUALITY.to_owned(), chosen_by)])
    }
}

impl Row {
    /// The mean PSNR of the method with this key, to two decimals.
    fn hundredths_db(&self, key: &str) -> Option<Measure> {
        let quality = self.methods.iter().find(|quality| quality.method == key)?;
        Some(Measure::Number((quality.psnr_db?.mean * 100.0).round() / 100.0))
    }

    /// The same of a method of `glimpse inpaint`, with the weights that it computes with when it is not told.
    fn hundredths_db_of(&self, method: Method) -> Option<Measure> {
        match method {
            Method::Fill(fill) => self.hundredths_db(fill.name()),
            Method::Mae => [Precision::Int8, Precision::F32]
                .into_iter()
                .find_map(|precision| self.hundredths_db(&format!("glimpse_{precision}"))),
        }
    }
}

impl Report {
    /// The report for people.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}: verification\n", self.bundle);
        parity_markdown(&mut text, &self.parity);
        if let Some(painting) = &self.painting {
            painting_markdown(&mut text, painting);
        }
        text
    }

    /// The report for programs; equal reports give equal bytes.
    ///
    /// # Errors
    /// When serde refuses it.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

fn parity_markdown(text: &mut String, parity: &[Comparison]) {
    let _ = writeln!(text, "\n## The runtime beside burn\n");
    let _ = writeln!(text, "Error: max\\|a − b\\| / max\\|b\\|. Cosine: between the rows of both answers.\n");
    let _ = writeln!(
        text,
        "| golden input | visible | precision | output | error | least cosine | mean cosine | limit | |"
    );
    let _ = writeln!(text, "| --- | ---: | --- | --- | ---: | ---: | ---: | --- | --- |");
    for Comparison { case, visible, precision, output, differences, limit, passed } in parity {
        let verdict = if *passed { "holds" } else { "**fails**" };
        let _ = writeln!(
            text,
            "| {case} | {visible} | {precision} | {output} | {:.2e} | {:.6} | {:.6} | {limit} | {verdict} |",
            differences.relative_error, differences.cosine_min, differences.cosine_mean
        );
    }
}

fn painting_markdown(text: &mut String, painting: &Painting) {
    let Painting { pictures, passed_over, seed, holes_per_picture, definitions, tables } = painting;
    let _ = writeln!(text, "\n## Painting\n");
    let _ = writeln!(text, "{pictures} pictures; holes of each class in each: {holes_per_picture}; seed {seed}.");
    if *passed_over > 0 {
        let _ = writeln!(text, "Files that could not be used: {passed_over}.");
    }
    for table in tables {
        let _ = writeln!(text, "\n### {}", table.title);
        metric_markdown(text, "Masked PSNR, dB", table, |quality| decimals(quality.psnr_db, 2));
        metric_markdown(text, "PSNR over mean fill, dB", table, |quality| decimals(quality.psnr_over_mean_fill_db, 2));
        metric_markdown(text, "Masked SSIM", table, |quality| decimals(quality.ssim, 3));
    }
    let _ = writeln!(text, "\n- Holes: {}", definitions.holes);
    let _ = writeln!(text, "- PSNR: {}", definitions.psnr_db);
    let _ = writeln!(text, "- SSIM: {}", definitions.ssim);
    let _ = writeln!(text, "- {}", definitions.estimates);
}

fn metric_markdown(text: &mut String, metric: &str, table: &Table, cell: impl Fn(&MethodQuality) -> String) {
    let methods = table.rows.first().map_or(&[][..], |row| &row.methods);
    let titles: Vec<&str> = methods.iter().map(|quality| quality.title.as_str()).collect();
    let _ = writeln!(text, "\n| {metric} | {} |", titles.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(titles.len()));
    for row in &table.rows {
        let cells: Vec<String> = row.methods.iter().map(&cell).collect();
        let _ = writeln!(text, "| {} | {} |", row.hole, cells.join(" | "));
    }
}

fn decimals(estimate: Option<Estimate>, decimals: usize) -> String {
    match estimate {
        None => "–".to_owned(),
        Some(Estimate { mean, standard_error: None, .. }) => format!("{mean:.decimals$}"),
        Some(Estimate { mean, standard_error: Some(error), .. }) => format!("{mean:.decimals$} ± {error:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let quality = |method: &str, values: &[f64]| MethodQuality {
            method: method.to_owned(),
            title: method.to_owned(),
            psnr_db: Estimate::new(values),
            ssim: Estimate::new(values),
            psnr_over_mean_fill_db: None,
        };
        let rows = vec![Row {
            hole: "10–20%".to_owned(),
            percent: [10, 20],
            methods: vec![quality("mean_fill", &[12.0]), quality("glimpse_int8", &[14.0, 16.0])],
        }];
        Report {
            bundle: "small".to_owned(),
            passed: true,
            parity: Vec::new(),
            painting: Some(Painting {
                pictures: 2,
                passed_over: 1,
                seed: 7,
                holes_per_picture: 1,
                definitions: Definitions::default(),
                tables: vec![Table { scale: Scale::PHOTO, title: "At most 480 px".to_owned(), rows }],
            }),
        }
    }

    #[test]
    fn markdown_has_a_row_a_class_and_a_column_a_method() {
        let text = report().markdown();
        assert!(text.contains("| Masked PSNR, dB | mean_fill | glimpse_int8 |\n| --- | ---: | ---: |\n"), "{text}");
        assert!(text.contains("| 10–20% | 12.00 | 15.00 ± 1.00 |\n"), "{text}");
        assert!(text.contains("| 10–20% | 12.000 | 15.000 ± 1.000 |\n"), "{text}");
        assert!(text.contains("could not be used: 1."), "{text}");
    }

    #[test]
    fn json_has_the_same_numbers() {
        let json: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        let glimpse = &json["painting"]["tables"][0]["rows"][0]["methods"][1];
        assert_eq!(glimpse["method"], "glimpse_int8");
        assert_eq!(glimpse["psnr_db"]["mean"], 15.0);
        assert_eq!(glimpse["psnr_db"]["pictures"], 2);
    }
    #[test]
    fn a_manifest_says_what_the_choice_of_a_method_needs() {
        let measures = report().painting.unwrap().measures();
        let Some(Measure::Table(classes)) = measures.get(Method::QUALITY) else { panic!("{measures:?}") };
        let expected = BTreeMap::from([("mae".to_owned(), Measure::Number(15.0))]);
        assert_eq!(classes.get("10-20"), Some(&Measure::Table(expected)), "{classes:?}");
        assert!(measures.contains_key("masked_psnr_db"));
    }
}

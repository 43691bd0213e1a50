//! What int8 costs and saves: per layer from the weights, end to end from burn's answers.

use std::fmt;

use glimpse_models::Part;
use serde::Serialize;

use super::rewrite::Layer;
use crate::emit::golden::Question;
use crate::model::Answer;

/// Errors and bytes of a quantized bundle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The bundle's name.
    pub bundle: String,
    /// Every linear layer, in the order that they run.
    pub layers: Vec<LayerReport>,
    /// int8 against f32 on each golden input, both run by burn.
    pub cases: Vec<CaseReport>,
    /// Size of the ONNX files in f32.
    pub bytes_f32: usize,
    /// Size of the ONNX files in int8.
    pub bytes_int8: usize,
    /// What they are smaller by; below zero for a model so small that the scales outweigh what is saved.
    pub bytes_saved: i64,
}

/// One linear layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerReport {
    /// The part of the model that it is in.
    pub part: Part,
    /// The weight's name.
    pub name: String,
    /// `[K, M]`.
    pub shape: [usize; 2],
    /// Root of the mean squared error over that of the mean squared weight.
    pub relative_rms_error: f64,
    /// The largest error of a weight.
    pub max_error: f64,
    /// The weights' size in f32.
    pub bytes_f32: usize,
    /// The size of codes, scales and zero points.
    pub bytes_int8: usize,
}

/// One golden input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseReport {
    /// The case's name: how many patches it shows.
    pub name: &'static str,
    /// The smallest cosine between a token of int8 and the same token of f32.
    pub token_cosine_min: f64,
    /// The mean of these cosines.
    pub token_cosine_mean: f64,
    /// Norm of the difference of all tokens over the norm of those of f32.
    pub token_relative_error: f64,
    /// Norm of the difference of the painted patches over the norm of those of f32; none without a decoder.
    pub painted_relative_error: Option<f64>,
}

impl Report {
    /// A report of a bundle that nothing is known of yet.
    pub(crate) fn new(bundle: &str) -> Self {
        Self {
            bundle: bundle.to_owned(),
            layers: Vec::new(),
            cases: Vec::new(),
            bytes_f32: 0,
            bytes_int8: 0,
            bytes_saved: 0,
        }
    }

    pub(super) fn add_part(&mut self, part: Part, layers: &[Layer], bytes_f32: usize, bytes_int8: usize) {
        self.layers.extend(layers.iter().map(|layer| LayerReport::new(part, layer)));
        self.bytes_f32 += bytes_f32;
        self.bytes_int8 += bytes_int8;
        self.bytes_saved += bytes_f32 as i64 - bytes_int8 as i64;
    }

    pub(crate) fn add_cases(&mut self, questions: &[Question], right: &[Answer], found: &[Answer], width: usize) {
        let case = |((question, right), found): ((&Question, &Answer), &Answer)| {
            let rows = right.tokens.chunks(width).zip(found.tokens.chunks(width));
            let cosines: Vec<f64> = rows.map(|(a, b)| cosine(a, b)).collect();
            CaseReport {
                name: question.name,
                token_cosine_min: cosines.iter().copied().fold(1.0, f64::min),
                token_cosine_mean: cosines.iter().sum::<f64>() / cosines.len() as f64,
                token_relative_error: relative_error(&right.tokens, &found.tokens),
                painted_relative_error: (!right.painted.is_empty())
                    .then(|| relative_error(&right.painted, &found.painted)),
            }
        };
        self.cases = questions.iter().zip(right).zip(found).map(case).collect();
    }
}

impl LayerReport {
    fn new(part: Part, layer: &Layer) -> Self {
        let outputs = layer.shape[1];
        Self {
            part,
            name: layer.name.clone(),
            shape: layer.shape,
            relative_rms_error: layer.relative_rms_error,
            max_error: layer.max_error,
            bytes_f32: 4 * layer.shape[0] * layer.shape[1],
            bytes_int8: layer.shape[0] * layer.shape[1] + (4 + 1) * outputs,
        }
    }
}

/// `‖right − found‖ / ‖right‖`; 0 if both are zero.
pub(super) fn relative_error(right: &[f32], found: &[f32]) -> f64 {
    let off: f64 = right.iter().zip(found).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let whole: f64 = right.iter().map(|a| f64::from(*a).powi(2)).sum();
    if off == 0.0 { 0.0 } else { (off / whole).sqrt() }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_width = self.layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0);
        writeln!(
            f,
            "{:name_width$}  {:>11}  {:>9}  {:>9}  {:>10}  {:>10}",
            "layer", "shape", "rms error", "max error", "f32 bytes", "int8 bytes"
        )?;
        for layer in &self.layers {
            let [k, m] = layer.shape;
            writeln!(
                f,
                "{:name_width$}  {:>11}  {:>8.3}%  {:>9.2e}  {:>10}  {:>10}",
                layer.name,
                format!("{k}×{m}"),
                100.0 * layer.relative_rms_error,
                layer.max_error,
                layer.bytes_f32,
                layer.bytes_int8
            )?;
        }
        writeln!(
            f,
            "\n{:8}  {:>16}  {:>17}  {:>11}  {:>13}",
            "patches", "token cosine min", "token cosine mean", "token error", "painted error"
        )?;
        for case in &self.cases {
            let percent = |error: f64| format!("{:.3}%", 100.0 * error);
            writeln!(
                f,
                "{:8}  {:>16.6}  {:>17.6}  {:>11}  {:>13}",
                case.name,
                case.token_cosine_min,
                case.token_cosine_mean,
                percent(case.token_relative_error),
                case.painted_relative_error.map_or("-".to_owned(), percent)
            )?;
        }
        let part = 100.0 * self.bytes_int8 as f64 / self.bytes_f32 as f64;
        write!(
            f,
            "\n{}: {} bytes in f32, {} in int8 ({part:.1}%): {} saved",
            self.bundle, self.bytes_f32, self.bytes_int8, self.bytes_saved
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_and_cosines_know_no_length() {
        assert!((relative_error(&[3.0, 4.0], &[3.0, 3.0]) - 0.2).abs() < 1e-12);
        assert!(relative_error(&[0.0], &[0.0]).abs() < 1e-12);
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[1.0, 0.0], &[0.0, 1.0]).abs() < 1e-12);
    }
}

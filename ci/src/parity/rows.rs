//! The library's answers beside the runtime's, and a table of them.

use std::fmt::Write as _;

use serde::Serialize;

use crate::golden::measure::{least_cosine, relative_error};
use crate::golden::tensors::Tensors;

const QUESTIONS: [&str; 3] = ["one", "quarter", "all"];
const OUTPUTS: [&str; 3] = ["tokens", "painted", "logits"];
/// Two programs, the same f32 numbers, other orders of summing them.
const MAX_RELATIVE_ERROR: f64 = 1e-4;
/// What eight bits a weight and a value may turn a row by.
const MIN_COSINE: f64 = 0.995;
/// The import's memory over that of the weights in f32.
const MAX_MEMORY: f64 = 2.0;

/// One output in one form, for each question.
#[derive(Debug, Serialize)]
pub struct Row {
    form: &'static str,
    output: &'static str,
    /// Relative errors of f32, least cosines of int8.
    values: [f64; 3],
    limit: f64,
    passed: bool,
}

/// What an import took.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// The weights in f32.
    pub weights_bytes: u64,
    /// The most memory at a time.
    pub peak_bytes: u64,
}

impl Row {
    /// The sentence that says what is wrong with the row, if anything is.
    pub fn failure(&self) -> Option<String> {
        let [one, quarter, all] = self.shown();
        let Self { form, output, limit, .. } = self;
        (!self.passed).then(|| format!("{form} {output}: {one}, {quarter}, {all}; the limit is {limit}"))
    }

    fn shown(&self) -> [String; 3] {
        self.values.map(|value| if self.form == "f32" { format!("{value:.1e}") } else { format!("{value:.5}") })
    }
}

impl Memory {
    fn ratio(&self) -> f64 {
        self.peak_bytes as f64 / self.weights_bytes as f64
    }

    /// The sentence that says that it was too much, if it was.
    pub fn failure(&self) -> Option<String> {
        let ratio = self.ratio();
        (ratio > MAX_MEMORY)
            .then(|| format!("the import took {ratio:.2} times the memory of the weights; {MAX_MEMORY} is the most"))
    }
}

/// Compares what both have said; every answer of the library must be among the runtime's, in both forms.
///
/// # Errors
/// When an answer is missing or of another shape.
pub fn rows(right: &Tensors, found: &Tensors) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let given = OUTPUTS.into_iter().filter(|output| right.contains(&format!("{}.{output}", QUESTIONS[0])));
    for output in given {
        for form in ["f32", "int8"] {
            let mut values = [0.0; 3];
            for (value, question) in values.iter_mut().zip(QUESTIONS) {
                let answer = found.get(&format!("{question}.{form}.{output}"))?;
                let mut right = right.get(&format!("{question}.{output}"))?.clone();
                // The runtime's answers are matrices all.
                if right.shape.len() == 1 {
                    right.shape.insert(0, 1);
                }
                *value = if form == "f32" { relative_error(answer, &right)? } else { least_cosine(answer, &right)? };
            }
            let limit = if form == "f32" { MAX_RELATIVE_ERROR } else { MIN_COSINE };
            let holds = |value: &f64| if form == "f32" { *value <= limit } else { *value >= limit };
            rows.push(Row { form, output, passed: values.iter().all(holds), values, limit });
        }
    }
    Ok(rows)
}

/// The reports as a table: a line for each output and form.
pub fn markdown<'a>(reports: impl Iterator<Item = (&'a str, &'a [Row], Option<&'a Memory>)>) -> String {
    let mut table =
        "| case | output | form | one | quarter | all | limit | memory | verdict |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for (case, rows, memory) in reports {
        let memory = memory.map_or_else(|| "-".to_owned(), |memory| format!("{:.2}", memory.ratio()));
        for row in rows {
            let [one, quarter, all] = row.shown();
            let sign = if row.form == "f32" { '≤' } else { '≥' };
            let verdict = if row.passed { "ok" } else { "FAILED" };
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "| {case} | {} | {} | {one} | {quarter} | {all} | {sign} {} | {memory} | {verdict} |",
                row.output, row.form, row.limit
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::tensors::Tensor;

    fn answers(whose: &'static str, forms: &[&str], outputs: &[&str], values: [f32; 2]) -> Tensors {
        let mut pairs = Vec::new();
        for question in QUESTIONS {
            for output in outputs {
                let shape = if forms == [""] && *output == "logits" { vec![2] } else { vec![1, 2] };
                for form in forms {
                    let name = [question, form, output].into_iter().filter(|part| !part.is_empty());
                    let tensor = Tensor { shape: shape.clone(), values: values.to_vec() };
                    pairs.push((name.collect::<Vec<_>>().join("."), tensor));
                }
            }
        }
        Tensors::from_pairs(whose, pairs)
    }

    #[test]
    fn equal_answers_pass_and_each_that_is_off_fails() {
        let right = answers("library", &[""], &["tokens", "logits"], [1.0, 2.0]);
        let compare = |values| rows(&right, &answers("runtime", &["f32", "int8"], &OUTPUTS, values)).unwrap();
        let same = compare([1.0, 2.0]);
        assert_eq!(same.len(), 4);
        assert!(same.iter().all(|row| row.failure().is_none()));
        let near = compare([1.0, 2.001]);
        assert_eq!(near.iter().filter(|row| row.failure().is_some()).count(), 2);
        assert_eq!(near[0].failure().unwrap(), "f32 tokens: 5.0e-4, 5.0e-4, 5.0e-4; the limit is 0.0001");
        assert!(compare([2.0, 1.0]).iter().chain(&compare([f32::NAN, 1.0])).all(|row| row.failure().is_some()));
        let memory = Memory { weights_bytes: 100, peak_bytes: 150 };
        let table = markdown([("timm", &same[..], Some(&memory))].into_iter());
        assert!(
            table.contains("| timm | logits | int8 | 1.00000 | 1.00000 | 1.00000 | ≥ 0.995 | 1.50 | ok |"),
            "{table}"
        );
    }

    #[test]
    fn an_answer_that_is_missing_is_an_error_and_too_much_memory_a_failure() {
        let right = answers("library", &[""], &["painted"], [1.0, 2.0]);
        let found = answers("runtime", &["f32"], &["painted"], [1.0, 2.0]);
        assert!(rows(&right, &found).unwrap_err().to_string().contains("one.int8.painted"));
        assert!(Memory { weights_bytes: 100, peak_bytes: 199 }.failure().is_none());
        assert!(Memory { weights_bytes: 100, peak_bytes: 210 }.failure().unwrap().contains("2.10"));
    }
}

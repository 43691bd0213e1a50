//! Which answers are compared with which, and how far apart they may be.

use anyhow::Context;
use serde::Serialize;

use super::measure::{least_cosine, mean_cosine, relative_error, whole_cosine};
use super::tensors::{Tensor, Tensors};

/// How many patches are visible in each case of a golden file.
const CASES: [&str; 3] = ["one", "quarter", "all"];

/// Between engines that compute the same f32 numbers: they sum in different orders, and no more than that.
const MAX_RELATIVE_ERROR: f64 = 1e-5;
/// Between f32 weights and the same weights rounded to 8 bits a channel: every row still points the same way. A scale
/// on a wrong channel or axis turns it much further.
const MIN_COSINE: f64 = 0.98;

/// A measure of an answer beside a reference.
type Of = fn(&Tensor, &Tensor) -> anyhow::Result<f64>;

/// What is said of a pair of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    RelativeError,
    /// Of the tokens, row by row; of what is painted, of all of it, since a patch's contrast may be next to none.
    Cosine,
    /// What is lost of the tokens' mean cosine, and of the cosine of what is painted, over what a peer's int8 loses of it.
    LossBesidePeer,
}

/// int8 arithmetic loses no more than a peer's does.
const MAX_LOSS_BESIDE_PEER: f64 = 1.0;
/// What is lost in f32 as well.
const NO_LOSS: f64 = 1e-6;

/// Two programs' answers to one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub case: &'static str,
    pub precision: &'static str,
    /// Whose answers, the reference first.
    pub pair: String,
    pub measure: Measure,
    pub tokens: f64,
    /// None for a bundle without a decoder.
    pub painted: Option<f64>,
    pub limit: f64,
    pub passed: bool,
}

impl Measure {
    pub fn limit(self) -> f64 {
        match self {
            Self::RelativeError => MAX_RELATIVE_ERROR,
            Self::Cosine => MIN_COSINE,
            Self::LossBesidePeer => MAX_LOSS_BESIDE_PEER,
        }
    }

    /// A value with the digits that tell.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::RelativeError => format!("{value:.2e}"),
            Self::Cosine => format!("{value:.6}"),
            Self::LossBesidePeer => format!("{value:.2}"),
        }
    }

    /// Whether a value is within the limit; NaN is not.
    fn allows(self, value: f64) -> bool {
        match self {
            Self::RelativeError | Self::LossBesidePeer => value <= self.limit(),
            Self::Cosine => value >= self.limit(),
        }
    }
}

impl Row {
    /// The sentence that says what is wrong with the row, if anything is.
    pub fn failure(&self) -> Option<String> {
        if self.passed {
            return None;
        }
        let limit = match self.measure {
            Measure::RelativeError => format!("relative error past {:e}", self.limit),
            Measure::Cosine => format!("cosine below {}", self.limit),
            Measure::LossBesidePeer => format!("more than {} times what the peer's int8 loses", self.limit),
        };
        let painted =
            self.painted.map_or_else(String::new, |painted| format!(", painted {}", self.measure.shown(painted)));
        Some(format!(
            "{}, {}, {}: {limit}: tokens {}{painted}",
            self.case,
            self.precision,
            self.pair,
            self.measure.shown(self.tokens)
        ))
    }
}

/// Compares every two of the three programs in each case and form.
///
/// `golden` has burn's f32 answers as `{case}.tokens`, the others have theirs as `{case}.{form}.tokens`; `painted`
/// likewise, if the bundle has a decoder.
///
/// # Errors
/// When an answer is missing or of another shape.
pub fn rows(
    forms: &[&'static str],
    golden: &Tensors,
    tract: &Tensors,
    onnxruntime: &Tensors,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in CASES {
        let of_burn = Answers::new(golden, case.to_owned());
        for &precision in forms {
            let of_tract = Answers::new(tract, format!("{case}.{precision}"));
            let of_onnxruntime = Answers::new(onnxruntime, format!("{case}.{precision}"));
            if precision == "f32" {
                for (reference, answers) in
                    [(&of_burn, &of_tract), (&of_burn, &of_onnxruntime), (&of_tract, &of_onnxruntime)]
                {
                    rows.push(Row::new(case, precision, Measure::RelativeError, reference, answers)?);
                }
            } else {
                for answers in [&of_tract, &of_onnxruntime] {
                    rows.push(Row::new(case, precision, Measure::Cosine, &of_burn, answers)?);
                }
            }
        }
    }
    if forms.contains(&"int8") {
        rows.push(Row::beside(golden, tract, onnxruntime)?);
    }
    Ok(rows)
}

/// One program's answers to one case in one form.
struct Answers<'a> {
    all: &'a Tensors,
    prefix: String,
}

impl<'a> Answers<'a> {
    fn new(all: &'a Tensors, prefix: String) -> Self {
        Self { all, prefix }
    }

    fn name(&self, what: &str) -> String {
        format!("{}.{what}", self.prefix)
    }

    fn has(&self, what: &str) -> bool {
        self.all.contains(&self.name(what))
    }

    fn get(&self, what: &str) -> anyhow::Result<&'a Tensor> {
        self.all.get(&self.name(what))
    }
}

impl Row {
    fn new(
        case: &'static str,
        precision: &'static str,
        measure: Measure,
        reference: &Answers,
        answers: &Answers,
    ) -> anyhow::Result<Self> {
        let [of_tokens, of_painted]: [Of; 2] = match measure {
            Measure::RelativeError => [relative_error; 2],
            Measure::Cosine => [least_cosine, whole_cosine],
            Measure::LossBesidePeer => [mean_cosine, whole_cosine],
        };
        let pair = format!("{}–{}", reference.all.whose, answers.all.whose);
        let measured = |of: Of, what| {
            of(answers.get(what)?, reference.get(what)?).with_context(|| format!("{case}, {precision}, {pair}: {what}"))
        };
        let tokens = measured(of_tokens, "tokens")?;
        // Either having it is enough to ask for both: a decoder that only one of them ran is an error.
        let has_decoder = reference.has("painted") || answers.has("painted");
        let painted = has_decoder.then(|| measured(of_painted, "painted")).transpose()?;
        Ok(Self {
            case,
            precision,
            measure,
            tokens,
            painted,
            limit: measure.limit(),
            passed: measure.allows(tokens) && painted.is_none_or(|painted| measure.allows(painted)),
            pair,
        })
    }

    /// What tract's int8 loses in all cases, beside what ONNX Runtime's own int8 loses.
    fn beside(golden: &Tensors, tract: &Tensors, onnxruntime: &Tensors) -> anyhow::Result<Self> {
        let measure = Measure::LossBesidePeer;
        let (mut ours, mut theirs) = ([0.0; 2], [0.0; 2]);
        let mut paints = false;
        for case in CASES {
            let of_burn = Answers::new(golden, case.to_owned());
            for (answers, form, lost) in [(tract, "int8", &mut ours), (onnxruntime, "dynamic", &mut theirs)] {
                let answers = Answers::new(answers, format!("{case}.{form}"));
                let row = Self::new(case, "int8", measure, &of_burn, &answers)?;
                lost[0] += 1.0 - row.tokens;
                lost[1] += row.painted.map_or(0.0, |painted| 1.0 - painted);
                paints |= row.painted.is_some();
            }
        }
        // what is no number stays none
        let beside = |ours: f64, theirs: f64| if ours <= NO_LOSS { 0.0 } else { ours / theirs.max(NO_LOSS) };
        let (tokens, painted) = (beside(ours[0], theirs[0]), paints.then(|| beside(ours[1], theirs[1])));
        Ok(Self {
            case: "together",
            precision: "int8",
            pair: format!("{}, beside {}", tract.whose, onnxruntime.whose),
            measure,
            limit: measure.limit(),
            passed: measure.allows(tokens) && painted.is_none_or(|painted| measure.allows(painted)),
            tokens,
            painted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [&str; 2] = ["f32", "int8"];
    /// … and what ONNX Runtime is asked besides.
    const PEERS: [&str; 3] = ["f32", "int8", "dynamic"];

    /// The answers of one program to every case: `tokens` and `painted` under each of `forms`.
    fn answers(whose: &'static str, forms: &[&str], values: [f32; 4]) -> Tensors {
        let tensor = Tensor { shape: vec![2, 2], values: values.to_vec() };
        let mut pairs = Vec::new();
        for case in CASES {
            for form in forms {
                for what in ["tokens", "painted"] {
                    let parts = [case, form, what];
                    let parts = parts.iter().filter(|part| !part.is_empty());
                    let name = parts.copied().collect::<Vec<_>>().join(".");
                    pairs.push((name, tensor.clone()));
                }
            }
        }
        Tensors::from_pairs(whose, pairs)
    }

    const EXACT: [f32; 4] = [1.0, 0.5, -2.0, 0.25];
    const NEAR: [f32; 4] = [1.0, 0.5, -2.000_01, 0.25];
    const OFF: [f32; 4] = [1.0, 0.5, -2.0, 0.251];
    const SLIGHTLY_TURNED: [f32; 4] = [1.0, 0.51, -2.0, 0.25];
    const TURNED: [f32; 4] = [0.5, 1.0, -2.0, 0.25];

    fn failed(rows: &[Row]) -> Vec<String> {
        rows.iter().filter_map(Row::failure).collect()
    }

    #[test]
    fn three_that_agree_pass_in_every_case_form_and_pair() {
        let rows = rows(
            &FORMS,
            &answers("burn", &[""], EXACT),
            &answers("tract", &FORMS, NEAR),
            &answers("ONNX Runtime", &PEERS, EXACT),
        )
        .unwrap();
        assert_eq!(rows.len(), CASES.len() * (3 + 2) + 1);
        assert_eq!(failed(&rows), Vec::<String>::new());
        assert_eq!(rows[0].pair, "burn–tract");
    }

    #[test]
    fn one_that_is_off_fails_with_both_others_and_those_agree() {
        let rows = rows(
            &["f32"],
            &answers("burn", &[""], EXACT),
            &answers("tract", &["f32"], OFF),
            &answers("ONNX Runtime", &["f32"], EXACT),
        )
        .unwrap();
        let passed: Vec<_> = rows[..3].iter().map(|row| row.passed).collect();
        assert_eq!(passed, [false, true, false]);
        let failures = failed(&rows);
        assert_eq!(failures.len(), CASES.len() * 2);
        assert_eq!(failures[0], "one, f32, burn–tract: relative error past 1e-5: tokens 5.00e-4, painted 5.00e-4");
    }

    #[test]
    fn int8_may_be_off_from_burn_but_not_turned_and_no_further_off_than_its_peer() {
        let compare = |tract, onnxruntime| {
            rows(
                &["int8"],
                &answers("burn", &[""], EXACT),
                &answers("tract", &["int8"], tract),
                &answers("ONNX Runtime", &["int8", "dynamic"], onnxruntime),
            )
            .unwrap()
        };
        assert_eq!(failed(&compare(OFF, OFF)), Vec::<String>::new());
        assert_eq!(failed(&compare(EXACT, OFF)), Vec::<String>::new());
        assert_eq!(failed(&compare(SLIGHTLY_TURNED, OFF)).len(), 1);
        assert_eq!(failed(&compare(TURNED, TURNED)).len(), CASES.len() * 2);
    }

    #[test]
    fn an_answer_that_is_no_number_fails() {
        let broken = [f32::NAN; 4];
        let rows = rows(
            &FORMS,
            &answers("burn", &[""], EXACT),
            &answers("tract", &FORMS, broken),
            &answers("ONNX Runtime", &PEERS, EXACT),
        )
        .unwrap();
        assert_eq!(failed(&rows).len(), CASES.len() * (2 + 1) + 1);
    }

    #[test]
    fn an_answer_that_is_missing_is_an_error_that_names_it() {
        let error = rows(
            &FORMS,
            &answers("burn", &[""], EXACT),
            &answers("tract", &["f32"], EXACT),
            &answers("ONNX Runtime", &PEERS, EXACT),
        )
        .unwrap_err();
        assert!(format!("{error:#}").contains("tract gave no f32 tensor one.int8.tokens"));
    }
}

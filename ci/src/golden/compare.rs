//! Which answers are compared with which, and how far apart they may be.

use anyhow::Context;
use serde::Serialize;

use super::measure::{least_cosine, relative_error};
use super::tensors::{Tensor, Tensors};

/// How many patches are visible in each case of a golden file.
const CASES: [&str; 3] = ["one", "quarter", "all"];

/// Between engines that compute the same f32 numbers: they sum in different orders, and no more than that.
const MAX_RELATIVE_ERROR: f64 = 1e-5;
/// Between f32 weights and the same weights rounded to 8 bits a channel: every row still points the same way. A scale
/// on a wrong channel or axis turns it much further.
const MIN_COSINE: f64 = 0.98;

/// What is said of a pair of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    RelativeError,
    LeastCosine,
    /// What is lost of the least cosine, over what a peer's int8 loses of it.
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
            Self::LeastCosine => MIN_COSINE,
            Self::LossBesidePeer => MAX_LOSS_BESIDE_PEER,
        }
    }

    /// A value with the digits that tell.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::RelativeError => format!("{value:.2e}"),
            Self::LeastCosine => format!("{value:.6}"),
            Self::LossBesidePeer => format!("{value:.2}"),
        }
    }

    /// Whether a value is within the limit; NaN is not.
    fn allows(self, value: f64) -> bool {
        match self {
            Self::RelativeError | Self::LossBesidePeer => value <= self.limit(),
            Self::LeastCosine => value >= self.limit(),
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
            Measure::LeastCosine => format!("cosine below {}", self.limit),
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
                    rows.push(Row::new(case, precision, Measure::RelativeError, reference, answers, relative_error)?);
                }
                continue;
            }
            for answers in [&of_tract, &of_onnxruntime] {
                rows.push(Row::new(case, precision, Measure::LeastCosine, &of_burn, answers, least_cosine)?);
            }
            let dynamic = Answers::new(onnxruntime, format!("{case}.dynamic"));
            rows.push(Row::beside(case, precision, &of_burn, &of_tract, &dynamic)?);
        }
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
        of: fn(&Tensor, &Tensor) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Self> {
        let pair = format!("{}–{}", reference.all.whose, answers.all.whose);
        let measured = |what| {
            of(answers.get(what)?, reference.get(what)?)
                .with_context(|| format!("{case}, {precision}, {pair}: {what}"))
        };
        let tokens = measured("tokens")?;
        // Either having it is enough to ask for both: a decoder that only one of them ran is an error.
        let has_decoder = reference.has("painted") || answers.has("painted");
        let painted = has_decoder.then(|| measured("painted")).transpose()?;
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

    /// What `answers` lose beside what `peer` loses.
    fn beside(
        case: &'static str,
        precision: &'static str,
        reference: &Answers,
        answers: &Answers,
        peer: &Answers,
    ) -> anyhow::Result<Self> {
        let measure = Measure::LossBesidePeer;
        let ours = Self::new(case, precision, measure, reference, answers, least_cosine)?;
        let theirs = Self::new(case, precision, measure, reference, peer, least_cosine)?;
        // what is no number stays none
        let lost = |ours: f64, theirs: f64| match 1.0 - ours - NO_LOSS {
            loss if loss <= 0.0 => 0.0,
            loss => loss / (1.0 - theirs).max(NO_LOSS),
        };
        let tokens = lost(ours.tokens, theirs.tokens);
        let painted = ours.painted.zip(theirs.painted).map(|(ours, theirs)| lost(ours, theirs));
        Ok(Self {
            pair: format!("{}, beside {}", ours.pair, peer.all.whose),
            passed: measure.allows(tokens) && painted.is_none_or(|painted| measure.allows(painted)),
            tokens,
            painted,
            ..ours
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
        assert_eq!(rows.len(), CASES.len() * FORMS.len() * 3);
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
        assert_eq!(failed(&compare(SLIGHTLY_TURNED, EXACT)).len(), CASES.len());
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
        assert_eq!(failed(&rows).len(), CASES.len() * FORMS.len() * 2);
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

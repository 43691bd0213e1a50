//! `cargo ci bench compare`: what became slower, and what is only noise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::records::{Energy, Instructions, Record, Row, Run};
use crate::failures::Failures;

/// How many times its own noise a difference has to be.
const NOISES: f64 = 3.0;
/// Samples below which noise is not known, and what a difference has to be then, as a share.
const FEW: usize = 3;
const FLOOR_OF_FEW: f64 = 0.2;
/// Instructions do not vary, but where another compiler made them.
const FLOOR_OF_INSTRUCTIONS: f64 = 0.01;
const FLOOR_OF_COMPILERS: f64 = 0.1;

/// Holds new records against old ones: fails where something became slower or larger by more than its noise, or where a board is on
/// both sides and none of its rows.
///
/// A row is a model, its numbers, patches, frame, kernels, threads and device. The rate that lasts and joules are those of runs that
/// went on for a minute. Where a side has a row of several commits, its newest counts.
/// A difference counts where it is at least three times the standard deviation of the repeats, and no less than a floor: 2% of
/// a time or of joules, 5% of the cold start, 1% of memory or of instructions; 20% where there are too few repeats to know the noise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A record, or a folder of them
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// A record, or a folder of them
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print Markdown, as a pull request shows it
    #[arg(long)]
    markdown: bool,
}

/// Compares and prints a table.
///
/// # Errors
/// [`Failures`] when something became slower or cannot be compared; otherwise when there are no records.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let [old, new] = [&args.old, &args.new].map(|path| samples(path));
    let comparison = Comparison::of(&old?, &new?);
    print!("{}", comparison.shown(args.markdown));
    Failures::unless_empty(comparison.failures())
}

/// What became more, of instructions; says what changed. Counts of an operator or a core that the old record lacks are new, and
/// well, where another operator of that core is in both.
///
/// # Errors
/// When there is no old record.
pub fn instructions(old: &Path, new: &Instructions) -> anyhow::Result<Vec<String>> {
    let mut all = All::new();
    add_instructions(&mut all, new);
    let comparison = Comparison::of(&samples(old)?, &all);
    print!("\n{}", comparison.shown(false));
    Ok(comparison.failures())
}

/// What is measured of a row; less is better.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Measure {
    row: Row,
    name: String,
}

/// What was measured, again and again, and the smallest difference that counts, as a share.
#[derive(Debug, Clone, Default)]
struct Samples {
    values: Vec<f64>,
    floor: f64,
    /// Numbers of different makers are not compared closely.
    maker: Option<String>,
}

impl Samples {
    fn middle(&self) -> f64 {
        super::spread(&self.values)[1]
    }

    /// Standard deviation; 0 where it is not known.
    fn noise(&self) -> f64 {
        let count = self.values.len() as f64;
        if count < 2.0 {
            return 0.0;
        }
        let mean = self.values.iter().sum::<f64>() / count;
        (self.values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
    }
}

type All = BTreeMap<Measure, Samples>;

fn samples(path: &Path) -> anyhow::Result<All> {
    let mut all = All::new();
    let mut runs = Vec::new();
    for record in Record::all(path).with_context(|| format!("reading the records in {}", path.display()))? {
        match record {
            Record::Run(run) => runs.push(*run),
            Record::Instructions(instructions) => add_instructions(&mut all, &instructions),
        }
    }
    for run in newest(runs) {
        add_run(&mut all, &run);
    }
    Ok(all)
}

/// Of each row those of its newest commit, of runs in the order of their times: what changes between commits is no noise.
fn newest(runs: Vec<Run>) -> Vec<Run> {
    let last: BTreeMap<Row, String> = runs.iter().map(|run| (run.row(), run.built_from())).collect();
    runs.into_iter().filter(|run| last.get(&run.row()) == Some(&run.built_from())).collect()
}

fn add_run(all: &mut All, run: &Run) {
    let row = run.row();
    let mut add = |name: &str, floor: f64, values: &[f64]| {
        let samples = all.entry(Measure { row: row.clone(), name: name.to_owned() }).or_default();
        samples.values.extend(values);
        samples.floor = floor;
    };
    for stage in run.stages.iter().chain([&run.frame]) {
        let name = format!("{}, median ms", stage.stage.as_deref().unwrap_or("frame"));
        add(&name, 0.02, &stage.repeats_p50_ms);
    }
    // a board that is not warm yet says nothing of what lasts
    if run.lasts() {
        add("sustained, ms a frame", 0.02, &[1e3 / run.sustained.frames_per_s]);
        if let Energy::Measured { joules, .. } = run.joules_per_frame {
            add("joules a frame", 0.02, &[joules]);
        }
    }
    let cold = &run.cold_start;
    add("cold start, ms", 0.05, &[cold.read_ms + cold.plan_ms + cold.first_answer_ms]);
    if let Some(bytes) = run.peak_memory_bytes {
        add("memory, MB", 0.01, &[bytes as f64 / 1e6]);
    }
}

fn add_instructions(all: &mut All, record: &Instructions) {
    for counted in &record.instructions {
        let row = Row { board: format!("emulated {}", counted.cpu), what: counted.operator.clone() };
        let samples = all.entry(Measure { row, name: "instructions".to_owned() }).or_default();
        samples.values.push(counted.instructions as f64);
        samples.maker = Some(record.compiler.clone());
    }
}

/// What came of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Worse,
    Better,
    Same,
}

#[derive(Debug)]
struct Line {
    measure: Measure,
    old: f64,
    new: f64,
    /// The smallest difference that counts.
    least: f64,
    verdict: Verdict,
}

#[derive(Debug)]
struct Comparison {
    lines: Vec<Line>,
    /// Rows that only one side has.
    gone: BTreeSet<Row>,
    came: BTreeSet<Row>,
}

impl Comparison {
    fn of(old: &All, new: &All) -> Self {
        let rows = |all: &All| all.keys().map(|measure| measure.row.clone()).collect::<BTreeSet<Row>>();
        let (old_rows, new_rows) = (rows(old), rows(new));
        let both = old.iter().filter_map(|(measure, before)| Some((measure, before, new.get(measure)?)));
        Self {
            lines: both.map(|(measure, before, after)| Line::of(measure, before, after)).collect(),
            gone: old_rows.difference(&new_rows).cloned().collect(),
            came: new_rows.difference(&old_rows).cloned().collect(),
        }
    }

    /// What became worse, and where nothing can be said.
    fn failures(&self) -> Vec<String> {
        self.regressions().into_iter().chain(self.uncompared()).collect()
    }

    /// Boards that both sides have, each with other rows: that nothing is worse there says nothing.
    fn uncompared(&self) -> Vec<String> {
        let boards = |rows: &BTreeSet<Row>| rows.iter().map(|row| row.board.clone()).collect::<BTreeSet<String>>();
        let compared: BTreeSet<String> = self.lines.iter().map(|line| line.measure.row.board.clone()).collect();
        let both: BTreeSet<String> = boards(&self.gone).intersection(&boards(&self.came)).cloned().collect();
        let uncompared = both.difference(&compared);
        uncompared
            .map(|board| {
                format!(
                    "{board}: none of its rows is in both, so that nothing is compared: measure both sides \
                     alike, or keep the new records in the old ones' place"
                )
            })
            .collect()
    }

    fn regressions(&self) -> Vec<String> {
        let worse = self.lines.iter().filter(|line| line.verdict == Verdict::Worse);
        worse
            .map(|Line { measure: Measure { row, name }, old, new, .. }| {
                format!("{}, {}: {name}: {new:.3} after {old:.3}", row.board, row.what)
            })
            .collect()
    }

    fn shown(&self, markdown: bool) -> String {
        let mut text = String::new();
        let told: Vec<&Line> = self.lines.iter().filter(|line| line.verdict != Verdict::Same).collect();
        let same = self.lines.len() - told.len();
        let uncompared = self.uncompared();
        // into a string, which never fails
        let mut say = |line: String| writeln!(text, "{line}").unwrap_or_default();
        if markdown {
            let worse = told.iter().filter(|line| line.verdict == Verdict::Worse).count();
            let uncompared = uncompared.len();
            let words = match (worse, uncompared) {
                (0, 0) => "nothing became worse".to_owned(),
                (_, 0) => format!("**{worse} became worse**"),
                (0, _) => format!("**boards not compared: {uncompared}**"),
                _ => format!("**{worse} became worse, boards not compared: {uncompared}**"),
            };
            say(format!("### Measurements: {words}\n"));
        }
        if !told.is_empty() {
            say("| board | row | | before | after | change | counts from | |".to_owned());
            say("| --- | --- | --- | --- | --- | --- | --- | --- |".to_owned());
        }
        for Line { measure: Measure { row, name }, old, new, least, verdict } in told {
            let (change, least) = (100.0 * (new / old - 1.0), 100.0 * least / old);
            let verdict = if *verdict == Verdict::Worse { "worse" } else { "better" };
            let Row { board, what } = row;
            say(format!(
                "| {board} | {what} | {name} | {old:.3} | {new:.3} | {change:+.1}% | {least:.1}% | {verdict} |"
            ));
        }
        say(format!("\n{same} of {} within their noise", self.lines.len()));
        uncompared.into_iter().for_each(&mut say);
        for (rows, word) in [(&self.gone, "not measured any more"), (&self.came, "measured for the first time")] {
            for Row { board, what } in rows {
                say(format!("{word}: {board}, {what}"));
            }
        }
        text
    }
}

impl Line {
    fn of(measure: &Measure, before: &Samples, after: &Samples) -> Self {
        let (old, new) = (before.middle(), after.middle());
        let floor = if before.maker.is_some() {
            let same = before.maker == after.maker;
            if same { FLOOR_OF_INSTRUCTIONS } else { FLOOR_OF_COMPILERS }
        } else if before.values.len().min(after.values.len()) < FEW {
            FLOOR_OF_FEW
        } else {
            after.floor
        };
        let least = (floor * old).max(NOISES * before.noise().max(after.noise()));
        let verdict = match new - old {
            change if change.abs() < least => Verdict::Same,
            change if change > 0.0 => Verdict::Worse,
            _ => Verdict::Better,
        };
        Self { measure: measure.clone(), old, new, least, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::Counted;
    use super::super::records::examples::run;
    use super::*;

    fn frames(repeats_ms: &[f64]) -> All {
        let mut all = All::new();
        add_run(&mut all, &run(1, repeats_ms));
        all
    }

    fn verdict(old: &[f64], new: &[f64]) -> Verdict {
        let comparison = Comparison::of(&frames(old), &frames(new));
        comparison.lines.iter().find(|line| line.measure.name.starts_with("frame")).unwrap().verdict
    }

    #[test]
    fn what_is_within_its_noise_is_the_same() {
        let quiet = [10.0, 10.01, 9.99, 10.0, 10.01];
        assert_eq!(verdict(&quiet, &quiet.map(|ms| ms * 1.01)), Verdict::Same);
        assert_eq!(verdict(&quiet, &quiet.map(|ms| ms * 1.05)), Verdict::Worse);
        assert_eq!(verdict(&quiet, &quiet.map(|ms| ms * 0.95)), Verdict::Better);
        let loud = [10.0, 12.0, 8.0, 11.0, 9.0];
        assert_eq!(verdict(&quiet, &loud.map(|ms| ms * 1.3)), Verdict::Same);
        assert_eq!(verdict(&loud, &quiet.map(|ms| ms * 1.3)), Verdict::Same);
        // of two, nobody knows the noise
        assert_eq!(verdict(&quiet[..2], &[11.0, 11.0]), Verdict::Same);
        assert_eq!(verdict(&quiet[..2], &[13.0, 13.0]), Verdict::Worse);
    }

    #[test]
    fn a_table_has_what_changed_alone_and_a_regression_fails() {
        let comparison = Comparison::of(&frames(&[10.0, 10.01, 9.99]), &frames(&[20.0, 20.01, 19.99]));
        let text = comparison.shown(true);
        assert!(
            text.contains("**1 became worse**") && text.contains("| +100.0% |") && text.contains("worse |"),
            "{text}"
        );
        assert!(text.contains("3 of 4 within their noise"), "{text}");
        assert_eq!(comparison.regressions().len(), 1);
        let (empty, one) = (All::new(), frames(&[1.0]));
        assert!(
            Comparison::of(&empty, &one).shown(false).contains("measured for the first time: Board <1>, tiny int8")
        );
        assert!(Comparison::of(&one, &empty).shown(false).contains("not measured any more"));
    }

    #[test]
    fn a_change_between_commits_is_no_noise() {
        let of = |commit: &str, ms: f64| {
            let mut run = run(1, &[ms, ms * 1.001, ms * 0.999]);
            run.commit = Some(commit.to_owned());
            run
        };
        let all = |runs: Vec<Run>| {
            let mut all = All::new();
            for run in newest(runs) {
                add_run(&mut all, &run);
            }
            all
        };
        let comparison = Comparison::of(&all(vec![of("a", 30.0), of("b", 10.0)]), &all(vec![of("c", 15.0)]));
        assert_eq!(comparison.regressions().len(), 1, "{}", comparison.shown(false));
    }

    #[test]
    fn what_lasts_is_that_of_runs_that_went_on() {
        let runs = |lasting_per_s: f64, joules: f64| {
            let mut all = All::new();
            for (seconds, frames_per_s, joules) in
                [(300.0, lasting_per_s, joules), (20.0, 120.0, 0.1), (20.0, 121.0, 0.1)]
            {
                let mut run = run(1, &[10.0]);
                (run.sustained.seconds, run.sustained.frames_per_s) = (seconds, frames_per_s);
                run.joules_per_frame = Energy::Measured { joules, sensor: "INA3221".to_owned() };
                add_run(&mut all, &run);
            }
            all
        };
        let comparison = Comparison::of(&runs(100.0, 0.2), &runs(50.0, 0.4));
        let worse = comparison.failures();
        assert_eq!(worse.len(), 2, "{worse:?}");
        assert!(worse.iter().any(|line| line.ends_with("sustained, ms a frame: 20.000 after 10.000")), "{worse:?}");
        assert!(worse.iter().any(|line| line.ends_with("joules a frame: 0.400 after 0.200")), "{worse:?}");
    }

    #[test]
    fn a_board_that_has_no_row_in_common_fails() {
        let of = |kernels: &str| {
            let mut run = run(1, &[10.0]);
            run.kernels = kernels.to_owned();
            let mut all = All::new();
            add_run(&mut all, &run);
            all
        };
        let comparison = Comparison::of(&of("neon"), &of("portable"));
        let failures = comparison.failures();
        assert!(
            failures.len() == 1 && failures[0].starts_with("Board <1>: none of its rows is in both"),
            "{failures:?}"
        );
        let text = comparison.shown(true);
        assert!(text.contains("**boards not compared: 1**") && text.contains(&failures[0]), "{text}");
        // a row in common is enough, and a board that is new is well
        let mut both = of("neon");
        both.append(&mut of("portable"));
        assert!(Comparison::of(&both, &of("portable")).failures().is_empty());
        assert!(Comparison::of(&All::new(), &both).failures().is_empty());
    }

    #[test]
    fn instructions_do_not_vary_but_with_the_compiler() {
        let of = |compiler: &str, instructions| {
            let counted = Counted {
                cpu: "max".to_owned(),
                operator: "attention".to_owned(),
                kernels: "neon".to_owned(),
                instructions,
                multiplications: Some(1),
            };
            let mut all = All::new();
            add_instructions(&mut all, &Instructions { compiler: compiler.to_owned(), instructions: vec![counted] });
            all
        };
        let verdict = |old: &All, new: &All| Comparison::of(old, new).lines[0].verdict;
        assert_eq!(verdict(&of("1.95", 1_000), &of("1.95", 1_009)), Verdict::Same);
        assert_eq!(verdict(&of("1.95", 1_000), &of("1.95", 1_020)), Verdict::Worse);
        assert_eq!(verdict(&of("1.95", 1_000), &of("1.96", 1_050)), Verdict::Same);
        assert_eq!(verdict(&of("1.95", 1_000), &of("1.96", 1_150)), Verdict::Worse);
    }
}

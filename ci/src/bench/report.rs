//! `cargo ci bench report`: one page of all records, and the README's table.

mod plot;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::record::FOLDER;
use super::records::{Energy, Instructions, Record, Row, Run};
use super::spread;
use crate::workspace::Workspace;

/// Between these lines of the README stands the table.
const BEGIN: &str = "<!-- `cargo ci bench report` writes this table -->";
const END: &str = "<!-- to here -->";
const README: &str = "README.md";
/// Digits of a commit's name in full.
const COMMIT_DIGITS: usize = 40;

/// Makes one page (HTML, nothing else to load) of all records, and writes the README's table.
///
/// Boards × models × numbers × patches, the newest commit of each row; how rows went from commit to commit; instructions of
/// operators on ARM's cores under emulation. What was not measured is not there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The records
    #[arg(long, value_name = "FOLDER", default_value = FOLDER)]
    records: PathBuf,
    /// The page [default: bench.html in cargo's target folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes page and table.
///
/// # Errors
/// When there are no records, or a file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let report = Report::of(Record::all(&args.records)?);
    let readme = workspace.root.join(README);
    let text = fs::read_to_string(&readme).with_context(|| format!("reading {}", readme.display()))?;
    let new = with_table(&text, &report.table())?;
    let out = args.out.clone().unwrap_or_else(|| workspace.target_directory.join("bench.html"));
    write(&out, &report.page()?.into_string())?;
    if new != text {
        write(&readme, &new)?;
    }
    println!("{}", out.display());
    Ok(())
}

/// Whether the README's table is that of the repository's records.
///
/// # Errors
/// When one of both cannot be read.
pub fn is_current(workspace: &Workspace) -> anyhow::Result<bool> {
    let text = String::from_utf8(workspace.read(README)?).context("reading the README")?;
    let records = Record::all(&workspace.root.join(FOLDER))?;
    Ok(with_table(&text, &Report::of(records).table())? == text)
}

fn write(path: &std::path::Path, text: &str) -> anyhow::Result<()> {
    let aside = path.with_extension("part");
    fs::write(&aside, text)
        .and_then(|()| fs::rename(&aside, path))
        .with_context(|| format!("writing {}", path.display()))
}

/// A text with another table in it.
fn with_table(text: &str, table: &str) -> anyhow::Result<String> {
    let missing = || format!("{README} has no line {BEGIN} with {END} after it");
    let (head, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (_, tail) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{head}{BEGIN}\n\n{table}\n{END}{tail}"))
}

/// All runs of a row with one program, as far as its commit says which: what they say together.
struct Point {
    built_from: String,
    runs: Vec<Run>,
}

struct Report {
    /// By row, in the order of their time.
    history: BTreeMap<Row, Vec<Point>>,
    instructions: Vec<Instructions>,
}

impl Report {
    fn of(records: Vec<Record>) -> Self {
        let mut history: BTreeMap<Row, Vec<Point>> = BTreeMap::new();
        let mut instructions = Vec::new();
        for record in records {
            match record {
                Record::Instructions(counted) => instructions.push(counted),
                Record::Run(run) => {
                    let built_from = run.built_from();
                    let points = history.entry(run.row()).or_default();
                    match points.iter_mut().find(|point| point.built_from == built_from) {
                        Some(point) => point.runs.push(*run),
                        None => points.push(Point { built_from, runs: vec![*run] }),
                    }
                }
            }
        }
        Self { history, instructions }
    }

    /// The newest point of each row, a line each.
    fn table(&self) -> String {
        let rows = self.history.iter().filter_map(|(row, points)| {
            let point = points.last()?;
            let run = point.runs.last()?;
            let [lasting, memory, energy, error] = point.cells();
            let times = format!("{:.2} ms, {:.2} ms", point.p50_ms(), point.median(|run| run.frame.p99_ms));
            Some(format!(
                "| {} | {} | {} | {} ({}) | {times} | {lasting} | {memory} | {energy} | {error} |\n",
                row.board,
                run.row.model(),
                run.row.looked_at(),
                run.threads,
                run.kernels
            ))
        });
        let head = "| board | model | patches | threads | frame p50, p99 | lasting | memory | energy | off by |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
        std::iter::once(head.to_owned()).chain(rows).collect()
    }

    fn page(&self) -> anyhow::Result<Markup> {
        let boards: BTreeSet<&str> = self.history.keys().map(|row| row.board.as_str()).collect();
        let sections = boards.iter().map(|board| self.board(board)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "Glimpse: what boards do" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { "Glimpse: what boards do" }
                    p {
                        "Made by " code { "cargo ci bench report" } " from what " code { "cargo ci bench record" } " measured. A frame is resized, "
                        "encoded, decoded and painted. Less is better, but for frames a second. Every row gave its model's golden answer "
                        "before it was timed; “off by” says how nearly."
                    }
                    @for section in sections { (section) }
                    @if !self.instructions.is_empty() {
                        h2 { "Instructions under emulation" }
                        p { "What each operator takes of a core's instructions: no time, but the same on every machine." }
                        @for counted in &self.instructions { (of_instructions(counted)) }
                    }
                }
            }
        })
    }

    fn board(&self, board: &str) -> anyhow::Result<Markup> {
        let rows: Vec<(&Row, &Vec<Point>)> = self.history.iter().filter(|(row, _)| row.board == board).collect();
        let newest = rows.iter().filter_map(|(_, points)| points.last()?.runs.last()).max_by_key(|run| run.time);
        let rates: Vec<(String, f64)> =
            rows.iter().filter_map(|(row, points)| Some((row.what.clone(), 1e3 / points.last()?.p50_ms()))).collect();
        let histories = rows
            .iter()
            .filter(|(_, points)| points.len() > 1)
            .map(|(row, points)| {
                let times: Vec<(String, [f64; 3])> =
                    points.iter().map(|point| (short(&point.built_from), point.spread_ms())).collect();
                plot::history(&row.what, &times)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(html! {
            h2 { (board) }
            @if let Some(run) = newest {
                p {
                    (run.board.cpu) ", " (run.kernels) " kernels, " (run.board.os) ", Linux " (run.board.kernel)
                    @if let Some(governor) = run.before.governors.first() { ", governor " (governor) }
                    @for (zone, heat) in &run.after.temperatures_c { ", " (zone) " " (format!("{heat:.0}")) " °C at the end" }
                    @if let Some(flags) = &run.after.throttled { ", throttled=" (flags) }
                    "."
                }
            }
            figure { (PreEscaped(plot::rates(&rates)?)) figcaption { "Frames a second, by the median frame" } }
            div.wide { table {
                thead { tr {
                    @for name in ["row", "commit", "frame p50, p95, p99, most, ms", "stages p50 ms", "cold start ms", "lasting", "memory", "energy", "off by"] {
                        th { (name) }
                    }
                } }
                tbody { @for (row, points) in &rows { @if let Some(point) = points.last() { (point.row(&row.what)) } } }
            } }
            @for svg in histories { figure { (PreEscaped(svg)) } }
        })
    }
}

impl Point {
    /// Of all repeats of its runs: least, median and most.
    fn spread_ms(&self) -> [f64; 3] {
        spread(&self.runs.iter().flat_map(|run| run.frame.repeats_p50_ms.clone()).collect::<Vec<_>>())
    }

    fn p50_ms(&self) -> f64 {
        self.spread_ms()[1]
    }

    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        spread(&self.runs.iter().map(of).collect::<Vec<_>>())[1]
    }

    /// The rate that lasts, memory, energy, and how far from the golden answer.
    fn cells(&self) -> [String; 4] {
        let lasting: Vec<&Run> = self.runs.iter().filter(|run| run.lasts()).collect();
        let rates: Vec<f64> = lasting.iter().map(|run| run.sustained.frames_per_s).collect();
        let memory: Vec<f64> = self.runs.iter().filter_map(|run| Some(run.peak_memory_bytes? as f64 / 1e6)).collect();
        let energy = lasting.iter().filter_map(|run| match &run.joules_per_frame {
            Energy::Measured { joules, sensor } => Some((*joules, sensor.clone())),
            Energy::Not(_) => None,
        });
        let energy: Vec<(f64, String)> = energy.collect();
        let none = || "not measured".to_owned();
        let middle = |values: &[f64], shown: &dyn Fn(f64) -> String| {
            if values.is_empty() { none() } else { shown(spread(values)[1]) }
        };
        [
            middle(&rates, &|rate| format!("{rate:.0} frames/s")),
            middle(&memory, &|mb| format!("{mb:.0} MB")),
            match energy.first() {
                Some((_, sensor)) => {
                    let joules = spread(&energy.iter().map(|(joules, _)| *joules).collect::<Vec<_>>())[1];
                    format!("{:.1} mJ ({sensor})", 1e3 * joules)
                }
                None => self.runs.iter().find_map(|run| run.joules_per_frame.reason()).map_or_else(none, str::to_owned),
            },
            format!("{:.1e}", self.median(|run| run.golden.tokens_relative_error)),
        ]
    }

    fn row(&self, what: &str) -> Markup {
        let [lasting, memory, energy, error] = self.cells();
        let percentiles: [fn(&Run) -> f64; 3] =
            [|run| run.frame.p95_ms, |run| run.frame.p99_ms, |run| run.frame.max_ms];
        let [p95, p99, max] = percentiles.map(|of| self.median(of));
        let times = format!("{:.2}, {p95:.2}, {p99:.2}, {max:.2}", self.p50_ms());
        let stages = self.runs.last().map(|run| {
            let stages =
                run.stages.iter().map(|stage| format!("{} {:.2}", stage.stage.as_deref().unwrap_or(""), stage.p50_ms));
            stages.collect::<Vec<_>>().join(", ")
        });
        let cold = self.median(|run| run.cold_start.read_ms + run.cold_start.plan_ms + run.cold_start.first_answer_ms);
        html! { tr {
            td { (what) } td { code { (short(&self.built_from)) } } td { (times) } td { (stages.unwrap_or_default()) }
            td { (format!("{cold:.0}")) } td { (lasting) } td { (memory) } td { (energy) } td { (error) }
        } }
    }
}

fn of_instructions(counted: &Instructions) -> Markup {
    let cpus: BTreeSet<&str> = counted.instructions.iter().map(|count| count.cpu.as_str()).collect();
    let operators: BTreeSet<&str> = counted.instructions.iter().map(|count| count.operator.as_str()).collect();
    let cell = |operator: &str, cpu: &str| {
        let found = counted.instructions.iter().find(|count| count.operator == operator && count.cpu == cpu);
        found.map_or_else(String::new, |count| {
            let each = |products: u64| format!("{:.3} a multiplication, ", count.instructions as f64 / products as f64);
            let each = count.multiplications.map(each).unwrap_or_default();
            format!("{:.2} M ({each}{})", count.instructions as f64 / 1e6, count.kernels)
        })
    };
    html! {
        p { (counted.compiler) }
        div.wide { table {
            thead { tr { th { "operator" } @for cpu in &cpus { th { (cpu) } } } }
            tbody { @for operator in &operators { tr { td { (operator) } @for cpu in &cpus { td { (cell(operator, cpu)) } } } } }
        } }
    }
}

/// A commit's first digits, with what git says after them; another name as it is.
fn short(built_from: &str) -> String {
    let hash = built_from.bytes().take_while(u8::is_ascii_hexdigit).count();
    if hash < COMMIT_DIGITS {
        return built_from.to_owned();
    }
    let (hash, rest) = built_from.split_at(hash);
    format!("{hash:.9}{rest}")
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e}\
h1,h2{line-height:1.2}h2{margin-top:2.5rem}table{border-collapse:collapse;font-size:.9rem}\
th,td{text-align:left;padding:.35rem .7rem;border-bottom:1px solid #d8d8dc;vertical-align:top}th{white-space:nowrap}\
.wide{overflow-x:auto}figure{margin:1.5rem 0}svg{max-width:100%;height:auto}figcaption{color:#5a5a60;font-size:.9rem}\
code{font-size:.9em}";

#[cfg(test)]
mod tests {
    use super::super::records::Counted;
    use super::super::records::examples::run;
    use super::*;

    fn report() -> Report {
        let mut later = run(2, &[8.0, 8.1, 7.9]);
        later.commit = Some("123456789abcdef".to_owned());
        let counted = Counted {
            cpu: "cortex-a76".to_owned(),
            operator: "attention".to_owned(),
            kernels: "neon".to_owned(),
            instructions: 2_000_000,
            multiplications: Some(1_000_000),
        };
        let records = [run(1, &[10.0, 10.2, 9.8]), later].map(|run| Record::Run(Box::new(run)));
        let instructions = Instructions { compiler: "rustc 1.95".to_owned(), instructions: vec![counted] };
        Report::of(records.into_iter().chain([Record::Instructions(instructions)]).collect())
    }

    #[test]
    fn a_page_has_each_row_s_newest_and_how_it_went() {
        let page = report().page().unwrap().into_string();
        // what a board is called is no markup
        assert!(page.contains("Board &lt;1&gt;") && !page.contains("Board <1>"));
        assert!(page.contains("8.00, 2.00, 3.00, 4.00") && !page.contains("10.00, 2.00"));
        assert!(page.contains("2.00 M (2.000 a multiplication, neon)"));
        // frames a second, and the row's history
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(
            !page.contains("http://") || page.matches("http://").count() == page.matches("http://www.w3.org").count()
        );
    }

    #[test]
    fn joules_are_those_of_runs_that_went_on() {
        let runs = [(300.0, 0.002), (20.0, 0.001), (20.0, 0.001)].map(|(seconds, joules)| {
            let mut run = run(1, &[8.0]);
            run.sustained.seconds = seconds;
            run.joules_per_frame = Energy::Measured { joules, sensor: "INA3221".to_owned() };
            run
        });
        let energy = |runs: &[Run]| Point { built_from: String::new(), runs: runs.to_vec() }.cells()[2].clone();
        assert_eq!(energy(&runs), "2.0 mJ (INA3221)");
        assert_eq!(energy(&runs[1..]), "not measured");
    }

    #[test]
    fn a_commit_is_short_and_whether_more_was_built_is_said() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(short(commit), "012345678");
        assert_eq!(short(&format!("{commit}-dirty")), "012345678-dirty");
        assert_eq!(short("program 0123456789ab"), "program 0123456789ab");
    }

    #[test]
    fn a_table_takes_the_place_of_another() {
        let table = report().table();
        assert!(table.contains("| Board <1> | tiny int8 (00) | 16 of 64 patches of 640×480 | 4 (neon) | 8.00 ms, 3.00 ms | 100 frames/s | 1 MB | not measured | 1.0e-2 |"), "{table}");
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = with_table(&text, "| new |\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\n| new |\n\n{END}\nb\n"));
        assert_eq!(with_table(&new, "| new |\n").unwrap(), new);
        assert!(with_table("nothing", "").is_err());
    }
}

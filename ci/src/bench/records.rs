//! What `glimpse bench --record` and `cargo ci cross count --record` wrote: measurements, and what they depend on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// The form of a record that this program reads.
const FORMAT: u32 = 1;
/// A run that goes on for less says nothing of what lasts.
const LEAST_SUSTAINED_SECONDS: f64 = 60.0;
/// Digits of a hash that are enough to tell models and programs apart.
const HASH_DIGITS: usize = 12;

/// A run of `glimpse bench --record`, as far as it is asked for here.
#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    pub format: u32,
    pub time: u64,
    pub commit: Option<String>,
    pub program: Program,
    pub board: Board,
    pub kernels: String,
    pub threads: usize,
    pub row: RowOf,
    pub before: State,
    pub after: State,
    pub cold_start: ColdStart,
    pub stages: Vec<Repeated>,
    pub frame: Repeated,
    pub sustained: Sustained,
    pub peak_memory_bytes: Option<u64>,
    pub joules_per_frame: Energy,
    pub golden: Golden,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Program {
    pub sha256: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Board {
    pub name: String,
    pub cpu: String,
    pub kernel: String,
    pub os: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RowOf {
    pub model: String,
    pub model_sha256: String,
    pub precision: String,
    pub device: String,
    pub visible: usize,
    pub patches: usize,
    /// Width and height.
    pub frame_px: [usize; 2],
}

#[derive(Debug, Clone, Deserialize)]
pub struct State {
    pub governors: Vec<String>,
    pub temperatures_c: BTreeMap<String, f64>,
    pub throttled: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(clippy::struct_field_names, reason = "names carry units")]
pub struct ColdStart {
    pub read_ms: f64,
    pub plan_ms: f64,
    pub first_answer_ms: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Repeated {
    pub stage: Option<String>,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub repeats_p50_ms: Vec<f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Sustained {
    pub seconds: f64,
    pub frames_per_s: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Energy {
    Measured { joules: f64, sensor: String },
    Not(String),
}

#[derive(Debug, Clone, Deserialize)]
pub struct Golden {
    pub tokens_relative_error: f64,
    pub painted_rms: Option<f64>,
    pub most: [f64; 2],
}

impl Energy {
    /// Why there is none.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Measured { .. } => None,
            Self::Not(reason) => Some(reason),
        }
    }
}

/// Instructions that operators took under emulation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instructions {
    /// As `rustc --version` says: another compiler makes other instructions.
    pub compiler: String,
    pub instructions: Vec<Counted>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    pub cpu: String,
    pub operator: String,
    pub kernels: String,
    pub instructions: u64,
    /// None where it is more than products, as a whole frame is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplications: Option<u64>,
}

/// A file of records.
#[derive(Debug, Clone)]
pub enum Record {
    Run(Box<Run>),
    Instructions(Instructions),
}

/// What is compared with its like: it has a board and a name there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub board: String,
    pub what: String,
}

impl Record {
    /// All records that a file is, or that a folder has, in the order of their time.
    ///
    /// # Errors
    /// When there are none, or one cannot be read, or is wrong.
    pub fn all(path: &Path) -> anyhow::Result<Vec<Self>> {
        let mut files = Vec::new();
        collect(path, &mut files)?;
        files.sort();
        let mut records = files.iter().map(|file| Self::read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        if records.is_empty() {
            bail!("{} has no records: `cargo ci bench record` makes some", path.display());
        }
        records.sort_by_key(Self::time);
        Ok(records)
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let reading = || format!("reading the record {}", file.display());
        let text = fs::read_to_string(file).with_context(reading)?;
        let value: serde_json::Value = serde_json::from_str(&text).with_context(reading)?;
        if value.get("instructions").is_some() {
            return Ok(Self::Instructions(serde_json::from_value(value).with_context(reading)?));
        }
        let run: Run = serde_json::from_value(value).with_context(reading)?;
        if run.format != FORMAT {
            bail!("{} is of form {}, and this program reads {FORMAT}", file.display(), run.format);
        }
        let Golden { tokens_relative_error, painted_rms, most } = run.golden;
        // NaN is wrong, too
        if !(tokens_relative_error <= most[0] && painted_rms.is_none_or(|rms| rms <= most[1])) {
            bail!("{}: the model computed wrong; such a row does not count, however fast it is", file.display());
        }
        Ok(Self::Run(Box::new(run)))
    }

    fn time(&self) -> u64 {
        match self {
            Self::Run(run) => run.time,
            Self::Instructions(_) => 0,
        }
    }
}

impl Run {
    /// All that has to be alike where runs are.
    pub fn row(&self) -> Row {
        let device = if self.row.device == "cpu" { String::new() } else { format!(", {}", self.row.device) };
        let (model, looked_at) = (self.row.model(), self.row.looked_at());
        let what = format!("{model}, {looked_at}, {}, {} threads{device}", self.kernels, self.threads);
        Row { board: self.board.name.clone(), what }
    }

    /// What was measured: the commit that the program was built from; the program where that does not say all.
    pub fn built_from(&self) -> String {
        let program = first_digits(&self.program.sha256);
        match &self.commit {
            // one of many changes
            Some(commit) if commit.ends_with("-dirty") => format!("{commit} {program}"),
            Some(commit) => commit.clone(),
            None => format!("program {program}"),
        }
    }

    /// Whether it went on for long enough to show the rate that lasts, and what a frame takes then.
    pub fn lasts(&self) -> bool {
        self.sustained.seconds >= LEAST_SUSTAINED_SECONDS
    }
}

impl RowOf {
    /// The model, its numbers and its encoder: one that was trained again is another one.
    pub fn model(&self) -> String {
        format!("{} {} ({})", self.model, self.precision, first_digits(&self.model_sha256))
    }

    /// How much of what is looked at.
    pub fn looked_at(&self) -> String {
        let [width, height] = self.frame_px;
        format!("{} of {} patches of {width}×{height}", self.visible, self.patches)
    }
}

fn first_digits(hash: &str) -> &str {
    hash.get(..HASH_DIGITS).unwrap_or(hash)
}

/// The JSON files of a folder and of those in it.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        let path = entry?.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "json") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod examples {
    use super::*;

    /// A run whose frames took so long, in parts.
    pub fn run(time: u64, repeats_ms: &[f64]) -> Run {
        let text = format!(
            r#"{{"format": 1, "time": {time}, "commit": "abcdef0123456789", "program": {{"sha256": "0123456789abcdef"}}, "kernels": "neon", "threads": 4,
            "board": {{"name": "Board <1>", "soc": null, "cpu": "Cortex-A76", "kernel": "6.6", "os": "Debian"}},
            "row": {{"model": "tiny", "model_sha256": "00", "precision": "int8", "device": "cpu", "visible": 16, "patches": 64,
            "frame_px": [640, 480]}},
            "before": {{"governors": [], "temperatures_c": {{}}}}, "after": {{"governors": [], "temperatures_c": {{}}}},
            "cold_start": {{"read_ms": 1, "plan_ms": 2, "first_answer_ms": 3}}, "stages": [],
            "frame": {{"p50_ms": 1, "p95_ms": 2, "p99_ms": 3, "max_ms": 4, "repeats_p50_ms": {repeats_ms:?}}},
            "sustained": {{"seconds": 300, "frames_per_s": 100}}, "peak_memory_bytes": 1000000,
            "joules_per_frame": "not measured",
            "golden": {{"tokens_relative_error": 0.01, "painted_rms": null, "most": [0.04, 0.01]}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_wrong_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        assert!(Record::all(folder.path()).unwrap_err().to_string().contains("no records"));
        let golden = |error: &str| {
            format!(
                r#"{{"format": 1, "time": 1, "commit": null, "program": {{"sha256": "0"}}, "board": {{"name": "b", "cpu": "c", "kernel": "k", "os": "o"}},
                "kernels": "neon", "threads": 1, "row": {{"model": "m", "model_sha256": "0", "precision": "f32", "device": "cpu",
                "visible": 1, "patches": 4, "frame_px": [2, 2]}}, "before": {{"governors": [], "temperatures_c": {{}}}},
                "after": {{"governors": [], "temperatures_c": {{}}}},
                "cold_start": {{"read_ms": 1, "plan_ms": 1, "first_answer_ms": 1}}, "stages": [],
                "frame": {{"p50_ms": 1, "p95_ms": 1, "p99_ms": 1, "max_ms": 1, "repeats_p50_ms": [1]}},
                "sustained": {{"seconds": 1, "frames_per_s": 1}}, "peak_memory_bytes": null,
                "joules_per_frame": {{"joules": 0.5, "sensor": "INA3221"}},
                "golden": {{"tokens_relative_error": {error}, "painted_rms": null, "most": [0.1, 0.1]}}}}"#
            )
        };
        fs::write(&file, golden("0.05")).unwrap();
        assert_eq!(Record::all(folder.path()).unwrap().len(), 1);
        fs::write(&file, golden("0.2")).unwrap();
        assert!(Record::all(&file).unwrap_err().to_string().contains("computed wrong"));
        fs::write(&file, golden("0.05").replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert!(Record::all(&file).unwrap_err().to_string().contains("of form 2"));
    }

    #[test]
    fn a_row_is_another_one_where_anything_differs_that_a_time_depends_on() {
        let row = examples::run(1, &[1.0]).row();
        assert_eq!(row.what, "tiny int8 (00), 16 of 64 patches of 640×480, neon, 4 threads");
        let others: [fn(&mut Run); 5] = [
            |run| run.kernels = "neon-dotprod".to_owned(),
            |run| run.row.frame_px = [320, 240],
            |run| run.row.model_sha256 = "01".to_owned(),
            |run| run.row.device = "a GPU".to_owned(),
            |run| run.threads = 1,
        ];
        for other in others {
            let mut run = examples::run(1, &[1.0]);
            other(&mut run);
            assert_ne!(run.row(), row);
        }
    }

    #[test]
    fn a_run_of_no_commit_is_known_by_its_program() {
        let mut run = examples::run(1, &[1.0]);
        assert_eq!(run.built_from(), "abcdef0123456789");
        run.commit = Some("abc-dirty".to_owned());
        assert_eq!(run.built_from(), "abc-dirty 0123456789ab");
        run.commit = None;
        assert_eq!(run.built_from(), "program 0123456789ab");
    }
}

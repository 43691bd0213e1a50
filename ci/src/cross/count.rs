//! How many instructions operators take on ARM's cores, and of which kinds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::machine::{Cross, Machine};
use super::package::{self, Build};
use crate::bench::compare;
use crate::bench::records::{Counted, Instructions};
use crate::failures::Failures;
use crate::process;
use crate::workspace::Workspace;

/// What is counted: those of `runtime/kernels/examples/operator.rs`, and whole frames of the program that is packed, which is
/// compiled otherwise.
const OPERATORS: [&str; 9] = [
    "int8-linear",
    "int8-gelu",
    "f32-linear",
    "attention",
    "layer-norm",
    "membrane",
    "resize",
    "frame-int8",
    "frame-f32",
];

/// Kinds of instructions, by the bits that tell them: the vector form and the one by an element.
///
/// # Source
/// Arm Architecture Reference Manual, A64 instruction set encoding.
const KINDS: [(&str, &[&str]); 5] = [
    ("matrices of bytes", &["ffe0fc00/4e80a400", "ffe0fc00/4e80ac00", "ffe0fc00/6e80a400"]),
    ("four bytes", &["bfe0fc00/0e809400", "bfc0f400/0f80e000", "bfe0fc00/2e809400", "bfe0fc00/0e809c00"]),
    ("bytes", &["bfe0fc00/0e20c000", "bfe0fc00/0e208000"]),
    ("sums of pairs", &["bf3ffc00/0e202800", "bf3ffc00/0e206800"]),
    ("f32", &["bfa0fc00/0e20cc00", "bf80f400/0f801000"]),
];

/// The kernels that a core is to run, of those that are known here.
fn kernels_of(cpu: &str) -> Option<&'static str> {
    match cpu {
        "cortex-a72" => Some("neon"),
        "cortex-a76" => Some("neon-dotprod"),
        "max" => Some("neon-i8mm"),
        _ => None,
    }
}

/// The kind of product that an operator in int8 is to be made of, by the kernels that it says it ran on.
fn product_of(kernels: &str) -> Option<&'static str> {
    match kernels {
        "neon-i8mm" => Some("matrices of bytes"),
        "neon-dotprod" => Some("four bytes"),
        "neon" => Some("bytes"),
        _ => None,
    }
}

/// What one run of an operator took.
struct Counts {
    kernels: String,
    /// None where it is more than products.
    multiplications: Option<f64>,
    all: f64,
    kinds: BTreeMap<&'static str, f64>,
}

/// Counts the instructions of each operator as each core, and of a frame in the program that is packed, and sees that they are
/// those of the core.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ARM cores to emulate, by QEMU's names
    #[arg(long, value_name = "CORE", default_values = ["cortex-a72", "cortex-a76", "max"])]
    cpu: Vec<String>,
    /// Leave out whole frames, whose program has to be packed first: it compiles for long
    #[arg(long, conflicts_with = "record")]
    operators: bool,
    /// Write the counts as a record
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Fail where an operator takes more instructions than this record says
    #[arg(long, value_name = "FILE", default_value = INSTRUCTIONS)]
    against: PathBuf,
}

/// What the operators took when it was last looked at.
const INSTRUCTIONS: &str = "ci/records/instructions.json";

/// Counts each operator on each core and prints a table.
///
/// # Errors
/// [`Failures`] when an operator does not run on the instructions of its core, or takes more of them; otherwise when a program
/// is missing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let cross = Cross::new(&workspace, Machine::Aarch64)?;
    let mut build = cross.cargo_as(&workspace, "max");
    build.args(["build", "--release", "--package", "glimpse-kernels", "--example", "operator"]);
    process::run(&mut build)?;
    let folder = cross.target_directory(&workspace);
    let operators = folder.join(cross.machine.triple()).join("release/examples/operator");
    let packed = (!args.operators).then(|| package::program(&workspace, &cross, Build::Released)).transpose()?;
    let plugin = folder.join("count.so");
    let source = workspace.root.join("ci/src/cross/count.c");
    process::run(Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&plugin).arg(source))?;
    let counter = Counter { cross: &cross, plugin, operators, packed };
    let mut failures = Vec::new();
    let mut counted = Vec::new();
    println!(
        "| core | kernels | operator | instructions | a multiplication | of them |\n| --- | --- | --- | --- | --- | --- |"
    );
    for cpu in &args.cpu {
        for operator in OPERATORS.into_iter().filter(|operator| !args.operators || frame_of(operator).is_none()) {
            let counts = counter.counts(cpu, operator)?;
            println!("| {cpu} | {} | {operator} | {} |", counts.kernels, counts.shown());
            if let Some(wrong) = operator.starts_with("int8").then(|| counts.wrong(cpu)).flatten() {
                failures.push(format!("{operator} as {cpu}: {wrong}"));
            }
            counted.push(Counted {
                cpu: cpu.clone(),
                operator: operator.to_owned(),
                kernels: counts.kernels,
                instructions: counts.all as u64,
                multiplications: counts.multiplications.map(|count| count as u64),
            });
        }
    }
    let new = Instructions { compiler: cross.compiler(&workspace)?, instructions: counted };
    if let Some(file) = &args.record {
        let text = serde_json::to_string_pretty(&new)? + "\n";
        fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    } else {
        failures.extend(compare::instructions(&args.against, &new)?);
    }
    Failures::unless_empty(failures)
}

struct Counter<'a> {
    cross: &'a Cross,
    plugin: PathBuf,
    operators: PathBuf,
    /// The program, where whole frames are counted.
    packed: Option<PathBuf>,
}

impl Counter<'_> {
    /// What one run takes: two runs less one, which leaves out all that is done once.
    fn counts(&self, cpu: &str, operator: &str) -> anyhow::Result<Counts> {
        let (said, once) = self.counted(cpu, operator, 1)?;
        let (_, twice) = self.counted(cpu, operator, 2)?;
        let (kernels, multiplications) = if frame_of(operator).is_some() {
            let report: Bench = serde_json::from_str(&said).context("reading what glimpse bench says")?;
            (report.kernels, None)
        } else {
            let (kernels, count) = said.trim().split_once(' ').context("reading what the operator says")?;
            (kernels.to_owned(), Some(count.parse().context("reading what the operator says")?))
        };
        let count = |name: &str| twice.get(name).zip(once.get(name)).map_or(0.0, |(two, one)| (two - one) as f64);
        Ok(Counts {
            kernels,
            multiplications,
            all: count("all"),
            kinds: KINDS
                .iter()
                .enumerate()
                .map(|(index, (kind, forms))| (*kind, (0..forms.len()).map(|form| count(&name(index, form))).sum()))
                .collect(),
        })
    }

    /// What the operator says, and the plugin's counts by name.
    fn counted(&self, cpu: &str, operator: &str, runs: u64) -> anyhow::Result<(String, BTreeMap<String, u64>)> {
        let forms = KINDS.iter().enumerate().flat_map(|(index, (_, forms))| {
            forms.iter().enumerate().map(move |(form, bits)| format!("{}={bits}", name(index, form)))
        });
        let plugin = [path(&self.plugin)?.to_owned()].into_iter().chain(forms).collect::<Vec<_>>().join(",");
        let words = self.cross.runner(cpu);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["-plugin", &plugin]);
        let runs = runs.to_string();
        match frame_of(operator).zip(self.packed.as_ref()) {
            // a tenth as many frames come first: one, for one as for two
            Some((precision, packed)) => {
                command.arg(packed).args(["bench", "--json", "--threads", "1", "--precision", precision]);
                command.args(["--runs", &runs]);
            }
            None => {
                command.arg(&self.operators).args([operator, &runs]);
            }
        }
        let output = command.output().context("starting qemu-aarch64")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{operator} as {cpu}: {}\n{said}", output.status);
        let count = |line: &str| {
            let (name, count) = line.strip_prefix("instructions ")?.split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        Ok((String::from_utf8(output.stdout)?, said.lines().filter_map(count).collect()))
    }
}

impl Counts {
    fn shown(&self) -> String {
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .filter(|(_, count)| **count > 0.0)
            .map(|(kind, count)| format!("{kind} {:.0}%", 100.0 * count / self.all))
            .collect();
        let each = self.multiplications.map(|count| format!("{:.3}", self.all / count)).unwrap_or_default();
        format!("{:.0} | {each} | {}", self.all, kinds.join(", "))
    }

    /// What is wrong with an operator in int8 on that core, if anything is.
    fn wrong(&self, cpu: &str) -> Option<String> {
        if let Some(wanted) = kernels_of(cpu).filter(|wanted| *wanted != self.kernels) {
            return Some(format!("{} kernels ran, and not {wanted}", self.kernels));
        }
        let Some(product) = product_of(&self.kernels) else {
            return Some(format!("{} kernels are none of ARM's", self.kernels));
        };
        let others = KINDS.iter().map(|(kind, _)| *kind).filter(|kind| *kind != product && kind.contains("bytes"));
        let most = self.kinds[product];
        let missing = most == 0.0 || others.into_iter().any(|kind| self.kinds[kind] >= most);
        missing.then(|| format!("{} kernels, but products of {product} are not what runs", self.kernels))
    }
}

/// What `glimpse bench` says, as far as it is asked for here.
#[derive(Deserialize)]
struct Bench {
    kernels: String,
}

/// The precision of a whole frame, if that is what is counted.
fn frame_of(operator: &str) -> Option<&str> {
    operator.strip_prefix("frame-")
}

/// The plugin's name for a form of a kind.
fn name(kind: usize, form: usize) -> String {
    format!("{kind}.{form}")
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(kernels: &str, most: &'static str) -> Counts {
        let kinds = KINDS.iter().map(|(kind, _)| (*kind, if *kind == most { 5.0 } else { 0.0 })).collect();
        Counts { kernels: kernels.to_owned(), multiplications: Some(1.0), all: 10.0, kinds }
    }

    #[test]
    fn int8_is_to_run_on_its_core_s_own_products() {
        assert_eq!(counts("neon-i8mm", "matrices of bytes").wrong("max"), None);
        assert_eq!(counts("neon", "bytes").wrong("cortex-a53"), None);
        for (kernels, most, cpu) in [
            ("neon", "bytes", "max"),
            ("neon-dotprod", "bytes", "cortex-a76"),
            ("neon-dotprod", "f32", "cortex-a76"),
            ("portable", "f32", "cortex-a53"),
        ] {
            assert!(counts(kernels, most).wrong(cpu).is_some(), "{kernels} {most} {cpu}");
        }
    }
}

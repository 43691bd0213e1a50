//! `glimpse classify`: which of its classes a fine-tuned model sees in pictures.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use glimpse_models::{Bundle, Precision};
use glimpse_runtime::{Machine, Mask, Model};
use serde::Serialize;

use crate::bundles;
use crate::device::DeviceArgs;
use crate::features::{Input, inputs};
use crate::in_order::in_order;
use crate::patches::PatchReader;
use crate::progress::progress;

/// Say what is in pictures, in the words of a fine-tuned model: the likeliest of its classes, and how likely each is.
///
/// The model must have been fine-tuned: `glimpse-export finetune` and `emit` make one of labelled pictures, and
/// `glimpse-export import` takes fine-tuned public weights. It knows its own classes alone, and names one of them for
/// whatever it is shown.
///
/// Answers are in the order of the arguments, those of a folder in name order, at any depth. The whole picture is squeezed
/// into the model's square. A picture that cannot be read is named on stderr and passed over; the exit status is 1 then.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  glimpse classify shoe.jpg --model my-model
  glimpse classify photos/ --model my-model --top 1 --json")]
pub struct Args {
    /// Pictures (JPEG, PNG or WebP), or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    images: Vec<PathBuf>,

    /// A model inside the program, or a bundle's folder (`glimpse info` lists them)
    #[arg(long, value_name = "NAME|PATH", default_value = bundles::DEFAULT)]
    model: String,

    /// How many classes to name, the likeliest first
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,

    /// Numbers to compute with: int8 or f32 [default: int8 where the model has it]
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Threads to compute with, each on pictures of its own; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is said at the end, as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a str,
    precision: &'a str,
    pictures: Vec<Answer>,
    broken: Vec<Broken>,
    threads: usize,
    duration_s: f64,
}

/// A picture's likeliest classes.
#[derive(Debug, Serialize)]
struct Answer {
    /// As text: JSON holds no name that is no Unicode.
    path: String,
    classes: Vec<Class>,
}

/// A class and how likely it is.
#[derive(Debug, Serialize)]
struct Class {
    /// Its number, counted from 0.
    index: usize,
    /// Its name, where the model has names.
    label: Option<String>,
    /// 0 to 1; all classes together make 1.
    probability: f64,
}

/// A picture without an answer.
#[derive(Debug, Serialize)]
struct Broken {
    path: String,
    reason: String,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let bundle = bundles::open(&args.model)?;
    check_classifier(&bundle)?;
    let inputs = inputs(&args.images)?;
    let precision = bundles::precision(&bundle, args.precision);
    args.device.check(precision)?;
    let threads = args.threads.map_or_else(|| Machine::detect().threads, |threads| threads as usize);
    let workers = threads.min(inputs.len());
    // models side by side share the threads; where there is a picture for each thread, each model is best on its own
    let shared = if workers == threads { 1 } else { threads };
    let options = args.device.options(precision, Some(shared));
    let model = Model::load(&bundle, &options).with_context(|| format!("model `{}`", args.model))?;

    let bar = progress(inputs.len(), 0);
    let (mut answers, mut broken) = (Vec::new(), Vec::new());
    let worker = |_| -> Result<_> {
        let mut worker = Worker { model: model.twin()?, reader: PatchReader::new(model.spec()) };
        Ok(move |input: &Input| worker.classified(&input.path))
    };
    let workers = (0..workers).map(worker).collect::<Result<Vec<_>>>().context("making room for a model")?;
    let start = Instant::now();
    in_order(&inputs, workers, |input, classified| {
        let path = input.path.to_string_lossy().into_owned();
        match classified {
            Ok(probabilities) => {
                let answer = Answer { path, classes: likeliest(&probabilities, args.top as usize, bundle.labels()) };
                if args.json {
                    answers.push(answer);
                } else {
                    bar.suspend(|| println!("{answer}"));
                }
            }
            Err(reason) => {
                bar.suspend(|| eprintln!("passed over: {reason}"));
                broken.push(Broken { path, reason });
            }
        }
        bar.inc(1);
        Ok(())
    })?;
    let duration_s = start.elapsed().as_secs_f64();
    bar.finish_and_clear();

    let failed = broken.len();
    if args.json {
        let precision = model.form().name();
        let report = Report { model: bundle.name(), precision, pictures: answers, broken, threads, duration_s };
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    if failed > 0 {
        eprintln!("warning: {failed} of {} pictures could not be read and have no answer", inputs.len());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn check_classifier(bundle: &Bundle) -> Result<()> {
    ensure!(
        bundle.classifier().is_some(),
        "model `{}` has no classifier: it was not fine-tuned and knows no classes; make one that does with \
         `glimpse-export finetune` and `emit`, or take fine-tuned weights with `glimpse-export import`, and name its folder \
         with --model",
        bundle.name()
    );
    Ok(())
}

/// A thread's own model and buffers.
struct Worker {
    model: Model,
    reader: PatchReader,
}

impl Worker {
    /// How likely each class is, or why the picture cannot be read.
    fn classified(&mut self, path: &Path) -> Result<Result<Vec<f64>, String>> {
        let patches = match self.reader.read(path) {
            Ok(patches) => patches,
            Err(reason) => return Ok(Err(format!("{reason:#}"))),
        };
        let mask = Mask::all_visible(self.model.grid());
        let logits = self.model.classify(patches, &mask).with_context(|| format!("classifying {}", path.display()))?;
        if !logits.iter().all(|logit| logit.is_finite()) {
            bail!(
                "the model's answer is not a number: the bundle's weights are broken; `glimpse-export verify` says more"
            );
        }
        Ok(Ok(softmax(logits.iter().map(|logit| f64::from(*logit)))))
    }
}

/// Numbers that make 1 in all, each in proportion to the exponential of what came in.
fn softmax(logits: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let largest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = logits.map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|exponential| exponential / sum).collect()
}

/// The likeliest classes first; of equals, the first one.
fn likeliest(probabilities: &[f64], top: usize, labels: Option<&[String]>) -> Vec<Class> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    order.truncate(top);
    let label = |index: usize| labels.and_then(|labels| labels.get(index)).cloned();
    order.into_iter().map(|index| Class { index, label: label(index), probability: probabilities[index] }).collect()
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        for Class { index, label, probability } in &self.classes {
            let percent = 100.0 * probability;
            match label {
                Some(label) => write!(f, "\n  {percent:5.1}%  {label}")?,
                None => write!(f, "\n  {percent:5.1}%  class {index}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_make_one_however_large_the_logits() {
        let found = softmax([1000.0, 1000.0 + 3f64.ln()].into_iter());
        assert!((found[0] - 0.25).abs() < 1e-12 && (found[1] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn the_likeliest_come_first_and_equals_in_their_order() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let found = likeliest(&[0.2, 0.6, 0.2], 2, Some(&labels));
        let named: Vec<_> = found.iter().map(|class| (class.index, class.label.as_deref())).collect();
        assert_eq!(named, [(1, Some("b")), (0, Some("a"))]);
        assert_eq!(likeliest(&[0.2, 0.6, 0.2], 9, None).len(), 3);
    }
}

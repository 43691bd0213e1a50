//! `cargo ci budget`: what features lose where the model looks at a part of each frame.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::process;
use crate::workspace::Workspace;

/// Neighbours that are compared.
const NEIGHBOURS: usize = 10;

/// Runs `glimpse camera` over a film with several budgets of patches, and compares features with those of all patches.
///
/// For a quarter and half of the patches: those that changed most (motion:N) beside N that are drawn at random in each frame.
/// Three figures: the cosine of a frame's features and those of all its patches; the same with the film's mean taken from
/// both, since frames of one film have much in common; and how many of a frame's ten nearest frames, those within a second
/// of it left out, are the same. Builds glimpse in release.
#[derive(clap::Args)]
pub struct Args {
    /// The film, such as OpenCV's vtest.avi, which Debian's opencv-doc has
    #[arg(long, value_name = "FILM", default_value = "/usr/share/doc/opencv-doc/examples/data/vtest.avi")]
    film: PathBuf,
    /// Frames of it
    #[arg(long, default_value_t = 795, value_name = "N")]
    frames: usize,
    /// Frames on either side that are no neighbours: a second of the film
    #[arg(long, default_value_t = 10, value_name = "N")]
    apart: usize,
    /// A model inside the program, or a bundle
    #[arg(long, default_value = "glimpse-tiny", value_name = "NAME|PATH")]
    model: String,
    /// Numbers to compute with
    #[arg(long, default_value = "f32", value_name = "PRECISION")]
    precision: String,
    /// Write the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Row {
    patches: Vec<usize>,
    features: Vec<f32>,
}

#[derive(Serialize)]
struct Figures {
    pool: &'static str,
    visible: String,
    cosine: f64,
    centred_cosine: f64,
    same_neighbours: f64,
}

/// Runs the comparison.
///
/// # Errors
/// When a program is missing, or fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.film.is_file(),
        "{} is no file; Debian's opencv-doc has vtest.avi, or name a --film",
        args.film.display()
    );
    let workspace = Workspace::here()?;
    let glimpse = workspace.glimpse(None)?;
    let out = workspace.target_directory.join("budget.jsonl");
    let features = |pool: &str, visible: &str| -> anyhow::Result<Vec<Row>> {
        let mut command = Command::new(&glimpse);
        command.args(["camera", "--every-frame", "--force", "--pool", pool, "--visible", visible]);
        command.args(["--model", &args.model, "--precision", &args.precision, "--frames", &args.frames.to_string()]);
        command.arg("--source").arg(format!("file:{}", args.film.display())).arg("--out").arg(&out);
        process::run(&mut command)?;
        let text = fs::read_to_string(&out).with_context(|| format!("reading {}", out.display()))?;
        text.lines().map(|line| serde_json::from_str(line).context("reading a line of features")).collect()
    };
    let mut found = Vec::new();
    for pool in ["mean", "cls"] {
        let all = features(pool, "all")?;
        let count = all.first().context("the film has no frame")?.patches.len();
        for share in [count / 4, count / 2] {
            for visible in [format!("motion:{share}"), share.to_string()] {
                let some = features(pool, &visible)?;
                ensure!(some.len() == all.len(), "{} frames with {visible}, {} with all", some.len(), all.len());
                found.push(figures(pool, visible, &matrix(&all), &matrix(&some), args.apart));
            }
        }
    }
    fs::remove_file(&out).with_context(|| format!("removing {}", out.display()))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    println!("| features | patches | cosine | less the mean | same neighbours |\n| --- | --- | --- | --- | --- |");
    for Figures { pool, visible, cosine, centred_cosine, same_neighbours } in found {
        println!("| {pool} | {visible} | {cosine:.4} | {centred_cosine:.3} | {same_neighbours:.3} |");
    }
    Ok(())
}

fn matrix(rows: &[Row]) -> Vec<Vec<f64>> {
    rows.iter().map(|row| row.features.iter().map(|&value| f64::from(value)).collect()).collect()
}

fn figures(pool: &'static str, visible: String, all: &[Vec<f64>], some: &[Vec<f64>], apart: usize) -> Figures {
    let mean_cosine =
        |a: &[Vec<f64>], b: &[Vec<f64>]| a.iter().zip(b).map(|(a, b)| cosine(a, b)).sum::<f64>() / a.len() as f64;
    let (centred_all, centred_some) = (centred(all), centred(some));
    let (near_all, near_some) = (neighbours(&centred_all, apart), neighbours(&centred_some, apart));
    let shared = |(a, b): (&Vec<usize>, &Vec<usize>)| a.iter().filter(|frame| b.contains(frame)).count() as f64;
    let same = near_all.iter().zip(&near_some).map(shared).sum::<f64>();
    Figures {
        pool,
        visible,
        cosine: mean_cosine(all, some),
        centred_cosine: mean_cosine(&centred_all, &centred_some),
        same_neighbours: same / near_all.iter().map(Vec::len).sum::<usize>().max(1) as f64,
    }
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
}

/// Rows less the mean of them.
fn centred(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = rows.first().map_or(0, Vec::len);
    let mean: Vec<f64> = (0..width).map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64).collect();
    rows.iter().map(|row| row.iter().zip(&mean).map(|(value, mean)| value - mean).collect()).collect()
}

/// The nearest rows of each, by the cosine; those beside it are none.
fn neighbours(rows: &[Vec<f64>], apart: usize) -> Vec<Vec<usize>> {
    let nearest = |at: usize| {
        let others = (0..rows.len()).filter(|&other| other.abs_diff(at) > apart);
        let mut others: Vec<(f64, usize)> = others.map(|other| (cosine(&rows[at], &rows[other]), other)).collect();
        others.sort_by(|a, b| b.0.total_cmp(&a.0));
        others.into_iter().take(NEIGHBOURS).map(|(_, other)| other).collect()
    };
    (0..rows.len()).map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_features_are_the_same_and_others_are_not() {
        // points on a circle, around a far centre
        let circle = |turn: f64| -> Vec<Vec<f64>> {
            (0..60).map(|at| f64::from(at) * turn).map(|angle| vec![9.0 + angle.cos(), 9.0 + angle.sin()]).collect()
        };
        let same = figures("mean", "all".to_owned(), &circle(0.1), &circle(0.1), 2);
        assert!(same.cosine > 0.999_999 && same.centred_cosine > 0.999_999 && same.same_neighbours > 0.999_999);
        let other = figures("mean", "all".to_owned(), &circle(0.1), &circle(2.3), 2);
        assert!(other.cosine > 0.98 && other.centred_cosine < 0.5 && other.same_neighbours < 0.5);
        // frames beside one another are no neighbours
        assert!(neighbours(&circle(0.1), 2)[30].iter().all(|frame| frame.abs_diff(30) > 2));
    }
}

//! `cargo ci bench`: how fast Glimpse is beside its peers.

mod camera;
pub mod compare;
mod gpu;
mod peers;
mod record;
pub mod records;
pub mod report;
mod train;

/// Measures Glimpse on this machine: beside its peers, in turns, or by itself, as records that can be compared.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Train(train::Args),
    Peers(peers::Args),
    Gpu(gpu::Args),
    Camera(camera::Args),
    Record(record::Args),
    Compare(compare::Args),
    Report(report::Args),
}

/// Runs the benchmark that was asked for.
///
/// # Errors
/// When a program is missing, or fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Train(args) => train::run(args),
        What::Peers(args) => peers::run(args),
        What::Gpu(args) => gpu::run(args),
        What::Camera(args) => camera::run(args),
        What::Record(args) => record::run(args),
        What::Compare(args) => compare::run(args),
        What::Report(args) => report::run(args),
    }
}

/// Least, median and greatest. Of two in the middle the median is the lesser, as in `glimpse bench`: one that was measured.
pub fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    [at(0), at(sorted.len().saturating_sub(1) / 2), at(sorted.len().saturating_sub(1))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_least_median_and_most() {
        assert_eq!(format!("{:?}", spread(&[3.0, 1.0, 2.0])), "[1.0, 2.0, 3.0]");
        assert_eq!(format!("{:?}", spread(&[4.0, 1.0, 3.0, 2.0])), "[1.0, 2.0, 4.0]");
        assert_eq!(format!("{:?}", spread(&[2.0, 1.0])), "[1.0, 1.0, 2.0]");
        assert!(spread(&[]).iter().all(|value| value.is_nan()));
    }
}

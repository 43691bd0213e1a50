//! `cargo ci bench`: how fast Glimpse is beside its peers.

mod camera;
mod gpu;
mod peers;
mod train;

/// Measures Glimpse beside its peers, in turns, on this machine. Numbers, not a check: nothing passes or fails.
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
    }
}

/// Least, median and greatest.
pub fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    [at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_least_median_and_most() {
        assert_eq!(format!("{:?}", spread(&[3.0, 1.0, 2.0])), "[1.0, 2.0, 3.0]");
        assert!(spread(&[]).iter().all(|value| value.is_nan()));
    }
}

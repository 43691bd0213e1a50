//! Where a person wants models to run.

use anyhow::{Result, ensure};
use glimpse_models::Precision;
use glimpse_runtime::{Device, Options};

/// Where encoder and decoder run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct DeviceArgs {
    /// Where the model runs: auto, where it was measured to be faster on this machine; cpu; gpu for the first GPU, or gpu:N
    /// for another one (`glimpse info` lists them). A GPU that cannot give the right answer is said, and the CPU gives it
    #[arg(long, value_name = "auto|cpu|gpu[:N]", default_value_t = Device::Cpu)]
    pub device: Device,

    /// On a GPU, keep the weights of --precision f32 as f16, and multiply in f16 where that is faster: half the memory, and
    /// answers within four thousandths
    #[arg(long)]
    pub f16: bool,
}

impl DeviceArgs {
    /// How a model is run there.
    pub fn options(self, precision: Precision, threads: Option<usize>) -> Options {
        Options { precision, threads, device: self.device, half: self.f16, ..Options::default() }
    }

    /// # Errors
    /// When an option would do nothing.
    pub fn check(&self, precision: Precision) -> Result<()> {
        ensure!(
            !self.f16 || (matches!(self.device, Device::Gpu(_)) && precision == Precision::F32),
            "--f16 is for --device gpu with --precision f32; here it would do nothing"
        );
        Ok(())
    }
}

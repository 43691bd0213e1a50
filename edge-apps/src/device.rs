//! Where a person wants models to run.

use glimpse_runtime::Device;

/// Where encoder and decoder run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct DeviceArgs {
    /// Where the model runs: cpu, gpu for the first GPU, or gpu:N for another one (`glimpse info` lists them). A GPU that
    /// cannot give the right answer is said, and the CPU gives it
    #[arg(long, value_name = "cpu|gpu[:N]", default_value_t = Device::Cpu)]
    pub device: Device,
}

//! Where a model runs.

use std::fmt;
use std::str::FromStr;

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// Where it is faster: both are measured once on a machine, and the answer is kept in the user's cache folder. A program
    /// that plays a GPU is not asked.
    Auto,
    /// On the CPU.
    #[default]
    Cpu,
    /// On a GPU: that of a number, as [`adapters`](crate::adapters) counts them, or the first. Where it cannot give the right
    /// answer, the CPU gives it.
    Gpu(Option<usize>),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(None) => f.write_str("gpu"),
            Self::Gpu(Some(index)) => write!(f, "gpu:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no device: it is auto, cpu, gpu, or gpu:N for the N-th, the first being 0");
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "gpu" => Ok(Self::Gpu(None)),
            Some(("gpu", index)) => index.parse().map(|index| Self::Gpu(Some(index))).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_as_it_is_written() {
        for device in [Device::Auto, Device::Cpu, Device::Gpu(None), Device::Gpu(Some(0)), Device::Gpu(Some(12))] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for text in ["", "gpu:", "gpu:x", "gpu:-1", "cpu:1", "GPU"] {
            let refused = text.parse::<Device>().unwrap_err();
            assert!(refused.contains("gpu:N"), "{refused}");
        }
    }
}

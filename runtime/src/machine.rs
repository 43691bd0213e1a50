//! What the CPU can do, as far as it matters to a model's speed.

use std::thread::available_parallelism;

use glimpse_kernels::Family;

/// The machine that this program runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// The instruction set, as Rust names it: `x86_64`, `aarch64`, …
    pub arch: &'static str,
    /// The operating system, as Rust names it: `linux`, `macos`, …
    pub os: &'static str,
    /// The vector instructions that the CPU has, of those that kernels are written for.
    pub cpu_features: Vec<&'static str>,
    /// The kernels that int8 is computed with.
    pub kernels: &'static str,
    /// How many threads a model takes when it is not told: one a core that this process may use.
    pub threads: usize,
}

impl Machine {
    /// Asks the CPU and the system.
    #[must_use]
    pub fn detect() -> Self {
        Self {
            arch: std::env::consts::ARCH,
            os: std::env::consts::OS,
            cpu_features: cpu_features(),
            kernels: Family::best().name(),
            threads: threads(),
        }
    }
}

/// One a core that this process may use.
pub(crate) fn threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The most memory that this process has held since it began, in bytes; none where the system does not say.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    // Linux's: other systems have no such file.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix("kB")?;
    Some(kibibytes.trim().parse::<u64>().ok()? * 1024)
}

/// Names those of the listed features that the CPU has.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! detected {
    ($detect:ident: $($feature:tt)*) => {
        [$(($feature, std::arch::$detect!($feature))),*]
            .into_iter()
            .filter_map(|(feature, has)| has.then_some(feature))
            .collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    detected!(is_x86_feature_detected: "sse4.2" "avx" "avx2" "fma" "f16c" "avx512f" "avx512bw" "avx512vl" "avx512vnni" "avxvnni")
}

#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "neon" "fp16" "dotprod" "i8mm" "bf16" "sve" "sve2")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_was_held_is_seen() {
        let held = vec![1u8; 64 << 20];
        assert!(peak_memory_bytes().unwrap() > held.len() as u64);
    }

    #[test]
    fn a_machine_has_a_thread() {
        let machine = Machine::detect();
        assert!(machine.threads >= 1);
        if cfg!(target_arch = "aarch64") {
            assert!(machine.cpu_features.contains(&"neon"));
        }
    }
}

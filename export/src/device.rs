//! Where the numbers are crunched, chosen when the program runs among what it was built with.

use anyhow::{Context, bail};
use burn::tensor::Device;

/// The name of the device that every program has.
pub const CPU: &str = "cpu";

/// The names of GPUs, each a feature that a program is built with or without.
const GPUS: [&str; 3] = ["vulkan", "wgpu", "cuda"];

/// Names of the devices that this program was built with.
#[must_use]
pub fn built_in() -> Vec<&'static str> {
    let mut names = vec![CPU];
    for (name, there) in
        [("vulkan", cfg!(feature = "vulkan")), ("wgpu", cfg!(feature = "wgpu")), ("cuda", cfg!(feature = "cuda"))]
    {
        if there {
            names.push(name);
        }
    }
    names
}

/// The device of that name: `cpu`, `vulkan`, `wgpu` or `cuda`. A GPU's name alone takes the best one that the machine has;
/// `:N` behind it takes the N-th discrete one.
///
/// # Errors
/// When the name is unknown or the program was built without it; says how to build it in.
pub fn device(name: &str) -> anyhow::Result<Device> {
    let (kind, number) = name.split_once(':').map_or((name, None), |(kind, number)| (kind, Some(number)));
    let parse = |number: &str| number.parse::<usize>().with_context(|| format!("`{number}` in {name} is no number"));
    let number = number.map(parse).transpose()?;
    match kind {
        CPU if number.is_none() => Ok(Device::flex()),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(gpu(number))),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(gpu(number))),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(number.unwrap_or(0))),
        kind if GPUS.contains(&kind) => bail!(
            "this program was built without {kind}: build it with `cargo build --release -p glimpse-export --features {kind}`, or take --device cpu"
        ),
        _ => bail!("no device is called `{name}`; this program was built with {}", built_in().join(", ")),
    }
}

#[cfg(any(feature = "vulkan", feature = "wgpu"))]
fn gpu(number: Option<usize>) -> burn::tensor::DeviceKind {
    number.map_or_else(Default::default, burn::tensor::DeviceKind::DiscreteGpu)
}

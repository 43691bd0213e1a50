//! Where the numbers are crunched, chosen when the program runs among what it was built with.

use anyhow::{Context, bail};
use burn::tensor::Device;

/// Names of the devices that this program was built with.
#[must_use]
pub fn built_in() -> Vec<&'static str> {
    let mut names = vec!["cpu"];
    for (name, there) in
        [("vulkan", cfg!(feature = "vulkan")), ("wgpu", cfg!(feature = "wgpu")), ("cuda", cfg!(feature = "cuda"))]
    {
        if there {
            names.push(name);
        }
    }
    names
}

/// The device of that name: `cpu`, `vulkan`, `wgpu` or `cuda`, with `:N` behind a GPU's name for the N-th one.
///
/// # Errors
/// When the name is unknown or the program was built without it; says how to build it in.
pub fn device(name: &str) -> anyhow::Result<Device> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let index: usize = index.parse().with_context(|| format!("`{index}` in --device {name} is no GPU's number"))?;
    match kind {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DiscreteGpu(index))),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DiscreteGpu(index))),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(index)),
        "vulkan" | "wgpu" | "cuda" => bail!(
            "this program was built without {kind}: build it with `cargo build --release -p glimpse-export --features {kind}`, or take --device cpu (GPU {index} was asked for)"
        ),
        _ => bail!("no device is called `{name}`; this program was built with {}", built_in().join(", ")),
    }
}

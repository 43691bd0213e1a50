//! Which GPUs there are.

use wgpu::{Backends, DeviceType, Instance, InstanceDescriptor};

use super::kept;

/// A GPU, or a program that plays one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adapter {
    /// As the driver names it.
    pub name: String,
    /// The driver and its version.
    pub driver: String,
    /// `vulkan`, `metal` or `dx12`.
    pub api: &'static str,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// The largest part of a buffer that a kernel can see, in bytes.
    pub binding_bytes: u64,
    /// What it has above the floor: `f16`, `subgroups`, `timestamps`.
    pub features: Vec<&'static str>,
}

impl Adapter {
    /// Which kernels were measured to be fastest, for each model that has run on it.
    #[must_use]
    pub fn chosen(&self) -> Vec<String> {
        kept::chosen(self)
    }

    /// Whether it is a program on the CPU.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }
}

/// All GPUs, in the order that `gpu:N` counts them in: fast kinds first.
#[must_use]
pub fn adapters() -> Vec<Adapter> {
    found().iter().map(describe).collect()
}

/// All GPUs as wgpu has them, in the same order.
pub(super) fn found() -> Vec<wgpu::Adapter> {
    let backends = Backends::VULKAN | Backends::METAL | Backends::DX12;
    let instance = Instance::new(InstanceDescriptor { backends, ..InstanceDescriptor::new_without_display_handle() });
    let mut found = pollster::block_on(instance.enumerate_adapters(backends));
    found.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    found
}

fn rank(kind: DeviceType) -> usize {
    let fastest_first = [
        DeviceType::DiscreteGpu,
        DeviceType::IntegratedGpu,
        DeviceType::VirtualGpu,
        DeviceType::Other,
        DeviceType::Cpu,
    ];
    fastest_first.iter().position(|&known| known == kind).unwrap_or(fastest_first.len())
}

/// What is to be said of one.
pub(super) fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let known = [
        ("f16", wgpu::Features::SHADER_F16),
        ("subgroups", wgpu::Features::SUBGROUP),
        ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
    ];
    Adapter {
        name: info.name,
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        api: info.backend.to_str(),
        kind: match info.device_type {
            DeviceType::DiscreteGpu => "discrete",
            DeviceType::IntegratedGpu => "integrated",
            DeviceType::VirtualGpu => "virtual",
            DeviceType::Cpu => "software",
            DeviceType::Other => "other",
        },
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        invocations: limits.max_compute_invocations_per_workgroup,
        binding_bytes: limits.max_storage_buffer_binding_size,
        features: known.into_iter().filter(|(_, feature)| features.contains(*feature)).map(|(name, _)| name).collect(),
    }
}

//! The CPUs that there are kernels for.

/// CPUs with the same instructions for products of bytes. All families give the same answers, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Any CPU at all.
    Portable,
    /// x86 with 256-bit vectors: AVX2 and FMA.
    Avx2,
    /// x86 with 512-bit vectors and products of bytes: AVX-512 VNNI.
    Avx512Vnni,
    /// 64-bit ARM without products of bytes: Cortex-A72.
    Neon,
    /// 64-bit ARM with products of four bytes: Cortex-A76, Jetson Orin.
    NeonDotprod,
    /// 64-bit ARM with products of two rows and two columns of eight bytes.
    NeonI8mm,
}

impl Family {
    /// All of them, the fastest last.
    const ALL: [Self; 6] =
        [Self::Portable, Self::Avx2, Self::Avx512Vnni, Self::Neon, Self::NeonDotprod, Self::NeonI8mm];

    /// The families that this machine belongs to, the fastest last.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|family| family.is_here())
    }

    /// The fastest family that this machine belongs to.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// The family of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// How it is called, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon-dotprod",
            Self::NeonI8mm => "neon-i8mm",
        }
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Avx512Vnni => {
                Self::Avx2.is_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Self::Neon | Self::NeonDotprod | Self::NeonI8mm => false,
        }
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::Portable | Self::Neon => true,
            Self::NeonDotprod => std::arch::is_aarch64_feature_detected!("dotprod"),
            Self::NeonI8mm => Self::NeonDotprod.is_here() && std::arch::is_aarch64_feature_detected!("i8mm"),
            Self::Avx2 | Self::Avx512Vnni => false,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn is_here(self) -> bool {
        self == Self::Portable
    }
}

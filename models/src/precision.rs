//! Which of a bundle's graphs is meant: its part and its precision.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The form that a graph's weights are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Symmetric int8 per output channel, behind `DequantizeLinear`.
    Int8,
}

impl Precision {
    /// Every precision, in the order that reports list them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Int8];

    /// The name on the command line and in reports: `f32` or `int8`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = Error;

    /// # Errors
    /// [`Error::UnknownPrecision`] for anything but `f32` and `int8`.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|precision| precision.name() == text)
            .ok_or_else(|| Error::UnknownPrecision { found: text.to_owned() })
    }
}

/// One of the two halves of a masked autoencoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Visible patches to tokens.
    Encoder,
    /// Tokens to every patch of the picture.
    Decoder,
}

impl Part {
    /// Both parts, in the order that data flows through them.
    pub const ALL: [Self; 2] = [Self::Encoder, Self::Decoder];

    /// The name in file names and reports: `encoder` or `decoder`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = Error;

    /// # Errors
    /// [`Error::UnknownPart`] for anything but `encoder` and `decoder`.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|part| part.name() == text)
            .ok_or_else(|| Error::UnknownPart { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse::<Precision>().unwrap(), precision);
        }
        for part in Part::ALL {
            assert_eq!(part.to_string().parse::<Part>().unwrap(), part);
        }
        assert!(matches!("INT8".parse::<Precision>(), Err(Error::UnknownPrecision { .. })));
        assert!(matches!("head".parse::<Part>(), Err(Error::UnknownPart { .. })));
    }
}

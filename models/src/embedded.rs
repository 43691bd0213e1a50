//! Bundles inside the program, so that one file copied to a board works offline.

use crate::onnx::Bytes;
use crate::{Bundle, Error};

/// A bundle's name, and its files by name.
type Shipped = (&'static str, &'static [(&'static str, &'static [u8])]);

#[cfg(feature = "embed")]
macro_rules! bundle {
    ($name:literal: $($file:literal),+) => {
        ($name, &[$(($file, include_bytes!(concat!("../", $name, "/", $file)))),+])
    };
}

#[cfg(feature = "embed")]
const SHIPPED: &[Shipped] = &[bundle!(
    "glimpse-tiny": "manifest.toml", "encoder.int8.onnx", "decoder.int8.onnx", "golden.safetensors", "CARD.md"
)];

#[cfg(not(feature = "embed"))]
const SHIPPED: &[Shipped] = &[];

const NAMES: [&str; SHIPPED.len()] = {
    let mut names = [""; SHIPPED.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = SHIPPED[index].0;
        index += 1;
    }
    names
};

/// Names of the bundles inside the program, the default one first; none without the feature `embed`.
#[must_use]
pub const fn shipped() -> &'static [&'static str] {
    &NAMES
}

/// The bundle inside the program that has this name.
///
/// # Errors
/// [`Error::NotEmbedded`] for a name that is not among [`shipped`]; else as [`Bundle::open`].
pub fn embedded(name: &str) -> Result<Bundle, Error> {
    let Some(&(name, files)) = SHIPPED.iter().find(|&&(shipped, _)| shipped == name) else {
        let shipped = if SHIPPED.is_empty() { "none".to_owned() } else { shipped().join(", ") };
        return Err(Error::NotEmbedded { name: name.to_owned(), shipped });
    };
    Bundle::from_files(format!("{name} (inside the program)"), |wanted| {
        files.iter().find(|&&(file, _)| file == wanted).map(|&(_, contents)| Bytes::from_static(contents))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(not(feature = "embed"), ignore = "needs the feature `embed`")]
    fn every_shipped_bundle_opens() {
        for &name in shipped() {
            assert_eq!(embedded(name).unwrap().name(), name);
        }
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(matches!(embedded("glimpse-enormous"), Err(Error::NotEmbedded { .. })));
    }
}

//! How many of a picture's patches are looked at.

use std::str::FromStr;

use anyhow::{Result, bail};
use glimpse_models::Bundle;

/// How many patches the encoder sees.
#[derive(Debug, Clone, Copy)]
pub enum Visible {
    All,
    Count(usize),
}

impl FromStr for Visible {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "all" => Ok(Self::All),
            Ok(0) => Err("the encoder must see a patch: give at least 1".to_owned()),
            Ok(count) => Ok(Self::Count(count)),
            Err(_) => Err("a number of patches, or `all`".to_owned()),
        }
    }
}

impl Visible {
    /// Their number.
    ///
    /// # Errors
    /// When the model has fewer.
    pub fn count(self, bundle: &Bundle) -> Result<usize> {
        let all = bundle.spec().grid().len();
        match self {
            Self::All => Ok(all),
            Self::Count(count) if count <= all => Ok(count),
            Self::Count(count) => {
                bail!("--visible {count}: model `{}` has {all} patches; give at most that, or `all`", bundle.name())
            }
        }
    }
}

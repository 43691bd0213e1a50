//! What is computed, so that a run that stopped goes on as the same run, and a reader knows what the numbers are.

use clap::ValueEnum;
use glimpse_models::{PatchGrid, Precision};
use glimpse_runtime::{Mask, Pool, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which of a picture's tokens are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The class token
    Cls,
    /// The mean of the visible patches' tokens
    Mean,
    /// Every token, the class token first
    None,
}

impl Keep {
    /// How they become one row, unless every one is kept.
    pub fn pool(self) -> Option<Pool> {
        match self {
            Self::Cls => Some(Pool::Cls),
            Self::Mean => Some(Pool::Mean),
            Self::None => None,
        }
    }
}

/// What the numbers depend on. Two runs of one recipe give the same rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The program's version.
    pub glimpse: String,
    pub model: String,
    /// Of the encoder's graph.
    pub model_sha256: String,
    pub precision: Precision,
    /// `cpu` or `gpu`: their rows differ in the last digits.
    pub device: String,
    pub preprocess_version: u32,
    pub pool: Keep,
    /// How many patches the encoder sees.
    pub visible: usize,
    pub seed: u64,
    pub shard: String,
    /// How many pictures there are, broken ones too.
    pub pictures: usize,
    pub pictures_sha256: String,
    /// `C`: numbers in a row.
    pub width: usize,
}

impl Recipe {
    /// Rows of a picture: one, or one a token.
    pub fn rows(&self) -> usize {
        if self.pool == Keep::None { self.visible + 1 } else { 1 }
    }

    /// Numbers of a picture.
    pub fn values(&self) -> usize {
        self.rows() * self.width
    }

    /// What the encoder sees of the picture that has this name: a choice that follows from the seed and the name alone.
    pub fn mask(&self, grid: PatchGrid, name: &str) -> Result<Mask> {
        let hidden = grid.len() - self.visible;
        Mask::random(grid, hidden as f32 / grid.len() as f32, picture_seed(self.seed, name))
    }

    /// The first thing in which `self`, as it was, differs from what is asked for now.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let fields = |recipe: &Self| match serde_json::to_value(recipe) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let (was, is) = (fields(self), fields(now));
        let (name, was, is) = was.iter().find_map(|(name, was)| {
            let is = is.get(name).unwrap_or(&Value::Null);
            (was != is).then_some((name, was, is))
        })?;
        Some(match name.as_str() {
            "pictures_sha256" => "the pictures are not the same files".to_owned(),
            name => format!("`{name}` was {was} and is {is}"),
        })
    }
}

/// A seed of a picture's own.
fn picture_seed(seed: u64, name: &str) -> u64 {
    fnv_1a(seed.to_le_bytes().into_iter().chain(name.bytes()))
}

/// A hash that stays the same, whatever the platform and the version of Rust.
///
/// # Source
/// Fowler, Noll and Vo, FNV-1a of 64 bits.
fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn recipe(pool: Keep, visible: usize) -> Recipe {
        Recipe {
            glimpse: "1.2.3".to_owned(),
            model: "small".to_owned(),
            model_sha256: "ab".repeat(32),
            precision: Precision::Int8,
            device: "cpu".to_owned(),
            preprocess_version: 1,
            pool,
            visible,
            seed: 7,
            shard: "1/1".to_owned(),
            pictures: 3,
            pictures_sha256: "cd".repeat(32),
            width: 2,
        }
    }

    #[test]
    fn every_count_of_visible_patches_is_met() {
        let grid = PatchGrid::new(224, 224, 14).unwrap();
        for visible in 1..=grid.len() {
            assert_eq!(recipe(Keep::Cls, visible).mask(grid, "a.jpg").unwrap().visible().len(), visible);
        }
    }

    #[test]
    fn a_choice_follows_from_seed_and_name() {
        let grid = PatchGrid::new(128, 128, 16).unwrap();
        let recipe = recipe(Keep::Cls, 16);
        let choice = |recipe: &Recipe, name| recipe.mask(grid, name).unwrap().visible().to_vec();
        assert_eq!(choice(&recipe, "a.jpg"), choice(&recipe, "a.jpg"));
        assert_ne!(choice(&recipe, "a.jpg"), choice(&recipe, "b.jpg"));
        assert_ne!(choice(&recipe, "a.jpg"), choice(&Recipe { seed: 8, ..recipe.clone() }, "a.jpg"));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the authors.
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv_1a(text.bytes()), hash);
        }
    }

    #[test]
    fn a_difference_is_named() {
        let was = recipe(Keep::Cls, 16);
        assert_eq!(was.difference(&was.clone()), None);
        let now = Recipe { pool: Keep::Mean, ..was.clone() };
        assert_eq!(was.difference(&now).unwrap(), "`pool` was \"cls\" and is \"mean\"");
        let now = Recipe { pictures_sha256: String::new(), ..was.clone() };
        assert!(was.difference(&now).unwrap().contains("not the same files"));
    }
}

//! Choices of the painting, given on the command line: for those who try what is best for a model.

use std::str::FromStr;

use anyhow::{Context, bail};
use glimpse_runtime::inpaint::Blend;

/// One choice: `model-weight=0.8`.
#[derive(Clone, Debug)]
pub struct Choice {
    name: String,
    value: f32,
}

impl FromStr for Choice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, value) = text.split_once('=').with_context(|| format!("`{text}` is no choice: write NAME=VALUE"))?;
        let value = value.parse().with_context(|| format!("`{value}` in {text} is no number"))?;
        let choice = Self { name: name.to_owned(), value };
        choice.put(&mut Blend::default())?;
        Ok(choice)
    }
}

impl Choice {
    /// The default painting with these choices.
    ///
    /// # Errors
    /// When a name is unknown.
    pub fn blend(choices: &[Self]) -> anyhow::Result<Blend> {
        let mut blend = Blend::default();
        choices.iter().try_for_each(|choice| choice.put(&mut blend))?;
        Ok(blend)
    }

    fn put(&self, blend: &mut Blend) -> anyhow::Result<()> {
        let value = self.value;
        match self.name.as_str() {
            "model-weight" => blend.model_weight = value,
            "smooth" => blend.smooth = value,
            "reach" => blend.reach = value,
            "context" => blend.context = value,
            "jitter" => blend.jitter = value,
            "levels" => blend.levels = value as usize,
            "mirror" => blend.mirror = value != 0.0,
            name => bail!(
                "`{name}` is no choice of the painting: they are model-weight, smooth, reach, context, jitter, levels and mirror"
            ),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_change_what_they_name_and_nothing_else() {
        let choices = ["model-weight=0.25", "mirror=0"].map(|text| text.parse::<Choice>().unwrap());
        let blend = Choice::blend(&choices).unwrap();
        let mut wanted = Blend::default();
        (wanted.model_weight, wanted.mirror) = (0.25, false);
        assert_eq!(blend, wanted);
    }

    #[test]
    fn what_is_no_choice_is_named() {
        for (text, word) in [("colour=1", "`colour`"), ("reach", "NAME=VALUE"), ("reach=far", "`far`")] {
            let error = format!("{:#}", text.parse::<Choice>().unwrap_err());
            assert!(error.contains(word), "{error}");
        }
    }
}

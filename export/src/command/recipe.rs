//! Recipes: the options of a run of `train` or `finetune` in a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use toml::{Table, Value};

const OPTION: &str = "--recipe";

/// The words of a command line with those of the recipe that it names put in before them: what is typed overrides what
/// the recipe says.
///
/// A recipe is a TOML table of options: `steps = 2400` stands for `--steps 2400`, `norm-pix = true` for `--norm-pix`.
///
/// # Errors
/// When the recipe cannot be read, or a value is no number, word or switch.
pub fn expanded(words: Vec<String>) -> anyhow::Result<Vec<String>> {
    let Some(at) = words.iter().position(|word| word == OPTION || word.starts_with("--recipe=")) else {
        return Ok(words);
    };
    let path = match words[at].split_once('=') {
        Some((_, path)) => path,
        None => match words.get(at + 1) {
            Some(path) => path,
            // clap says what is missing
            None => return Ok(words),
        },
    };
    let options = options(Path::new(path))?;
    // the program's name and the command's come first
    let (head, tail) = words.split_at(words.len().min(2));
    Ok(head.iter().cloned().chain(options).chain(tail.iter().cloned()).collect())
}

fn options(path: &Path) -> anyhow::Result<Vec<String>> {
    let reading = || format!("reading the recipe {}", path.display());
    let table: Table = toml::from_str(&fs::read_to_string(path).with_context(reading)?).with_context(reading)?;
    let mut words = Vec::new();
    for (name, value) in table {
        let option = format!("--{}", name.replace('_', "-"));
        match value {
            Value::Boolean(true) => words.push(option),
            Value::Boolean(false) => {}
            Value::String(word) => words.extend([option, word]),
            Value::Integer(number) => words.extend([option, number.to_string()]),
            Value::Float(number) => words.extend([option, number.to_string()]),
            other => {
                bail!("{}: `{name} = {other}` is no option: a recipe holds numbers, words and switches", path.display())
            }
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_recipe_comes_before_what_is_typed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        fs::write(&path, "steps = 20\nlearning-rate = 1e-3\nmask = \"block\"\nnorm-pix = true\nresume = false\n")
            .unwrap();
        let typed = format!("glimpse-export train photos --recipe {} --steps 3", path.display());
        let found = expanded(words(&typed)).unwrap().join(" ");
        let tail = typed.strip_prefix("glimpse-export train ").unwrap();
        assert_eq!(
            found,
            format!("glimpse-export train --learning-rate 0.001 --mask block --norm-pix --steps 20 {tail}")
        );
    }

    #[test]
    fn what_is_no_option_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        fs::write(&path, "steps = [1, 2]\n").unwrap();
        let error = expanded(words(&format!("x train --recipe={}", path.display()))).unwrap_err().to_string();
        assert!(error.contains("steps = [1, 2]"), "{error}");
        assert!(expanded(words("x train --recipe nowhere.toml")).is_err());
        assert_eq!(expanded(words("x train a -o b")).unwrap(), words("x train a -o b"));
    }
}

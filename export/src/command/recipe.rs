//! Recipes: the options of a run of `train` or `finetune` in a file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use toml::{Table, Value};

const OPTION: &str = "--recipe";

/// The words of a command line with those of the recipe that it names put in before them. An option that is typed, too, is
/// left out of the recipe's: what is typed overrides what the recipe says, and is not added to it.
///
/// A recipe is a TOML table of options: `steps = 2400` stands for `--steps 2400`, `norm-pix = true` for `--norm-pix`.
///
/// # Errors
/// When the recipe cannot be read, or a value is no number, word or switch.
pub fn expanded(words: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
    let joined = |word: &OsString| word.to_string_lossy().starts_with("--recipe=");
    let Some(at) = words.iter().position(|word| word == OPTION || joined(word)) else {
        return Ok(words);
    };
    let path = if joined(&words[at]) {
        let path = words[at].to_str().and_then(|word| word.split_once('='));
        let (_, path) = path.with_context(|| {
            format!("{} is no Unicode: write {OPTION} and the file as two words", words[at].display())
        })?;
        Path::new(path)
    } else if let Some(path) = words.get(at + 1) {
        Path::new(path)
    } else {
        // clap says what is missing
        return Ok(words);
    };
    // the program's name and the command's come first
    let (head, tail) = words.split_at(words.len().min(2));
    let typed = typed(tail);
    let options = options(path)?.into_iter().filter(|(name, _)| !typed.contains(name));
    let options = options.flat_map(|(name, value)| [Some(format!("--{name}")), value]).flatten().map(OsString::from);
    Ok(head.iter().cloned().chain(options).chain(tail.iter().cloned()).collect())
}

/// The names of the options among some words.
fn typed(words: &[OsString]) -> BTreeSet<String> {
    let words = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    let name = |word: &str| Some(word.strip_prefix("--")?.split('=').next()?.to_owned());
    words.filter_map(|word| name(&word)).collect()
}

/// The options of a recipe, each with its value, if it is no switch.
fn options(path: &Path) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let reading = || format!("reading the recipe {}", path.display());
    let table: Table = toml::from_str(&fs::read_to_string(path).with_context(reading)?).with_context(reading)?;
    let mut options = Vec::new();
    for (name, value) in table {
        let option = name.replace('_', "-");
        match value {
            Value::Boolean(true) => options.push((option, None)),
            Value::Boolean(false) => {}
            Value::String(word) => options.push((option, Some(word))),
            Value::Integer(number) => options.push((option, Some(number.to_string()))),
            Value::Float(number) => options.push((option, Some(number.to_string()))),
            other => {
                bail!("{}: `{name} = {other}` is no option: a recipe holds numbers, words and switches", path.display())
            }
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_recipe_comes_before_what_is_typed_and_says_nothing_of_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let recipe = "steps = 20\nlearning-rate = 1e-3\nmask = \"block\"\nnorm-pix = true\nresume = false\n\
                      device = \"vulkan\"\nlog_every = 5\nwarmup = 0.1\n";
        fs::write(&path, recipe).unwrap();
        for option in [format!("--recipe {}", path.display()), format!("--recipe={}", path.display())] {
            let tail = format!("photos {option} --steps 3 --device=cpu -o run --log-every 7 -- --warmup");
            let found = expanded(words(&format!("glimpse-export train {tail}"))).unwrap();
            let before = "glimpse-export train --learning-rate 0.001 --mask block --norm-pix --warmup 0.1";
            assert_eq!(found, words(&format!("{before} {tail}")));
        }
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
        assert_eq!(expanded(words("x train a --recipe")).unwrap(), words("x train a --recipe"));
    }

    #[test]
    #[cfg(unix)]
    fn words_need_not_be_unicode() {
        use std::os::unix::ffi::OsStringExt as _;

        let odd = |word: &[u8]| OsString::from_vec(word.to_vec());
        let typed = [words("x train"), vec![odd(b"photos\xff")]].concat();
        assert_eq!(expanded(typed.clone()).unwrap(), typed);
        let error = expanded([typed, vec![odd(b"--recipe=\xff.toml")]].concat()).unwrap_err().to_string();
        assert!(error.contains("two words"), "{error}");
    }
}

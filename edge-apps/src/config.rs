//! A command's options from a file: `glimpse camera --config FILE`.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// The command that takes a file, and the option that names it.
const COMMAND: &str = "camera";
const OPTION: &str = "config";

/// The words of a command line with those of the file that it names put in before them. What is typed takes the place of what
/// the file says.
///
/// A file is a TOML table of options: `frames = 20` stands for `--frames 20`, `every-frame = true` for `--every-frame`,
/// `source = ["csi:pi", "test:"]` for two of them.
///
/// # Errors
/// When the file cannot be read, names an option that is not `known`, or has a value that no option has.
pub fn expanded(words: Vec<OsString>, known: impl Fn(&str) -> bool) -> Result<Vec<OsString>> {
    if words.get(1).is_none_or(|command| command != COMMAND) {
        return Ok(words);
    }
    let Some(path) = value_of(&words, OPTION) else { return Ok(words) };
    let path = Path::new(&path);
    let text = fs::read_to_string(path).with_context(|| format!("reading the options in {}", path.display()))?;
    let options = options(&text, path, |name| is_typed(&words, name), known)?;
    let (head, tail) = words.split_at(2);
    Ok(head.iter().cloned().chain(options).chain(tail.iter().cloned()).collect())
}

/// A file's options as words, less those that are typed.
///
/// # Errors
/// As [`expanded`].
pub fn options(
    text: &str,
    path: &Path,
    typed: impl Fn(&str) -> bool,
    known: impl Fn(&str) -> bool,
) -> Result<Vec<OsString>> {
    let table: Table = toml::from_str(text).with_context(|| format!("reading the options in {}", path.display()))?;
    let mut options = Vec::new();
    for (name, value) in table {
        if name == OPTION || !known(&name) {
            bail!(
                "{}: `{name}` is no option of glimpse {COMMAND}; `glimpse {COMMAND} --help` lists them",
                path.display()
            );
        }
        if typed(&name) {
            continue;
        }
        let values = if let Value::Array(values) = value { values } else { vec![value] };
        for value in values {
            let option = format!("--{name}");
            let word = match value {
                Value::Boolean(true) => None,
                Value::Boolean(false) => continue,
                Value::String(word) => Some(word),
                Value::Integer(number) => Some(number.to_string()),
                Value::Float(number) => Some(number.to_string()),
                other => bail!(
                    "{}: `{name} = {other}` is no option: a file holds numbers, words, switches and lists of them",
                    path.display()
                ),
            };
            options.push(word.map_or(option.clone(), |word| format!("{option}={word}")).into());
        }
    }
    Ok(options)
}

/// What stands behind an option.
fn value_of(words: &[OsString], name: &str) -> Option<OsString> {
    let option = format!("--{name}");
    words.iter().enumerate().find_map(|(at, word)| {
        if *word == *option {
            return words.get(at + 1).cloned();
        }
        word.to_str()?.strip_prefix(&option)?.strip_prefix('=').map(OsString::from)
    })
}

fn is_typed(words: &[OsString], name: &str) -> bool {
    let option = format!("--{name}");
    words.iter().filter_map(|word| word.to_str()).any(|word| word.split('=').next() == Some(&option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, typed: &str) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, file).unwrap();
        let words = typed.replace("FILE", path.to_str().unwrap());
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let known = ["source", "out", "frames", "every-frame", "force", "target-fps", "config"];
        let words = expanded(words, |name| known.contains(&name))?;
        let words: Vec<String> = words.into_iter().map(|word| word.into_string().unwrap()).collect();
        Ok(words.join(" ").replace(path.to_str().unwrap(), "FILE"))
    }

    #[test]
    fn a_file_s_options_come_before_what_is_typed_and_give_way_to_it() {
        let file =
            "source = [\"csi:pi\", \"test:\"]\nframes = 20\nevery-frame = true\nforce = false\ntarget-fps = 7.5\n";
        assert_eq!(
            found(file, "glimpse camera --config FILE --frames=3 --out -").unwrap(),
            "glimpse camera --every-frame --source=csi:pi --source=test: --target-fps=7.5 --config FILE --frames=3 --out -"
        );
        assert_eq!(
            found(file, "glimpse camera --source image:a --config=FILE").unwrap(),
            "glimpse camera --every-frame --frames=20 --target-fps=7.5 --source image:a --config=FILE"
        );
        for typed in ["glimpse features --config FILE", "glimpse camera --out -", "glimpse camera --config", "glimpse"]
        {
            assert_eq!(found(file, typed).unwrap(), typed);
        }
    }

    #[test]
    fn what_is_no_option_is_named() {
        for (file, said) in [
            ("framse = 3", "`framse` is no option"),
            ("config = \"other.toml\"", "`config` is no option"),
            ("frames = { a = 1 }", "`frames = { a = 1 }`"),
            ("frames = ", "reading the options"),
        ] {
            let refused = format!("{:#}", found(file, "glimpse camera --config FILE").unwrap_err());
            assert!(refused.contains(said) && refused.contains("c.toml"), "{refused}");
        }
        let gone = expanded(["glimpse", "camera", "--config", "gone.toml"].map(OsString::from).to_vec(), |_| true);
        assert!(format!("{:#}", gone.unwrap_err()).contains("gone.toml"));
    }
}

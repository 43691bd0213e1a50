//! What an output is called.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Features as JSON, a line a frame.
    Lines,
    /// Features as Parquet.
    Parquet,
    /// Painted frames as JPEGs, one after another.
    Mjpeg,
    /// Painted frames as Y4M.
    Y4m,
}

/// An output: what, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub kind: Kind,
    /// None: standard output.
    pub path: Option<PathBuf>,
}

impl Output {
    /// Whether it is of painted frames.
    pub fn is_film(&self) -> bool {
        matches!(self.kind, Kind::Mjpeg | Kind::Y4m)
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` says not what to write: let it end in .jsonl, .parquet, .mjpeg or .y4m, or begin with jsonl:, mjpeg: or y4m:, \
                     such as y4m:- for standard output"
            )
        };
        let kind = |name: &str| match name {
            "jsonl" => Some(Kind::Lines),
            "parquet" => Some(Kind::Parquet),
            "mjpeg" => Some(Kind::Mjpeg),
            "y4m" => Some(Kind::Y4m),
            _ => None,
        };
        if text == "-" {
            return Ok(Self { kind: Kind::Lines, path: None });
        }
        let named = text.split_once(':').and_then(|(name, path)| Some((kind(name)?, path)));
        let by_ending = || {
            let ending = Path::new(text).extension().unwrap_or_default().to_string_lossy().to_lowercase();
            Some((kind(&ending)?, text))
        };
        let (kind, path) = named.or_else(by_ending).ok_or_else(wrong)?;
        if path.is_empty() {
            return Err(wrong());
        }
        Ok(Self { kind, path: (path != "-").then(|| path.into()) })
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}", path.display()),
            None => f.write_str("standard output"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_says_what_and_where_to() {
        let output = |kind, path: Option<&str>| Output { kind, path: path.map(PathBuf::from) };
        for (text, expected) in [
            ("-", output(Kind::Lines, None)),
            ("jsonl:-", output(Kind::Lines, None)),
            ("a.jsonl", output(Kind::Lines, Some("a.jsonl"))),
            ("a/b.MJPEG", output(Kind::Mjpeg, Some("a/b.MJPEG"))),
            ("y4m:-", output(Kind::Y4m, None)),
            ("y4m:pipe", output(Kind::Y4m, Some("pipe"))),
            ("c:d.y4m", output(Kind::Y4m, Some("c:d.y4m"))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "a", "a.txt", "y4m:", "mqtt://example.org/topic"] {
            assert!(text.parse::<Output>().unwrap_err().contains(".jsonl"), "{text}");
        }
    }
}

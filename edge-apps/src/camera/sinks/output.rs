//! What an output is called.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::broker::Broker;
use crate::camera::logins::without_login;
use crate::features::npy::companion;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Features as JSON, a line or a message a frame.
    Lines,
    /// Features as Parquet.
    Parquet,
    /// Features as a matrix of `NumPy`'s.
    Npy,
    /// Painted frames as JPEGs, one after another.
    Mjpeg,
    /// Painted frames as Y4M.
    Y4m,
}

/// Where something is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    File(PathBuf),
    Mqtt(Broker),
    /// A key of Zenoh's.
    Zenoh(String),
}

/// An output: what, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub kind: Kind,
    pub to: Destination,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "jsonl" => Some(Self::Lines),
            "parquet" => Some(Self::Parquet),
            "npy" => Some(Self::Npy),
            "mjpeg" => Some(Self::Mjpeg),
            "y4m" => Some(Self::Y4m),
            _ => None,
        }
    }

    /// Whether it is written from its beginning to its end, and can go through a pipe.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Lines | Self::Mjpeg | Self::Y4m)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines => "a file of lines",
            Self::Parquet => "a Parquet file",
            Self::Npy => "a matrix (.npy)",
            Self::Mjpeg | Self::Y4m => "a film",
        })
    }
}

impl Output {
    /// Whether it is of painted frames.
    pub fn is_film(&self) -> bool {
        matches!(self.kind, Kind::Mjpeg | Kind::Y4m)
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.to {
            Destination::File(path) => Some(path),
            Destination::Stdout | Destination::Mqtt(_) | Destination::Zenoh(_) => None,
        }
    }

    /// The files that are written.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.path().map(Path::to_owned).into_iter().collect();
        if self.kind == Kind::Npy {
            files.extend(self.path().map(companion));
        }
        files
    }

    pub fn is_stdout(&self) -> bool {
        self.to == Destination::Stdout
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` says not what to write: let it end in .jsonl, .parquet, .npy, .mjpeg or .y4m, or begin with jsonl:, mjpeg: \
                 or y4m:, such as y4m:- for standard output, or be mqtt://broker.example.org/topic or zenoh:key",
                without_login(text)
            )
        };
        if text.starts_with("mqtt://") || text.starts_with("mqtts://") {
            return Ok(Self { kind: Kind::Lines, to: Destination::Mqtt(text.parse()?) });
        }
        if let Some(key) = text.strip_prefix("zenoh:") {
            return Ok(Self { kind: Kind::Lines, to: Destination::Zenoh(zenoh_key(key)?) });
        }
        if text == "-" {
            return Ok(Self { kind: Kind::Lines, to: Destination::Stdout });
        }
        let named = text.split_once(':').and_then(|(name, path)| Some((Kind::named(name)?, path)));
        let by_ending = || {
            let ending = Path::new(text).extension().unwrap_or_default().to_string_lossy().to_lowercase();
            Some((Kind::named(&ending)?, text))
        };
        let (kind, path) = named.or_else(by_ending).ok_or_else(wrong)?;
        let to = match path {
            "" => return Err(wrong()),
            "-" => Destination::Stdout,
            path => Destination::File(path.into()),
        };
        Ok(Self { kind, to })
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Destination::Stdout => f.write_str("standard output"),
            Destination::File(path) => write!(f, "{}", path.display()),
            Destination::Mqtt(broker) => write!(f, "{broker}"),
            Destination::Zenoh(key) => write!(f, "zenoh:{key}"),
        }
    }
}

/// A key that can be published to: words between slashes, without wildcards.
fn zenoh_key(key: &str) -> Result<String, String> {
    let is_word = |word: &str| !word.is_empty() && !word.contains(['*', '$', '#', '?']);
    if key.split('/').all(is_word) {
        Ok(key.to_owned())
    } else {
        Err(format!(
            "`{}` is no key that can be published to: words between slashes, without * $ # ?, such as zenoh:cameras/door",
            without_login(key)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_says_what_and_where_to() {
        let output = |kind, path: Option<&str>| Output {
            kind,
            to: path.map_or(Destination::Stdout, |path| Destination::File(path.into())),
        };
        for (text, expected) in [
            ("-", output(Kind::Lines, None)),
            ("jsonl:-", output(Kind::Lines, None)),
            ("a.jsonl", output(Kind::Lines, Some("a.jsonl"))),
            ("a.npy", output(Kind::Npy, Some("a.npy"))),
            ("a/b.MJPEG", output(Kind::Mjpeg, Some("a/b.MJPEG"))),
            ("y4m:-", output(Kind::Y4m, None)),
            ("y4m:pipe", output(Kind::Y4m, Some("pipe"))),
            ("c:d.y4m", output(Kind::Y4m, Some("c:d.y4m"))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let to: Output = "mqtt://example.org/a/b".parse().unwrap();
        assert!(matches!(to.to, Destination::Mqtt(_)) && to.kind == Kind::Lines && to.path().is_none(), "{to}");
        let to: Output = "zenoh:a/b".parse().unwrap();
        assert_eq!((&to.to, to.to_string()), (&Destination::Zenoh("a/b".to_owned()), "zenoh:a/b".to_owned()));
        for key in ["", "/a", "a/", "a//b", "a/*", "a$*", "a?b", "a#"] {
            assert!(format!("zenoh:{key}").parse::<Output>().unwrap_err().contains("no key"), "{key}");
        }
        for text in ["", "a", "a.txt", "y4m:", "npy:"] {
            assert!(text.parse::<Output>().unwrap_err().contains(".jsonl"), "{text}");
        }
        for text in ["mqtt//me:secret@host/t", "mqt://me:secret@host/t", "zenoh:tcp://me:secret@host/*"] {
            let refused = text.parse::<Output>().unwrap_err();
            assert!(refused.contains("@host/") && !refused.contains("secret"), "{refused}");
        }
    }
}

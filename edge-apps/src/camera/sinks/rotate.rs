//! When a file is long enough, and the next one begins.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most that goes into one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotate {
    Bytes(u64),
    Time(Duration),
}

/// A size, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Bytes {
    /// What waits for a broker, if nothing else is said: a quarter of an hour of features at 30 frames a second.
    pub const SPOOL: Self = Self(64_000_000);
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(Rotate::Bytes(bytes)) => Ok(Self(bytes)),
            _ => Err(format!("`{text}` is no size: give 500kB, 100MB or 2GB")),
        }
    }
}

/// Units, by their names.
const BYTES: [(&str, u64); 3] = [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
const SECONDS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];

impl Rotate {
    /// Whether a file of so many bytes, begun so long ago, is to end.
    pub fn is_due(self, bytes: u64, age: Duration) -> bool {
        match self {
            Self::Bytes(most) => bytes >= most,
            // an hour without a frame makes no file
            Self::Time(most) => age >= most && bytes > 0,
        }
    }
}

impl FromStr for Rotate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no size or time: give 100MB, 2GB, 10min, 1h or 1d");
        let unit = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(unit);
        let number: u64 = number.parse().ok().filter(|&number| number > 0).ok_or_else(wrong)?;
        let times = |units: &[(&str, u64)]| {
            units.iter().find(|(name, _)| *name == unit).and_then(|(_, factor)| number.checked_mul(*factor))
        };
        times(&BYTES)
            .map(Self::Bytes)
            .or_else(|| times(&SECONDS).map(Duration::from_secs).map(Self::Time))
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Rotate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::Time(time) => write!(f, "{} s", time.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_typed() {
        for (text, expected) in [
            ("10kB", Rotate::Bytes(10_000)),
            ("100MB", Rotate::Bytes(100_000_000)),
            ("2GB", Rotate::Bytes(2_000_000_000)),
            ("30s", Rotate::Time(Duration::from_secs(30))),
            ("10min", Rotate::Time(Duration::from_mins(10))),
            ("1h", Rotate::Time(Duration::from_hours(1))),
            ("1d", Rotate::Time(Duration::from_hours(24))),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
        for text in ["", "10", "h", "0h", "-1h", "1.5h", "10 MB", "99999999999999999999GB", "18446744073709551615GB"] {
            assert!(text.parse::<Rotate>().unwrap_err().contains("100MB"), "{text}");
        }
    }

    #[test]
    fn a_file_ends_when_it_is_large_or_old_and_not_empty() {
        let hour = Duration::from_hours(1);
        assert!(Rotate::Bytes(10).is_due(10, Duration::ZERO) && !Rotate::Bytes(10).is_due(9, hour));
        assert!(Rotate::Time(hour).is_due(1, hour) && !Rotate::Time(hour).is_due(0, 2 * hour));
    }
}

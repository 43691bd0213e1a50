//! What did not hold: the one error that means "a check failed" and not "the check could not be done".

use std::fmt;

/// Every failure that a command found, in the order found. Never empty.
#[derive(Debug, thiserror::Error)]
pub struct Failures(Vec<String>);

impl Failures {
    /// An error that lists `found`; all is well when there is nothing in it.
    pub fn unless_empty(found: Vec<String>) -> anyhow::Result<()> {
        if found.is_empty() { Ok(()) } else { Err(Self(found).into()) }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "1 failure:")?,
            count => write!(f, "{count} failures:")?,
        }
        self.0.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_found_is_fine() {
        assert!(Failures::unless_empty(Vec::new()).is_ok());
    }

    #[test]
    fn all_that_was_found_is_listed_and_known_as_a_failed_check() {
        let error = Failures::unless_empty(vec!["a: b".into(), "c: d".into()]).unwrap_err();
        assert!(error.is::<Failures>());
        assert_eq!(error.to_string(), "2 failures:\n  a: b\n  c: d");
    }
}

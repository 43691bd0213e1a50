//! What is typed, and what of it is refused.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::Bound;

/// The shortest token that is none to be guessed.
const LEAST_TOKEN: usize = 16;
/// What a token may hold beside letters and digits, so that it can stand in an address as it is.
const MARKS: &str = "-._~";

/// A page to look at.
#[derive(Debug, clap::Args)]
pub struct PageArgs {
    /// Serve a page that shows what the model sees, and lets whoever looks change it, on this address: 127.0.0.1:4912 is for this
    /// machine alone; any other wants a token
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub serve: Option<SocketAddr>,

    /// Whoever asks for the page has to know this: 16 letters, digits, -, ., _ or ~ at least. Who else is on this machine can
    /// read it in the list of processes: --token-file keeps it from them
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,

    /// A file with the token in it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl PageArgs {
    /// Takes the address, if there is to be a page.
    ///
    /// # Errors
    /// When others could ask without a token, the token is none, or the address is taken.
    pub fn bind(&self) -> Result<Option<Bound>> {
        let token = self.token()?;
        let Some(address) = self.serve else {
            ensure!(
                token.is_none(),
                "a token is for the page: say where that is with --serve, such as --serve 127.0.0.1:4912"
            );
            return Ok(None);
        };
        ensure!(
            cfg!(feature = "serve"),
            "this program was built without the page: leave --serve out, or build it with the feature `serve`"
        );
        ensure!(
            token.is_some() || address.ip().is_loopback(),
            "--serve {address}: others than this machine could see the camera's pictures there and change what is looked at; name a \
             file with a token that they must know with --token-file, or serve on 127.0.0.1:{}",
            address.port()
        );
        let listener = TcpListener::bind(address).with_context(|| {
            format!("--serve {address}: the address cannot be had; name another port, or 0 for any")
        })?;
        Ok(Some(Bound::new(listener, token)?))
    }

    fn token(&self) -> Result<Option<String>> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(path)) => {
                let token = fs::read_to_string(path);
                token.with_context(|| format!("reading the token in {}", path.display()))?.trim().to_owned()
            }
            (None, None) => return Ok(None),
        };
        if token.len() < LEAST_TOKEN || !token.chars().all(|c| c.is_ascii_alphanumeric() || MARKS.contains(c)) {
            bail!(
                "the token has to be {LEAST_TOKEN} letters, digits, -, ., _ or ~ at least, so that nobody guesses it and it can stand \
                 in an address: `openssl rand -hex 16` makes one"
            );
        }
        Ok(Some(token))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numbers = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    numbers.parse().map_err(|_| "an address in numbers and a port, such as 127.0.0.1:4912 or [::1]:4912".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(serve: &str, token: Option<&str>) -> PageArgs {
        PageArgs { serve: Some(address(serve).unwrap()), token: token.map(str::to_owned), token_file: None }
    }

    #[test]
    #[cfg(not(feature = "serve"))]
    fn a_program_without_the_page_says_so() {
        let refused = args("127.0.0.1:0", None).bind().unwrap_err().to_string();
        assert!(refused.contains("feature `serve`"), "{refused}");
    }

    #[test]
    #[cfg(feature = "serve")]
    fn others_need_a_token_that_is_one() {
        for serve in ["127.0.0.1:0", "localhost:0", "127.8.0.1:0"] {
            assert!(args(serve, None).bind().unwrap().is_some(), "{serve}");
        }
        for serve in ["0.0.0.0:0", "192.0.2.1:4912", "[::]:0"] {
            let refused = args(serve, None).bind().unwrap_err().to_string();
            assert!(refused.contains("--token-file"), "{refused}");
        }
        assert!(args("0.0.0.0:0", Some("0123456789abcdef")).bind().unwrap().is_some());
        for token in ["", "short", "sixteen letters and more", "0123456789abcde&"] {
            let refused = args("0.0.0.0:0", Some(token)).bind().unwrap_err().to_string();
            assert!(refused.contains("openssl") && !refused.contains("sixteen letters and"), "{refused}");
        }
        let nowhere = PageArgs { serve: None, ..args("127.0.0.1:0", Some("0123456789abcdef")) };
        assert!(nowhere.bind().unwrap_err().to_string().contains("--serve"));
    }

    #[test]
    fn an_address_is_in_numbers() {
        assert_eq!(address("localhost:80"), address("127.0.0.1:80"));
        for text in ["", "4912", "example.org:80", "127.0.0.1", "127.0.0.1:70000"] {
            assert!(address(text).unwrap_err().contains("[::1]:4912"), "{text}");
        }
    }
}

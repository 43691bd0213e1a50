//! A small whole bundle, and every way that it can be broken: each is its own error, which names file and field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod files;
mod folder;
mod graph_files;
mod graph_ports;
mod manifest;
mod whole;
mod writing;

/// Asserts that opening `folder` fails with the variant `pattern`, in a message that has all of `words`.
macro_rules! assert_broken {
    ($folder:expr, $pattern:pat, $($word:expr),+ $(,)?) => {{
        let error = $folder.open().expect_err("this bundle is broken");
        assert!(matches!(&error, $pattern), "not the variant expected: {error:?}");
        let message = error.to_string();
        $(assert!(message.contains($word), "{message:?} does not say {:?}", $word);)+
    }};
}
pub(crate) use assert_broken;

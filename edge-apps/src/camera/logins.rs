//! Names and passwords in addresses, which are nobody's to read in a log or on a page.

use clap::error::{ContextKind, ContextValue};

/// What stands for that which is not shown.
const HIDDEN: &str = "…";
/// Names whose values are a login: in an address's query, as many cameras have it, or among a program's own options.
const SECRETS: [&str; 16] = [
    "user", "username", "usr", "login", "password", "passwd", "passwort", "pass", "pwd", "psw", "pw", "token", "auth",
    "key", "apikey", "secret",
];

/// An address that stands alone, or what was meant to be one, without its login.
pub fn without_login(address: &str) -> String {
    // who forgot a slash, or the scheme, has typed a password all the same
    let Some(colon) = address.find(':') else { return without_values(address) };
    let (scheme, rest) = address.split_at(colon + 1);
    let (slashes, rest) = if let Some(rest) = rest.strip_prefix("//") { ("//", rest) } else { ("", rest) };
    without_values(&format!("{scheme}{slashes}{}", behind_login(rest)))
}

/// A text without the logins in its addresses.
pub fn without_logins(text: &str) -> String {
    const MARK: &str = "://";
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(MARK) {
        let (before, after) = rest.split_at(at + MARK.len());
        let (address, after) = after.split_at(reach(after));
        shown.push_str(before);
        shown.push_str(&behind_login(address));
        rest = after;
    }
    shown.push_str(rest);
    without_values(&shown)
}

/// What an option's refusal says, without the logins that were typed: clap repeats a value that it refuses.
pub fn refusal_without_logins(mut refusal: clap::Error) -> clap::Error {
    let is_token = |option: &str| option.starts_with("--token ");
    let of_token =
        matches!(refusal.get(ContextKind::InvalidArg), Some(ContextValue::String(option)) if is_token(option));
    let shown = |(kind, value): (ContextKind, &ContextValue)| match value {
        // that there is none is said by what is empty
        ContextValue::String(text) if of_token && kind == ContextKind::InvalidValue && !text.is_empty() => {
            Some((kind, ContextValue::String(HIDDEN.to_owned())))
        }
        ContextValue::String(text) => Some((kind, ContextValue::String(without_login(text)))),
        ContextValue::Strings(texts) => {
            Some((kind, ContextValue::Strings(texts.iter().map(|text| without_login(text)).collect())))
        }
        _ => None,
    };
    let shown: Vec<_> = refusal.context().filter_map(shown).collect();
    for (kind, value) in shown {
        refusal.insert(kind, value);
    }
    refusal
}

/// What follows a scheme, with what stands before its last @ hidden: a password may have a slash, a quote and an @ in it.
fn behind_login(address: &str) -> String {
    address.rsplit_once('@').map_or_else(|| address.to_owned(), |(_, host)| format!("{HIDDEN}@{host}"))
}

/// How far an address reaches into the text that it begins: to a blank, and on to the @ of a login that has one in it.
fn reach(text: &str) -> usize {
    let end_of_word = |from: usize| text[from..].find(char::is_whitespace).map_or(text.len(), |at| from + at);
    let end = end_of_word(0);
    let word = &text[..end];
    if word.contains('@') || !begins_login(word) {
        return end;
    }
    text.find('@').map_or(end, end_of_word)
}

/// Whether it is a name with a part of its password, and no host with a port.
fn begins_login(word: &str) -> bool {
    let place = word.split(['/', '?', '#']).next().unwrap_or_default();
    let port = place.trim_end_matches(|letter: char| !letter.is_alphanumeric()).rsplit_once(':').map(|(_, port)| port);
    // an IPv6 address stands in brackets
    !place.starts_with('[') && port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A text without the values of [`SECRETS`].
fn without_values(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('=') {
        let (before, after) = rest.split_at(at + 1);
        shown.push_str(before);
        rest = after;
        let name = before[..at].trim_end_matches(' ').rsplit(|letter: char| !letter.is_alphanumeric()).next();
        if !name.is_some_and(|name| SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))) {
            continue;
        }
        let value = after.trim_start_matches(' ');
        let quoted = value.strip_prefix(['\'', '"']).and_then(|inside| inside.find(&value[..1])).map_or(0, |at| at + 1);
        let is_end = |letter: char| letter.is_whitespace() || letter == '&';
        let end = value[quoted..].find(is_end).map_or(value.len(), |at| quoted + at);
        if end > 0 {
            shown.push_str(&after[..after.len() - value.len()]);
            shown.push_str(HIDDEN);
            rest = &value[end..];
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn an_address_alone_has_no_login_whatever_is_in_it() {
        for (address, shown) in [
            ("rtsp://user.example.org:secret@cam.example.org/1", "rtsp://…@cam.example.org/1"),
            ("rtsp://user.example.org:it's@cam.example.org/1", "rtsp://…@cam.example.org/1"),
            ("rtsp://user.example.org:my \"se/cr@t?\"@cam.example.org/1", "rtsp://…@cam.example.org/1"),
            ("rtsp://user.example.org:a://b@cam.example.org/1", "rtsp://…@cam.example.org/1"),
            // what is written wrong
            ("mqtt//me:secret@host.example.org/t", "mqtt//me:…@host.example.org/t"),
            ("mqtt:/me:secret@host.example.org/t", "mqtt:…@host.example.org/t"),
            ("me:secret@host.example.org/t", "me:…@host.example.org/t"),
            // what has none stays
            ("rtsp://cam.example.org:554/live", "rtsp://cam.example.org:554/live"),
            ("me@home.txt", "me@home.txt"),
            ("--source <URI>", "--source <URI>"),
            ("", ""),
        ] {
            assert_eq!(without_login(address), shown);
        }
    }

    #[test]
    fn a_query_s_login_is_none_to_be_read() {
        for (address, shown) in [
            (
                "rtsp://cam.example.org/?user=admin&password=x&channel=1",
                "rtsp://cam.example.org/?user=…&password=…&channel=1",
            ),
            ("rtsp://cam.example.org/a?PWD=it's;x&Pass=a=b&token=c", "rtsp://cam.example.org/a?PWD=…&Pass=…&token=…"),
            ("rtsp://cam.example.org:554/user=admin_password=x_channel=1", "rtsp://cam.example.org:554/user=…"),
            ("rtsp://u:p@cam.example.org/?access_token=x", "rtsp://…@cam.example.org/?access_token=…"),
            (
                "rtsp://cam.example.org/?password=&channel=1&passage=2",
                "rtsp://cam.example.org/?password=&channel=1&passage=2",
            ),
        ] {
            assert_eq!(without_login(address), shown);
            let (text, shown) = (format!("a {address} failed"), format!("a {shown} failed"));
            assert_eq!(without_logins(&text), shown);
        }
        for (text, shown) in [
            ("rtspsrc user-pw='my secret' ! fakesink", "rtspsrc user-pw=… ! fakesink"),
            ("3 | token = 0123456789abcdef\n  |         ^", "3 | token = …\n  |         ^"),
        ] {
            assert_eq!(without_logins(text), shown);
        }
    }

    #[test]
    fn a_text_s_addresses_have_no_logins() {
        for (text, shown) in [
            (
                "curl 'http://user:secret@a.example.org/x' | tee a@b && ffmpeg -i rtsp://u:p@c.example.org -",
                "curl 'http://…@a.example.org/x' | tee a@b && ffmpeg -i rtsp://…@c.example.org -",
            ),
            (
                "ffmpeg -i \"rtsp://user.example.org:it's@cam.example.org/1\" -",
                "ffmpeg -i \"rtsp://…@cam.example.org/1\" -",
            ),
            (
                "ffmpeg -i 'rtsp://user.example.org:it\"s my@cam.example.org/1' -",
                "ffmpeg -i 'rtsp://…@cam.example.org/1' -",
            ),
            ("ffmpeg -i rtsp://user.example.org:it\\ is@cam.example.org/1 -", "ffmpeg -i rtsp://…@cam.example.org/1 -"),
            ("rtsp://user:secret@cam.example.org/1: 401 Unauthorized", "rtsp://…@cam.example.org/1: 401 Unauthorized"),
            // hosts with ports, and no logins
            ("tcp://127.0.0.1:554?timeout=0 failed: me@b", "tcp://127.0.0.1:554?timeout=0 failed: me@b"),
            ("curl 'http://a.example.org:8080' | tee a@b", "curl 'http://a.example.org:8080' | tee a@b"),
            (
                "rtsp://cam.example.org: gone, rtsp://[fe80::a]/ a@b",
                "rtsp://cam.example.org: gone, rtsp://[fe80::a]/ a@b",
            ),
            ("no address", "no address"),
        ] {
            assert_eq!(without_logins(text), shown);
        }
    }

    #[test]
    fn a_refusal_repeats_no_login_and_no_token() {
        let said = |option: &str, value: &str| {
            let mut refusal = clap::Error::new(ErrorKind::ValueValidation);
            refusal.insert(ContextKind::InvalidArg, ContextValue::String(option.to_owned()));
            refusal.insert(ContextKind::InvalidValue, ContextValue::String(value.to_owned()));
            refusal_without_logins(refusal).to_string()
        };
        let refused = said("--out <OUTPUT>", "mqtt://me:secret@host.example.org");
        assert!(refused.contains("'mqtt://…@host.example.org' for '--out <OUTPUT>'"), "{refused}");
        let refused = said("--token <TOKEN>", "0123456789abcdef");
        assert!(refused.contains("'…' for '--token <TOKEN>'"), "{refused}");
        let refused = said("--token-file <FILE>", "gone");
        assert!(refused.contains("'gone'"), "{refused}");
    }
}

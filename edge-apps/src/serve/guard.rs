//! Who may ask.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Who may ask: those who know the token; without one, those who call this machine by its own name.
#[derive(Debug)]
pub struct Guard {
    address: SocketAddr,
    token: Option<Secrets>,
}

/// What the token is known by: none of it is the token itself.
#[derive(Debug)]
struct Secrets {
    token: [u8; 32],
    /// What a browser is given once it has shown the token.
    cookie: String,
    cookie_digest: [u8; 32],
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    /// The page, by a link with the token in it: a browser keeps the cookie, and no token in its history.
    WithCookie(String),
    No(StatusCode, String),
}

impl Guard {
    pub fn new(address: SocketAddr, token: Option<&str>) -> Self {
        let secrets = |token: &str| {
            let cookie = digest("cookie", token).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            Secrets { token: digest("token", token), cookie_digest: digest("", &cookie), cookie }
        };
        Self { address, token: token.map(secrets) }
    }

    pub fn wants_token(&self) -> bool {
        self.token.is_some()
    }

    /// What becomes of a request with these headers.
    pub fn verdict(&self, uri: &Uri, headers: &HeaderMap) -> Verdict {
        let no = |status, why: &str| Verdict::No(status, why.to_owned());
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
            return no(StatusCode::BAD_REQUEST, "a request says one Host");
        };
        // a page of somebody else's, whose name was made to lead here, has no token of ours
        if self.token.is_none() && !self.is_own(host) {
            return Verdict::No(
                StatusCode::FORBIDDEN,
                format!("this page is not on {host:?}: open it as http://{}/, or start it with a token", self.address),
            );
        }
        if headers.contains_key(ORIGIN) && !text(ORIGIN).is_some_and(|origin| is_of(origin, host)) {
            return no(StatusCode::FORBIDDEN, "another page may not ask here");
        }
        let Some(secrets) = &self.token else { return Verdict::Yes };
        let known = |token: &str| bool::from(digest("token", token).ct_eq(&secrets.token));
        let given =
            uri.query().into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("token="));
        if given.is_some_and(known) {
            let is_page = uri.path() == "/";
            return if is_page { Verdict::WithCookie(self.cookie(&secrets.cookie)) } else { Verdict::Yes };
        }
        if text(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).is_some_and(known) {
            return Verdict::Yes;
        }
        let is_ours = |cookie: &str| {
            let value = cookie.trim().strip_prefix(&self.cookie_name()).and_then(|rest| rest.strip_prefix('='));
            value.is_some_and(|value| bool::from(digest("", value).ct_eq(&secrets.cookie_digest)))
        };
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        if cookies.flat_map(|cookies| cookies.split(';')).any(is_ours) {
            return Verdict::Yes;
        }
        no(
            StatusCode::UNAUTHORIZED,
            "this page wants its token: open it with /?token=… once, or send the header `Authorization: Bearer …`",
        )
    }

    /// Cookies are shared by all ports of a host: another program's page there has a name of its own.
    fn cookie_name(&self) -> String {
        format!("glimpse_{}", self.address.port())
    }

    fn cookie(&self, value: &str) -> String {
        format!("{}={value}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict", self.cookie_name())
    }

    /// Whether a Host is a name of this machine that nobody else can give to another one.
    fn is_own(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let is_address = |ip: IpAddr| ip.is_loopback() || ip == self.address.ip();
        name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_address)
    }
}

/// Whether an Origin is the page that the Host serves.
fn is_of(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Of one length whatever the text's: how long a comparison takes says nothing of it.
fn digest(purpose: &str, text: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("glimpse {purpose}\0").as_bytes());
    hash.update(text.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn status(guard: &Guard, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        match guard.verdict(&path.parse().unwrap(), &map) {
            Verdict::Yes => 200,
            Verdict::WithCookie(_) => 303,
            Verdict::No(status, _) => status.as_u16(),
        }
    }

    #[test]
    fn without_a_token_this_machine_s_names_are_asked_for() {
        let guard = Guard::new("127.0.0.1:4912".parse().unwrap(), None);
        for host in ["127.0.0.1:4912", "localhost", "LOCALHOST:1", "[::1]:4912", "127.9.9.9"] {
            assert_eq!(status(&guard, "/", &[("host", host)]), 200, "{host}");
        }
        for host in
            ["example.org", "example.org:4912", "127.0.0.1.example.org", "192.0.2.1", "", "[", "localhost.example.org"]
        {
            assert_eq!(status(&guard, "/", &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status(&guard, "/", &[]), 400);
        assert_eq!(status(&guard, "/", &[("host", "localhost"), ("host", "localhost")]), 400);
    }

    #[test]
    fn another_page_is_refused_with_a_token_or_without() {
        for guard in [None, Some(TOKEN)].map(|token| Guard::new("127.0.0.1:4912".parse().unwrap(), token)) {
            let bearer = format!("Bearer {TOKEN}");
            let asked = |origin| {
                status(&guard, "/", &[("host", "localhost:4912"), ("authorization", &bearer), ("origin", origin)])
            };
            for origin in ["http://localhost:4912", "https://localhost:4912"] {
                assert_eq!(asked(origin), 200, "{origin}");
            }
            for origin in
                ["http://example.org", "http://localhost", "http://localhost:80", "null", "", "localhost:4912"]
            {
                assert_eq!(asked(origin), 403, "{origin}");
            }
        }
    }

    #[test]
    fn a_token_is_asked_for_wherever_it_may_stand() {
        let guard = Guard::new("0.0.0.0:4912".parse().unwrap(), Some(TOKEN));
        let host = ("host", "camera.example.org");
        assert_eq!(status(&guard, "/", &[host]), 401);
        assert_eq!(status(&guard, &format!("/?token={TOKEN}"), &[host]), 303);
        assert_eq!(status(&guard, &format!("/snapshot.jpg?view=seen&token={TOKEN}"), &[host]), 200);
        assert_eq!(status(&guard, &format!("/?token={TOKEN}0"), &[host]), 401);
        assert_eq!(status(&guard, "/", &[host, ("authorization", &format!("Bearer {TOKEN}"))]), 200);
        for wrong in ["Bearer 0123456789abcdee", "Bearer ", "0123456789abcdef", "Basic 0123456789abcdef"] {
            assert_eq!(status(&guard, "/", &[host, ("authorization", wrong)]), 401, "{wrong}");
        }
        let uri = format!("/?token={TOKEN}").parse().unwrap();
        let map = HeaderMap::from_iter([(HOST, HeaderValue::from_static("camera.example.org"))]);
        let Verdict::WithCookie(cookie) = guard.verdict(&uri, &map) else { panic!("a cookie") };
        assert!(cookie.ends_with("HttpOnly; SameSite=Strict") && !cookie.contains(TOKEN), "{cookie}");
        let (pair, _) = cookie.split_once(';').unwrap();
        assert_eq!(status(&guard, "/live", &[host, ("cookie", &format!("a=b; {pair}"))]), 200);
        assert_eq!(status(&guard, "/live", &[host, ("cookie", &format!("{pair}0"))]), 401);
        assert_eq!(status(&guard, "/live", &[host, ("cookie", &pair.replace("4912", "4913"))]), 401);
    }
}

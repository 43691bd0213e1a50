//! Where an MQTT broker is, and the topic there.

use std::fmt;
use std::str::FromStr;

/// The ports that brokers listen on.
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

/// `mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC`, or `mqtts://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// Name and password.
    pub login: Option<[String; 2]>,
    pub topic: String,
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // what is wrong is not repeated: it may hold a password
        let wrong =
            |what: &str| format!("{what}: an MQTT output is mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC, or mqtts://…");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        let (place, topic) = rest.split_once('/').ok_or_else(|| wrong("no topic"))?;
        // a topic that is published to has no wildcards
        if topic.is_empty() || topic.contains(['+', '#', '\0']) || topic.len() > usize::from(u16::MAX) {
            return Err(wrong("no topic that can be published to"));
        }
        let (login, host) = place.rsplit_once('@').map_or((None, place), |(login, host)| (Some(login), host));
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            [user, password].map(str::to_owned)
        });
        // an IPv6 address stands in brackets
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (host, None),
        };
        let tls = scheme == "mqtts";
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong("no port"))?,
            None if tls => TLS_PORT,
            None => PORT,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("no host"));
        }
        Ok(Self { tls, host: host.to_owned(), port, login, topic: topic.to_owned() })
    }
}

impl fmt::Display for Broker {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}/{}", self.host, self.port, self.topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_what() {
        let broker = |text: &str| text.parse::<Broker>().unwrap();
        let plain = broker("mqtt://example.org/cameras/door");
        assert_eq!((plain.host.as_str(), plain.port, plain.tls), ("example.org", 1883, false));
        assert_eq!((plain.topic.as_str(), &plain.login), ("cameras/door", &None));
        let full = broker("mqtts://me:a@b:c@example.org:99/t");
        assert_eq!((full.host.as_str(), full.port, full.tls), ("example.org", 99, true));
        assert_eq!(full.login, Some(["me".to_owned(), "a@b:c".to_owned()]));
        assert_eq!(full.to_string(), "mqtts://example.org:99/t");
        let v6 = broker("mqtts://[::1]/t");
        assert_eq!((v6.host.as_str(), v6.port), ("::1", 8883));
        assert_eq!(broker("mqtt://[::1]:5/t").port, 5);
    }

    #[test]
    fn what_is_no_address_is_said_without_its_password() {
        for (text, said) in [
            ("mqtt://example.org", "no topic"),
            ("mqtt://example.org/", "no topic"),
            ("mqtt://me:secret@example.org/a/#", "published"),
            ("mqtt://me:secret@example.org:secret/a", "no port"),
            ("mqtt://me:secret@/a", "no host"),
        ] {
            let error = text.parse::<Broker>().unwrap_err();
            assert!(error.contains(said) && !error.contains("secret"), "{text}: {error}");
        }
    }
}

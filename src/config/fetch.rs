//! `[fetch]`: outgoing requests.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Host;

/// `[fetch]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FetchSettings {
    /// The only hosts that the server fetches from. Empty: any public host.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Whether the server fetches over `http`. For development only.
    pub allow_http: bool,
    /// Whether the server fetches from loopback and private addresses. For development only.
    pub allow_private_addresses: bool,
    /// PEM file of trust anchors, in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// Timeout of one fetch in milliseconds, from waiting for a slot to the last byte.
    pub timeout_ms: u64,
    /// Maximum size of one response, in bytes.
    pub body_bytes: usize,
    /// Maximum number of concurrent fetches.
    pub concurrent: usize,
    /// Maximum number of concurrent fetches from one host.
    pub concurrent_per_host: usize,
    /// Minimum time that fetched keys are cached, in seconds, whatever their server states.
    pub keys_minimum_seconds: u64,
    /// Maximum time that fetched keys are cached, in seconds.
    pub keys_maximum_seconds: u64,
    /// Minimum time between two fetches of a key set because of an unknown key, in seconds.
    pub keys_refetch_seconds: u64,
    /// Maximum time that cached keys remain in use after they expired while their server is unreachable, in
    /// seconds.
    pub keys_stale_seconds: u64,
    /// Maximum number of cached key sets.
    pub keys_cached: usize,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allow_http: false,
            allow_private_addresses: false,
            ca_file: None,
            timeout_ms: 5_000,
            body_bytes: 262_144,
            concurrent: 64,
            concurrent_per_host: 16,
            keys_minimum_seconds: 60,
            keys_maximum_seconds: 86_400,
            keys_refetch_seconds: 30,
            keys_stale_seconds: 3_600,
            keys_cached: 1_000,
        }
    }
}

impl FetchSettings {
    /// Whether `allowedHosts` contains this host and port. `host` is in lower case; an IPv6 address is in
    /// brackets.
    pub(crate) fn lists(&self, host: &str, port: u16) -> bool {
        self.allowed_hosts
            .iter()
            .any(|entry| entry.names(host) && entry.port.is_none_or(|own| own == port))
    }

    /// Whether `allowedHosts` contains this host, with any port.
    pub(crate) fn lists_name(&self, host: &str) -> bool {
        self.allowed_hosts.iter().any(|entry| entry.names(host))
    }
}

/// An entry of `allowedHosts`: `host`, `host:port`, or `*.example.org` for every name below
/// `example.org`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedHost {
    /// The host as the WHATWG URL Standard serialises it.
    name: String,
    port: Option<u16>,
    /// Whether the entry means the names below the host.
    is_parent: bool,
}

impl AllowedHost {
    fn names(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        if self.is_parent {
            return match host.strip_suffix(&self.name) {
                Some(rest) => rest.ends_with('.'),
                None => false,
            };
        }
        host == self.name
    }
}

/// Error for a text that is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a host such as keys.example.org, keys.example.org:8443 or *.example.org")]
pub struct BadHost(String);

impl FromStr for AllowedHost {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        Self::parse(text).ok_or_else(|| BadHost(text.to_owned()))
    }
}

impl AllowedHost {
    fn parse(text: &str) -> Option<Self> {
        let (is_parent, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (host, port) = match colon_before_port(rest) {
            Some(colon) => {
                let (host, port) = rest.split_at(colon);
                (host, Some(port.strip_prefix(':')?.parse().ok()?))
            }
            None => (rest, None),
        };
        let host = Host::parse(host.strip_suffix('.').unwrap_or(host)).ok()?;
        match &host {
            Host::Domain(name) if name.contains('*') => return None,
            Host::Ipv4(_) | Host::Ipv6(_) if is_parent => return None,
            _ => {}
        }
        Some(Self {
            name: host.to_string(),
            port,
            is_parent,
        })
    }
}

/// Returns where the colon before a port is. An IPv6 address has colons too, in brackets.
fn colon_before_port(text: &str) -> Option<usize> {
    let after_address = match text.rfind(']') {
        Some(bracket) => bracket + 1,
        None => 0,
    };
    Some(after_address + text.get(after_address..)?.find(':')?)
}

impl TryFrom<String> for AllowedHost {
    type Error = BadHost;

    fn try_from(text: String) -> Result<Self, BadHost> {
        text.parse()
    }
}

impl From<AllowedHost> for String {
    fn from(host: AllowedHost) -> Self {
        host.to_string()
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_parent {
            f.write_str("*.")?;
        }
        f.write_str(&self.name)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str, listed: &[(&str, u16)], others: &[(&str, u16)]) {
        let settings = FetchSettings {
            allowed_hosts: vec![entry.parse().unwrap()],
            ..FetchSettings::default()
        };
        for (host, port) in listed {
            assert!(settings.lists(host, *port), "{entry} lists {host}:{port}");
        }
        for (host, port) in others {
            assert!(
                !settings.lists(host, *port),
                "{entry} does not list {host}:{port}"
            );
        }
    }

    #[test]
    fn an_entry_is_a_host_a_host_with_port_or_a_domain() {
        check(
            "Keys.example.org",
            &[("keys.example.org", 443), ("keys.example.org.", 1)],
            &[("a.keys.example.org", 443)],
        );
        check(
            "keys.example.org:8443",
            &[("keys.example.org", 8443)],
            &[("keys.example.org", 443)],
        );
        check(
            "*.example.org",
            &[("a.example.org", 443), ("b.a.example.org", 1)],
            &[
                ("example.org", 443),
                ("badexample.org", 443),
                ("a.example.org.evil.example", 443),
            ],
        );
        check("[0:0::1]:9", &[("[::1]", 9)], &[("[::1]", 8), ("[::2]", 9)]);
        check("10.0.0.1", &[("10.0.0.1", 80)], &[("10.0.0.10", 80)]);
    }

    #[test]
    fn an_entry_without_a_host_is_rejected() {
        for text in [
            "",
            "*",
            "*.",
            "a.*.org",
            "https://a.example",
            "a.example/x",
            "a.example:x",
            "*.10.0.0.1",
        ] {
            assert!(text.parse::<AllowedHost>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_entry_is_serialized_as_it_was_parsed() {
        for text in ["a.example", "a.example:8443", "*.example.org", "[::1]:9"] {
            assert_eq!(text.parse::<AllowedHost>().unwrap().to_string(), text);
        }
    }
}

//! The authority of a URI: `host:port` (RFC 3986 section 3.2).

use std::net::IpAddr;

use fluent_uri::component::{Authority, Host};
use url::Host as UrlHost;

pub(super) const USER: &str = "must not have a user name or password before the host";
pub(super) const PORT: &str = "must have a port from 1 to 65535 after the colon";
pub(super) const BRACKET: &str =
    "has a bracket in its host, which is only allowed around an IPv6 address";

/// The local machine, in the three spellings of OpenID Connect Dynamic Client Registration section
/// 2 (`application_type`).
pub(super) const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// A host in a spelling that all parsers read in the same way.
pub(super) struct CanonicalHost {
    /// In lower case. An IPv6 address includes its brackets.
    pub(super) name: String,
    /// The address, if the host is one.
    pub(super) address: Option<IpAddr>,
    /// The port after it, if there is one.
    pub(super) port: Option<u16>,
}

impl CanonicalHost {
    /// Checks the text between `//` and the path. The hosts of `http` and `https` are names or
    /// addresses of the internet. The hosts of other schemes may be anything that their application
    /// defines.
    ///
    /// # Errors
    /// The rule that the authority breaks.
    pub(super) fn new(authority: &Authority<'_>, is_web: bool) -> Result<Self, String> {
        if authority.has_userinfo() {
            return Err(USER.to_owned());
        }
        let name = authority.host().to_ascii_lowercase();
        let port = port_of(authority, &name)?;
        if name.contains('*') {
            return Err("must not have a wildcard in its host; register each URI".to_owned());
        }
        // RFC 3986 knows addresses of later versions; no parser of URLs does.
        if matches!(authority.host_parsed(), Host::IpvFuture { .. }) {
            return Err(BRACKET.to_owned());
        }
        if name.is_empty() {
            return Err("must name a host before the port".to_owned());
        }
        let address = if is_web { address_of(&name)? } else { None };
        Ok(Self {
            name,
            address,
            port,
        })
    }
}

/// Returns the port after the host `name`, if there is one.
fn port_of(authority: &Authority<'_>, name: &str) -> Result<Option<u16>, String> {
    let Some(digits) = authority.port() else {
        return Ok(None);
    };
    match digits.as_str().parse() {
        // An application that takes any free port registers 0 (RFC 8252 section 7.3: any port must
        // be allowed).
        Ok(port) if port != 0 || LOOPBACK.contains(&name) => Ok(Some(port)),
        Ok(_) | Err(_) => Err(PORT.to_owned()),
    }
}

/// The WHATWG URL standard reads `0x7f.1` and `2130706433` as 127.0.0.1, and decodes
/// percent-encoding in a name. A program that compares text would miss that, so a host must be in
/// its canonical spelling.
fn address_of(host: &str) -> Result<Option<IpAddr>, String> {
    if is_plain_name(host) {
        return Ok(None);
    }
    read_host(host)
}

/// Whether `host` is a name that no reader takes for an address or spells otherwise, as most are: its last label is no
/// number, and no label is Punycode.
fn is_plain_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    last.starts_with(|first: char| first.is_ascii_lowercase())
        && is_domain_name(host)
        && !host.split('.').any(|label| label.starts_with("xn--"))
}

fn read_host(host: &str) -> Result<Option<IpAddr>, String> {
    match UrlHost::parse(host).map_err(|error| format!("has an invalid host: {error}"))? {
        UrlHost::Domain(name) if name == host && is_domain_name(host) => Ok(None),
        UrlHost::Domain(_) => {
            Err("must have a host of letters, digits, hyphens and dots".to_owned())
        }
        UrlHost::Ipv4(address) if address.to_string() == host => Ok(Some(address.into())),
        UrlHost::Ipv4(_) => Err("must write an IPv4 address as four decimal numbers".to_owned()),
        UrlHost::Ipv6(address) => Ok(Some(address.into())),
    }
}

/// RFC 1123 section 2.1. The underscore is not allowed there, but it occurs in practice.
pub(in crate::client::rules) fn is_domain_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    name.len() <= 253 && name.split(|byte| *byte == b'.').all(is_label)
}

fn is_label(label: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=63).contains(&label.len())
        && label.iter().all(is_allowed)
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_read_as_every_other_host() {
        let labels = [
            "a",
            "example",
            "com",
            "0x7f",
            "127",
            "1",
            "x1",
            "1x",
            "a-b",
            "ab--cd",
            "-a",
            "a-",
            "a_b",
            "_dmarc",
            "",
            "xn--bcher-kva",
            "xn--",
            "xn--a",
            "ss",
            "0x",
            "b%41",
            "ü",
        ];
        let mut plain = 0;
        for first in labels {
            for second in labels {
                for third in ["", ".", ".com", ".1", ".0xa"] {
                    let host = format!("{first}.{second}{third}");
                    assert_eq!(address_of(&host), read_host(&host), "{host}");
                    plain += usize::from(is_plain_name(&host));
                }
            }
        }
        assert!(plain > 100, "{plain}");
    }
}

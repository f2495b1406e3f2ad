//! The authority of a URI: `host:port` (RFC 3986 section 3.2).

use std::net::IpAddr;

use url::Host as UrlHost;

/// The local machine, in the three spellings of OpenID Connect Dynamic Client Registration section
/// 2 (`application_type`).
pub(super) const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// A host in a spelling that all parsers read in the same way.
pub(super) struct Host {
    /// In lower case. An IPv6 address includes its brackets.
    pub(super) name: String,
    /// The address, if the host is one.
    pub(super) address: Option<IpAddr>,
}

/// Parses the text between `//` and the path. The hosts of `http` and `https` are names or
/// addresses of the internet. The hosts of other schemes may be anything that their application
/// defines.
///
/// # Errors
/// The rule that the authority breaks.
pub(super) fn read(authority: &str, is_web: bool) -> Result<Host, String> {
    if authority.contains('@') {
        return Err("must not have a user name or password before the host".to_owned());
    }
    let (host, port) = split_port(authority);
    let name = host.to_ascii_lowercase();
    match port.map(str::parse::<u16>) {
        // An application that takes any free port registers 0 (RFC 8252 section 7.3: any port must
        // be allowed).
        Some(Ok(0)) if LOOPBACK.contains(&name.as_str()) => {}
        Some(Err(_) | Ok(0)) => {
            return Err("must have a port from 1 to 65535 after the colon".to_owned());
        }
        Some(Ok(_)) | None => {}
    }
    if name.contains('*') {
        return Err("must not have a wildcard in its host; register each URI".to_owned());
    }
    let address = if is_web { address_of(&name)? } else { None };
    if !is_web && name.contains(['[', ']']) && UrlHost::parse(&name).is_err() {
        return Err(
            "has a bracket in its host, which is only allowed around an IPv6 address".to_owned(),
        );
    }
    Ok(Host { name, address })
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    // The colons inside the brackets of an IPv6 address do not start a port.
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority
        .get(after_address..)
        .and_then(|rest| rest.find(':'))
    {
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            (host, port.strip_prefix(':'))
        }
        None => (authority, None),
    }
}

/// The WHATWG URL standard reads `0x7f.1` and `2130706433` as 127.0.0.1, and decodes
/// percent-encoding in a name. A program that compares text would miss that, so a host must be in
/// its canonical spelling.
fn address_of(host: &str) -> Result<Option<IpAddr>, String> {
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
pub(super) fn is_domain_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

//! The authority of a URI: `host:port` (RFC 3986 section 3.2).

use std::net::IpAddr;

use url::Host as UrlHost;

/// This machine, in the three spellings of OpenID Connect Dynamic Client Registration section 2
/// (`application_type`).
pub(super) const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// A host that is written in the only way that it is read.
pub(super) struct Host {
    /// In lower case; an IPv6 address in its brackets.
    pub(super) name: String,
    /// When it is an address.
    pub(super) address: Option<IpAddr>,
}

/// Reads what stands between `//` and the path. The hosts of `http` and `https` are names or
/// addresses of the internet; those of other schemes are whatever their application makes of them.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn read(authority: &str, is_web: bool) -> Result<Host, String> {
    if authority.contains('@') {
        return Err("must not have a user name or password before the host".to_owned());
    }
    let (host, port) = split_port(authority);
    let name = host.to_ascii_lowercase();
    match port.map(str::parse::<u16>) {
        // A program that takes whichever port is free registers 0 (RFC 8252 section 7.3: any port is good).
        Some(Ok(0)) if LOOPBACK.contains(&name.as_str()) => {}
        Some(Err(_) | Ok(0)) => return Err("must have a port from 1 to 65535 after the colon".to_owned()),
        Some(Ok(_)) | None => {}
    }
    if name.contains('*') {
        return Err("must not have a wildcard in its host; register each URI".to_owned());
    }
    let address = if is_web { address_of(&name)? } else { None };
    if !is_web && name.contains(['[', ']']) && UrlHost::parse(&name).is_err() {
        return Err("has a bracket in its host that is not of an IPv6 address".to_owned());
    }
    Ok(Host { name, address })
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    // The colons inside the brackets of an IPv6 address are no port's.
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority.get(after_address..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            (host, port.strip_prefix(':'))
        }
        None => (authority, None),
    }
}

/// The WHATWG reads `0x7f.1` and `2130706433` as 127.0.0.1, and percent-encoding in a name. Who
/// compares text would not see that, so a host must be spelled as it is understood.
fn address_of(host: &str) -> Result<Option<IpAddr>, String> {
    match UrlHost::parse(host).map_err(|error| format!("has a host that can not be read: {error}"))? {
        UrlHost::Domain(name) if name == host && is_domain_name(host) => Ok(None),
        UrlHost::Domain(_) => Err("must have a host of letters, digits, hyphens and dots".to_owned()),
        UrlHost::Ipv4(address) if address.to_string() == host => Ok(Some(address.into())),
        UrlHost::Ipv4(_) => Err("must write an IPv4 address as four decimal numbers".to_owned()),
        UrlHost::Ipv6(address) => Ok(Some(address.into())),
    }
}

/// RFC 1123 section 2.1; the underscore is not allowed there but found in the wild.
pub(super) fn is_domain_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

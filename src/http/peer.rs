//! The address of the client: the peer, or the client that a trusted proxy names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use hyper::header::{FORWARDED, GetAll, HOST, HeaderMap, HeaderName, HeaderValue, VIA};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Returns the address that a request came from.
///
/// `Forwarded` (RFC 7239) and `X-Forwarded-For` count only from a proxy in `trusted`, and only up to the
/// first address from the right that is not itself such a proxy. Anybody could have written the addresses
/// further left. If both headers are present and differ, a proxy has passed on a header that it does not set,
/// and it is unclear which one. Neither counts then.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_one_of(peer, trusted) {
        return peer;
    }
    let by_standard = nearest(peer, headers.get_all(FORWARDED), trusted, forwarded);
    let by_custom = nearest(peer, headers.get_all(X_FORWARDED_FOR), trusted, node);
    match (by_standard, by_custom) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => peer,
    }
}

/// Returns the first address from the right in the `fields` of a header that is not a trusted proxy; none if
/// there is no such header. `read` reads one element of the header.
fn nearest(
    peer: IpAddr,
    fields: GetAll<'_, HeaderValue>,
    trusted: &[IpNet],
    read: fn(&str) -> Option<IpAddr>,
) -> Option<IpAddr> {
    let mut elements: Vec<&str> = Vec::new();
    let mut nearest = None;
    for field in fields {
        nearest = Some(peer);
        elements.extend(field.to_str().unwrap_or("?").split(','));
    }
    for element in elements.iter().rev() {
        let text = element.trim();
        if text.is_empty() {
            continue;
        }
        // An address that is unreadable, or hidden on purpose, ends the chain. The last known address counts.
        let Some(address) = read(text) else {
            return nearest;
        };
        nearest = Some(address);
        if !is_one_of(address, trusted) {
            return nearest;
        }
    }
    nearest
}

/// Returns the `for` of an element of `Forwarded` (RFC 7239 section 4).
fn forwarded(element: &str) -> Option<IpAddr> {
    for pair in element.split(';') {
        if let Some((name, value)) = pair.trim().split_once('=')
            && name.eq_ignore_ascii_case("for")
        {
            return node(value);
        }
    }
    None
}

/// Returns the address of a node (RFC 7239 section 6), as proxies write it: with or without quotes, brackets
/// and a port. Returns none for `unknown` and for obfuscated identifiers.
fn node(text: &str) -> Option<IpAddr> {
    let text = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let port = rest.strip_prefix(':');
        if !rest.is_empty() && !port.is_some_and(is_port) {
            return None;
        }
        IpAddr::V6(address.parse().ok()?)
    } else if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else {
        let (address, port) = text.split_once(':')?;
        if !is_port(port) {
            return None;
        }
        IpAddr::V4(address.parse().ok()?)
    };
    Some(address.to_canonical())
}

/// Whether `text` is a port or an obfuscated one (RFC 7239 section 6.2).
fn is_port(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.parse::<u16>().is_ok()
        || text
            .strip_prefix('_')
            .is_some_and(|rest| rest.bytes().all(is_plain))
}

/// The address of the client, if a trusted proxy names it. It travels with the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForwardedAddress(pub(super) IpAddr);

/// Returns the address that the request with this head came from.
pub(crate) fn client_address(parts: &Parts) -> IpAddr {
    if let Some(ForwardedAddress(address)) = parts.extensions.get() {
        return *address;
    }
    match parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => peer.ip().to_canonical(),
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// Whether the request with this head comes from this machine itself, and no proxy passes it on.
///
/// A proxy on this machine that names nobody cannot be told from its own machine.
pub(crate) fn is_local(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let is_loopback = peer.is_some_and(|info| info.0.ip().to_canonical().is_loopback());
    let is_passed_on = [FORWARDED, X_FORWARDED_FOR, X_REAL_IP, VIA];
    is_loopback
        && !is_passed_on
            .iter()
            .any(|name| parts.headers.contains_key(name))
}

/// Returns the host that a request is for, as its sender names it.
pub(crate) fn host(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = || parts.uri.authority().map(Authority::as_str);
    header.or_else(authority)
}

/// Whether `address` is in one of `networks`.
pub(crate) fn is_one_of(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// Returns the part of `address` that belongs to one party: all of an IPv4 address, the first 64 bits of an
/// IPv6 address.
pub(crate) fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&'static str], expected: &str) {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let found = address(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(
            found,
            expected.parse::<IpAddr>().unwrap(),
            "{peer} {forwarded:?}"
        );
    }

    #[test]
    fn only_a_trusted_proxy_can_name_another_address() {
        check("192.0.2.1", &["203.0.113.9"], "192.0.2.1");
        check("10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &["198.51.100.7, 203.0.113.9"], "203.0.113.9");
        check(
            "10.0.0.1",
            &["198.51.100.7", "203.0.113.9, 10.0.0.2"],
            "203.0.113.9",
        );
        check("10.0.0.1", &["nonsense"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9");
    }

    #[test]
    fn an_address_from_a_proxy_is_parsed_in_every_common_form() {
        for (text, expected) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("203.0.113.9:_hidden", "203.0.113.9"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
            ("198.51.100.7, 203.0.113.9:80,", "203.0.113.9"),
            ("203.0.113.9, [::ffff:10.0.0.2]:80", "203.0.113.9"),
        ] {
            check("10.0.0.1", &[text], expected);
        }
        for text in [
            "unknown",
            "_hidden",
            "203.0.113.9:",
            "203.0.113.9:x",
            "[203.0.113.9]",
            "[::1",
            "::1]",
            "\"1.2.3.4",
            "1.2.3.4.5",
        ] {
            check("10.0.0.1", &[text], "10.0.0.1");
            check("10.0.0.1", &["203.0.113.9", text, "10.0.0.7"], "10.0.0.7");
        }
    }

    #[test]
    fn forwarded_is_parsed_by_the_standard() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let read = |peer: &str, fields: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, HeaderValue::from_static(value));
            }
            address(peer.parse().unwrap(), &headers, &trusted).to_string()
        };
        for (value, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("proto=https ; For=\"203.0.113.9:80\"", "203.0.113.9"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=192.0.2.43, for=10.0.0.9", "192.0.2.43"),
            ("for=unknown", "10.0.0.1"),
            ("for=_mystery, for=10.0.0.9", "10.0.0.9"),
            ("by=203.0.113.43", "10.0.0.1"),
        ] {
            assert_eq!(read("10.0.0.1", &[(FORWARDED, value)]), expected, "{value}");
            assert_eq!(
                read("192.0.2.1", &[(FORWARDED, value)]),
                "192.0.2.1",
                "{value}"
            );
        }
        let both = |value| [(FORWARDED, "for=203.0.113.9"), (X_FORWARDED_FOR, value)];
        assert_eq!(read("10.0.0.1", &both("203.0.113.9:80")), "203.0.113.9");
        assert_eq!(
            read("10.0.0.1", &both("203.0.113.10")),
            "10.0.0.1",
            "one of them is a stranger's"
        );
    }

    #[test]
    fn a_request_is_local_only_without_a_proxy() {
        let is_local_from = |peer: Option<&str>, header: Option<HeaderName>| {
            let mut parts = hyper::Request::new(()).into_parts().0;
            if let Some(peer) = peer {
                parts
                    .extensions
                    .insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
            }
            if let Some(name) = header {
                parts
                    .headers
                    .insert(name, HeaderValue::from_static("203.0.113.9"));
            }
            is_local(&parts)
        };
        for peer in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(is_local_from(Some(peer), None), "{peer}");
            for header in [FORWARDED, X_FORWARDED_FOR, X_REAL_IP, VIA] {
                assert!(
                    !is_local_from(Some(peer), Some(header.clone())),
                    "{peer} {header}"
                );
            }
        }
        for peer in [
            "192.0.2.1",
            "10.0.0.1",
            "0.0.0.0",
            "::",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_local_from(Some(peer), None), "{peer}");
        }
        assert!(!is_local_from(None, None), "a peer that is not known");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_party() {
        let network = |text: &str| prefix(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}

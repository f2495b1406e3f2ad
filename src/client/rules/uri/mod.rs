//! URIs, parsed so strictly that two parsers cannot read them differently (RFC 3986).
//!
//! The text is kept, because redirect URIs are compared character by character (RFC 9700 section
//! 4.1.3).

pub(super) mod authority;
mod syntax;

use std::net::IpAddr;

use authority::CanonicalHost;
use fluent_uri::component::Authority;
use fluent_uri::pct_enc::EStr;
use fluent_uri::pct_enc::encoder::Query;

/// An absolute URI that every parser splits in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uri {
    /// In lower case.
    pub(super) scheme: String,
    /// In lower case. `None` if the URI has no authority, as in `com.example.app:/cb`.
    pub(super) host: Option<String>,
    /// The host, if it is an address.
    pub(super) address: Option<IpAddr>,
    /// The port, including the default port of the scheme.
    pub(super) port: Option<u16>,
    /// Path and query, percent-decoded.
    pub(super) location: Vec<u8>,
    /// Whether the URI has only a scheme, a host and a port.
    pub(super) is_origin: bool,
    /// The text after `#`.
    pub(super) fragment: Option<String>,
    /// Whether its path contains a literal `*`.
    pub(super) has_wildcard: bool,
}

/// Schemes that run code, read files or start an application other than the client.
const FORBIDDEN_SCHEMES: &[&str] = &[
    "about",
    "blob",
    "chrome",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "sms",
    "ssh",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// Returns the text before the first colon of `text`.
pub(super) fn scheme(text: &str) -> Option<&str> {
    text.split_once(':').map(|(scheme, _)| scheme)
}

/// Parses `text`. The syntax of RFC 3986 is checked first, then what this server rejects beyond it.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn parse(text: &str) -> Result<Uri, String> {
    let uri = syntax::parse(text)?;
    check_escapes(text)?;
    let scheme = uri.scheme().as_str().to_ascii_lowercase();
    check_scheme(&scheme)?;
    let path = uri.path().decode().to_bytes();
    check_path(&path)?;
    let host = canonical_host(uri.authority(), &scheme)?;
    let location = location(path.into_owned(), uri.query());
    let fragment = uri.fragment().map(|fragment| fragment.as_str().to_owned());
    let port = host.as_ref().and_then(|host| host.port);
    Ok(Uri {
        is_origin: location.is_empty() && fragment.is_none(),
        has_wildcard: uri.path().as_str().contains('*'),
        port: port.or_else(|| default_port(&scheme)),
        address: host.as_ref().and_then(|host| host.address),
        host: host.map(|host| host.name),
        scheme,
        location,
        fragment,
    })
}

/// Returns the host, or `None` if the URI names none and need not.
fn canonical_host(
    authority: Option<Authority<'_>>,
    scheme: &str,
) -> Result<Option<CanonicalHost>, String> {
    match authority.filter(|authority| !authority.as_str().is_empty()) {
        Some(authority) => CanonicalHost::new(&authority, is_web(scheme)).map(Some),
        None if is_web(scheme) => Err("must name a host, as in https://host/".to_owned()),
        None => Ok(None),
    }
}

/// Returns the decoded path and query, with the question mark between them.
fn location(path: Vec<u8>, query: Option<&EStr<Query>>) -> Vec<u8> {
    let mut location = path;
    if let Some(query) = query {
        location.push(b'?');
        location.extend_from_slice(&query.decode().to_bytes());
    }
    location
}

impl Uri {
    /// Whether the host is the local machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.host
            .as_deref()
            .is_some_and(|host| authority::LOOPBACK.contains(&host))
    }

    /// Whether it is plain `http` on the local machine.
    pub(super) fn is_loopback_http(&self) -> bool {
        self.scheme == "http" && self.is_loopback()
    }

    /// Whether the host is `localhost`, with an optional final dot or a name before it.
    pub(super) fn is_localhost(&self) -> bool {
        let host = self.host.as_deref().unwrap_or_default();
        let name = host.strip_suffix('.').unwrap_or(host);
        name == "localhost" || name.ends_with(".localhost")
    }

    /// Whether the scheme is `http` or `https`.
    pub(super) fn is_web(&self) -> bool {
        is_web(&self.scheme)
    }
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "https" | "http")
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// Rejects escapes of ASCII control characters, in any part of the URI.
fn check_escapes(text: &str) -> Result<(), String> {
    let has_control = text.split('%').skip(1).any(|escape| {
        matches!(
            escape.as_bytes(),
            [b'0' | b'1', ..] | [b'7', b'f' | b'F', ..]
        )
    });
    if has_control {
        Err("has an encoded control character, which could break a header; remove it".into())
    } else {
        Ok(())
    }
}

/// Rejects schemes that no client can need. `scheme` is in lower case.
fn check_scheme(scheme: &str) -> Result<(), String> {
    if FORBIDDEN_SCHEMES.contains(&scheme) {
        return Err(format!("has the scheme {scheme}:, which is never allowed"));
    }
    Ok(())
}

/// Rejects dot segments in a decoded path. Programs that compare such a path and programs that
/// resolve it read it differently.
fn check_path(decoded: &[u8]) -> Result<(), String> {
    let climbs = decoded
        .split(|&byte| byte == b'/' || byte == b'\\')
        .any(|part| part == b"." || part == b"..");
    if climbs {
        return Err("must not have . or .. as a path segment, not even percent-encoded".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;

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

/// Schemes that other programs than the client handle, or nobody. Some of these programs run what a URI tells them to.
const HANDLED_ELSEWHERE: &[&str] = &[
    "afp",
    "callto",
    "dav",
    "davs",
    "facetime",
    "ftps",
    "gopher",
    "itms-services",
    "ldap",
    "ldaps",
    "market",
    "mhtml",
    "mk",
    "nfs",
    "res",
    "resource",
    "search",
    "search-ms",
    "sftp",
    "shell",
    "sip",
    "sips",
    "smb",
    "telnet",
    "urn",
];

/// The redirect URIs of Windows applications. Every other scheme with this beginning belongs to Windows itself or to
/// Office.
const OF_WINDOWS: &str = "ms-";
const OF_WINDOWS_APPLICATIONS: &[&str] = &["ms-app", "ms-appx-web"];

/// Returns the text before the first colon of `text`.
pub(super) fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    Some(scheme)
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
    let (host, address, port) = match host {
        Some(host) => (Some(host.name), host.address, host.port),
        None => (None, None, None),
    };
    Ok(Uri {
        is_origin: location.is_empty() && fragment.is_none(),
        has_wildcard: uri.path().as_str().contains('*'),
        port: port.or_else(|| default_port(&scheme)),
        address,
        host,
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
    match authority {
        Some(authority) if !authority.as_str().is_empty() => {
            Ok(Some(CanonicalHost::new(&authority, is_web(scheme))?))
        }
        _ if is_web(scheme) => Err("must name a host, as in https://host/".to_owned()),
        _ => Ok(None),
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
        match &self.host {
            Some(host) => authority::LOOPBACK.contains(&host.as_str()),
            None => false,
        }
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

    /// Whether a program other than the client handles the scheme, or none does.
    pub(super) fn is_handled_elsewhere(&self) -> bool {
        let scheme = self.scheme.as_str();
        HANDLED_ELSEWHERE.contains(&scheme)
            || (scheme.starts_with(OF_WINDOWS) && !OF_WINDOWS_APPLICATIONS.contains(&scheme))
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
    for escape in text.split('%').skip(1) {
        if let [b'0' | b'1', ..] | [b'7', b'f' | b'F', ..] = escape.as_bytes() {
            return Err(
                "has an encoded control character, which could break a header; remove it".into(),
            );
        }
    }
    Ok(())
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
    for part in decoded.split(|&byte| byte == b'/' || byte == b'\\') {
        if part == b"." || part == b".." {
            return Err("must not have . or .. as a path segment, not even percent-encoded".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! URIs, parsed so strictly that two parsers cannot read them differently (RFC 3986).
//!
//! The text is kept, because redirect URIs are compared character by character (RFC 9700 section
//! 4.1.3).

use std::net::IpAddr;

use url::Url;

use super::authority;

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

/// Parses `text`.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn parse(text: &str) -> Result<Uri, String> {
    check_characters(text)?;
    let (scheme, rest) = text
        .split_once(':')
        .ok_or("must be an absolute URI, with a scheme such as https:")?;
    check_scheme(scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    let (rest, fragment) = split_at_mark(rest, '#');
    let (hierarchy, _) = split_at_mark(rest, '?');
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(after) => {
            let end = after.find('/').unwrap_or(after.len());
            let (authority, path) = after.split_at(end);
            (Some(authority), path)
        }
        None => (None, hierarchy),
    };
    check_path(path)?;
    check_brackets(
        rest.get(hierarchy.len() - path.len()..).unwrap_or_default(),
        fragment,
    )?;
    // The query belongs to the location, including its question mark.
    let path_and_query = rest.len() - (hierarchy.len() - path.len());
    let authority = authority.filter(|authority| !authority.is_empty());
    if authority.is_none() && is_web(&scheme) {
        return Err("must name a host, as in https://host/".to_owned());
    }
    let host = authority
        .map(|authority| authority::read(authority, is_web(&scheme)))
        .transpose()?;
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    let location = rest.get(rest.len() - path_and_query..).unwrap_or_default();
    Ok(Uri {
        scheme,
        address: host.as_ref().and_then(|host| host.address),
        host: host.map(|host| host.name),
        port: url.port_or_known_default(),
        location: percent_decoded(location),
        is_origin: location.is_empty() && fragment.is_none(),
        fragment: fragment.map(str::to_owned),
        has_wildcard: path.contains('*'),
    })
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

/// Returns `text` with every escape such as `%41` replaced by its byte.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match after.split_at_checked(2) {
            Some((digits, behind)) if first == b'%' && digits.iter().all(u8::is_ascii_hexdigit) => {
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                decoded.push(u8::from_str_radix(digits, 16).unwrap_or_default());
                rest = behind;
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "https" | "http")
}

fn split_at_mark(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Checks the characters that a URI may contain (RFC 3986 section 2).
fn check_characters(text: &str) -> Result<(), String> {
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err("must be ASCII without spaces and control characters; \
                    write an internationalised host as an A-label (xn--..)"
            .into());
    }
    let is_bad = |byte: &u8| {
        matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
    };
    if let Some(bad) = text.bytes().find(is_bad) {
        return Err(format!(
            "has a character that RFC 3986 does not allow; write it as %{bad:02X}"
        ));
    }
    let escapes = text.split('%').skip(1);
    for escape in escapes {
        let digits = escape
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return Err("has a % that is not followed by two hexadecimal digits".into());
        };
        if byte.is_ascii_control() {
            return Err(
                "has an encoded control character, which could break a header; remove it".into(),
            );
        }
    }
    Ok(())
}

/// Checks RFC 3986 section 3.2.2 (brackets are only for IPv6 addresses) and section 3.5 (a fragment
/// ends the URI).
fn check_brackets(path_and_query: &str, fragment: Option<&str>) -> Result<(), String> {
    let fragment = fragment.unwrap_or_default();
    if path_and_query.contains(['[', ']']) || fragment.contains(['[', ']']) {
        return Err(
            "has a bracket outside an IPv6 address; write %5B and %5D (RFC 3986)".to_owned(),
        );
    }
    if fragment.contains('#') {
        Err("has two # characters; write %23 for the second (RFC 3986)".to_owned())
    } else {
        Ok(())
    }
}

/// RFC 3986 section 3.1.
fn check_scheme(scheme: &str) -> Result<(), String> {
    let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let rest_is_well = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !starts_well || !rest_is_well {
        return Err("must be an absolute URI, with a scheme such as https:".into());
    }
    let lower = scheme.to_ascii_lowercase();
    if FORBIDDEN_SCHEMES.contains(&lower.as_str()) {
        return Err(format!("has the scheme {lower}:, which is never allowed"));
    }
    Ok(())
}

/// Rejects dot segments. Programs that compare such a path and programs that resolve it read it
/// differently.
fn check_path(path: &str) -> Result<(), String> {
    let decoded = percent_decoded(path);
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

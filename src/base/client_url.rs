//! Client Identifier URLs: the URL of a Client ID Metadata Document, which is also the identifier of its client
//! (draft-ietf-oauth-client-id-metadata-document section 3).

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;

use url::Host;

use crate::base::address;

/// What a Client Identifier URL may look like on this server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientUrlForm {
    /// Maximum length in bytes.
    pub(crate) maximum_bytes: usize,
    /// Whether it may have a query.
    pub(crate) may_have_query: bool,
}

/// A Client Identifier URL. Two of them are the same client only if they have the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClientUrl {
    text: String,
    /// Where the host is in the text. An IPv6 address includes its brackets.
    host: Range<usize>,
    port: Option<u16>,
}

const SCHEME: &str = "https://";

/// Characters of visible ASCII that a URL must percent-encode (RFC 3986 section 2), in its path and query too.
const EXCLUDED: &[char] = &['"', '<', '>', '\\', '^', '`', '{', '|', '}', '[', ']'];

impl ClientUrl {
    /// Parses a Client Identifier URL.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub(crate) fn parse(text: &str, form: ClientUrlForm) -> Result<Self, String> {
        if text.len() > form.maximum_bytes {
            return Err(format!("must not exceed {} bytes", form.maximum_bytes));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must be ASCII without spaces and control characters".to_owned());
        }
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Err("must begin with https://, in lower case".to_owned());
        };
        if rest.contains('#') {
            return Err("must not have a fragment (#..)".to_owned());
        }
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, location) = rest.split_at(end);
        let (host, port) = split_authority(authority)?;
        check_host(host)?;
        check_location(location, form.may_have_query)?;
        Ok(Self {
            text: text.to_owned(),
            host: SCHEME.len()..SCHEME.len() + host.len(),
            port,
        })
    }

    /// Returns the whole URL.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns its host.
    pub(crate) fn host(&self) -> &str {
        self.text.get(self.host.clone()).unwrap_or_default()
    }

    /// Returns its port, which is 443 if the URL has none.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(443)
    }

    /// Whether its host is an IP address, or a name that is reserved for special uses. Strangers could use such a
    /// host to make this server send requests to its own network, and it identifies nobody.
    pub(crate) fn has_special_host(&self) -> bool {
        let host = self.host();
        !matches!(Host::parse(host), Ok(Host::Domain(_))) || address::is_special_name(host)
    }
}

impl fmt::Display for ClientUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits the text between `//` and the path into host and port.
fn split_authority(authority: &str) -> Result<(&str, Option<u16>), String> {
    if authority.contains('@') {
        return Err("must not have a user name or password before the host".to_owned());
    }
    // The colons inside the brackets of an IPv6 address do not start a port.
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let colon = authority
        .get(after_address..)
        .and_then(|rest| rest.find(':'));
    let Some(colon) = colon else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_address + colon);
    Ok((host, Some(parse_port(port.trim_start_matches(':'), port)?)))
}

/// Parses `digits`. `whole` is the port with the colon before it.
fn parse_port(digits: &str, whole: &str) -> Result<u16, String> {
    let is_plain = digits.len() + 1 == whole.len()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    match digits.parse() {
        Ok(port) if is_plain => Ok(port),
        Ok(_) | Err(_) => Err("must have a port from 1 to 65535 after the colon".to_owned()),
    }
}

/// Checks that the host has the one spelling that every parser reads in the same way. People compare hosts, and the
/// URL is compared as text.
fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("must name a host, as in https://host/path".to_owned());
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("must have its host in lower case".to_owned());
    }
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let is_canonical = address
            .parse::<Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address);
        return if is_canonical {
            Ok(())
        } else {
            Err("must have a valid IPv6 address in brackets".to_owned())
        };
    }
    // The URL Standard reads `0x7f.1` and `2130706433` as 127.0.0.1, and decodes percent-encoding in a name.
    match Host::parse(host) {
        Ok(Host::Domain(name)) if name == host && is_domain_name(host) => Ok(()),
        Ok(Host::Ipv4(address)) if address.to_string() == host => Ok(()),
        Ok(Host::Ipv4(_)) => Err("must write an IPv4 address as four decimal numbers".to_owned()),
        Ok(_) | Err(_) => Err(
            "must have a host of letters, digits, hyphens and dots, without a dot at its end"
                .to_owned(),
        ),
    }
}

/// Whether `name` is a domain name (RFC 1123 section 2.1). The underscore is not allowed there, but it occurs in
/// practice.
fn is_domain_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Checks the path, and the query after it.
fn check_location(location: &str, may_have_query: bool) -> Result<(), String> {
    if let Some(at) = location.find(EXCLUDED) {
        let bad = location.as_bytes().get(at).copied().unwrap_or_default();
        return Err(format!(
            "has a character that RFC 3986 does not allow; write it as %{bad:02X}"
        ));
    }
    let (path, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    if query.is_some() && !may_have_query {
        return Err(
            "must not have a query (?..) on this server (clientDocumentQueries)".to_owned(),
        );
    }
    let decoded = decode(path)?;
    decode(query.unwrap_or_default())?;
    if matches!(path, "" | "/") {
        return Err("must have a path, as in https://host/path".to_owned());
    }
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        if matches!(segment, b"." | b"..") {
            return Err(
                "must not have . or .. as a path segment, not even percent-encoded".to_owned(),
            );
        }
    }
    Ok(())
}

/// Decodes percent-encoding.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    decoded.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return Err("has a % that is not followed by two hexadecimal digits".to_owned());
        };
        if byte.is_ascii_control() {
            return Err("has an encoded control character; remove it".to_owned());
        }
        decoded.push(byte);
        decoded.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: ClientUrlForm = ClientUrlForm {
        maximum_bytes: 512,
        may_have_query: false,
    };

    /// Checks the host and the port of a valid URL, or the words of the rule that another text breaks.
    fn check(form: ClientUrlForm, text: &str, expected: Result<(&str, u16), &str>) {
        match (ClientUrl::parse(text, form), expected) {
            (Ok(url), Ok(parts)) => {
                assert_eq!((url.host(), url.port()), parts, "{text}");
                assert_eq!(url.as_str(), text);
            }
            (Err(rule), Err(words)) => assert!(
                rule.contains(words),
                "{text}: {rule} does not contain {words}"
            ),
            (result, expected) => panic!("{text}: {result:?} is not {expected:?}"),
        }
    }

    #[test]
    fn an_https_url_with_a_path_is_a_client() {
        for (text, host, port) in [
            ("https://a.example/c", "a.example", 443),
            ("https://a.example:443/c", "a.example", 443),
            (
                "https://a.example:8443/oauth/client.json",
                "a.example",
                8443,
            ),
            ("https://a.example/c/", "a.example", 443),
            ("https://a.example//", "a.example", 443),
            ("https://a.example/C%2fd", "a.example", 443),
            ("https://a.example/..c/.d/e..", "a.example", 443),
            ("https://a.example/c;v=1,2:3@4", "a.example", 443),
            (
                "https://xn--bcher-kva.example/c",
                "xn--bcher-kva.example",
                443,
            ),
            ("https://a_b.example/c", "a_b.example", 443),
            ("https://192.0.2.1/c", "192.0.2.1", 443),
            ("https://[2001:db8::1]:8443/c", "[2001:db8::1]", 8443),
            ("https://localhost:8443/c", "localhost", 8443),
        ] {
            check(STRICT, text, Ok((host, port)));
        }
    }

    #[test]
    fn every_other_form_is_rejected_with_its_rule() {
        for (text, words) in [
            ("http://a.example/c", "https://"),
            ("HTTPS://a.example/c", "lower case"),
            ("Https://a.example/c", "lower case"),
            ("https:/a.example/c", "https://"),
            ("a.example/c", "https://"),
            ("", "https://"),
            ("https://", "name a host"),
            ("https:///c", "name a host"),
            ("https://:8443/c", "name a host"),
            ("https://u@a.example/c", "user name"),
            ("https://u:p@a.example/c", "user name"),
            ("https://a.example", "path"),
            ("https://a.example/", "path"),
            ("https://a.example:8443", "path"),
            ("https://a.example/./c", "segment"),
            ("https://a.example/c/..", "segment"),
            ("https://a.example/c/%2e%2E/d", "segment"),
            ("https://a.example/c/.%2e", "segment"),
            ("https://a.example/c%2f..%2fd", "segment"),
            ("https://a.example/c%5c..", "segment"),
            ("https://a.example/c#", "fragment"),
            ("https://a.example/c#d", "fragment"),
            ("https://a.example/c?", "query"),
            ("https://a.example/c?d=e", "query"),
            ("https://a.example?d", "query"),
            ("https://a.example:0/c", "port"),
            ("https://a.example:/c", "port"),
            ("https://a.example:65536/c", "port"),
            ("https://a.example:+443/c", "port"),
            ("https://a.example:0443/c", "port"),
            ("https://a.example::443/c", "port"),
            ("https://a.example:x/c", "port"),
            ("https://A.example/c", "lower case"),
            ("https://a.example./c", "dot at its end"),
            ("https://a..example/c", "letters"),
            ("https://-a.example/c", "letters"),
            ("https://*.example/c", "letters"),
            ("https://%61.example/c", "letters"),
            ("https://2130706433/c", "four decimal"),
            ("https://0x7f.1/c", "four decimal"),
            ("https://0177.0.0.1/c", "four decimal"),
            ("https://127.1/c", "four decimal"),
            ("https://[::1/c", "port"),
            ("https://[x]/c", "IPv6"),
            ("https://[0:0::1]/c", "IPv6"),
            ("https://a.example\\@b.example/c", "%5C"),
            ("https://a.example\\c", "%5C"),
            ("https://a.example/c\\d", "%5C"),
            ("https://a.example/{c}", "%7B"),
            ("https://a.example/[c]", "%5B"),
            ("https://a.example/c%", "hexadecimal"),
            ("https://a.example/c%4", "hexadecimal"),
            ("https://a.example/c%zz", "hexadecimal"),
            ("https://a.example/c%+1", "hexadecimal"),
            ("https://a.example/c%0d%0a", "control"),
            ("https://a.example/c%00", "control"),
            ("https://a.example/c d", "ASCII"),
            ("https://a.example/c\n", "ASCII"),
            (" https://a.example/c", "ASCII"),
            ("https://b\u{fc}cher.example/c", "ASCII"),
            ("https://\u{ff11}27.0.0.1/c", "ASCII"),
        ] {
            check(STRICT, text, Err(words));
        }
    }

    #[test]
    fn queries_and_the_length_depend_on_the_form() {
        let open = ClientUrlForm {
            maximum_bytes: 25,
            may_have_query: true,
        };
        check(open, "https://a.example/c?d=%20", Ok(("a.example", 443)));
        check(open, "https://a.example/c?d=%2", Err("hexadecimal"));
        check(open, "https://a.example/?d", Err("path"));
        check(
            open,
            "https://a.example/c?d=e&f=",
            Err("must not exceed 25 bytes"),
        );
    }

    #[test]
    fn urls_are_compared_as_text() {
        let parse = |text| ClientUrl::parse(text, STRICT).unwrap();
        for other in [
            "https://a.example:443/c",
            "https://a.example/c/",
            "https://a.example/%63",
        ] {
            assert_ne!(parse("https://a.example/c"), parse(other));
        }
    }

    #[test]
    fn special_hosts_are_recognised() {
        for (host, is_special) in [
            ("localhost", true),
            ("a.localhost", true),
            ("intranet", true),
            ("printer.local", true),
            ("metadata.google.internal", true),
            ("192.0.2.1", true),
            ("8.8.8.8", true),
            ("[2001:db8::1]", true),
            ("a.example", false),
            ("localhost.example", false),
        ] {
            let url = ClientUrl::parse(&format!("https://{host}/c"), STRICT).unwrap();
            assert_eq!(url.has_special_host(), is_special, "{host}");
        }
    }
}

//! Certificates of clients (RFC 8705 section 2.1.2).

use std::net::IpAddr;

use super::report::violation;
use super::{Rules, authority, uri};
use crate::client::Metadata;
use crate::model::Violation;

/// A member that says whose the certificate is, and its form.
type Subject = (&'static str, fn(&str) -> Option<&'static str>);

const SUBJECTS: &[Subject] = &[
    ("tls_client_auth_subject_dn", |text| {
        (!is_distinguished_name(text))
            .then_some("must be a distinguished name by RFC 4514, such as CN=client,O=Example")
    }),
    ("tls_client_auth_san_dns", |text| (!authority::is_domain_name(text)).then_some("must be a DNS name")),
    ("tls_client_auth_san_uri", |text| uri::parse(text).is_err().then_some("must be an absolute URI")),
    ("tls_client_auth_san_ip", |text| {
        text.parse::<IpAddr>().is_err().then_some("must be an IPv4 address, or an IPv6 address by RFC 5952")
    }),
    ("tls_client_auth_san_email", |text| {
        let is_address = text
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && authority::is_domain_name(host));
        (!is_address).then_some("must be an e-mail address")
    }),
];

/// One subject with the method `tls_client_auth`, never several, each in its form.
pub(super) fn check(_: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let subjects: Vec<&Subject> = SUBJECTS.iter().filter(|(member, _)| metadata.has(member)).collect();
    let is_method = metadata.text("token_endpoint_auth_method") == Some("tls_client_auth");
    if is_method && subjects.is_empty() {
        let rule =
            "tls_client_auth needs one of the tls_client_auth_* members, which says whose the certificate is";
        found.push(violation("token_endpoint_auth_method", rule));
    }
    if let [_, second, ..] = subjects.as_slice() {
        found.push(violation(second.0, "only one of the tls_client_auth_* members may be there"));
    }
    for (member, form) in subjects {
        if let Some(rule) = metadata.text(member).and_then(form) {
            found.push(violation(member, rule));
        }
    }
}

/// Whether `text` has the form of RFC 4514 section 3: attributes with values, between commas or
/// plus signs that are not escaped.
fn is_distinguished_name(text: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for character in text.chars() {
        match (character, parts.last_mut()) {
            (',' | '+', _) if !is_escaped => parts.push(String::new()),
            (_, Some(part)) => part.push(character),
            (_, None) => {}
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    !is_escaped && parts.iter().all(|part| is_attribute(part.trim_start()))
}

/// `CN=client` or `2.5.4.97=#0c02...`.
fn is_attribute(part: &str) -> bool {
    let Some((name, value)) = part.split_once('=') else { return false };
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_oid = name.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()));
    let is_hex = |hex: &str| {
        !hex.is_empty() && hex.len().is_multiple_of(2) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let is_value = value.strip_prefix('#').map_or(!value.is_empty(), is_hex);
    (is_name || is_oid) && is_value
}

#[cfg(test)]
mod tests {
    use super::is_distinguished_name;

    #[test]
    fn a_distinguished_name_is_one_of_rfc_4514() {
        let good = [
            "CN=client",
            "CN=client, O=Example\\, Inc., C=DE",
            "UID=1+OU=x,DC=example,DC=org",
            "2.5.4.97=#0C0A4F464242522D31,CN=x",
            "CN=a\\=b",
        ];
        for text in good {
            assert!(is_distinguished_name(text), "{text}");
        }
        for text in ["", "client", "=x", "CN=", "CN=a,", "CN=a,,O=b", "CN=a\\", "2.5.4.97=#0", "C N=x"] {
            assert!(!is_distinguished_name(text), "{text}");
        }
    }
}

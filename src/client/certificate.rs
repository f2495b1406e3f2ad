//! Whether a certificate belongs to a client (RFC 8705 section 2).
//!
//! This module does not decide whether the certificate is trusted. For a subject, its chain must
//! lead to a trusted authority. For a key, the connection must prove possession of the key.

use std::net::IpAddr;

use crate::client::Metadata;
use crate::x509::{Certificate, dn};

/// A metadata member that names the certificate's subject, and the comparison for it.
type SubjectMember = (&'static str, fn(&Certificate, &str) -> bool);

const SUBJECTS: &[SubjectMember] = &[
    ("tls_client_auth_subject_dn", |certificate, text| {
        dn::matches(text, &certificate.subject)
    }),
    ("tls_client_auth_san_dns", |certificate, text| {
        certificate.sans.has_dns(text)
    }),
    ("tls_client_auth_san_uri", |certificate, text| {
        certificate.sans.has_uri(text)
    }),
    ("tls_client_auth_san_ip", |certificate, text| {
        text.parse::<IpAddr>()
            .is_ok_and(|address| certificate.sans.has_ip(address))
    }),
    ("tls_client_auth_san_email", |certificate, text| {
        certificate.sans.has_email(text)
    }),
];

/// Returns an error with the first member of `metadata` whose subject differs from that of
/// `certificate`. Returns `None` if `metadata` names no subject.
pub(crate) fn other_subject(
    metadata: &Metadata,
    certificate: &Certificate,
) -> Option<Result<(), &'static str>> {
    let named = SUBJECTS
        .iter()
        .filter_map(|subject| Some((subject, metadata.text(subject.0)?)));
    let mut named = named.peekable();
    named.peek()?;
    let other = named.find(|((_, is_subject), text)| !is_subject(certificate, text));
    Some(other.map_or(Ok(()), |((member, _), _)| Err(*member)))
}

/// Whether the key of `certificate` is in the `jwks` of `metadata` (`self_signed_tls_client_auth`,
/// RFC 8705 section 2.2).
pub(crate) fn has_key(metadata: &Metadata, certificate: &Certificate) -> bool {
    metadata
        .get("jwks")
        .is_some_and(|jwks| certificate.key_is_in(jwks))
}

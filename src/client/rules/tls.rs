//! Client certificates (RFC 8705 section 2.1.2).

use std::net::IpAddr;

use super::{uri, uri::authority};
use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::report_fault, rules::violation,
};
use crate::x509::dn;

/// A member that names the certificate's subject, and the check of its format.
type SubjectFormat = (&'static str, fn(&str) -> Option<String>);

const SUBJECTS: &[SubjectFormat] = &[
    ("tls_client_auth_subject_dn", |text| {
        let error = dn::parse(text).err()?;
        let rule = "must be an RFC 4514 distinguished name, such as CN=client,O=Example";
        Some(format!("{rule}: {error}"))
    }),
    ("tls_client_auth_san_dns", |text| {
        says(!authority::is_domain_name(text), "must be a DNS name")
    }),
    ("tls_client_auth_san_uri", |text| {
        says(uri::parse(text).is_err(), "must be an absolute URI")
    }),
    ("tls_client_auth_san_ip", |text| {
        let rule = "must be an IPv4 address, or an IPv6 address in the format of RFC 5952";
        says(text.parse::<IpAddr>().is_err(), rule)
    }),
    ("tls_client_auth_san_email", |text| {
        let is_address = match text.split_once('@') {
            Some((local, host)) => !local.is_empty() && authority::is_domain_name(host),
            None => false,
        };
        says(!is_address, "must be an e-mail address")
    }),
];

fn says(is_wrong: bool, rule: &str) -> Option<String> {
    is_wrong.then(|| rule.to_owned())
}

/// Whether the metadata names the subject of the certificate.
pub(super) fn has_subject(metadata: &Metadata) -> bool {
    SUBJECTS.iter().any(|(member, _)| metadata.has(member))
}

/// Checks that `tls_client_auth` has exactly one subject in the right format, and that no client
/// has several.
pub(super) fn check(_: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let mut subjects = Vec::new();
    for subject in SUBJECTS {
        if metadata.has(subject.0) {
            subjects.push(subject);
        }
    }
    let is_method = metadata.text("token_endpoint_auth_method") == Some("tls_client_auth");
    if is_method && subjects.is_empty() {
        let rule = "tls_client_auth needs one of the tls_client_auth_* members to name the certificate's subject";
        found.push(violation("token_endpoint_auth_method", rule));
    }
    if let [_, second, ..] = subjects.as_slice() {
        found.push(violation(
            second.0,
            "only one of the tls_client_auth_* members is allowed; remove the others",
        ));
    }
    for (member, form) in subjects {
        report_fault(member, metadata.text(member).and_then(form), found);
    }
}

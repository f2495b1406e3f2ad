//! Subject identifiers (OpenID Connect Core section 8, Registration section 5; CIBA section 4).

use std::collections::BTreeSet;

use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::is_faulted, rules::is_one_of,
    rules::unsupported, rules::uri, rules::violation,
};

/// Checks that the type is supported, and that a pairwise client belongs to one sector.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let Some(subject_type) = metadata.text("subject_type") else {
        return;
    };
    let supported = &cx.settings.subject_types_supported;
    if !is_one_of(supported, subject_type) {
        found.push(unsupported("subject_type", subject_type, supported));
        return;
    }
    if subject_type != "pairwise" || is_faulted(found, "redirect_uris") {
        return;
    }
    if !metadata.has("sector_identifier_uri")
        && let Some(rule) = sector_fault(metadata)
    {
        found.push(violation("sector_identifier_uri", rule));
    }
    // Without a redirect URI, the sector is the host of `jwks_uri`.
    let mode = metadata.text("backchannel_token_delivery_mode");
    if matches!(mode, Some("poll" | "ping")) && !metadata.has("jwks_uri") {
        let rule = "is required for pairwise clients with the CIBA modes poll and ping";
        found.push(violation("jwks_uri", rule));
    }
}

/// OpenID Connect Core section 8.1: the sector is the host of the redirect URIs, unless the client
/// names another.
fn sector_fault(metadata: &Metadata) -> Option<&'static str> {
    let mut hosts = BTreeSet::new();
    for text in metadata.texts("redirect_uris") {
        hosts.extend(uri::parse(text).map(|uri| uri.host));
    }
    match hosts.first() {
        _ if hosts.len() > 1 => {
            Some("is required, because this pairwise client has redirect URIs on several hosts")
        }
        Some(None) => {
            Some("is required, because this pairwise client has no redirect URI with a host")
        }
        _ => None,
    }
}

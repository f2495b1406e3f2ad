//! The defaults of members that a client did not send (RFC 7591 section 2, OpenID Connect Dynamic
//! Client Registration section 2).

use super::algorithms::encryptions;
use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::application, rules::grants,
    rules::lifetime,
};

/// The default content encryption of OpenID Connect Dynamic Client Registration section 2.
const DEFAULT_CONTENT: &str = "A128CBC-HS256";

/// Fills in what is absent.
pub(super) fn fill_in(cx: &Rules<'_>, metadata: &mut Metadata, found: &[Violation]) {
    metadata.set_default("application_type", application::default_type(cx, metadata));
    metadata.set_default("token_endpoint_auth_method", "client_secret_basic");
    grants::fill_in(cx, metadata, found);
    metadata.set_default("subject_type", cx.settings.default_subject_type.as_str());
    metadata.set_default(
        "id_token_signed_response_alg",
        cx.settings.default_signature_algorithm.as_str(),
    );
    for (key, content) in encryptions() {
        let supported = (content.supported)(cx.settings);
        let default = supported
            .iter()
            .find(|one| *one == DEFAULT_CONTENT)
            .or(supported.first());
        if let Some(default) = default.filter(|_| metadata.has(key.member)) {
            metadata.set_default(content.member, default.as_str());
        }
    }
    metadata.set_default(
        "persist_client_authorizations",
        cx.settings
            .dynamic_registration_persist_client_authorizations,
    );
    lifetime::settle(cx, metadata);
}

/// Sets `trusted_client`. Only the operator grants trust.
pub(super) fn trust(cx: &Rules<'_>, metadata: &mut Metadata) {
    if cx.settings.trusted_client_enabled {
        metadata.set("trusted_client", true);
    }
}

//! Every member of client metadata that this server knows, with its name, its JSON type and who may
//! set it.
//!
//! The names come from the IANA registry "OAuth Dynamic Client Registration Metadata", from OpenID
//! Connect RP Metadata Choices, and from Janssen's client schema in its JSON spelling.

use std::sync::LazyLock;

/// The JSON type of a member, with the format that the type alone requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A non-empty string.
    Text,
    /// A human-readable string. It may be repeated as `name#tag` (RFC 7591 section 2.2).
    Label,
    /// The `https` URL of a page for people. It may be repeated as `name#tag`.
    Page,
    /// The `https` URL of a picture for people, which a server may fetch to display. It may be
    /// repeated as `name#tag`.
    Picture,
    /// An absolute `https` URL that a browser is sent to.
    Link,
    /// An absolute `https` URL that a server calls.
    Url,
    /// An absolute URI. A rule of its own checks its scheme and use.
    Uri,
    /// An array of absolute URIs. Rules of their own check their schemes and uses.
    Uris,
    /// An array of strings.
    Texts,
    /// A Boolean.
    Flag,
    /// A non-negative integer.
    Count,
    /// A JSON object.
    Object,
    /// A JWK Set.
    Jwks,
}

impl Kind {
    /// Whether the member may be repeated with a language tag.
    pub const fn is_localised(self) -> bool {
        matches!(self, Self::Label | Self::Page | Self::Picture)
    }

    /// Whether the member contains URLs. The limits on a client's hosts apply to such a member.
    pub const fn leads_somewhere(self) -> bool {
        matches!(
            self,
            Self::Page | Self::Picture | Self::Link | Self::Url | Self::Uri | Self::Uris
        )
    }
}

/// Who may set a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// The client, in its request.
    Client,
    /// The client, but the value is used for this request only. It is never stored and never
    /// returned.
    Request,
    /// The client, if a trusted party vouches for it, because the member grants rights at the
    /// upstream authorization server. From other clients it is ignored unless the operator lists it
    /// in `privilegedMembers`.
    Privileged,
    /// The operator, with a script or the configuration. The member is ignored when a client sends
    /// it.
    Operator,
    /// This server, in its response.
    Server,
}

/// One member of client metadata.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Who may set it.
    pub set_by: SetBy,
}

const fn client(name: &'static str, kind: Kind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Client,
    }
}

const fn request(name: &'static str, kind: Kind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Request,
    }
}

const fn privileged(name: &'static str, kind: Kind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Privileged,
    }
}

const fn operator(name: &'static str, kind: Kind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Operator,
    }
}

const fn server(name: &'static str, kind: Kind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Server,
    }
}

/// Returns the member called `name`. A language tag after `#` is not part of the name.
pub fn find(name: &str) -> Option<&'static Member> {
    match name.split_once('#') {
        None => called(name),
        Some((base, _)) => called(base).filter(|member| member.kind.is_localised()),
    }
}

/// Whether `name` belongs to a member, with or without a language tag. Members that cannot be
/// localised are included: `jwks#en` is not available as a name either.
pub fn is_taken(name: &str) -> bool {
    called(name.split_once('#').map_or(name, |(base, _)| base)).is_some()
}

/// Returns the member of exactly this name. Few names have the same length, and every rule looks up
/// every member here, so this is faster than hashing.
fn called(name: &str) -> Option<&'static Member> {
    static BY_LENGTH: LazyLock<Vec<Vec<&Member>>> = LazyLock::new(|| {
        let longest = MEMBERS
            .iter()
            .map(|member| member.name.len())
            .max()
            .unwrap_or(0);
        let of_length = |length| {
            MEMBERS
                .iter()
                .filter(|member| member.name.len() == length)
                .collect()
        };
        (0..=longest).map(of_length).collect()
    });
    BY_LENGTH
        .get(name.len())?
        .iter()
        .find(|member| member.name == name)
        .copied()
}

/// All members, in the order of a response.
pub static MEMBERS: &[Member] = &[
    // RFC 7591 section 3.2.1, RFC 7592 section 3.
    server("client_id", Kind::Text),
    server("client_id_issued_at", Kind::Count),
    server("client_secret", Kind::Text),
    server("client_secret_expires_at", Kind::Count),
    server("registration_access_token", Kind::Text),
    server("registration_client_uri", Kind::Url),
    // RFC 7591 section 2.
    client("client_name", Kind::Label),
    client("client_uri", Kind::Page),
    client("logo_uri", Kind::Picture),
    client("tos_uri", Kind::Page),
    client("policy_uri", Kind::Page),
    client("redirect_uris", Kind::Uris),
    client("token_endpoint_auth_method", Kind::Text),
    client("grant_types", Kind::Texts),
    client("response_types", Kind::Texts),
    client("scope", Kind::Text),
    client("contacts", Kind::Texts),
    client("jwks_uri", Kind::Url),
    client("jwks", Kind::Jwks),
    client("software_id", Kind::Text),
    client("software_version", Kind::Text),
    client("software_statement", Kind::Text),
    // UDAP Certifications and Endorsements for Client Applications: signed JWTs.
    client("certifications", Kind::Texts),
    // OpenID Connect Dynamic Client Registration section 2.
    client("application_type", Kind::Text),
    client("sector_identifier_uri", Kind::Url),
    client("subject_type", Kind::Text),
    client("id_token_signed_response_alg", Kind::Text),
    client("id_token_encrypted_response_alg", Kind::Text),
    client("id_token_encrypted_response_enc", Kind::Text),
    client("userinfo_signed_response_alg", Kind::Text),
    client("userinfo_encrypted_response_alg", Kind::Text),
    client("userinfo_encrypted_response_enc", Kind::Text),
    client("request_object_signing_alg", Kind::Text),
    client("request_object_encryption_alg", Kind::Text),
    client("request_object_encryption_enc", Kind::Text),
    client("token_endpoint_auth_signing_alg", Kind::Text),
    client("default_max_age", Kind::Count),
    client("require_auth_time", Kind::Flag),
    client("default_acr_values", Kind::Texts),
    client("initiate_login_uri", Kind::Link),
    client("request_uris", Kind::Uris),
    // OpenID Connect RP-Initiated, Front-Channel and Back-Channel Logout.
    client("post_logout_redirect_uris", Kind::Uris),
    client("frontchannel_logout_uri", Kind::Uri),
    client("frontchannel_logout_session_required", Kind::Flag),
    client("backchannel_logout_uri", Kind::Uri),
    client("backchannel_logout_session_required", Kind::Flag),
    // UMA 2.0 Grant section 2. Janssen spells it in the singular.
    client("claims_redirect_uris", Kind::Uris),
    client("claims_redirect_uri", Kind::Uris),
    // ETSI NFV-SEC 022.
    client("nfv_token_signed_response_alg", Kind::Text),
    client("nfv_token_encrypted_response_alg", Kind::Text),
    client("nfv_token_encrypted_response_enc", Kind::Text),
    // RFC 8705.
    client("tls_client_certificate_bound_access_tokens", Kind::Flag),
    client("tls_client_auth_subject_dn", Kind::Text),
    client("tls_client_auth_san_dns", Kind::Text),
    client("tls_client_auth_san_uri", Kind::Text),
    client("tls_client_auth_san_ip", Kind::Text),
    client("tls_client_auth_san_email", Kind::Text),
    client("use_mtls_endpoint_aliases", Kind::Flag),
    // RFC 9101, RFC 9126, RFC 9396, RFC 9449.
    client("require_signed_request_object", Kind::Flag),
    client("require_pushed_authorization_requests", Kind::Flag),
    client("authorization_details_types", Kind::Texts),
    client("dpop_bound_access_tokens", Kind::Flag),
    // RFC 9701.
    client("introspection_signed_response_alg", Kind::Text),
    client("introspection_encrypted_response_alg", Kind::Text),
    client("introspection_encrypted_response_enc", Kind::Text),
    // JARM, FAPI 2.0 Message Signing.
    client("authorization_signed_response_alg", Kind::Text),
    client("authorization_encrypted_response_alg", Kind::Text),
    client("authorization_encrypted_response_enc", Kind::Text),
    client("response_modes", Kind::Texts),
    // CIBA section 4.
    client("backchannel_token_delivery_mode", Kind::Text),
    client("backchannel_client_notification_endpoint", Kind::Url),
    client("backchannel_authentication_request_signing_alg", Kind::Text),
    client("backchannel_user_code_parameter", Kind::Flag),
    // OpenID Federation 1.0.
    client("client_registration_types", Kind::Texts),
    client("signed_jwks_uri", Kind::Url),
    client("organization_name", Kind::Label),
    client("organization_uri", Kind::Page),
    client("homepage_uri", Kind::Page),
    client("information_uri", Kind::Page),
    client("display_name", Kind::Label),
    client("description", Kind::Label),
    client("keywords", Kind::Texts),
    // OpenID4VP, OpenID4VCI, OpenID Connect for Identity Assurance, OpenID Provider Commands.
    client("vp_formats_supported", Kind::Object),
    client("encrypted_response_enc_values_supported", Kind::Texts),
    client("credential_offer_endpoint", Kind::Uri),
    client("digest_algorithm", Kind::Text),
    client("command_endpoint", Kind::Url),
    // Janssen's client schema.
    client("lifetime", Kind::Count),
    client("access_token_as_jwt", Kind::Flag),
    client("access_token_signing_alg", Kind::Text),
    client("access_token_lifetime", Kind::Count),
    client("refresh_token_lifetime", Kind::Count),
    client("id_token_lifetime", Kind::Count),
    client("rpt_as_jwt", Kind::Flag),
    client("par_lifetime", Kind::Count),
    client("require_par", Kind::Flag),
    client("require_pkce", Kind::Flag),
    privileged("allow_spontaneous_scopes", Kind::Flag),
    privileged("spontaneous_scopes", Kind::Texts),
    privileged("additional_audience", Kind::Texts),
    client("redirect_uris_regex", Kind::Text),
    privileged("run_introspection_script_before_jwt_creation", Kind::Flag),
    privileged("keep_client_authorization_after_expiration", Kind::Flag),
    client("include_claims_in_id_token", Kind::Flag),
    client("default_prompt_login", Kind::Flag),
    client("authorized_acr_values", Kind::Texts),
    client("authorized_origins", Kind::Uris),
    privileged("claims", Kind::Texts),
    privileged("groups", Kind::Texts),
    privileged("org_id", Kind::Text),
    client("id_token_token_binding_cnf", Kind::Text),
    privileged("public_subject_identifier_attribute", Kind::Text),
    client("additional_token_endpoint_auth_methods", Kind::Texts),
    // Members of Janssen's schema with which a client could grant itself trust.
    operator("trusted_client", Kind::Flag),
    operator("persist_client_authorizations", Kind::Flag),
    operator("disabled", Kind::Flag),
    operator("spontaneous_scope_script_dns", Kind::Texts),
    operator("update_token_script_dns", Kind::Texts),
    operator("post_authn_script_dns", Kind::Texts),
    operator("consent_gathering_script_dns", Kind::Texts),
    operator("introspection_script_dns", Kind::Texts),
    operator("rpt_claims_script_dns", Kind::Texts),
    operator("ropc_script_dns", Kind::Texts),
    // draft-tschofenig-oauth-attested-dclient-reg section 3.
    request("evidence", Kind::Text),
    // Members of this server, since evidence is opaque: the nonce in the evidence, and its media
    // type.
    request("evidence_nonce", Kind::Text),
    request("evidence_type", Kind::Text),
    // OpenID Connect RP Metadata Choices 1.0 section 2.
    request("subject_types_supported", Kind::Texts),
    request("id_token_signing_alg_values_supported", Kind::Texts),
    request("id_token_encryption_alg_values_supported", Kind::Texts),
    request("id_token_encryption_enc_values_supported", Kind::Texts),
    request("userinfo_signing_alg_values_supported", Kind::Texts),
    request("userinfo_encryption_alg_values_supported", Kind::Texts),
    request("userinfo_encryption_enc_values_supported", Kind::Texts),
    request("request_object_signing_alg_values_supported", Kind::Texts),
    request(
        "request_object_encryption_alg_values_supported",
        Kind::Texts,
    ),
    request(
        "request_object_encryption_enc_values_supported",
        Kind::Texts,
    ),
    request("token_endpoint_auth_methods_supported", Kind::Texts),
    request(
        "token_endpoint_auth_signing_alg_values_supported",
        Kind::Texts,
    ),
    request(
        "backchannel_authentication_request_signing_alg_values_supported",
        Kind::Texts,
    ),
    request("authorization_signing_alg_values_supported", Kind::Texts),
    request("authorization_encryption_alg_values_supported", Kind::Texts),
    request("authorization_encryption_enc_values_supported", Kind::Texts),
    request("introspection_signing_alg_values_supported", Kind::Texts),
    request("introspection_encryption_alg_values_supported", Kind::Texts),
    request("introspection_encryption_enc_values_supported", Kind::Texts),
];

#[cfg(test)]
mod tests;

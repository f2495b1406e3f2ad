//! Every member of client metadata that this server knows, with its name, its JSON type and who may
//! set it.
//!
//! The names come from the IANA registry "OAuth Dynamic Client Registration Metadata", from OpenID
//! Connect RP Metadata Choices, and from Janssen's client schema in its JSON spelling.

use std::sync::LazyLock;

/// The JSON type of a member, with the format that the type alone requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberKind {
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

impl MemberKind {
    /// Whether the member may be repeated with a language tag.
    pub(crate) const fn is_localised(self) -> bool {
        matches!(self, Self::Label | Self::Page | Self::Picture)
    }

    /// Whether the member contains URLs. The limits on a client's hosts apply to such a member.
    pub(crate) const fn leads_somewhere(self) -> bool {
        matches!(
            self,
            Self::Page | Self::Picture | Self::Link | Self::Url | Self::Uri | Self::Uris
        )
    }
}

/// Who may set a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetBy {
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
pub(crate) struct Member {
    /// Its name in JSON.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) kind: MemberKind,
    /// Who may set it.
    pub(crate) set_by: SetBy,
}

const fn client(name: &'static str, kind: MemberKind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Client,
    }
}

const fn request(name: &'static str, kind: MemberKind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Request,
    }
}

const fn privileged(name: &'static str, kind: MemberKind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Privileged,
    }
}

const fn operator(name: &'static str, kind: MemberKind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Operator,
    }
}

const fn server(name: &'static str, kind: MemberKind) -> Member {
    Member {
        name,
        kind,
        set_by: SetBy::Server,
    }
}

/// Returns the member called `name`. A language tag after `#` is not part of the name.
pub(crate) fn find(name: &str) -> Option<&'static Member> {
    if let Some(member) = called(name) {
        return Some(member);
    }
    let (base, _) = name.split_once('#')?;
    called(base).filter(|member| member.kind.is_localised())
}

/// Whether `name` belongs to a member, with or without a language tag. Members that cannot be
/// localised are included: `jwks#en` is not available as a name either.
pub(crate) fn is_taken(name: &str) -> bool {
    called(name.split_once('#').map_or(name, |(base, _)| base)).is_some()
}

/// Returns the member of exactly this name. Every rule looks up every member here, so names are found by few of their
/// characters instead of by a hash of all.
fn called(name: &str) -> Option<&'static Member> {
    static BY_SLOT: LazyLock<[Vec<&Member>; SLOTS]> = LazyLock::new(|| {
        let mut slots = [const { Vec::new() }; SLOTS];
        for member in MEMBERS {
            if let Some(members) = slots.get_mut(slot(member.name)) {
                members.push(member);
            }
        }
        slots
    });
    let mut members = BY_SLOT.get(slot(name))?.iter();
    members.find(|member| member.name == name).copied()
}

/// In how many slots the members are. There are several times as many as members, so few members share one.
const SLOTS: usize = 512;

/// Returns the slot of a name: of its length, and of its first, middle and last character.
fn slot(name: &str) -> usize {
    let bytes = name.as_bytes();
    let [Some(first), Some(middle), Some(last)] =
        [bytes.first(), bytes.get(bytes.len() / 2), bytes.last()]
    else {
        return 0;
    };
    let [first, middle, last] = [first, middle, last].map(|byte| usize::from(*byte));
    (bytes.len() * 7 + first * 31 + middle * 17 + last * 17) % SLOTS
}

/// All members, in the order of a response.
pub(crate) static MEMBERS: &[Member] = &[
    // RFC 7591 section 3.2.1, RFC 7592 section 3.
    server("client_id", MemberKind::Text),
    server("client_id_issued_at", MemberKind::Count),
    server("client_secret", MemberKind::Text),
    server("client_secret_expires_at", MemberKind::Count),
    server("registration_access_token", MemberKind::Text),
    server("registration_client_uri", MemberKind::Url),
    // A member of this server: the URL of the document that it publishes (Client ID Metadata Documents).
    server("client_document_uri", MemberKind::Url),
    // RFC 7591 section 2.
    client("client_name", MemberKind::Label),
    client("client_uri", MemberKind::Page),
    client("logo_uri", MemberKind::Picture),
    client("tos_uri", MemberKind::Page),
    client("policy_uri", MemberKind::Page),
    client("redirect_uris", MemberKind::Uris),
    client("token_endpoint_auth_method", MemberKind::Text),
    client("grant_types", MemberKind::Texts),
    client("response_types", MemberKind::Texts),
    client("scope", MemberKind::Text),
    client("contacts", MemberKind::Texts),
    client("jwks_uri", MemberKind::Url),
    client("jwks", MemberKind::Jwks),
    client("software_id", MemberKind::Text),
    client("software_version", MemberKind::Text),
    client("software_statement", MemberKind::Text),
    // UDAP Certifications and Endorsements for Client Applications: signed JWTs.
    client("certifications", MemberKind::Texts),
    // OpenID Connect Dynamic Client Registration section 2.
    client("application_type", MemberKind::Text),
    client("sector_identifier_uri", MemberKind::Url),
    client("subject_type", MemberKind::Text),
    client("id_token_signed_response_alg", MemberKind::Text),
    client("id_token_encrypted_response_alg", MemberKind::Text),
    client("id_token_encrypted_response_enc", MemberKind::Text),
    client("userinfo_signed_response_alg", MemberKind::Text),
    client("userinfo_encrypted_response_alg", MemberKind::Text),
    client("userinfo_encrypted_response_enc", MemberKind::Text),
    client("request_object_signing_alg", MemberKind::Text),
    client("request_object_encryption_alg", MemberKind::Text),
    client("request_object_encryption_enc", MemberKind::Text),
    client("token_endpoint_auth_signing_alg", MemberKind::Text),
    client("default_max_age", MemberKind::Count),
    client("require_auth_time", MemberKind::Flag),
    client("default_acr_values", MemberKind::Texts),
    client("initiate_login_uri", MemberKind::Link),
    client("request_uris", MemberKind::Uris),
    // OpenID Connect RP-Initiated, Front-Channel and Back-Channel Logout.
    client("post_logout_redirect_uris", MemberKind::Uris),
    client("frontchannel_logout_uri", MemberKind::Uri),
    client("frontchannel_logout_session_required", MemberKind::Flag),
    client("backchannel_logout_uri", MemberKind::Uri),
    client("backchannel_logout_session_required", MemberKind::Flag),
    // UMA 2.0 Grant section 2. Janssen spells it in the singular.
    client("claims_redirect_uris", MemberKind::Uris),
    client("claims_redirect_uri", MemberKind::Uris),
    // ETSI NFV-SEC 022.
    client("nfv_token_signed_response_alg", MemberKind::Text),
    client("nfv_token_encrypted_response_alg", MemberKind::Text),
    client("nfv_token_encrypted_response_enc", MemberKind::Text),
    // RFC 8705.
    client(
        "tls_client_certificate_bound_access_tokens",
        MemberKind::Flag,
    ),
    client("tls_client_auth_subject_dn", MemberKind::Text),
    client("tls_client_auth_san_dns", MemberKind::Text),
    client("tls_client_auth_san_uri", MemberKind::Text),
    client("tls_client_auth_san_ip", MemberKind::Text),
    client("tls_client_auth_san_email", MemberKind::Text),
    client("use_mtls_endpoint_aliases", MemberKind::Flag),
    // RFC 9101, RFC 9126, RFC 9396, RFC 9449.
    client("require_signed_request_object", MemberKind::Flag),
    client("require_pushed_authorization_requests", MemberKind::Flag),
    client("authorization_details_types", MemberKind::Texts),
    client("dpop_bound_access_tokens", MemberKind::Flag),
    // RFC 9701.
    client("introspection_signed_response_alg", MemberKind::Text),
    client("introspection_encrypted_response_alg", MemberKind::Text),
    client("introspection_encrypted_response_enc", MemberKind::Text),
    // JARM, FAPI 2.0 Message Signing.
    client("authorization_signed_response_alg", MemberKind::Text),
    client("authorization_encrypted_response_alg", MemberKind::Text),
    client("authorization_encrypted_response_enc", MemberKind::Text),
    client("response_modes", MemberKind::Texts),
    // CIBA section 4.
    client("backchannel_token_delivery_mode", MemberKind::Text),
    client("backchannel_client_notification_endpoint", MemberKind::Url),
    client(
        "backchannel_authentication_request_signing_alg",
        MemberKind::Text,
    ),
    client("backchannel_user_code_parameter", MemberKind::Flag),
    // OpenID Federation 1.0.
    client("client_registration_types", MemberKind::Texts),
    client("signed_jwks_uri", MemberKind::Url),
    client("organization_name", MemberKind::Label),
    client("organization_uri", MemberKind::Page),
    client("homepage_uri", MemberKind::Page),
    client("information_uri", MemberKind::Page),
    client("display_name", MemberKind::Label),
    client("description", MemberKind::Label),
    client("keywords", MemberKind::Texts),
    // OpenID4VP, OpenID4VCI, OpenID Connect for Identity Assurance, OpenID Provider Commands.
    client("vp_formats_supported", MemberKind::Object),
    client("encrypted_response_enc_values_supported", MemberKind::Texts),
    client("credential_offer_endpoint", MemberKind::Uri),
    client("digest_algorithm", MemberKind::Text),
    client("command_endpoint", MemberKind::Url),
    // Janssen's client schema.
    client("lifetime", MemberKind::Count),
    client("access_token_as_jwt", MemberKind::Flag),
    client("access_token_signing_alg", MemberKind::Text),
    client("access_token_lifetime", MemberKind::Count),
    client("refresh_token_lifetime", MemberKind::Count),
    client("id_token_lifetime", MemberKind::Count),
    client("rpt_as_jwt", MemberKind::Flag),
    client("par_lifetime", MemberKind::Count),
    client("require_par", MemberKind::Flag),
    client("require_pkce", MemberKind::Flag),
    privileged("allow_spontaneous_scopes", MemberKind::Flag),
    privileged("spontaneous_scopes", MemberKind::Texts),
    privileged("additional_audience", MemberKind::Texts),
    client("redirect_uris_regex", MemberKind::Text),
    privileged(
        "run_introspection_script_before_jwt_creation",
        MemberKind::Flag,
    ),
    privileged(
        "keep_client_authorization_after_expiration",
        MemberKind::Flag,
    ),
    client("include_claims_in_id_token", MemberKind::Flag),
    client("default_prompt_login", MemberKind::Flag),
    client("authorized_acr_values", MemberKind::Texts),
    client("authorized_origins", MemberKind::Uris),
    privileged("claims", MemberKind::Texts),
    privileged("groups", MemberKind::Texts),
    privileged("org_id", MemberKind::Text),
    client("id_token_token_binding_cnf", MemberKind::Text),
    privileged("public_subject_identifier_attribute", MemberKind::Text),
    client("additional_token_endpoint_auth_methods", MemberKind::Texts),
    // Members of Janssen's schema with which a client could grant itself trust.
    operator("trusted_client", MemberKind::Flag),
    operator("persist_client_authorizations", MemberKind::Flag),
    operator("disabled", MemberKind::Flag),
    operator("spontaneous_scope_script_dns", MemberKind::Texts),
    operator("update_token_script_dns", MemberKind::Texts),
    operator("post_authn_script_dns", MemberKind::Texts),
    operator("consent_gathering_script_dns", MemberKind::Texts),
    operator("introspection_script_dns", MemberKind::Texts),
    operator("rpt_claims_script_dns", MemberKind::Texts),
    operator("ropc_script_dns", MemberKind::Texts),
    // draft-tschofenig-oauth-attested-dclient-reg section 3.
    request("evidence", MemberKind::Text),
    // Members of this server, since evidence is opaque: the nonce in the evidence, and its media
    // type.
    request("evidence_nonce", MemberKind::Text),
    request("evidence_type", MemberKind::Text),
    // A member of this server: whether it publishes a document of the client. The record has a mark of it.
    request("client_document", MemberKind::Flag),
    // draft-dellaert-oauth-approval-based-dcr.
    request("registration_mode", MemberKind::Texts),
    // OpenID Connect RP Metadata Choices 1.0 section 2.
    request("subject_types_supported", MemberKind::Texts),
    request("id_token_signing_alg_values_supported", MemberKind::Texts),
    request(
        "id_token_encryption_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "id_token_encryption_enc_values_supported",
        MemberKind::Texts,
    ),
    request("userinfo_signing_alg_values_supported", MemberKind::Texts),
    request(
        "userinfo_encryption_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "userinfo_encryption_enc_values_supported",
        MemberKind::Texts,
    ),
    request(
        "request_object_signing_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "request_object_encryption_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "request_object_encryption_enc_values_supported",
        MemberKind::Texts,
    ),
    request("token_endpoint_auth_methods_supported", MemberKind::Texts),
    request(
        "token_endpoint_auth_signing_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "backchannel_authentication_request_signing_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "authorization_signing_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "authorization_encryption_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "authorization_encryption_enc_values_supported",
        MemberKind::Texts,
    ),
    request(
        "introspection_signing_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "introspection_encryption_alg_values_supported",
        MemberKind::Texts,
    ),
    request(
        "introspection_encryption_enc_values_supported",
        MemberKind::Texts,
    ),
];

#[cfg(test)]
mod tests;

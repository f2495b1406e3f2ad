//! `[registration]`: the part of the configuration that can change while the server runs.
//!
//! Properties have Janssen's names, in camelCase. `config/registrar.toml` lists
//! every property with its default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::choices::{
    ClientAssertionAudience, DefaultApplicationType, InitialAccessToken, PageUriHosts, Rotation,
    UnsupportedListValues,
};
use super::trust::{
    ClientAttester, SecretText, SsaValidationConfig, StatementIdentity, StatementRedirectUris,
    StatementValidation, TrustedSsaIssuer,
};
use super::udap::UdapMetadata;

/// `[registration]`: the rules for clients and their metadata.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a property of its own in the configuration"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Registration {
    /// Whether clients can register with `POST`. If false, the response is 403 and the metadata has no
    /// `registration_endpoint`.
    pub dynamic_registration_enabled: bool,
    /// Lifetime of new clients in seconds. 0 or -1: clients never expire.
    pub dynamic_registration_expiration_time: i64,
    /// Whether `lifetime` in a request is ignored.
    pub dcr_forbid_expiration_time_in_request: bool,
    /// Maximum `lifetime` that a request can ask for, in seconds. `None`: no maximum.
    pub maximum_client_lifetime: Option<u64>,
    /// Whether every client gets the scopes marked `default`.
    pub dynamic_registration_scopes_param_enabled: bool,
    /// Stored with each client for the authorization server: whether consent is remembered.
    pub dynamic_registration_persist_client_authorizations: bool,
    /// Stored with each client for the authorization server: whether consent is skipped.
    pub trusted_client_enabled: bool,
    /// Whether clients can register the `password` grant.
    pub dynamic_registration_password_grant_type_enabled: bool,
    /// Names of metadata members that clients can register in addition to the standard ones.
    pub dynamic_registration_custom_attributes: Vec<String>,
    /// Default values of custom attributes that a request omits.
    pub dynamic_registration_default_custom_attributes: BTreeMap<String, Value>,

    /// Grant types that clients can register.
    pub grant_types_supported: Vec<String>,
    /// Response types that clients can register. The order of words within a response type does not matter.
    pub response_types_supported: Vec<String>,
    /// Response modes that clients can register.
    pub response_modes_supported: Vec<String>,
    /// Token endpoint authentication methods that clients can register.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Signature algorithms for client assertions.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// Required `aud` of client assertions.
    pub client_assertion_audience: ClientAssertionAudience,
    /// Subject identifier types: `public`, `pairwise`.
    pub subject_types_supported: Vec<String>,
    /// Signature algorithms for ID tokens.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms for encrypted ID tokens.
    pub id_token_encryption_alg_values_supported: Vec<String>,
    /// Content encryption algorithms for encrypted ID tokens.
    pub id_token_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms for `UserInfo` responses.
    pub userinfo_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms for encrypted `UserInfo` responses.
    pub userinfo_encryption_alg_values_supported: Vec<String>,
    /// Content encryption algorithms for encrypted `UserInfo` responses.
    pub userinfo_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms for request objects.
    pub request_object_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms for encrypted request objects.
    pub request_object_encryption_alg_values_supported: Vec<String>,
    /// Content encryption algorithms for encrypted request objects.
    pub request_object_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms for authorization responses (JARM).
    pub authorization_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms for encrypted authorization responses (JARM).
    pub authorization_encryption_alg_values_supported: Vec<String>,
    /// Content encryption algorithms for encrypted authorization responses (JARM).
    pub authorization_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms for introspection responses (RFC 9701).
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms for encrypted introspection responses (RFC 9701).
    pub introspection_encryption_alg_values_supported: Vec<String>,
    /// Content encryption algorithms for encrypted introspection responses (RFC 9701).
    pub introspection_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms for JWT access tokens.
    pub access_token_signing_alg_values_supported: Vec<String>,
    /// Signature algorithms for backchannel authentication requests (CIBA).
    pub backchannel_authentication_request_signing_alg_values_supported: Vec<String>,
    /// Token delivery modes of CIBA: `poll`, `ping`, `push`.
    pub backchannel_token_delivery_modes_supported: Vec<String>,
    /// Whether CIBA clients can request user codes.
    pub backchannel_user_code_parameter_supported: bool,
    /// Types of rich authorization requests (RFC 9396). Empty: any.
    pub authorization_details_types_supported: Vec<String>,
    /// Authentication context class references. Empty: any.
    pub acr_values_supported: Vec<String>,

    /// What happens to unsupported values in a list that also has supported ones.
    pub unsupported_list_values: UnsupportedListValues,
    /// `application_type` of a client that does not state one.
    pub default_application_type: DefaultApplicationType,
    /// `subject_type` of a client that does not state one.
    pub default_subject_type: String,
    /// `id_token_signed_response_alg` of a client that does not state one.
    pub default_signature_algorithm: String,

    /// Patterns for redirect URIs: each redirect URI must match at least one of them. Empty: any.
    pub redirect_uri_allow_list: Vec<String>,
    /// Patterns for redirect URIs: a redirect URI that matches one of them is rejected.
    pub redirect_uri_deny_list: Vec<String>,
    /// Whether a response type that combines `code` with `token` or `id_token` also requires the grant type
    /// `implicit` (OpenID Connect Dynamic Client Registration section 2).
    pub hybrid_needs_implicit_grant: bool,
    /// Whether clients can register `redirect_uris_regex`, with which an authorization server accepts
    /// redirect URIs that no rule has checked.
    pub redirect_uris_regex_enabled: bool,
    /// Whether native clients can use a private-use scheme without a dot, such as `myapp:`.
    pub allow_private_use_uri_schemes_without_dot: bool,
    /// Whether native clients can use `https` redirect URIs (RFC 8252 section 7.2).
    pub native_allow_https: bool,
    /// Whether clients with `application_type` `web` can use `http` on loopback, like native clients.
    pub web_allow_loopback: bool,
    /// Whether a redirect URI can contain a `*` in its path, which some authorization servers treat as a
    /// pattern.
    pub redirect_uri_wildcards_enabled: bool,
    /// Allowed hosts for the pages of a client (RFC 7591 section 5).
    pub page_uri_hosts: PageUriHosts,

    /// Whether responses to GET and PUT contain `client_secret`. The 201 response always does.
    pub return_client_secret_on_read: bool,
    /// When a registration access token is replaced.
    pub rotate_registration_access_token: Rotation,
    /// Whether a PUT is rejected if it contains one of the four members that clients must not send (RFC 7592
    /// section 2.2). If false, these members are ignored.
    pub refuse_server_members_in_update: bool,
    /// Whether clients can delete themselves with DELETE. If false, the response is 405.
    pub client_deletion_enabled: bool,

    /// Whether a registration must be a signed request. If false, signed requests are rejected.
    pub dcr_signature_validation_enabled: bool,
    /// Keys for signed requests: a JWK Set as a table or as JSON text.
    pub dcr_signature_validation_jwks: Option<Value>,
    /// URL of the keys for signed requests.
    pub dcr_signature_validation_jwks_uri: Option<String>,
    /// Key for signed requests that use HMAC.
    pub dcr_signature_validation_shared_secret: Option<SecretText>,
    /// Claim of a software statement with the URL of the keys for the signed request.
    #[serde(rename = "dcrSignatureValidationSoftwareStatementJwksURIClaim")]
    pub dcr_signature_validation_software_statement_jwks_uri_claim: Option<String>,
    /// Claim of a software statement with the keys for the signed request.
    pub dcr_signature_validation_software_statement_jwks_claim: Option<String>,
    /// Where the keys for software statements come from.
    pub software_statement_validation_type: StatementValidation,
    /// Claim of a software statement that contains or points to its own keys.
    pub software_statement_validation_claim_name: Option<String>,
    /// Whether a registration requires a software statement.
    pub software_statement_required: bool,
    /// Signature algorithms for software statements. HMAC algorithms require a shared secret.
    pub software_statement_signing_alg_values_supported: Vec<String>,
    /// Maximum age of a software statement since its `iat`, in seconds. `None`: only its `exp` limits it.
    pub software_statement_maximum_age: Option<u64>,
    /// Required `typ` in the header of software statements. `None`: any `typ` except those of other tokens.
    pub software_statement_typ: Option<String>,
    /// Whether a software statement can register only one client, identified by its `iss` and `jti`.
    pub software_statement_single_use: bool,
    /// Which registrations concern the same client.
    pub software_statement_identity: StatementIdentity,
    /// Claims of a software statement and the metadata member that each one sets, because directories use
    /// their own names, such as `software_jwks_endpoint`. These claims take precedence over the request.
    pub software_statement_claims: BTreeMap<String, String>,
    /// How redirect URIs in a software statement apply.
    pub software_statement_redirect_uris: StatementRedirectUris,
    /// Signature algorithms for signed requests. HMAC algorithms require a shared secret.
    pub dcr_signing_alg_values_supported: Vec<String>,
    /// Maximum age of a signed request since its `iat`, in seconds. `None`: only its `exp` limits it.
    pub dcr_maximum_age: Option<u64>,
    /// Additional `aud` values that identify this server, such as the name that a directory uses for it. The
    /// issuer and the URLs of the endpoints are always accepted.
    pub accepted_audiences: Vec<String>,
    /// Trusted issuers of software statements and signed requests, with their keys and what they can assert.
    pub dcr_ssa_validation_configs: Vec<SsaValidationConfig>,
    /// Content of `/.well-known/udap` that other options do not provide. `None`: no additional content.
    pub udap_metadata: Option<UdapMetadata>,
    /// The only accepted issuers of software statements. Empty: any issuer whose statement can be verified.
    pub trusted_ssa_issuers: BTreeMap<String, TrustedSsaIssuer>,
    /// Lifetime of access tokens in seconds. A client can have a shorter one (`access_token_lifetime`).
    pub access_token_lifetime: u64,
    /// Whether clients manage their registration with an access token from the token endpoint.
    pub dcr_authorization_with_client_credentials: bool,
    /// Whether a registration requires the client certificate that its metadata names.
    #[serde(rename = "dcrAuthorizationWithMTLS")]
    pub dcr_authorization_with_mtls: bool,
    /// How initial access tokens are handled.
    pub initial_access_token: InitialAccessToken,
    /// Whether a registration requires attestation evidence.
    pub dcr_attestation_evidence_required: bool,
    /// Lifetime of a nonce that this server issued, in seconds.
    pub evidence_nonce_lifetime: u64,
    /// Trusted client attesters (OAuth 2.0 Attestation-Based Client Authentication). A registration with an
    /// attestation from one of them needs no initial access token. Empty: attestation headers are ignored.
    pub trusted_client_attesters: Vec<ClientAttester>,
    /// Whether the proof of a client attestation requires a challenge from this server.
    pub client_attestation_challenge_required: bool,

    /// Metadata members that grant rights at the upstream authorization server and that every client is
    /// allowed to register.
    pub privileged_members: Vec<String>,
    /// Maximum in seconds for the lifetimes of tokens and requests that a client registers.
    pub maximum_token_lifetime: u64,
    /// Maximum number of registrations in a period, from one address or with one initial access token. 0:
    /// unlimited. Challenges for client attestations have a separate quota of the same size.
    pub rate_limit_registration_request_count: Option<u32>,
    /// Length of that period in seconds.
    pub rate_limit_registration_period_in_seconds: u32,
    /// Maximum number of access tokens issued in a period to the clients at one address, except
    /// administrators' tokens. 0 or `None`: unlimited.
    pub rate_limit_token_request_count: Option<u32>,
    /// Length of that period in seconds.
    pub rate_limit_token_period_in_seconds: u32,
    /// Maximum number of failed client authentications in a period from one address as one client, and ten
    /// times as many as all clients together. 0: unlimited. A correct secret is always accepted.
    pub rate_limit_authentication_failure_count: Option<u32>,
    /// Length of that period in seconds.
    pub rate_limit_authentication_failure_period_in_seconds: u32,
    /// Seconds between the expiry of a client and its deletion.
    pub client_expiry_grace: u64,
    /// Seconds after registration before a client that was never used is deleted. `None`: it is kept.
    pub unused_client_lifetime: Option<u64>,
    /// Seconds after its last use before a client is deleted. `None`: it is kept.
    pub inactive_client_lifetime: Option<u64>,
    /// Whether a registration that is identical to that of an existing public client returns that client.
    pub reuse_identical_public_clients: bool,
}

impl Default for Registration {
    #[expect(clippy::too_many_lines, reason = "one line for each property")]
    fn default() -> Self {
        Self {
            dynamic_registration_enabled: true,
            dynamic_registration_expiration_time: -1,
            dcr_forbid_expiration_time_in_request: false,
            maximum_client_lifetime: None,
            dynamic_registration_scopes_param_enabled: true,
            dynamic_registration_persist_client_authorizations: true,
            trusted_client_enabled: false,
            dynamic_registration_password_grant_type_enabled: false,
            dynamic_registration_custom_attributes: Vec::new(),
            dynamic_registration_default_custom_attributes: BTreeMap::new(),
            grant_types_supported: list(GRANTS),
            response_types_supported: list(&["code"]),
            response_modes_supported: list(&[
                "query",
                "fragment",
                "form_post",
                "query.jwt",
                "fragment.jwt",
                "form_post.jwt",
                "jwt",
            ]),
            token_endpoint_auth_methods_supported: list(AUTH_METHODS),
            token_endpoint_auth_signing_alg_values_supported: signatures(),
            client_assertion_audience: ClientAssertionAudience::Issuer,
            subject_types_supported: list(&["public", "pairwise"]),
            id_token_signing_alg_values_supported: signatures(),
            id_token_encryption_alg_values_supported: list(KEY_MANAGEMENT),
            id_token_encryption_enc_values_supported: list(CONTENT),
            userinfo_signing_alg_values_supported: signatures(),
            userinfo_encryption_alg_values_supported: list(KEY_MANAGEMENT),
            userinfo_encryption_enc_values_supported: list(CONTENT),
            request_object_signing_alg_values_supported: signatures(),
            request_object_encryption_alg_values_supported: list(KEY_MANAGEMENT),
            request_object_encryption_enc_values_supported: list(CONTENT),
            authorization_signing_alg_values_supported: signatures(),
            authorization_encryption_alg_values_supported: list(KEY_MANAGEMENT),
            authorization_encryption_enc_values_supported: list(CONTENT),
            introspection_signing_alg_values_supported: signatures(),
            introspection_encryption_alg_values_supported: list(KEY_MANAGEMENT),
            introspection_encryption_enc_values_supported: list(CONTENT),
            access_token_signing_alg_values_supported: list(ASYMMETRIC),
            backchannel_authentication_request_signing_alg_values_supported: list(ASYMMETRIC),
            backchannel_token_delivery_modes_supported: list(&["poll", "ping", "push"]),
            backchannel_user_code_parameter_supported: true,
            authorization_details_types_supported: Vec::new(),
            acr_values_supported: Vec::new(),
            unsupported_list_values: UnsupportedListValues::Drop,
            default_application_type: DefaultApplicationType::ByRedirectUris,
            default_subject_type: "public".to_owned(),
            default_signature_algorithm: "RS256".to_owned(),
            redirect_uri_allow_list: Vec::new(),
            redirect_uri_deny_list: Vec::new(),
            hybrid_needs_implicit_grant: true,
            redirect_uris_regex_enabled: false,
            allow_private_use_uri_schemes_without_dot: false,
            native_allow_https: true,
            web_allow_loopback: false,
            redirect_uri_wildcards_enabled: false,
            page_uri_hosts: PageUriHosts::Any,
            return_client_secret_on_read: true,
            rotate_registration_access_token: Rotation::Never,
            refuse_server_members_in_update: true,
            client_deletion_enabled: true,
            dcr_signature_validation_enabled: false,
            dcr_signature_validation_jwks: None,
            dcr_signature_validation_jwks_uri: None,
            dcr_signature_validation_shared_secret: None,
            dcr_signature_validation_software_statement_jwks_uri_claim: None,
            dcr_signature_validation_software_statement_jwks_claim: None,
            software_statement_validation_type: StatementValidation::Script,
            software_statement_validation_claim_name: None,
            software_statement_required: false,
            software_statement_signing_alg_values_supported: signatures(),
            software_statement_maximum_age: None,
            software_statement_typ: None,
            software_statement_single_use: false,
            software_statement_identity: StatementIdentity::None,
            software_statement_claims: BTreeMap::new(),
            software_statement_redirect_uris: StatementRedirectUris::Replace,
            dcr_signing_alg_values_supported: signatures(),
            dcr_maximum_age: None,
            accepted_audiences: Vec::new(),
            dcr_ssa_validation_configs: Vec::new(),
            udap_metadata: None,
            trusted_ssa_issuers: BTreeMap::new(),
            access_token_lifetime: 3_600,
            dcr_authorization_with_client_credentials: false,
            dcr_authorization_with_mtls: false,
            initial_access_token: InitialAccessToken::Optional,
            dcr_attestation_evidence_required: false,
            evidence_nonce_lifetime: 150,
            trusted_client_attesters: Vec::new(),
            client_attestation_challenge_required: false,
            privileged_members: Vec::new(),
            maximum_token_lifetime: 31_536_000,
            rate_limit_registration_request_count: Some(300),
            rate_limit_registration_period_in_seconds: 60,
            rate_limit_token_request_count: None,
            rate_limit_token_period_in_seconds: 60,
            rate_limit_authentication_failure_count: Some(30),
            rate_limit_authentication_failure_period_in_seconds: 60,
            client_expiry_grace: 0,
            unused_client_lifetime: None,
            inactive_client_lifetime: None,
            reuse_identical_public_clients: false,
        }
    }
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn signatures() -> Vec<String> {
    list(&[ASYMMETRIC, HMAC].concat())
}

/// Asymmetric signature algorithms without known weaknesses.
const ASYMMETRIC: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
];
/// Signature algorithms that use the client's secret.
const HMAC: &[&str] = &["HS256", "HS384", "HS512"];
/// Key management algorithms, without `RSA1_5` (RFC 8725 section 3.2).
const KEY_MANAGEMENT: &[&str] = &[
    "RSA-OAEP",
    "RSA-OAEP-256",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "A128KW",
    "A192KW",
    "A256KW",
    "A128GCMKW",
    "A192GCMKW",
    "A256GCMKW",
    "dir",
];
/// Content encryption algorithms.
const CONTENT: &[&str] = &[
    "A128CBC-HS256",
    "A192CBC-HS384",
    "A256CBC-HS512",
    "A128GCM",
    "A192GCM",
    "A256GCM",
];
/// Current grant types: without `implicit` (RFC 9700 section 2.1.2), and without `password`, which has its
/// own option.
const GRANTS: &[&str] = &[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    "urn:ietf:params:oauth:grant-type:pre-authorized_code",
    "urn:ietf:params:oauth:grant-type:uma-ticket",
    "urn:openid:params:grant-type:ciba",
];
const AUTH_METHODS: &[&str] = &[
    "none",
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
];

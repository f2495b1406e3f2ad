//! The part of the configuration that can change while the server runs: `[registration]`.
//!
//! Names are those of the seed document, in camelCase. Each default stands in
//! `registration_defaults.rs`; `config/registrar.toml` lists every property with its default.

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

/// `[registration]`: what this server registers, and for whom.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own in the configuration")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Registration {
    /// Whether `POST` registers clients. Off: 403, and no `registration_endpoint` in discovery.
    pub dynamic_registration_enabled: bool,
    /// Lifetime of new clients in seconds; 0 or less: they never expire.
    pub dynamic_registration_expiration_time: i64,
    /// Whether `lifetime` in a request is ignored.
    pub dcr_forbid_expiration_time_in_request: bool,
    /// Upper bound in seconds for a requested `lifetime`.
    pub maximum_client_lifetime: Option<u64>,
    /// Whether scopes marked `default` are added to every client.
    pub dynamic_registration_scopes_param_enabled: bool,
    /// Stored on the client, for the authorization server: whether consent is remembered.
    pub dynamic_registration_persist_client_authorizations: bool,
    /// Stored on the client, for the authorization server: whether consent is skipped.
    pub trusted_client_enabled: bool,
    /// Whether the `password` grant can be registered.
    pub dynamic_registration_password_grant_type_enabled: bool,
    /// Names of members that a client may register beyond the standard ones.
    pub dynamic_registration_custom_attributes: Vec<String>,
    /// Values of custom attributes that a request leaves out.
    pub dynamic_registration_default_custom_attributes: BTreeMap<String, Value>,

    /// Grant types that can be registered.
    pub grant_types_supported: Vec<String>,
    /// Response types that can be registered; the order of words in one does not matter.
    pub response_types_supported: Vec<String>,
    /// Response modes that can be registered.
    pub response_modes_supported: Vec<String>,
    /// Token endpoint authentication methods that can be registered.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Signature algorithms of client assertions.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// What `aud` of a client assertion must be.
    pub client_assertion_audience: ClientAssertionAudience,
    /// Subject identifier types: `public`, `pairwise`.
    pub subject_types_supported: Vec<String>,
    /// Signature algorithms of ID tokens.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms of encrypted ID tokens.
    pub id_token_encryption_alg_values_supported: Vec<String>,
    /// Content encryption of encrypted ID tokens.
    pub id_token_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms of `UserInfo` answers.
    pub userinfo_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms of encrypted `UserInfo` answers.
    pub userinfo_encryption_alg_values_supported: Vec<String>,
    /// Content encryption of encrypted `UserInfo` answers.
    pub userinfo_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms of request objects.
    pub request_object_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms of encrypted request objects.
    pub request_object_encryption_alg_values_supported: Vec<String>,
    /// Content encryption of encrypted request objects.
    pub request_object_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms of authorization responses (JARM).
    pub authorization_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms of encrypted authorization responses (JARM).
    pub authorization_encryption_alg_values_supported: Vec<String>,
    /// Content encryption of encrypted authorization responses (JARM).
    pub authorization_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms of introspection responses (RFC 9701).
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// Key management algorithms of encrypted introspection responses (RFC 9701).
    pub introspection_encryption_alg_values_supported: Vec<String>,
    /// Content encryption of encrypted introspection responses (RFC 9701).
    pub introspection_encryption_enc_values_supported: Vec<String>,
    /// Signature algorithms of access tokens that are JWTs.
    pub access_token_signing_alg_values_supported: Vec<String>,
    /// Signature algorithms of backchannel authentication requests (CIBA).
    pub backchannel_authentication_request_signing_alg_values_supported: Vec<String>,
    /// Token delivery modes of CIBA: `poll`, `ping`, `push`.
    pub backchannel_token_delivery_modes_supported: Vec<String>,
    /// Whether a CIBA client may ask for user codes.
    pub backchannel_user_code_parameter_supported: bool,
    /// Types of rich authorization requests (RFC 9396); empty: any.
    pub authorization_details_types_supported: Vec<String>,
    /// Authentication context classes; empty: any.
    pub acr_values_supported: Vec<String>,

    /// What becomes of the values of a list that are not supported, where others of it are.
    pub unsupported_list_values: UnsupportedListValues,
    /// `application_type` of a client that names none.
    pub default_application_type: DefaultApplicationType,
    /// `subject_type` of a client that asks for none.
    pub default_subject_type: String,
    /// `id_token_signed_response_alg` of a client that asks for none.
    pub default_signature_algorithm: String,

    /// Patterns of which a redirect URI must match one; empty: any.
    pub redirect_uri_allow_list: Vec<String>,
    /// Patterns of which no redirect URI may match one.
    pub redirect_uri_deny_list: Vec<String>,
    /// Whether a response type that has `code` beside `token` or `id_token` needs the grant type
    /// `implicit` too (OpenID Connect Dynamic Client Registration section 2).
    pub hybrid_needs_implicit_grant: bool,
    /// Whether a client may register `redirect_uris_regex`, by which a server that heeds it lets in
    /// redirect URIs that no rule has seen.
    pub redirect_uris_regex_enabled: bool,
    /// Whether a native client may use a scheme without a dot, such as `myapp:`.
    pub allow_private_use_uri_schemes_without_dot: bool,
    /// Whether a native client may use `https` redirect URIs (RFC 8252 section 7.2).
    pub native_allow_https: bool,
    /// Whether a client with `application_type` `web` may use `http` on loopback, as a native one may.
    pub web_allow_loopback: bool,
    /// Whether redirect URIs may have a `*` in their path, which some servers take for a pattern.
    pub redirect_uri_wildcards_enabled: bool,
    /// Which hosts the pages of a client may be on (RFC 7591 section 5).
    pub page_uri_hosts: PageUriHosts,

    /// Whether GET and PUT answers carry `client_secret`; the 201 always does.
    pub return_client_secret_on_read: bool,
    /// When a registration access token is replaced.
    pub rotate_registration_access_token: Rotation,
    /// Whether a PUT that repeats the four members of RFC 7592 section 2.2 that a client must
    /// not send is refused; else they are ignored.
    pub refuse_server_members_in_update: bool,
    /// Whether DELETE is offered; off: 405.
    pub client_deletion_enabled: bool,

    /// Whether a registration must be a signed request.
    pub dcr_signature_validation_enabled: bool,
    /// Keys of signed requests: a JWK Set as a table or as JSON text.
    pub dcr_signature_validation_jwks: Option<Value>,
    /// Where the keys of signed requests are.
    pub dcr_signature_validation_jwks_uri: Option<String>,
    /// The key of signed requests that use HMAC.
    pub dcr_signature_validation_shared_secret: Option<SecretText>,
    /// The claim of a software statement that says where the keys of the signed request are.
    #[serde(rename = "dcrSignatureValidationSoftwareStatementJwksURIClaim")]
    pub dcr_signature_validation_software_statement_jwks_uri_claim: Option<String>,
    /// The claim of a software statement that holds the keys of the signed request.
    pub dcr_signature_validation_software_statement_jwks_claim: Option<String>,
    /// Where the keys of a software statement come from.
    pub software_statement_validation_type: StatementValidation,
    /// The claim of a software statement that holds or points to its keys.
    pub software_statement_validation_claim_name: Option<String>,
    /// Whether a registration must have a software statement.
    pub software_statement_required: bool,
    /// Signature algorithms of software statements; those of HMAC need a shared secret.
    pub software_statement_signing_alg_values_supported: Vec<String>,
    /// Seconds since `iat` for which a statement is good; none: its `exp` alone bounds it.
    pub software_statement_maximum_age: Option<u64>,
    /// The `typ` that a statement must have in its header; none: any but those of other tokens.
    pub software_statement_typ: Option<String>,
    /// Whether a statement registers one client only, by its `iss` and `jti`.
    pub software_statement_single_use: bool,
    /// Whose registrations are of one client.
    pub software_statement_identity: StatementIdentity,
    /// Claims of a statement, and the metadata that each stands for: directories have names of their
    /// own, such as `software_jwks_endpoint`. They win over the request like any other claim.
    pub software_statement_claims: BTreeMap<String, String>,
    /// What becomes of redirect URIs of the request when the statement has some.
    pub software_statement_redirect_uris: StatementRedirectUris,
    /// Signature algorithms of signed requests; those of HMAC need a shared secret.
    pub dcr_signing_alg_values_supported: Vec<String>,
    /// Seconds since `iat` for which a signed request is good; none: its `exp` alone bounds it.
    pub dcr_maximum_age: Option<u64>,
    /// Further names under which `aud` may mean this server, beside the issuer and the URLs of
    /// its endpoints: what a directory calls it, for example.
    pub accepted_audiences: Vec<String>,
    /// Issuers of statements and signed requests, with their keys and what they may say.
    pub dcr_ssa_validation_configs: Vec<SsaValidationConfig>,
    /// What `/.well-known/udap` says beyond what other options say; absent: no more.
    pub udap_metadata: Option<UdapMetadata>,
    /// Issuers of software statements that are accepted; empty: any that verifies.
    pub trusted_ssa_issuers: BTreeMap<String, TrustedSsaIssuer>,
    /// Lifetime of access tokens in seconds; `access_token_lifetime` of a client shortens it.
    pub access_token_lifetime: u64,
    /// Whether clients manage themselves with an access token of the token endpoint.
    pub dcr_authorization_with_client_credentials: bool,
    /// Whether a registration needs the client certificate that it names.
    #[serde(rename = "dcrAuthorizationWithMTLS")]
    pub dcr_authorization_with_mtls: bool,
    /// Whether initial access tokens are looked at, and needed.
    pub initial_access_token: InitialAccessToken,
    /// Whether a registration needs attestation evidence.
    pub dcr_attestation_evidence_required: bool,
    /// Seconds for which a nonce of ours is good.
    pub evidence_nonce_lifetime: u64,
    /// Who attests clients (OAuth 2.0 Attestation-Based Client Authentication): a registration that
    /// shows such an attestation needs no initial access token; empty: the headers are not looked at.
    pub trusted_client_attesters: Vec<ClientAttester>,
    /// Whether the proof of a client attestation needs a challenge of ours.
    pub client_attestation_challenge_required: bool,

    /// Members that give rights at the server beside this one and that strangers may register all the same.
    pub privileged_members: Vec<String>,
    /// Upper bound in seconds for the lifetimes of tokens and requests that a client registers.
    pub maximum_token_lifetime: u64,
    /// Registrations that one address, or the holder of one initial access token, may ask for in a
    /// period; 0: any number. Challenges for client attestations have a budget of the same size.
    pub rate_limit_registration_request_count: Option<u32>,
    /// The period of that limit in seconds.
    pub rate_limit_registration_period_in_seconds: u32,
    /// Access tokens that clients at one address may get in a period, those of the operator aside; 0 or
    /// none: any number.
    pub rate_limit_token_request_count: Option<u32>,
    /// The period of that limit in seconds.
    pub rate_limit_token_period_in_seconds: u32,
    /// Failed authentications that one address may make in a period as one client, and ten times as many
    /// as all clients together; 0: any number. A right secret is accepted whatever failed before.
    pub rate_limit_authentication_failure_count: Option<u32>,
    /// The period of that limit in seconds.
    pub rate_limit_authentication_failure_period_in_seconds: u32,
    /// Seconds for which an expired client is kept before it is removed.
    pub client_expiry_grace: u64,
    /// Seconds after its registration when a client is removed that was never used; none: it stays.
    pub unused_client_lifetime: Option<u64>,
    /// Seconds after its last use when a client is removed; none: it stays.
    pub inactive_client_lifetime: Option<u64>,
    /// Whether who registers exactly what a public client registered gets that client.
    pub reuse_identical_public_clients: bool,
}

//! `[registration]`: the part of the configuration that can change while the server runs.
//!
//! Properties have Janssen's names, in camelCase. `config/registrar.toml` lists
//! every property with its default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{
    ClientAssertionAudience, ClientAttester, ClientDocumentApproval,
    ClientDocumentDefaultAuthMethod, ClientDocumentHold, ClientDocumentRedirectUris,
    ClientDocuments, DefaultApplicationType, HostedClientDocuments, InitialAccessTokenUse,
    InsecurePageUris, PageUriHosts, RegistrationApproval, Rotation, SecretText,
    SsaValidationConfig, StatementIdentity, StatementRedirectUris, StatementValidation,
    TrustedSsaIssuer, UdapMetadata, UnsupportedListValues,
};

/// Defines a struct whose properties have their defaults beside them, as `name: Type = default`.
macro_rules! with_defaults {
    (
        $(#[$of_struct:meta])*
        pub struct $name:ident {
            $($(#[$of_property:meta])* pub $property:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$of_struct])*
        pub struct $name {
            $($(#[$of_property])* pub $property: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($property: $default,)* }
            }
        }
    };
}

with_defaults! {
    /// `[registration]`: the rules for clients and their metadata.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
    pub struct Registration {
        /// Whether clients can register with `POST`. If false, the response is 403 and the metadata has
        /// no `registration_endpoint`.
        pub dynamic_registration_enabled: bool = true,
        /// Lifetime of new clients in seconds. 0 or -1: clients never expire.
        pub dynamic_registration_expiration_time: i64 = -1,
        /// Whether `lifetime` in a request is ignored.
        pub dcr_forbid_expiration_time_in_request: bool = false,
        /// Maximum `lifetime` that a request can ask for, in seconds. `None`: no maximum.
        pub maximum_client_lifetime: Option<u64> = None,
        /// Whether every client gets the scopes marked `default`.
        pub dynamic_registration_scopes_param_enabled: bool = true,
        /// Stored with each client for the authorization server: whether consent is remembered.
        pub dynamic_registration_persist_client_authorizations: bool = true,
        /// Stored with each client for the authorization server: whether consent is skipped.
        pub trusted_client_enabled: bool = false,
        /// Whether clients can register the `password` grant.
        pub dynamic_registration_password_grant_type_enabled: bool = false,
        /// Names of metadata members that clients can register in addition to the standard ones.
        pub dynamic_registration_custom_attributes: Vec<String> = Vec::new(),
        /// Default values of custom attributes that a request omits.
        pub dynamic_registration_default_custom_attributes: BTreeMap<String, Value> = BTreeMap::new(),

        /// Grant types that clients can register.
        pub grant_types_supported: Vec<String> = list(GRANTS),
        /// Response types that clients can register. The order of words within a response type does not
        /// matter.
        pub response_types_supported: Vec<String> = list(&["code"]),
        /// Response modes that clients can register.
        pub response_modes_supported: Vec<String> = list(&[
            "query",
            "fragment",
            "form_post",
            "query.jwt",
            "fragment.jwt",
            "form_post.jwt",
            "jwt",
        ]),
        /// Token endpoint authentication methods that clients can register.
        pub token_endpoint_auth_methods_supported: Vec<String> = list(AUTH_METHODS),
        /// Signature algorithms for client assertions.
        pub token_endpoint_auth_signing_alg_values_supported: Vec<String> = signatures(),
        /// Required `aud` of client assertions.
        pub client_assertion_audience: ClientAssertionAudience = ClientAssertionAudience::Issuer,
        /// Subject identifier types: `public`, `pairwise`.
        pub subject_types_supported: Vec<String> = list(&["public", "pairwise"]),
        /// Signature algorithms for ID tokens.
        pub id_token_signing_alg_values_supported: Vec<String> = signatures(),
        /// Key management algorithms for encrypted ID tokens.
        pub id_token_encryption_alg_values_supported: Vec<String> = list(KEY_MANAGEMENT),
        /// Content encryption algorithms for encrypted ID tokens.
        pub id_token_encryption_enc_values_supported: Vec<String> = list(CONTENT),
        /// Signature algorithms for `UserInfo` responses.
        pub userinfo_signing_alg_values_supported: Vec<String> = signatures(),
        /// Key management algorithms for encrypted `UserInfo` responses.
        pub userinfo_encryption_alg_values_supported: Vec<String> = list(KEY_MANAGEMENT),
        /// Content encryption algorithms for encrypted `UserInfo` responses.
        pub userinfo_encryption_enc_values_supported: Vec<String> = list(CONTENT),
        /// Signature algorithms for request objects.
        pub request_object_signing_alg_values_supported: Vec<String> = signatures(),
        /// Key management algorithms for encrypted request objects.
        pub request_object_encryption_alg_values_supported: Vec<String> = list(KEY_MANAGEMENT),
        /// Content encryption algorithms for encrypted request objects.
        pub request_object_encryption_enc_values_supported: Vec<String> = list(CONTENT),
        /// Signature algorithms for authorization responses (JARM).
        pub authorization_signing_alg_values_supported: Vec<String> = signatures(),
        /// Key management algorithms for encrypted authorization responses (JARM).
        pub authorization_encryption_alg_values_supported: Vec<String> = list(KEY_MANAGEMENT),
        /// Content encryption algorithms for encrypted authorization responses (JARM).
        pub authorization_encryption_enc_values_supported: Vec<String> = list(CONTENT),
        /// Signature algorithms for introspection responses (RFC 9701).
        pub introspection_signing_alg_values_supported: Vec<String> = signatures(),
        /// Key management algorithms for encrypted introspection responses (RFC 9701).
        pub introspection_encryption_alg_values_supported: Vec<String> = list(KEY_MANAGEMENT),
        /// Content encryption algorithms for encrypted introspection responses (RFC 9701).
        pub introspection_encryption_enc_values_supported: Vec<String> = list(CONTENT),
        /// Signature algorithms for JWT access tokens.
        pub access_token_signing_alg_values_supported: Vec<String> = list(ASYMMETRIC),
        /// Signature algorithms for backchannel authentication requests (CIBA).
        pub backchannel_authentication_request_signing_alg_values_supported: Vec<String> = list(ASYMMETRIC),
        /// Token delivery modes of CIBA: `poll`, `ping`, `push`.
        pub backchannel_token_delivery_modes_supported: Vec<String> = list(&["poll", "ping", "push"]),
        /// Whether CIBA clients can request user codes.
        pub backchannel_user_code_parameter_supported: bool = true,
        /// Types of rich authorization requests (RFC 9396). Empty: any.
        pub authorization_details_types_supported: Vec<String> = Vec::new(),
        /// Authentication context class references. Empty: any.
        pub acr_values_supported: Vec<String> = Vec::new(),

        /// What happens to unsupported values in a list that also has supported ones.
        pub unsupported_list_values: UnsupportedListValues = UnsupportedListValues::Drop,
        /// `application_type` of a client that does not state one.
        pub default_application_type: DefaultApplicationType = DefaultApplicationType::ByRedirectUris,
        /// `subject_type` of a client that does not state one.
        pub default_subject_type: String = "public".to_owned(),
        /// `id_token_signed_response_alg` of a client that does not state one.
        pub default_signature_algorithm: String = "RS256".to_owned(),

        /// Patterns for redirect URIs: each redirect URI must match at least one of them. Empty: any.
        pub redirect_uri_allow_list: Vec<String> = Vec::new(),
        /// Patterns for redirect URIs: a redirect URI that matches one of them is rejected.
        pub redirect_uri_deny_list: Vec<String> = Vec::new(),
        /// Whether a response type that combines `code` with `token` or `id_token` also requires the
        /// grant type `implicit` (OpenID Connect Dynamic Client Registration section 2).
        pub hybrid_needs_implicit_grant: bool = true,
        /// Whether clients can register `redirect_uris_regex`, with which an authorization server accepts
        /// redirect URIs that no rule has checked.
        pub redirect_uris_regex_enabled: bool = false,
        /// Whether native clients can use a private-use scheme without a dot, such as `myapp:`.
        pub allow_private_use_uri_schemes_without_dot: bool = false,
        /// Whether native clients can use `https` redirect URIs (RFC 8252 section 7.2).
        pub native_allow_https: bool = true,
        /// Whether clients with `application_type` `web` can use `http` on loopback, like native clients.
        pub web_allow_loopback: bool = false,
        /// Whether a redirect URI can contain a `*` in its path, which some authorization servers treat
        /// as a pattern.
        pub redirect_uri_wildcards_enabled: bool = false,
        /// Allowed hosts for the pages of a client (RFC 7591 section 5).
        pub page_uri_hosts: PageUriHosts = PageUriHosts::Any,
        /// What becomes of pages and pictures that are not `https`.
        pub insecure_page_uris: InsecurePageUris = InsecurePageUris::Refuse,

        /// Whether responses to GET and PUT contain `client_secret`. The 201 response always does.
        pub return_client_secret_on_read: bool = true,
        /// When a registration access token is replaced.
        pub rotate_registration_access_token: Rotation = Rotation::Never,
        /// Whether a PUT is rejected if it contains one of the four members that clients must not send
        /// (RFC 7592 section 2.2). If false, these members are ignored.
        pub refuse_server_members_in_update: bool = true,
        /// Whether clients can delete themselves with DELETE. If false, the response is 405.
        pub client_deletion_enabled: bool = true,

        /// Whether a registration must be a signed request. If false, signed requests are rejected.
        pub dcr_signature_validation_enabled: bool = false,
        /// Keys for signed requests: a JWK Set as a table or as JSON text.
        pub dcr_signature_validation_jwks: Option<Value> = None,
        /// URL of the keys for signed requests.
        pub dcr_signature_validation_jwks_uri: Option<String> = None,
        /// Key for signed requests that use HMAC.
        pub dcr_signature_validation_shared_secret: Option<SecretText> = None,
        /// Claim of a software statement with the URL of the keys for the signed request.
        #[serde(rename = "dcrSignatureValidationSoftwareStatementJwksURIClaim")]
        pub dcr_signature_validation_software_statement_jwks_uri_claim: Option<String> = None,
        /// Claim of a software statement with the keys for the signed request.
        pub dcr_signature_validation_software_statement_jwks_claim: Option<String> = None,
        /// Where the keys for software statements come from.
        pub software_statement_validation_type: StatementValidation = StatementValidation::Script,
        /// Claim of a software statement that contains or points to its own keys.
        pub software_statement_validation_claim_name: Option<String> = None,
        /// Whether a registration requires a software statement.
        pub software_statement_required: bool = false,
        /// Signature algorithms for software statements. HMAC algorithms require a shared secret.
        pub software_statement_signing_alg_values_supported: Vec<String> = signatures(),
        /// Maximum age of a software statement since its `iat`, in seconds. `None`: only its `exp`
        /// limits it.
        pub software_statement_maximum_age: Option<u64> = None,
        /// Required `typ` in the header of software statements. `None`: any `typ` except those of other
        /// tokens.
        pub software_statement_typ: Option<String> = None,
        /// Whether a software statement can register only one client, identified by its `iss` and `jti`.
        pub software_statement_single_use: bool = false,
        /// Which registrations concern the same client.
        pub software_statement_identity: StatementIdentity = StatementIdentity::None,
        /// Claims of a software statement and the metadata member that each one sets, because
        /// directories use their own names, such as `software_jwks_endpoint`. These claims take
        /// precedence over the request.
        pub software_statement_claims: BTreeMap<String, String> = BTreeMap::new(),
        /// How redirect URIs in a software statement apply.
        pub software_statement_redirect_uris: StatementRedirectUris = StatementRedirectUris::Replace,
        /// Signature algorithms for signed requests. HMAC algorithms require a shared secret.
        pub dcr_signing_alg_values_supported: Vec<String> = signatures(),
        /// Maximum age of a signed request since its `iat`, in seconds. `None`: only its `exp` limits it.
        pub dcr_maximum_age: Option<u64> = None,
        /// Additional `aud` values that identify this server, such as the name that a directory uses
        /// for it. The issuer and the URLs of the endpoints are always accepted.
        pub accepted_audiences: Vec<String> = Vec::new(),
        /// Trusted issuers of software statements and signed requests, with their keys and what they
        /// can assert.
        pub dcr_ssa_validation_configs: Vec<SsaValidationConfig> = Vec::new(),
        /// Content of `/.well-known/udap` that other options do not provide. `None`: no additional
        /// content.
        pub udap_metadata: Option<UdapMetadata> = None,
        /// The only accepted issuers of software statements. Empty: any issuer whose statement can be
        /// verified.
        pub trusted_ssa_issuers: BTreeMap<String, TrustedSsaIssuer> = BTreeMap::new(),
        /// Lifetime of access tokens in seconds. A client can have a shorter one
        /// (`access_token_lifetime`).
        pub access_token_lifetime: u64 = 3_600,
        /// Whether clients manage their registration with an access token from the token endpoint.
        pub dcr_authorization_with_client_credentials: bool = false,
        /// Whether a registration requires the client certificate that its metadata names.
        #[serde(rename = "dcrAuthorizationWithMTLS")]
        pub dcr_authorization_with_mtls: bool = false,
        /// How initial access tokens are handled.
        pub initial_access_token: InitialAccessTokenUse = InitialAccessTokenUse::Optional,
        /// Whether a registration requires attestation evidence.
        pub dcr_attestation_evidence_required: bool = false,
        /// Lifetime of a nonce that this server issued, in seconds.
        pub evidence_nonce_lifetime: u64 = 150,
        /// Trusted client attesters (OAuth 2.0 Attestation-Based Client Authentication). A registration
        /// with an attestation from one of them needs no initial access token. Empty: attestation
        /// headers are ignored.
        pub trusted_client_attesters: Vec<ClientAttester> = Vec::new(),
        /// Whether the proof of a client attestation requires a challenge from this server.
        pub client_attestation_challenge_required: bool = false,

        /// Metadata members that grant rights at the upstream authorization server and that every
        /// client is allowed to register.
        pub privileged_members: Vec<String> = Vec::new(),
        /// Maximum in seconds for the lifetimes of tokens and requests that a client registers.
        pub maximum_token_lifetime: u64 = 31_536_000,
        /// Maximum number of registrations in a period, from one address or with one initial access
        /// token. 0: unlimited. Challenges for client attestations have a separate quota of the same
        /// size.
        pub rate_limit_registration_request_count: Option<u32> = Some(300),
        /// Length of that period in seconds.
        pub rate_limit_registration_period_in_seconds: u32 = 60,
        /// Maximum number of access tokens issued in a period to the clients at one address, except
        /// administrators' tokens. 0 or `None`: unlimited.
        pub rate_limit_token_request_count: Option<u32> = None,
        /// Length of that period in seconds.
        pub rate_limit_token_period_in_seconds: u32 = 60,
        /// Maximum number of failed client authentications in a period from one address as one client,
        /// and ten times as many as all clients together. 0: unlimited. A correct secret is always
        /// accepted.
        pub rate_limit_authentication_failure_count: Option<u32> = Some(30),
        /// Length of that period in seconds.
        pub rate_limit_authentication_failure_period_in_seconds: u32 = 60,
        /// Seconds between the expiry of a client and its deletion.
        pub client_expiry_grace: u64 = 0,
        /// Seconds after registration before a client that was never used is deleted. `None`: it is kept.
        pub unused_client_lifetime: Option<u64> = None,
        /// Seconds after its last use before a client is deleted. `None`: it is kept.
        pub inactive_client_lifetime: Option<u64> = None,
        /// Hours for which the delivery of an event to scripts or to a webhook is attempted. Then the event is
        /// parked.
        pub event_retry_hours: u64 = 24,
        /// The share of registrations and updates that the candidate judges too, without effect, from 0 to 1.
        pub scripts_shadow: f64 = 0.0,
        /// Whether scripts of the candidate may send `GET` when they judge without effect.
        pub scripts_shadow_http: bool = false,
        /// The share of requests that the candidate decides, from 0 to 1.
        pub scripts_canary: f64 = 0.0,
        /// The number of faults after which the candidate decides no more requests.
        pub scripts_canary_faults: u64 = 5,
        /// How many of the last registrations and updates are kept, to be judged again by other scripts. 0: none.
        pub recorded_requests: u64 = 0,
        /// Whether registrations can wait for the approval of an administrator.
        pub registration_approval: RegistrationApproval = RegistrationApproval::Off,
        /// The page on which an administrator approves registrations. Clients show it to their users.
        pub registration_approval_uri: Option<String> = None,
        /// Seconds for which a registration waits.
        pub registration_approval_seconds: u64 = 600,
        /// Seconds between two requests of a client that waits.
        pub registration_approval_interval_seconds: u64 = 5,
        /// Whether a client that cannot wait is registered at once and disabled until it is approved.
        pub registration_approval_silent: bool = false,
        /// Whether a registration that is identical to that of an existing public client returns that
        /// client.
        pub reuse_identical_public_clients: bool = false,

        /// Whether clients are identified by the URL of their Client ID Metadata Document.
        pub client_documents: ClientDocuments = ClientDocuments::Off,
        /// Patterns for the URLs of documents: with `listed`, a URL must match one of them.
        pub client_document_allow_list: Vec<String> = Vec::new(),
        /// Patterns for the URLs of documents: a URL that matches one of them is denied.
        pub client_document_deny_list: Vec<String> = Vec::new(),
        /// Which documents wait for an administrator.
        pub client_document_approval: ClientDocumentApproval = ClientDocumentApproval::Never,
        /// Patterns for the URLs of documents that need no approval if only new ones need it.
        pub client_document_approved: Vec<String> = Vec::new(),
        /// Metadata members whose change in a document is a sensitive change.
        pub client_document_sensitive: Vec<String> = list(SENSITIVE),
        /// What a sensitive change of a document causes.
        pub client_document_hold: ClientDocumentHold = ClientDocumentHold::None,
        /// Maximum time for which the previous version of a document stays in force while a change
        /// waits, in seconds.
        pub client_document_hold_seconds: u64 = 604_800,
        /// What a document without an authentication method means.
        pub client_document_default_auth_method: ClientDocumentDefaultAuthMethod =
            ClientDocumentDefaultAuthMethod::None,
        /// Allowed hosts for the `https` redirect URIs of a document.
        pub client_document_redirect_uris: ClientDocumentRedirectUris = ClientDocumentRedirectUris::Any,
        /// Whether documents can have loopback redirect URIs.
        pub client_document_loopback: bool = true,
        /// Whether a private-use scheme in a document must be the reversed host name of its URL.
        pub client_document_reversed_schemes: bool = false,
        /// Members that every document must have. `redirect_uris` is only required by grants that
        /// redirect.
        pub client_document_required: Vec<String> = list(&["client_name", "redirect_uris"]),
        /// Whether the URL of a document can have a query.
        pub client_document_queries: bool = false,
        /// Minimum time for which a document is fresh, in seconds.
        pub client_document_minimum_seconds: u64 = 300,
        /// Time for which a document is fresh whose host does not state a time, in seconds.
        pub client_document_default_seconds: u64 = 300,
        /// Maximum time for which a document is fresh, in seconds.
        pub client_document_maximum_seconds: u64 = 86_400,
        /// Time for which a document that is no longer fresh is still used while it is fetched, in
        /// seconds.
        pub client_document_grace_seconds: u64 = 60,
        /// Time for which a document is still used while its host is unreachable, in seconds.
        pub client_document_stale_seconds: u64 = 3_600,
        /// Time after which a document that could not be fetched is forgotten, in seconds.
        pub client_document_absence_seconds: u64 = 2_592_000,
        /// Whether the metadata of this server states that documents are supported.
        pub client_documents_advertised: bool = false,
        /// Which clients can have a document that this server publishes (Client ID Metadata Documents).
        pub hosted_client_documents: HostedClientDocuments = HostedClientDocuments::Off,
        /// Text after `client_name` in the documents of clients that nobody vouches for. `None`: no text.
        pub hosted_client_document_label: Option<String> = None,
        /// Maximum lifetime in seconds of clients that have a document and that nobody vouches for. `None`: no
        /// maximum.
        pub hosted_client_document_lifetime: Option<u64> = None,
        /// Seconds for which other servers may keep a document.
        pub hosted_client_document_seconds: u64 = 300,
        /// Custom attributes that are published in documents.
        pub hosted_client_document_attributes: Vec<String> = Vec::new(),
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
/// The members that say who a client is, where it receives codes and what it can do.
const SENSITIVE: &[&str] = &[
    "redirect_uris",
    "token_endpoint_auth_method",
    "jwks",
    "jwks_uri",
    "grant_types",
    "scope",
    "client_name",
    "logo_uri",
    "client_uri",
];

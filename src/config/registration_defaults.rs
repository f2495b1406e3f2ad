//! The defaults of all properties of `[registration]`.

use std::collections::BTreeMap;

use super::registration::{
    ClientAssertionAudience, DefaultApplicationType, InitialAccessToken, PageUriHosts,
    Registration, Rotation, UnsupportedListValues,
};
use super::trust::{StatementIdentity, StatementRedirectUris, StatementValidation};

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

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn signatures() -> Vec<String> {
    list(&[ASYMMETRIC, HMAC].concat())
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

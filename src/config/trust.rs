//! Whose software statements and signed requests are believed, and which secrets verify them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `softwareStatementValidationType`; case does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum StatementValidation {
    /// The claims are the requester's own.
    None,
    /// A script gives the keys.
    Script,
    /// `dcrSsaValidationConfigs` has the keys.
    Builtin,
    /// A claim of the statement holds the keys.
    Jwks,
    /// A claim of the statement says where the keys are.
    JwksUri,
}

impl TryFrom<String> for StatementValidation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "script" => Ok(Self::Script),
            "builtin" => Ok(Self::Builtin),
            "jwks" => Ok(Self::Jwks),
            "jwks_uri" => Ok(Self::JwksUri),
            _ => Err(format!("`{text}` is not one of none, script, builtin, jwks, jwks_uri")),
        }
    }
}

/// `softwareStatementRedirectUris`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatementRedirectUris {
    /// Those of the statement are the client's, whatever the request says.
    Replace,
    /// The request names some of those of the statement, or none to have all of them.
    Subset,
}

/// An entry of `dcrSsaValidationConfigs`. Both spellings of the seed document are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SsaValidationConfig {
    /// Names the entry in logs.
    pub id: String,
    /// Whether it is for statements or for signed requests.
    pub r#type: SsaValidationType,
    /// For people.
    #[serde(default, alias = "display_name")]
    pub display_name: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The only scopes that may come from the issuer; absent: any.
    #[serde(default, alias = "scope")]
    pub scopes: Option<Vec<String>>,
    /// The only claims that are taken from the issuer; absent: any.
    #[serde(default, alias = "allowed_claims")]
    pub allowed_claims: Option<Vec<String>>,
    /// The only signature algorithms that are taken from the issuer; absent: all that are
    /// supported for what the entry is for.
    #[serde(default)]
    pub algorithms: Option<Vec<String>>,
    /// The issuer's keys: a JWK Set as a table or as JSON text.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// Where the issuer's keys are.
    #[serde(default, alias = "jwks_uri")]
    pub jwks_uri: Option<String>,
    /// Values of `iss` for which this entry is.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// A discovery document that says where the issuer's keys are.
    #[serde(default, alias = "configuration_endpoint")]
    pub configuration_endpoint: Option<String>,
    /// The member of that document; absent: `jwks_uri`.
    #[serde(default, alias = "configuration_endpoint_claim")]
    pub configuration_endpoint_claim: Option<String>,
    /// The issuer's key for HMAC.
    #[serde(default, alias = "shared_secret")]
    pub shared_secret: Option<SecretText>,
    /// A PEM file of the authorities whose certificates are believed when a token shows one in `x5c`.
    #[serde(default, alias = "trust_anchors")]
    pub trust_anchors: Option<PathBuf>,
    /// How such a certificate names the issuer. Without `issuers` the entry is for every issuer that
    /// has a certificate.
    #[serde(default, alias = "certificate_san")]
    pub certificate_san: Option<CertificateSan>,
}

/// `softwareStatementIdentity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatementIdentity {
    /// Each registration makes a client.
    None,
    /// A signer that is known by its certificates has one client: another registration changes it.
    Subject,
}

/// Which of the alternative names of a certificate says whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateSan {
    /// One of its URIs is the `iss` of the token.
    #[serde(rename = "iss")]
    Iss,
}

/// What an entry of `dcrSsaValidationConfigs` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SsaValidationType {
    /// Software statements.
    #[serde(rename = "SSA", alias = "ssa")]
    Ssa,
    /// Signed requests.
    #[serde(rename = "DCR", alias = "dcr")]
    Dcr,
}

/// What a trusted issuer of software statements may cause.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TrustedSsaIssuer {
    /// Scopes that its clients get without asking.
    pub automatically_granted_scopes: Vec<String>,
}

/// Somebody who attests clients, such as the backend of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAttester {
    /// The `iss` of its attestations.
    pub issuer: String,
    /// Its keys: a JWK Set as a table or as JSON text.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// Where its keys are.
    #[serde(default, alias = "jwks_uri")]
    pub jwks_uri: Option<String>,
    /// The only signature algorithms that are taken from it; absent: all with a key pair.
    #[serde(default)]
    pub algorithms: Option<Vec<String>>,
    /// A PEM file of the authorities whose certificates are believed when an attestation shows one
    /// in `x5c`.
    #[serde(default, alias = "trust_anchors")]
    pub trust_anchors: Option<PathBuf>,
    /// How such a certificate names the attester; absent: every certificate of the authorities is
    /// the attester's.
    #[serde(default, alias = "certificate_san")]
    pub certificate_san: Option<CertificateSan>,
}

/// What is shown in the place of a secret.
pub const MASK: &str = "********";

/// A secret in the configuration: it is read, used, and never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct SecretText(String);

impl TryFrom<Value> for SecretText {
    type Error = &'static str;

    // The error does not repeat the value, as that of serde would.
    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value {
            Value::String(text) if text == MASK => Err("a mask hides a secret; give the secret itself"),
            Value::String(text) => Ok(Self(text)),
            _ => Err("a secret is a text"),
        }
    }
}

impl SecretText {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(MASK)
    }
}

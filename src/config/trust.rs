//! Trust in software statements, signed requests and client attestations, and secrets in the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `softwareStatementValidationType`; case does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum StatementValidation {
    /// Statements are not verified. Their claims are treated as sent by the requester.
    None,
    /// A script returns the keys.
    Script,
    /// The keys are in `dcrSsaValidationConfigs`.
    Builtin,
    /// A claim of the statement contains the keys.
    Jwks,
    /// A claim of the statement contains the URL of the keys.
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
            _ => Err(format!(
                "`{text}` is not one of none, script, builtin, jwks, jwks_uri"
            )),
        }
    }
}

/// `softwareStatementRedirectUris`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatementRedirectUris {
    /// The client gets the redirect URIs of the statement, whatever the request contains.
    Replace,
    /// The client gets the redirect URIs of the statement that the request lists, or all if it lists none.
    Subset,
}

/// An entry of `dcrSsaValidationConfigs`. Members are accepted in both of Janssen's spellings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SsaValidationConfig {
    /// Identifies the entry in logs.
    pub id: String,
    /// Whether the entry is for software statements or for signed requests.
    pub r#type: SsaValidationType,
    /// A name for people.
    #[serde(default, alias = "display_name")]
    pub display_name: Option<String>,
    /// A description for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The only scopes that the issuer can grant. `None`: any scope.
    #[serde(default, alias = "scope")]
    pub scopes: Option<Vec<String>>,
    /// The only claims of the issuer that are used as metadata. `None`: any claim.
    #[serde(default, alias = "allowed_claims")]
    pub allowed_claims: Option<Vec<String>>,
    /// The only accepted signature algorithms. `None`: all algorithms that are supported for this type of
    /// entry.
    #[serde(default)]
    pub algorithms: Option<Vec<String>>,
    /// The issuer's keys: a JWK Set as a table or as JSON text.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// The URL of the issuer's keys.
    #[serde(default, alias = "jwks_uri")]
    pub jwks_uri: Option<String>,
    /// Values of `iss` that this entry applies to.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// The URL of a discovery document with the URL of the issuer's keys.
    #[serde(default, alias = "configuration_endpoint")]
    pub configuration_endpoint: Option<String>,
    /// The member of that document with the URL of the keys. `None`: `jwks_uri`.
    #[serde(default, alias = "configuration_endpoint_claim")]
    pub configuration_endpoint_claim: Option<String>,
    /// The issuer's key for HMAC.
    #[serde(default, alias = "shared_secret")]
    pub shared_secret: Option<SecretText>,
    /// A PEM file of CAs whose certificates are trusted in the `x5c` header of a token.
    #[serde(default, alias = "trust_anchors")]
    pub trust_anchors: Option<PathBuf>,
    /// How such a certificate identifies the issuer. Without `issuers`, the entry applies to every issuer
    /// that has a certificate.
    #[serde(default, alias = "certificate_san")]
    pub certificate_san: Option<CertificateSan>,
}

/// `softwareStatementIdentity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatementIdentity {
    /// Each registration creates a client.
    None,
    /// A signer that is identified by its certificates has one client. Another registration updates it.
    Subject,
}

/// Which alternative name of a certificate identifies its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateSan {
    /// A URI that equals the `iss` of the token.
    #[serde(rename = "iss")]
    Iss,
}

/// The purpose of an entry of `dcrSsaValidationConfigs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SsaValidationType {
    /// Software statements.
    #[serde(rename = "SSA", alias = "ssa")]
    Ssa,
    /// Signed requests.
    #[serde(rename = "DCR", alias = "dcr")]
    Dcr,
}

/// The rights of a trusted issuer of software statements.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TrustedSsaIssuer {
    /// Scopes that all its clients get.
    pub automatically_granted_scopes: Vec<String>,
}

/// A trusted client attester, such as the backend of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAttester {
    /// The `iss` of its attestations.
    pub issuer: String,
    /// Its keys: a JWK Set as a table or as JSON text.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// The URL of its keys.
    #[serde(default, alias = "jwks_uri")]
    pub jwks_uri: Option<String>,
    /// The only accepted signature algorithms. `None`: all asymmetric algorithms.
    #[serde(default)]
    pub algorithms: Option<Vec<String>>,
    /// A PEM file of CAs whose certificates are trusted in the `x5c` header of an attestation.
    #[serde(default, alias = "trust_anchors")]
    pub trust_anchors: Option<PathBuf>,
    /// How such a certificate identifies the attester. `None`: every certificate of these CAs belongs to
    /// the attester.
    #[serde(default, alias = "certificate_san")]
    pub certificate_san: Option<CertificateSan>,
}

/// The text that replaces a secret when the configuration is shown.
pub(crate) const MASK: &str = "********";

/// A secret in the configuration. It is never displayed, logged or serialised.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct SecretText(String);

impl TryFrom<Value> for SecretText {
    type Error = &'static str;

    // Unlike serde's own error, this one does not repeat the value.
    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value {
            Value::String(text) if text == MASK => Err("must not be a mask; set the secret itself"),
            Value::String(text) => Ok(Self(text)),
            _ => Err("must be a string: it is a secret"),
        }
    }
}

impl SecretText {
    /// Returns the secret in clear text.
    pub(crate) fn expose(&self) -> &str {
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

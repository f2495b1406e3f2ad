//! The record of a registered client, and where it came from.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Approved, InitialAccessPolicy};
use crate::clock::Timestamp;
use crate::model::ClientId;
use crate::secret::{Sealed, TokenDigest};

/// A registered client, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// `client_id`
    pub id: ClientId,
    /// What it registered.
    pub metadata: Approved,
    /// SHA-256, in hex, of what it registered, when all who register the same share this client.
    /// Nobody manages such a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_as: Option<String>,
    /// `client_id_issued_at`
    pub issued_at: Timestamp,
    /// From when on it does not work any more; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the hour; none: never since it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Its secret, when its authentication method or an algorithm needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<ClientSecret>,
    /// What its registration access tokens hash to.
    pub tokens: RegistrationTokens,
    /// Counts the changes, from 1.
    pub revision: u64,
    /// How it came to be what it is.
    pub provenance: Provenance,
}

impl Client {
    /// Whether the client works no more at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether the client may manage itself, and get and use access tokens, at `now`: it has not
    /// expired, and nobody has disabled it.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        !self.is_expired(now) && !self.metadata.metadata().flag("disabled")
    }

    /// Whether it was registered with a statement that was believed for the certificate of its signer.
    pub fn is_certified(&self) -> bool {
        self.provenance.statement.as_ref().is_some_and(|statement| statement.certified_by.is_some())
    }

    /// Whether the operator of this server made the client: the only kind that administers it.
    pub fn is_operators(&self) -> bool {
        self.provenance.trust_level == TrustLevel::Operator
    }
}

/// A client's secret at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// The secret, sealed for its client.
    pub sealed: Sealed,
    /// `client_secret_expires_at`; none: never, which is written as 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// The digests of a client's registration access tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistrationTokens {
    /// The newest token.
    pub current: TokenDigest,
    /// The one before it, good until the newest is used for the first time: an answer that
    /// was lost on its way must not lock a client out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<TokenDigest>,
}

/// How far the registration of a client can be trusted, the least first: of several proofs the
/// greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustLevel {
    /// Anybody.
    Open,
    /// The holder of an initial access token.
    Token,
    /// The holder of a client certificate.
    Mtls,
    /// Software that somebody we trust vouches for.
    Statement,
    /// A device or workload whose evidence was appraised.
    Attested,
    /// The operator of this server made it. Nobody else manages such a client.
    Operator,
}

impl TrustLevel {
    /// All levels, the least trusted first.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Token, Self::Mtls, Self::Statement, Self::Attested, Self::Operator];

    /// The level as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
            Self::Mtls => "mtls",
            Self::Statement => "statement",
            Self::Attested => "attested",
            Self::Operator => "operator",
        }
    }
}

/// A script that decided, named so that its text can be found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRef {
    /// Its file name.
    pub name: String,
    /// SHA-256 of its text, in hex.
    pub hash: String,
}

/// Who asked for the client, what was shown, and who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// How far the registration can be trusted.
    pub trust_level: TrustLevel,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The identifier of the initial access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_access_token: Option<String>,
    /// What that token allows: an update keeps to it too, also after the token has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_access_policy: Option<InitialAccessPolicy>,
    /// The software statement that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementOrigin>,
    /// The client certificate, when somebody vouched for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateOrigin>,
    /// SHA-256 of what the verifier of the evidence said, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_digest: Option<String>,
    /// Who appraised the evidence, as that says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_verifier: Option<String>,
    /// The policy by which it was appraised, as that says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_policy: Option<String>,
    /// The scripts that decided, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<ScriptRef>,
    /// The revision of the live configuration.
    pub configuration: String,
}

/// What identifies a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateOrigin {
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// SHA-256 of its DER, in hex.
    pub sha256: String,
}

/// What identifies a software statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementOrigin {
    /// Its `iss`.
    pub iss: String,
    /// Its `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Its `software_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// The entry of `dcrSsaValidationConfigs` whose authorities issued the certificate of its signer,
    /// who is called `iss` there: so are the certificates of this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::TrustLevel::{Attested, Mtls, Open, Operator, Statement, Token};

    #[test]
    fn of_several_proofs_the_greatest_counts() {
        let levels = [Open, Token, Mtls, Statement, Attested, Operator];
        assert!(levels.is_sorted());
        assert_eq!([Token, Statement, Mtls].into_iter().max(), Some(Statement));
        for level in levels {
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
        }
    }
}

//! The record of a registered client, and its provenance.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::base::{ClientId, NoRandomness, Sealed, Secret, Timestamp, TokenDigest, random};
use crate::client::{
    AdministratorData, Approved, DocumentOrigin, HostedDocument, InitialAccessPolicy,
    MemberOrigins, Metadata,
};

/// A registered client as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Client {
    /// `client_id`
    pub(crate) id: ClientId,
    /// The metadata that it registered.
    #[serde(
        serialize_with = "Approved::write_stored",
        deserialize_with = "Approved::take_stored"
    )]
    pub(crate) metadata: Approved,
    /// SHA-256, in hex, of the registered metadata if all clients that register the same metadata
    /// share this client. A shared client cannot be managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shared_as: Option<String>,
    /// `client_id_issued_at`
    pub(crate) issued_at: Timestamp,
    /// The time at which it stops working. `None`: it never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// The time of its last use, to the hour. `None`: unused since it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<Timestamp>,
    /// Its secret, if its authentication method or an algorithm needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<ClientSecret>,
    /// The digests of its registration access tokens.
    pub(crate) tokens: RegistrationTokens,
    /// The number of changes, starting at 1.
    pub(crate) revision: u64,
    /// Where the registration came from.
    pub(crate) provenance: Provenance,
    /// Where each member of the metadata came from. `None`: the client was stored before this was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origins: Option<MemberOrigins>,
    /// Whether this server publishes a document of the client. `None`: it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hosted_document: Option<HostedDocument>,
    /// The client document that it was made from, if its identifier is the URL of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<DocumentOrigin>,
    /// How it is managed at the upstream server that has registered it. `None`: it is registered here only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<UpstreamClient>,
    /// What is recorded of an administrator. `None`: another client, or the first administrator as long as only
    /// the server has changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) administrator: Option<AdministratorData>,
}

impl Client {
    /// Whether the client has expired at `now`.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether the client may manage itself, and obtain and use access tokens, at `now`: it has not
    /// expired and is not disabled.
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        !self.is_expired(now) && !self.metadata.metadata().flag("disabled")
    }

    /// Whether it was registered with a statement that is trusted because of its signer's
    /// certificate.
    pub(crate) fn is_certified(&self) -> bool {
        self.provenance
            .statement
            .as_ref()
            .is_some_and(|statement| statement.certified_by.is_some())
    }

    /// Adds the identifiers of the client to `metadata`.
    pub(crate) fn name(&self, metadata: &mut Metadata) {
        metadata.set("client_id", self.id.as_str());
        metadata.set("client_id_issued_at", self.issued_at.unix());
    }

    /// Returns the client as scripts that change nothing see it: its metadata and its identifiers. The secret is
    /// included if given, because other systems cannot serve the client without it.
    pub(crate) fn shown(&self, secret: Option<&Secret>) -> Metadata {
        let mut metadata = self.metadata.metadata().clone();
        self.name(&mut metadata);
        if let Some(secret) = secret {
            metadata.set("client_secret", secret.expose());
        }
        metadata
    }

    /// Takes what `found` has sealed, where this still has what `seen` had: it was sealed anew in the meantime, and
    /// otherwise means the same.
    pub(crate) fn take_seals(&mut self, seen: &Self, found: &Self) {
        if let (Some(mine), Some(seen), Some(found)) =
            (&mut self.secret, &seen.secret, &found.secret)
            && mine.sealed == seen.sealed
        {
            mine.sealed = found.sealed.clone();
        }
        if let (Some(mine), Some(seen), Some(found)) =
            (&mut self.upstream, &seen.upstream, &found.upstream)
            && mine.token == seen.token
        {
            mine.token.clone_from(&found.token);
        }
    }

    /// Whether this server publishes a document of the client.
    pub(crate) fn has_hosted_document(&self) -> bool {
        self.hosted_document == Some(HostedDocument::Published)
    }

    /// Whether the operator of this server created the client. Only such clients may administer the
    /// server.
    pub(crate) fn is_operators(&self) -> bool {
        self.provenance.trust_level == TrustLevel::Operator
    }
}

/// A client secret at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClientSecret {
    /// The secret, sealed for its client.
    pub(crate) sealed: Sealed,
    /// `client_secret_expires_at`. `None`: it never expires, which is written as 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
}

/// How a client is managed at the upstream server that has registered it (RFC 7592).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UpstreamClient {
    /// Its `registration_client_uri` there. `None`: the upstream server does not let it be managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    /// Its `registration_access_token` there, sealed for the client and this use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Sealed>,
}

impl UpstreamClient {
    /// Returns for whom the token of the client `id` is sealed. A secret of the client does not open as its token.
    pub(crate) fn token_owner(id: &ClientId) -> String {
        format!("{id} upstream")
    }
}

/// The digests of a client's registration access tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RegistrationTokens {
    /// The newest token.
    pub(crate) current: TokenDigest,
    /// The previous token. It is valid until the newest is used for the first time, so that a lost
    /// response does not lock a client out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<TokenDigest>,
}

impl RegistrationTokens {
    /// Returns a token that is never issued, so that nobody can manage the client with one.
    ///
    /// # Errors
    /// When no random bytes are available.
    pub(crate) fn never_issued() -> Result<Self, NoRandomness> {
        Ok(Self {
            current: TokenDigest::of(random::token()?.expose()),
            previous: None,
        })
    }
}

/// How far the registration of a client can be trusted, in ascending order. If there are several
/// proofs, the highest level applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrustLevel {
    /// Any client.
    Open,
    /// A client whose document is at the URL that identifies it: somebody controls that URL.
    Document,
    /// A client with an initial access token.
    Token,
    /// A client with a client certificate.
    Mtls,
    /// Software that a trusted party vouches for.
    Statement,
    /// A device or workload whose evidence has been appraised.
    Attested,
    /// A client that the operator of this server created. Only the operator manages it.
    Operator,
}

impl TrustLevel {
    /// All levels in ascending order of trust.
    pub(crate) const ALL: [Self; 7] = [
        Self::Open,
        Self::Document,
        Self::Token,
        Self::Mtls,
        Self::Statement,
        Self::Attested,
        Self::Operator,
    ];

    /// Returns the level as it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Document => "document",
            Self::Token => "token",
            Self::Mtls => "mtls",
            Self::Statement => "statement",
            Self::Attested => "attested",
            Self::Operator => "operator",
        }
    }
}

/// A script that took part in the decision. The reference identifies its exact text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScriptRef {
    /// Its file name.
    pub(crate) name: String,
    /// SHA-256 of its text, in hex.
    pub(crate) hash: String,
}

/// Who requested the client, what proofs were presented, and which scripts decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provenance {
    /// How far the registration can be trusted.
    pub(crate) trust_level: TrustLevel,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    /// The identifier of the initial access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) initial_access_token: Option<String>,
    /// The note of that token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) initial_access_note: Option<String>,
    /// The limits of that token. They apply to updates too, even after the token has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) initial_access_policy: Option<InitialAccessPolicy>,
    /// The software statement that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<StatementOrigin>,
    /// The client certificate, if it was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<CertificateOrigin>,
    /// SHA-256, in hex, of the attestation result from the verifier of the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attestation_digest: Option<String>,
    /// The verifier that appraised the evidence, as the attestation result names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attestation_verifier: Option<String>,
    /// The policy that the evidence was appraised against, as the attestation result names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attestation_policy: Option<String>,
    /// The administrator who approved the registration or the last update, if it had to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<Approval>,
    /// The `client_id` of the administrator who created the client. `None`: it registered itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) administrator: Option<String>,
    /// The scripts that decided, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scripts: Vec<ScriptRef>,
    /// The version of the set of scripts that these belong to. `None`: no script decided, or it was stored before this
    /// was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) script_version: Option<String>,
    /// The revision of the live configuration.
    pub(crate) configuration: String,
}

impl Provenance {
    /// Returns the provenance of a client about whose registration nothing else is known.
    pub(crate) const fn of(trust_level: TrustLevel, configuration: String) -> Self {
        Self {
            trust_level,
            address: None,
            initial_access_token: None,
            initial_access_note: None,
            administrator: None,
            script_version: None,
            initial_access_policy: None,
            statement: None,
            certificate: None,
            attestation_digest: None,
            attestation_verifier: None,
            attestation_policy: None,
            approval: None,
            scripts: Vec::new(),
            configuration,
        }
    }
}

/// The decision of an administrator about a registration or an update that waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approval {
    /// The `client_id` of the administrator.
    pub(crate) by: String,
    /// When the administrator decided.
    pub(crate) at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// Identifies a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CertificateOrigin {
    /// Its subject in the format of RFC 4514.
    pub(crate) subject: String,
    /// SHA-256 of its DER, in hex.
    pub(crate) sha256: String,
}

/// Identifies a software statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatementOrigin {
    /// Its `iss`.
    pub(crate) iss: String,
    /// Its `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
    /// Its `software_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) software_id: Option<String>,
    /// The entry of `dcrSsaValidationConfigs` whose authorities issued the certificate of the
    /// statement's signer, which is named `iss` there. The client's own certificates come from the
    /// same authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certified_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::TrustLevel::{Attested, Document, Mtls, Open, Operator, Statement, Token};

    #[test]
    fn of_several_proofs_the_highest_trust_level_counts() {
        let levels = [Open, Document, Token, Mtls, Statement, Attested, Operator];
        assert!(levels.is_sorted());
        assert_eq!([Token, Statement, Mtls].into_iter().max(), Some(Statement));
        for level in levels {
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
        }
    }
}

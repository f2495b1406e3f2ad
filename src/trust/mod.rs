//! Whose words are believed: the issuers that the operator named, their keys, and what they may
//! say (DESIGN of software statements and signed requests, RFC 7591 section 2.3).
//!
//! [`Trust`] is the part that is known when the configuration is read, with every key parsed;
//! [`Verifier`] finds the keys that are elsewhere and verifies. Knows nothing of clients.

mod assertion;
mod attester;
mod certified;
mod decoy;
mod file;
mod given;
mod issuer;
mod signed_metadata;
mod source;
#[cfg(test)]
mod tests;
mod verifier;

pub use assertion::{ClientKeys, Effort, MOST_TRIES};
pub use attester::Attester;
pub use certified::{Certified, CertifiedError};
pub use issuer::Issuer;
pub use signed_metadata::MetadataSigner;
pub use source::{Keys, Source, key_set};
pub use verifier::{Believed, TrustError, Verifier};

use std::sync::Arc;

use crate::config::Registration;
use crate::config::trust::SsaValidationType;
use crate::jose::Algorithm;
use given::GivenKeys;

/// Keys in one JWK Set of the configuration.
const MOST_KEYS: usize = 100;

/// What the live configuration says of trust, ready to be used.
#[derive(Debug, Default)]
pub struct Trust {
    /// Issuers of software statements.
    statements: Vec<Arc<Issuer>>,
    /// Issuers of signed requests.
    requests: Vec<Arc<Issuer>>,
    /// Who attests clients.
    pub attesters: Vec<Attester>,
    /// The key of this server for the metadata of UDAP.
    pub metadata_signer: Option<MetadataSigner>,
    /// The keys of signed requests from anybody else.
    pub request_source: Option<Source>,
    /// The algorithms of software statements.
    pub statement_algorithms: Vec<Algorithm>,
    /// The algorithms of signed requests.
    pub request_algorithms: Vec<Algorithm>,
    given: GivenKeys,
}

impl Trust {
    /// Reads every key and algorithm of the configuration.
    ///
    /// # Errors
    /// All that is wrong: keys of the configuration, each with the reason.
    pub fn new(settings: &Registration) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let mut trust = Self {
            statement_algorithms: algorithms(
                "softwareStatementSigningAlgValuesSupported",
                &settings.software_statement_signing_alg_values_supported,
                &mut faults,
            ),
            request_algorithms: algorithms(
                "dcrSigningAlgValuesSupported",
                &settings.dcr_signing_alg_values_supported,
                &mut faults,
            ),
            ..Self::default()
        };
        for (at, entry) in settings.dcr_ssa_validation_configs.iter().enumerate() {
            let key = format!("dcrSsaValidationConfigs[{at}]");
            let supported = match entry.r#type {
                SsaValidationType::Ssa => &trust.statement_algorithms,
                SsaValidationType::Dcr => &trust.request_algorithms,
            };
            let issuer = Arc::new(Issuer::new(entry, supported, &key, &mut faults));
            match entry.r#type {
                SsaValidationType::Ssa => trust.statements.push(issuer),
                SsaValidationType::Dcr => trust.requests.push(issuer),
            }
        }
        for (at, entry) in settings.trusted_client_attesters.iter().enumerate() {
            let key = format!("trustedClientAttesters[{at}]");
            trust.attesters.push(Attester::new(entry, &key, &mut faults));
        }
        let udap = settings.udap_metadata.as_ref();
        trust.metadata_signer = udap.and_then(|settings| MetadataSigner::read(settings, &mut faults));
        trust.request_source = source::of_requests(settings, &mut faults);
        if faults.is_empty() { Ok(trust) } else { Err(faults) }
    }

    /// The entries of type `SSA` that are for statements of `iss`.
    pub fn statement_issuers(&self, iss: &str) -> Vec<Arc<Issuer>> {
        named(&self.statements, iss)
    }

    /// What verifies the tokens of `subject`, whom the statements of the entry `id` know by its
    /// certificates; none when there is no such entry any more.
    pub fn certified(&self, id: &str, subject: &str) -> Option<Source> {
        let entry = self.statements.iter().find(|issuer| issuer.id == id)?;
        Some(Source::certified(entry.source.certified.as_ref()?.of(subject)))
    }

    /// Whether any client can show a certificate in the place of a key.
    pub fn has_certified(&self) -> bool {
        self.statements.iter().any(|issuer| issuer.source.certified.is_some())
    }

    /// The source made of a JWK Set that a script gave. The same set is read once.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn given(&self, jwks: &serde_json::Value) -> Result<Source, String> {
        self.given.source(jwks)
    }

    /// The entries of type `DCR` that are for requests signed by `iss`.
    pub fn request_issuers(&self, iss: &str) -> Vec<Arc<Issuer>> {
        named(&self.requests, iss)
    }
}

fn named(issuers: &[Arc<Issuer>], iss: &str) -> Vec<Arc<Issuer>> {
    issuers.iter().filter(|issuer| issuer.is_for(iss)).map(Arc::clone).collect()
}

/// The algorithms that `names` names; a name that is not known is a fault of `key`.
fn algorithms(key: &str, names: &[String], faults: &mut Vec<(String, String)>) -> Vec<Algorithm> {
    let mut known = Vec::new();
    for name in names {
        match Algorithm::parse(name) {
            Some(algorithm) => known.push(algorithm),
            None => faults.push((
                format!("registration.{key}"),
                format!("'{name}' is no algorithm that can be verified; JWS names such as ES256 are"),
            )),
        }
    }
    known
}

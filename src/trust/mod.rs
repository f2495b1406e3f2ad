//! Trust in tokens: the configured issuers of software statements and signed requests, their keys, and what
//! they can assert (RFC 7591 section 2.3).
//!
//! [`Trust`] is the part that is known when the configuration is loaded, with every key parsed. [`Verifier`]
//! fetches remote keys and verifies signatures. This module knows nothing about clients.

mod assertion;
mod certified;
mod issuer;
mod signed_metadata;
mod source;
#[cfg(test)]
mod tests;
mod verifier;

pub(crate) use assertion::ClientKeys;
pub(crate) use assertion::MOST_TRIES;
pub(crate) use certified::Certified;
pub(crate) use issuer::{Attester, Issuer};
pub(crate) use signed_metadata::MetadataSigner;
pub(crate) use source::{Keys, Source, key_set};
pub(crate) use verifier::{TrustError, Verifier};

use std::sync::Arc;

use crate::base::Timestamp;
use crate::config::Registration;
use crate::config::trust::{SsaValidationConfig, SsaValidationType};
use crate::jose::Algorithm;
use assertion::Assertions;
use certified::CertifiedError;
use source::GivenKeys;

/// The trust settings of the live configuration, with parsed keys.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// Issuers of software statements.
    statements: Vec<Arc<Issuer>>,
    /// Issuers of signed requests.
    requests: Vec<Arc<Issuer>>,
    /// Trusted client attesters.
    pub(crate) attesters: Vec<Attester>,
    /// The key that signs the UDAP metadata of this server.
    pub(crate) metadata_signer: Option<MetadataSigner>,
    /// The keys for signed requests whose issuer has no entry.
    pub(crate) request_source: Option<Source>,
    /// The algorithms for software statements.
    pub(crate) statement_algorithms: Vec<Algorithm>,
    /// The algorithms for signed requests.
    pub(crate) request_algorithms: Vec<Algorithm>,
    /// The options that name files of certificates, and when the first certificate in each file expires.
    pub(crate) ends: Vec<(String, Timestamp)>,
    given: GivenKeys,
}

impl Trust {
    /// Parses every key and algorithm in the configuration.
    ///
    /// # Errors
    /// Returns all errors: the key of the option and the reason.
    pub(crate) fn new(settings: &Registration) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let mut trust = Self::with_algorithms(settings, &mut faults);
        trust.add_issuers(&settings.dcr_ssa_validation_configs, &mut faults);
        for (at, entry) in settings.trusted_client_attesters.iter().enumerate() {
            let key = format!("trustedClientAttesters[{at}]");
            let attester = Attester::new(entry, &key, &mut faults);
            trust.note_end(&key, &attester.source);
            trust.attesters.push(attester);
        }
        if let Some(udap) = &settings.udap_metadata {
            trust.metadata_signer = MetadataSigner::read(udap, &mut faults);
        }
        if let Some(signer) = &trust.metadata_signer {
            let option = "registration.udapMetadata.certificates".to_owned();
            trust.ends.push((option, signer.first_end));
        }
        trust.request_source = source::of_requests(settings, &mut faults);
        if faults.is_empty() {
            Ok(trust)
        } else {
            Err(faults)
        }
    }

    fn with_algorithms(settings: &Registration, faults: &mut Vec<(String, String)>) -> Self {
        Self {
            statement_algorithms: algorithms(
                "softwareStatementSigningAlgValuesSupported",
                &settings.software_statement_signing_alg_values_supported,
                faults,
            ),
            request_algorithms: algorithms(
                "dcrSigningAlgValuesSupported",
                &settings.dcr_signing_alg_values_supported,
                faults,
            ),
            ..Self::default()
        }
    }

    fn add_issuers(&mut self, entries: &[SsaValidationConfig], faults: &mut Vec<(String, String)>) {
        for (at, entry) in entries.iter().enumerate() {
            let key = format!("dcrSsaValidationConfigs[{at}]");
            let (supported, issuers) = match entry.r#type {
                SsaValidationType::Ssa => (&self.statement_algorithms, &mut self.statements),
                SsaValidationType::Dcr => (&self.request_algorithms, &mut self.requests),
            };
            let issuer = Issuer::new(entry, supported, &key, faults);
            let issuer = Arc::new(issuer);
            issuers.push(Arc::clone(&issuer));
            self.note_end(&key, &issuer.source);
        }
    }

    /// Notes when the trust anchors of the entry `key` expire, if it has any.
    fn note_end(&mut self, key: &str, source: &Source) {
        if let Some(end) = source.certified.as_ref().and_then(Certified::first_end) {
            self.ends
                .push((format!("registration.{key}.trustAnchors"), end));
        }
    }

    /// Returns the entries of type `SSA` for software statements of `iss`.
    pub(crate) fn statement_issuers(&self, iss: &str) -> Vec<Arc<Issuer>> {
        named(&self.statements, iss)
    }

    /// Returns the source that verifies the tokens of `subject`, which the entry `id` identifies by its
    /// certificates. Returns `None` if the entry no longer exists.
    pub(crate) fn certified(&self, id: &str, subject: &str) -> Option<Source> {
        let entry = self.statements.iter().find(|issuer| issuer.id == id)?;
        let certified = entry.source.certified.as_ref()?;
        Some(Source::certified(certified.of(subject)))
    }

    /// Whether a client can use a certificate instead of a registered key.
    pub(crate) fn has_certified(&self) -> bool {
        self.statements
            .iter()
            .any(|issuer| issuer.source.certified.is_some())
    }

    /// Returns the source for a JWK Set that a script returned. Each distinct set is parsed once.
    ///
    /// # Errors
    /// Returns the rule that the set violates.
    pub(crate) fn given(&self, jwks: &serde_json::Value) -> Result<Source, String> {
        self.given.source(jwks)
    }

    /// Returns the entries of type `DCR` for requests signed by `iss`.
    pub(crate) fn request_issuers(&self, iss: &str) -> Vec<Arc<Issuer>> {
        named(&self.requests, iss)
    }
}

fn named(issuers: &[Arc<Issuer>], iss: &str) -> Vec<Arc<Issuer>> {
    let named = issuers.iter().filter(|issuer| issuer.is_for(iss));
    named.map(Arc::clone).collect()
}

/// Returns the algorithms called `names`. An unknown name is added to `faults` for `key`.
fn algorithms(key: &str, names: &[String], faults: &mut Vec<(String, String)>) -> Vec<Algorithm> {
    let mut known = Vec::new();
    for name in names {
        match Algorithm::parse(name) {
            Some(algorithm) => known.push(algorithm),
            None => faults.push((
                format!("registration.{key}"),
                format!("'{name}' is not a supported algorithm; use a JWS name such as ES256"),
            )),
        }
    }
    known
}

//! Trust anchors for certificates (RFC 5280 section 6).

use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509StoreContextRef};

use crate::base::Timestamp;
use crate::x509::{Certificate, CertificateError, Chain, ChainError, certificate::time};

/// The required purpose of a certificate, and the maximum number of intermediates below its anchor.
struct AnchorTerms {
    purpose: X509PurposeId,
    intermediates: usize,
}

/// A client of a TLS connection.
const CONNECTION: AnchorTerms = AnchorTerms {
    purpose: X509PurposeId::SSL_CLIENT,
    intermediates: 10,
};

/// The signer of a token. Extended key usages do not apply to it. The basic constraints, path
/// lengths and key usages of authorities are checked for every purpose.
const SIGNATURE: AnchorTerms = AnchorTerms {
    purpose: X509PurposeId::ANY,
    intermediates: super::chain::MAXIMUM_CERTIFICATES - 1,
};

/// No SHA-1 signature and no key below 112 bits of security in a chain.
const SECURITY_LEVEL: i32 = 2;

/// Certificates that are trusted without proof, and that authenticate the certificates they signed.
#[derive(Clone)]
pub(crate) struct Anchors(Vec<X509>);

impl Anchors {
    /// Reads the certificates in `pem`, which must contain at least one.
    ///
    /// # Errors
    /// If there is none, or one cannot be read.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        match X509::stack_from_pem(pem) {
            Ok(found) if found.is_empty() => Err(CertificateError::Missing),
            Ok(found) => Ok(Self(found)),
            Err(_) => Err(CertificateError::Malformed),
        }
    }

    /// Certificates that were read before.
    pub(crate) const fn of(certificates: Vec<X509>) -> Self {
        Self(certificates)
    }

    /// Returns when the first of these certificates expires.
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        let ends = self
            .0
            .iter()
            .filter_map(|one| time(one.not_after(), "notAfter").ok());
        ends.min()
    }

    /// Whether a chain leads from `certificate` to an anchor. All its certificates must be valid at
    /// `now` and allowed for their roles, and `certificate` must be allowed for the client of a TLS
    /// connection.
    pub(crate) fn vouch_for(
        &self,
        certificate: &Certificate,
        intermediates: &[Certificate],
        now: Timestamp,
    ) -> bool {
        // A verification that fails internally counts as untrusted.
        if !certificate.is_valid_at(now) {
            return false;
        }
        let verified = self.verify(certificate, intermediates, now, &CONNECTION);
        matches!(verified, Ok(true))
    }

    /// Checks that `chain`, which came with a token, leads from the signer's certificate to an
    /// anchor. All certificates must be valid at `now`, each authority must be allowed to sign
    /// certificates, and the first certificate must be allowed to sign tokens. Nothing is fetched,
    /// and no other anchors apply.
    ///
    /// # Errors
    /// The condition that the chain does not meet.
    pub(crate) fn vouch_for_signer(&self, chain: &Chain, now: Timestamp) -> Result<(), ChainError> {
        let signer = chain.signer();
        if !signer.is_valid_at(now) {
            return Err(ChainError::NotValidNow);
        }
        if !signer.may_sign_tokens() {
            return Err(ChainError::Usage);
        }
        // A verification that fails internally counts as untrusted.
        match self.verify(signer, chain.intermediates(), now, &SIGNATURE) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(ChainError::Untrusted),
        }
    }

    fn verify(
        &self,
        certificate: &Certificate,
        intermediates: &[Certificate],
        now: Timestamp,
        terms: &AnchorTerms,
    ) -> Result<bool, ErrorStack> {
        let mut chain = Stack::new()?;
        for one in intermediates.iter().take(terms.intermediates) {
            chain.push(one.x509().to_owned())?;
        }
        let store = self.store(now, terms)?;
        let verdict = X509StoreContext::new()?.init(
            &store,
            certificate.x509(),
            &chain,
            X509StoreContextRef::verify_cert,
        );
        // A failed verification leaves errors in the queue, where later code on this thread would
        // find them.
        drop(ErrorStack::get());
        verdict
    }

    /// Returns the store of anchors for the time `now`.
    fn store(&self, now: Timestamp, terms: &AnchorTerms) -> Result<X509Store, ErrorStack> {
        let mut rules = X509VerifyParam::new()?;
        rules.set_purpose(terms.purpose)?;
        rules.set_depth(i32::try_from(terms.intermediates).unwrap_or(0));
        rules.set_time(i64::try_from(now.unix()).unwrap_or(i64::MAX));
        rules.set_auth_level(SECURITY_LEVEL);
        // Every configured anchor is trusted, even if another authority signed it.
        rules.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        let mut store = X509StoreBuilder::new()?;
        for anchor in &self.0 {
            store.add_cert(anchor.clone())?;
        }
        store.set_param(&rules)?;
        Ok(store.build())
    }
}

impl std::fmt::Debug for Anchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Anchors").field(&self.0.len()).finish()
    }
}

//! Those who vouch for certificates (RFC 5280 section 6).

use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509StoreContextRef};

use super::{Certificate, CertificateError, Chain, ChainError};
use crate::clock::Timestamp;

/// What a certificate must be good for, and how many may stand between it and its anchor.
struct Terms {
    purpose: X509PurposeId,
    intermediates: usize,
}

/// The client of a TLS connection.
const CONNECTION: Terms = Terms { purpose: X509PurposeId::SSL_CLIENT, intermediates: 10 };

/// The signer of a token. Extended key usages say nothing of that; that authorities are authorities,
/// with their path lengths and key usages, is looked at for every purpose.
const SIGNATURE: Terms =
    Terms { purpose: X509PurposeId::ANY, intermediates: super::chain::MAXIMUM_CERTIFICATES - 1 };

/// No SHA-1 signature and no key below 112 bits of security in a chain.
const SECURITY_LEVEL: i32 = 2;

/// Certificates that are believed without proof, and whose signature makes others believed.
#[derive(Clone)]
pub struct Anchors(Vec<X509>);

impl Anchors {
    /// The certificates in `pem`: one at least.
    ///
    /// # Errors
    /// When there is none, or one can not be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let found = X509::stack_from_pem(pem).map_err(|_| CertificateError::Malformed)?;
        if found.is_empty() { Err(CertificateError::Missing) } else { Ok(Self(found)) }
    }

    /// Whether a chain of certificates, all within their life at `now` and meant for it, leads
    /// from `certificate` to an anchor. The certificate must be good for the client of a TLS
    /// connection.
    pub fn vouch_for(
        &self,
        certificate: &Certificate,
        intermediates: &[Certificate],
        now: Timestamp,
    ) -> bool {
        // What cannot be computed vouches for nobody.
        certificate.is_valid_at(now)
            && self.verify(certificate, intermediates, now, &CONNECTION).unwrap_or(false)
    }

    /// Checks that `chain`, which came with a token, leads from the certificate of its signer to an
    /// anchor: all within their life at `now`, each authority allowed to sign certificates, and the
    /// first allowed to sign tokens. Nothing is fetched, and no other anchors count.
    ///
    /// # Errors
    /// What it lacks.
    pub fn vouch_for_signer(&self, chain: &Chain, now: Timestamp) -> Result<(), ChainError> {
        let signer = chain.signer();
        if !signer.is_valid_at(now) {
            return Err(ChainError::NotValidNow);
        }
        if !signer.may_sign_tokens() {
            return Err(ChainError::Usage);
        }
        // What cannot be computed vouches for nobody.
        let is_trusted = self.verify(signer, chain.intermediates(), now, &SIGNATURE).unwrap_or(false);
        if is_trusted { Ok(()) } else { Err(ChainError::Untrusted) }
    }

    fn verify(
        &self,
        certificate: &Certificate,
        intermediates: &[Certificate],
        now: Timestamp,
        terms: &Terms,
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
        // What did not verify leaves errors behind, which the next user of this thread would find.
        drop(ErrorStack::get());
        verdict
    }

    /// The anchors as they are at `now`.
    fn store(&self, now: Timestamp, terms: &Terms) -> Result<X509Store, ErrorStack> {
        let mut rules = X509VerifyParam::new()?;
        rules.set_purpose(terms.purpose)?;
        rules.set_depth(i32::try_from(terms.intermediates).unwrap_or(0));
        rules.set_time(i64::try_from(now.unix()).unwrap_or(i64::MAX));
        rules.set_auth_level(SECURITY_LEVEL);
        // Who is named as an anchor is one, signed by somebody else or not.
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

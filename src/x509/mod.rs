//! X.509 certificates: their contents, whether a chain leads to an anchor, and distinguished names.
//!
//! This module is pure: it reads no files and no clock, and the time is an argument. It knows
//! nothing of clients.

mod anchors;
mod certificate;
mod chain;
mod der;
pub(crate) mod dn;
mod key;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use anchors::Anchors;
pub(crate) use certificate::Certificate;
pub(crate) use certificate::{CertificateError, MAXIMUM_BYTES};
pub(crate) use chain::{Chain, ChainError};
pub(crate) use dn::Dn;
pub(crate) use key::jwk_of_spki;

/// Parses `bytes` as DER and as a distinguished name, for the fuzz target `der`.
#[doc(hidden)]
pub(crate) fn fuzz_der(bytes: &[u8]) {
    for element in der::elements(bytes).unwrap_or_default() {
        let _ = (der::text(&element), der::identifier(element.content));
    }
    let _ = Dn::from_der(bytes);
}

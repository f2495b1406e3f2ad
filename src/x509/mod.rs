//! X.509 certificates: their contents, whether a chain leads to an anchor, and distinguished names.
//!
//! This module is pure: it reads no files and no clock, and the time is an argument. It knows
//! nothing of clients.

mod alternative_names;
mod anchors;
mod certificate;
mod chain;
mod der;
pub mod dn;
mod error;
mod key;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod usage;

pub use alternative_names::AlternativeNames;
pub use anchors::Anchors;
pub use certificate::{Certificate, MAXIMUM_BYTES};
pub use chain::{Chain, ChainError, MAXIMUM_CERTIFICATES};
pub use dn::Dn;
pub use error::CertificateError;
pub use key::jwk_of_spki;

/// Parses `bytes` as DER and as a distinguished name, for the fuzz target `der`.
#[doc(hidden)]
pub fn fuzz_der(bytes: &[u8]) {
    for element in der::elements(bytes).unwrap_or_default() {
        let _ = (der::text(&element), der::identifier(element.content));
    }
    let _ = Dn::from_der(bytes);
}

//! The uses that a certificate allows for its key (RFC 5280 section 4.2.1.3).

use super::der::{Element, OBJECT_IDENTIFIER, SEQUENCE, element, elements, identifier};

/// `keyUsage`
const KEY_USAGE: &str = "2.5.29.15";
/// The extensions of a certificate, in its signed part.
const EXTENSIONS: u8 = 0xa3;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
/// The first bit, `digitalSignature`.
const DIGITAL_SIGNATURE: u8 = 0x80;

/// Whether the key of the certificate in `der` may sign data other than certificates. It may if the
/// certificate has no key usage. If the certificate cannot be read, it may not.
pub(super) fn may_sign(der: &[u8]) -> bool {
    key_usage(der).is_some_and(|bits| bits & DIGITAL_SIGNATURE != 0)
}

/// Returns the first eight key usages: all if there is no such extension, or `None` if the
/// certificate cannot be read.
fn key_usage(der: &[u8]) -> Option<u8> {
    let signed = *within(der)?.first()?;
    let Some(extensions) = elements(signed.content)?
        .into_iter()
        .find(|part| part.tag == EXTENSIONS)
    else {
        return Some(u8::MAX);
    };
    for extension in within(extensions.content)? {
        let parts = elements(extension.content)?;
        let name = parts.first().filter(|part| part.tag == OBJECT_IDENTIFIER)?;
        if identifier(name.content)? == KEY_USAGE {
            let value = parts.last().filter(|part| part.tag == OCTET_STRING)?;
            let (bits, _) = element(value.content)?;
            // The first octet is the number of unused bits.
            let first = (bits.tag == BIT_STRING).then_some(bits.content)?.get(1);
            return Some(first.copied().unwrap_or(0));
        }
    }
    Some(u8::MAX)
}

/// Returns the elements of the single sequence in `der`.
fn within(der: &[u8]) -> Option<Vec<Element<'_>>> {
    let (outer, _) = element(der)?;
    if outer.tag == SEQUENCE {
        elements(outer.content)
    } else {
        None
    }
}

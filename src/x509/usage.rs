//! What a key may be used for (RFC 5280 section 4.2.1.3).

use super::der::{Element, OBJECT_IDENTIFIER, SEQUENCE, element, elements, identifier};

/// `keyUsage`
const KEY_USAGE: &str = "2.5.29.15";
/// The extensions of a certificate, in its part that is signed.
const EXTENSIONS: u8 = 0xa3;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
/// The first bit, `digitalSignature`.
const DIGITAL_SIGNATURE: u8 = 0x80;

/// Whether the key of the certificate in `der` may sign what is no certificate: it may when nothing
/// is said of its usage. What cannot be read may not.
pub(super) fn may_sign(der: &[u8]) -> bool {
    key_usage(der).is_some_and(|bits| bits & DIGITAL_SIGNATURE != 0)
}

/// The first eight usages: all of them when nothing is said; none when the certificate cannot be read.
fn key_usage(der: &[u8]) -> Option<u8> {
    let signed = *within(der)?.first()?;
    let Some(extensions) = elements(signed.content)?.into_iter().find(|part| part.tag == EXTENSIONS) else {
        return Some(u8::MAX);
    };
    for extension in within(extensions.content)? {
        let parts = elements(extension.content)?;
        let name = parts.first().filter(|part| part.tag == OBJECT_IDENTIFIER)?;
        if identifier(name.content)? == KEY_USAGE {
            let value = parts.last().filter(|part| part.tag == OCTET_STRING)?;
            let (bits, _) = element(value.content)?;
            // The first octet counts the bits that are not used.
            let first = (bits.tag == BIT_STRING).then_some(bits.content)?.get(1);
            return Some(first.copied().unwrap_or(0));
        }
    }
    Some(u8::MAX)
}

/// The elements of the one sequence in `der`.
fn within(der: &[u8]) -> Option<Vec<Element<'_>>> {
    let (outer, _) = element(der)?;
    if outer.tag == SEQUENCE { elements(outer.content) } else { None }
}

//! The syntax of RFC 3986, and what is wrong with a text that is not a URI, in words that help its sender.

use fluent_uri::{ParseError, ParseErrorKind, Uri};

/// The characters of ASCII that occur nowhere in a URI (RFC 3986 section 2).
const EXCLUDED: &[char] = &['"', '<', '>', '\\', '^', '`', '{', '|', '}'];

/// Splits `text` into its parts.
///
/// # Errors
/// The rule of RFC 3986 that it breaks.
pub(super) fn parse(text: &str) -> Result<Uri<&str>, String> {
    Uri::parse(text).map_err(|error| broken_rule(text, error))
}

/// Returns the rule that `text` breaks, which cannot be parsed because of `error`.
fn broken_rule(text: &str, error: ParseError) -> String {
    if let Some((at, one)) = text.char_indices().find(|(_, one)| !one.is_ascii_graphic()) {
        return not_graphic(text, at, one);
    }
    if let Some(at) = text.find(EXCLUDED) {
        let bad = text.as_bytes().get(at).copied().unwrap_or_default();
        return format!("has a character that RFC 3986 does not allow; write it as %{bad:02X}");
    }
    match error.kind() {
        ParseErrorKind::InvalidPctEncodedOctet => {
            "has a % that is not followed by two hexadecimal digits".to_owned()
        }
        ParseErrorKind::InvalidIpv6Addr => {
            "has a bracket in its host, but no valid IPv6 address in it".to_owned()
        }
        ParseErrorKind::UnexpectedChar => misplaced(text, error.index()).to_owned(),
    }
}

/// Returns the rule about `one`, which stands at `at` and is not a visible character of ASCII.
fn not_graphic(text: &str, at: usize, one: char) -> String {
    let code = u32::from(one);
    if one.is_control() {
        return format!("must be ASCII without control characters; remove U+{code:04X}");
    }
    if !one.is_ascii() && is_in_host(text, at) {
        return "must be ASCII; write an internationalised host as an A-label (xn--..)".to_owned();
    }
    let mut bytes = [0; 4];
    let encoded = one.encode_utf8(&mut bytes).bytes();
    let escaped: Vec<String> = encoded.map(|byte| format!("%{byte:02X}")).collect();
    let escaped = escaped.concat();
    let what = if one == ' ' {
        "spaces".to_owned()
    } else {
        format!("the character U+{code:04X}")
    };
    format!("must be ASCII without {what}; remove it, or percent-encode it as {escaped}")
}

/// Whether `at` is in the part of `text` where the host stands.
fn is_in_host(text: &str, at: usize) -> bool {
    let Some((before, after)) = text.split_once("://") else {
        return false;
    };
    let start = before.len() + 3;
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    (start..start + end).contains(&at)
}

/// Returns the rule about the character at `at`, which is not allowed in that part of a URI.
fn misplaced(text: &str, at: usize) -> &'static str {
    let Some(colon) = text.find(':').filter(|colon| at > *colon) else {
        return not_a_scheme(text);
    };
    let rest = text.get(colon + 1..).unwrap_or_default();
    if let Some(after) = rest.strip_prefix("//") {
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let start = text.len() - after.len();
        if at <= start + end {
            let authority = after.get(..end).unwrap_or_default();
            return misplaced_in_authority(authority, at.saturating_sub(start));
        }
    }
    // Section 3.5: a fragment ends the URI. Section 3.2.2: brackets are only for IPv6 addresses.
    match text.as_bytes().get(at) {
        Some(b'#') => "has two # characters; write %23 for the second (RFC 3986)",
        _ => "has a bracket outside an IPv6 address; write %5B and %5D (RFC 3986)",
    }
}

/// Returns the rule that the text before the first colon breaks, which is not a scheme.
fn not_a_scheme(text: &str) -> &'static str {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        // Identifiers of Android applications have it.
        Some(scheme) if scheme.contains('_') && !scheme.contains(['/', '?', '#', '[', '@']) => {
            "has an underscore in its scheme, which may have only letters, digits, + - and . (RFC 3986 section \
             3.1); use a scheme without it, such as com.example.myapp:"
        }
        _ => "must be an absolute URI, with a scheme such as https:",
    }
}

fn misplaced_in_authority(authority: &str, at: usize) -> &'static str {
    if authority.contains('@') {
        return super::authority::USER;
    }
    // The colons inside the brackets of an IPv6 address do not start a port.
    let end_of_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let after_address = authority.get(end_of_address..).unwrap_or_default();
    let is_closed = !after_address.contains('[');
    if is_closed && after_address.contains(':') && at > end_of_address {
        super::authority::PORT
    } else {
        super::authority::BRACKET
    }
}

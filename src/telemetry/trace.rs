//! The trace that a request belongs to (W3C Trace Context).
//!
//! This is not the propagator of `opentelemetry_sdk`: log lines have the trace identifier in binaries without
//! the cargo feature `otlp` too, and reading it here copies nothing.

/// Returns the trace identifier in the value of a `traceparent` header: 32 hex digits, and nothing else that
/// the caller sent. Returns `None` if the value does not have exactly the form of section 3.2.
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    ids(traceparent).map(|(trace, _)| trace)
}

/// Returns the trace identifier and the identifier of the calling span: 16 hex digits.
pub(super) fn ids(traceparent: &str) -> Option<(&str, &str)> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let has_more = parts.next().is_some();
    let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || !has_more);
    let is_whole = is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2);
    (is_known && is_whole).then_some((trace, parent))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Returns whether `text` is an identifier. An identifier with only zeros is invalid.
fn is_id(text: &str, digits: usize) -> bool {
    is_hex(text, digits) && text.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn check(traceparent: &str, expected: Option<&str>) {
        assert_eq!(trace_id(traceparent), expected, "{traceparent}");
    }

    #[test]
    fn a_trace_context_is_accepted_in_its_exact_form_only() {
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01"), Some(TRACE));
        check(&format!("01-{TRACE}-00f067aa0ba902b7-01-more"), Some(TRACE));
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01-more"), None);
        check(&format!("ff-{TRACE}-00f067aa0ba902b7-01"), None);
        check(
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            None,
        );
        check(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None);
        check(&format!("00-{TRACE}-0000000000000000-01"), None);
        check(&format!("00-{TRACE}{TRACE}-00f067aa0ba902b7-01"), None);
        check("", None);
    }
}

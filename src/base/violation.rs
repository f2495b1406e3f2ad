//! What is wrong with a request, in words that explain what to change.

use std::fmt;

/// The error codes of client registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// RFC 7591 section 3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 section 3.2.2.
    InvalidClientMetadata,
    /// RFC 7591 section 3.2.2.
    InvalidSoftwareStatement,
    /// RFC 7591 section 3.2.2.
    UnapprovedSoftwareStatement,
    /// draft-tschofenig-oauth-attested-dclient-reg section 4.
    StaleEvidence,
    /// RFC 6749 section 4.1.2.1.
    AccessDenied,
}

impl ErrorCode {
    /// Returns the code as it is written in the `error` member.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::StaleEvidence => "stale_evidence",
            Self::AccessDenied => "access_denied",
        }
    }
}

/// One rule that one member violates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The error code, for the client's software.
    pub(crate) code: ErrorCode,
    /// The member, with an index if needed: `redirect_uris[2]`. Empty for the body as a whole.
    pub(crate) member: String,
    /// The rule and the accepted values, for the person who reads the response.
    pub(crate) rule: String,
}

impl Violation {
    /// Returns a violation with the code `invalid_client_metadata`.
    pub(crate) fn metadata(member: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            code: ErrorCode::InvalidClientMetadata,
            member: member.into(),
            rule: rule.into(),
        }
    }

    /// Returns a violation with the code `invalid_redirect_uri`.
    pub(crate) fn redirect_uri(member: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            code: ErrorCode::InvalidRedirectUri,
            member: member.into(),
            rule: rule.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.member.is_empty() {
            return f.write_str(&self.rule);
        }
        write!(f, "{}: {}", self.member, self.rule)
    }
}

/// Returns `text` with a replacement for every character that RFC 6749 section 5.2 forbids in
/// `error_description` (anything but printable ASCII, and `"` and `\`), so that the text can also
/// be used in a header.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '"' | '\\' => '\'',
            ' '..='~' => character,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_printable_ascii() {
        assert_eq!(printable("na\u{ef}ve \"x\\y\"\r\n"), "na?ve 'x'y'??");
    }
}

//! Why a token is rejected. Every text continues a sentence that begins with the name of a member,
//! is printable ASCII, and repeats nothing from the token.

/// Why a token is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwsError {
    /// It is not a JWS in compact serialisation.
    #[error("is not a valid compact JWS: {0}")]
    Malformed(&'static str),
    /// Its algorithm is unknown, not allowed, or not that of the key.
    #[error("{0}")]
    Algorithm(String),
    /// The key is not in the set. A newer set may contain it.
    #[error("{0}")]
    UnknownKey(&'static str),
    /// No matching key verifies the signature.
    #[error("has an invalid signature")]
    Signature,
    /// Its claims are not as expected.
    #[error("{0}")]
    Claims(String),
}

impl JwsError {
    /// Whether a newer key set may contain the key. If so, one refresh is worthwhile, but not more.
    pub(crate) const fn is_unknown_key(&self) -> bool {
        matches!(self, Self::UnknownKey(_))
    }
}

/// Why the content of a JWT cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It is longer than any token that is accepted.
    #[error("the JWT must not exceed {} bytes", super::MAXIMUM_TOKEN_BYTES)]
    TooLong,
    /// It does not have three parts.
    #[error("a JWT in compact form must have three parts separated by dots")]
    Parts,
    /// The named part is not base64url.
    #[error("the {0} of the JWT is not base64url")]
    Encoding(&'static str),
    /// The named part is not a JSON object.
    #[error("the {0} of the JWT is not a JSON object")]
    NotAnObject(&'static str),
}

//! Why a token is not taken. Every text reads on after the name of a member, is printable ASCII,
//! and repeats nothing of the token.

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It is no JWS in the form that is read here.
    #[error("is not acceptable as a compact JWS: {0}")]
    Malformed(&'static str),
    /// Its algorithm is not known, not allowed, or not that of the key.
    #[error("{0}")]
    Algorithm(String),
    /// The key is not in the set. A newer set may have it.
    #[error("{0}")]
    UnknownKey(&'static str),
    /// The signature is not that of any key that fits.
    #[error("has a signature that does not verify")]
    Signature,
    /// What it says of itself is not what is expected.
    #[error("{0}")]
    Claims(String),
}

impl JwsError {
    /// Whether a newer key set may have the key: worth one more look, not more.
    pub const fn is_unknown_key(&self) -> bool {
        matches!(self, Self::UnknownKey(_))
    }
}

//! The signature algorithms (RFC 7518 section 3, RFC 8037, RFC 8812, RFC 9864).
//!
//! `none` is not among them, so no code has to remember to reject it.

use std::fmt;

/// An algorithm of a JWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// ECDSA on secp256k1 with SHA-256 (RFC 8812).
    Es256k,
    /// `EdDSA` on the key's curve: Ed25519 or Ed448 (RFC 8037).
    EdDsa,
    /// `EdDSA` on Ed25519, under its name in RFC 9864.
    Ed25519,
    /// `EdDSA` on Ed448, under its name in RFC 9864.
    Ed448,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl Algorithm {
    /// All algorithms that can be verified.
    pub(crate) const ALL: &[Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Es256k,
        Self::EdDsa,
        Self::Ed25519,
        Self::Ed448,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The algorithms accepted for software statements and signed requests, unless the issuer's
    /// entry names others: every asymmetric algorithm except ES256K, which no profile requires.
    pub(crate) const STATEMENTS: &[Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
        Self::Ed448,
    ];

    /// The algorithms that use a shared secret.
    pub(crate) const SHARED_SECRET: &[Self] = &[Self::Hs256, Self::Hs384, Self::Hs512];

    /// Returns the algorithm called `name`. Names are compared exactly (RFC 7515 section 4.1.1).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|algorithm| algorithm.as_str() == name)
    }

    /// Returns the name in the `alg` member.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Es256k => "ES256K",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Whether its key is a shared secret.
    pub(crate) const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Whether a key or a list that names this algorithm allows `other`. `EdDSA` covers the two
    /// curve-specific names of RFC 9864. Every other algorithm covers only itself.
    pub(crate) fn covers(self, other: Self) -> bool {
        self == other || (self == Self::EdDsa && matches!(other, Self::Ed25519 | Self::Ed448))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a list of names allows the algorithm `name`, as [`Algorithm::covers`] says. A name that is unknown here must
/// be in the list.
pub(crate) fn allows(names: &[String], name: &str) -> bool {
    if names.iter().any(|one| one == name) {
        return true;
    }
    let Some(algorithm) = Algorithm::parse(name) else {
        return false;
    };
    let mut listed = names.iter().filter_map(|one| Algorithm::parse(one));
    listed.any(|one| one.covers(algorithm))
}

/// Returns `algorithms` as a list for a message.
pub(super) fn list(algorithms: &[Algorithm]) -> String {
    let names: Vec<&str> = algorithms.iter().map(|one| one.as_str()).collect();
    names.join(", ")
}

//! The conditions that a token must meet to be accepted.

use crate::base::printable;
use crate::jose::{Algorithm, Compact, JwsError, algorithm, kind};

/// The tolerated clock difference in seconds. FAPI 2.0 section 5.3.2.1 rejects tokens from more
/// than 60 seconds in the future.
const SKEW: u64 = 60;

/// The conditions that a token must meet to be accepted. The default is for a software statement:
/// any asymmetric algorithm, an `iss`, and no audience except this server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expectations<'a> {
    /// The accepted algorithms (RFC 8725 section 3.1).
    pub(crate) algorithms: &'a [Algorithm],
    /// The names of this server. A token whose `aud` contains none of them is rejected. If this
    /// list is empty, every token with an `aud` is rejected.
    pub(crate) audiences: &'a [String],
    /// Whether `aud` must contain one of these names and nothing else (RFC 7523bis section 3).
    pub(crate) is_sole_audience: bool,
    /// The exact value that `iss` must have.
    pub(crate) issuer: Option<&'a str>,
    /// The required token type.
    pub(crate) typ: TypRule<'a>,
    /// The claims that must be present, whatever their values: `iss`, `exp`, `jti`, `aud`, `iat`,
    /// ...
    pub(crate) required: &'a [&'a str],
    /// The maximum age by its `iat`, in seconds. If set, `iat` is required.
    pub(crate) max_age: Option<u64>,
    /// The tolerated difference between the issuer's clock and this server's, in seconds.
    pub(crate) skew: u64,
}

impl Default for Expectations<'_> {
    fn default() -> Self {
        Self {
            algorithms: Algorithm::STATEMENTS,
            audiences: &[],
            is_sole_audience: false,
            issuer: None,
            typ: TypRule::Any,
            required: &["iss"],
            max_age: None,
            skew: SKEW,
        }
    }
}

/// The required `typ` of a token (RFC 8725 section 3.11). Case and an `application/` prefix are
/// ignored (RFC 7515 section 4.1.9).
#[derive(Debug, Clone, Copy)]
pub(crate) enum TypRule<'a> {
    /// Any or none, except the types of tokens with another purpose.
    Any,
    /// This type.
    Required(&'a str),
    /// One of these types, `JWT`, or none.
    OneOf(&'a [&'a str]),
}

impl Expectations<'_> {
    /// Performs the checks that are possible before the signature is verified.
    pub(super) fn check_header(&self, token: &Compact) -> Result<(), JwsError> {
        let used = token.algorithm();
        if !self.algorithms.iter().any(|allowed| allowed.covers(used)) {
            let allowed = algorithm::list(self.algorithms);
            return Err(JwsError::Algorithm(format!(
                "is signed with {used}; the allowed algorithms are {allowed}"
            )));
        }
        self.typ.check(token.typ())
    }
}

impl TypRule<'_> {
    fn check(self, typ: Option<&str>) -> Result<(), JwsError> {
        match self {
            Self::Any => match typ.and_then(kind::of_typ) {
                None => Ok(()),
                Some(kind) => Err(JwsError::Claims(format!(
                    "is {kind} according to its `typ`, which is not accepted here"
                ))),
            },
            Self::Required(wanted) if typ.is_some_and(|typ| is_same(typ, wanted)) => Ok(()),
            Self::Required(wanted) => Err(unexpected(wanted)),
            Self::OneOf(wanted) => match typ {
                None => Ok(()),
                Some(typ) if is_same(typ, "JWT") => Ok(()),
                Some(typ) if wanted.iter().any(|one| is_same(typ, one)) => Ok(()),
                Some(_) => Err(unexpected(&wanted.join(", "))),
            },
        }
    }
}

fn unexpected(wanted: &str) -> JwsError {
    JwsError::Claims(format!(
        "must have the `typ` {} in its header",
        printable(wanted)
    ))
}

fn is_same(typ: &str, wanted: &str) -> bool {
    kind::media_type(typ) == kind::media_type(wanted)
}

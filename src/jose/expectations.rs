//! What a token must say to be taken.

use super::{Algorithm, Compact, JwsError, algorithm, kind};
use crate::model::violation::printable;

/// How far clocks may be apart, in seconds. FAPI 2.0 section 5.3.2.1 refuses what is from more
/// than 60 seconds ahead.
const SKEW: u64 = 60;

/// What a token must say to be taken. The default is that of a software statement: any
/// asymmetric algorithm, an `iss`, no audience but ours.
///
/// ```
/// use registrar::jose::Expectations;
/// let expected = Expectations { max_age: Some(300), required: &["iss", "jti"], ..Expectations::default() };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Expectations<'a> {
    /// The algorithms that are allowed (RFC 8725 section 3.1).
    pub algorithms: &'a [Algorithm],
    /// Our names. A token whose `aud` has none of them is refused; when this is empty, every
    /// token with an `aud` is.
    pub audiences: &'a [String],
    /// Whether one of our names must be the only value of `aud` (RFC 7523bis section 3).
    pub is_sole_audience: bool,
    /// What `iss` must be, exactly.
    pub issuer: Option<&'a str>,
    /// What kind of token it must be.
    pub typ: TypRule<'a>,
    /// The claims that must be there, whatever they say: `iss`, `exp`, `jti`, `aud`, `iat`, ...
    pub required: &'a [&'a str],
    /// How old it may be by its `iat`, in seconds; then `iat` must be there.
    pub max_age: Option<u64>,
    /// How far the issuer's clock may be from ours, in seconds.
    pub skew: u64,
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

/// What the `typ` of a token must be (RFC 8725 section 3.11). Case and `application/` make no
/// difference (RFC 7515 section 4.1.9).
#[derive(Debug, Clone, Copy)]
pub enum TypRule<'a> {
    /// Any or none, except those of a token that is meant for something else.
    Any,
    /// This one.
    Required(&'a str),
    /// One of these, `JWT`, or none.
    OneOf(&'a [&'a str]),
}

impl Expectations<'_> {
    /// Checks what can be checked before the signature.
    pub(super) fn check_header(&self, token: &Compact) -> Result<(), JwsError> {
        let used = token.algorithm();
        if !self.algorithms.iter().any(|allowed| allowed.covers(used)) {
            let allowed = algorithm::list(self.algorithms);
            return Err(JwsError::Algorithm(format!("is signed with {used}; allowed are {allowed}")));
        }
        self.typ.check(token.typ())
    }
}

impl TypRule<'_> {
    fn check(self, typ: Option<&str>) -> Result<(), JwsError> {
        match self {
            Self::Any => match typ.and_then(kind::of_typ) {
                None => Ok(()),
                Some(kind) => Err(JwsError::Claims(format!("is {kind} by its `typ`, not what belongs here"))),
            },
            Self::Required(wanted) if typ.is_some_and(|typ| is_same(typ, wanted)) => Ok(()),
            Self::Required(wanted) => Err(unexpected(wanted)),
            Self::OneOf(wanted) => {
                let fits = |typ| is_same(typ, "JWT") || wanted.iter().any(|one| is_same(typ, one));
                if typ.is_none_or(fits) { Ok(()) } else { Err(unexpected(&wanted.join(", "))) }
            }
        }
    }
}

fn unexpected(wanted: &str) -> JwsError {
    JwsError::Claims(format!("must have in its header a `typ` of {}", printable(wanted)))
}

fn is_same(typ: &str, wanted: &str) -> bool {
    kind::media_type(typ) == kind::media_type(wanted)
}

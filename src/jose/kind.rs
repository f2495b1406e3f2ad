//! Tokens of one issuer that must not be confused with each other (RFC 8725 section 3.12).

use serde_json::{Map, Value};

use crate::jose::text;

/// The types of tokens that are never a software statement, a signed request or evidence, each with
/// a description.
const OTHER_TYPES: &[(&str, &str)] = &[
    ("at+jwt", "an access token"),
    ("id+jwt", "an ID token"),
    ("dpop+jwt", "a DPoP proof"),
    ("client-authentication+jwt", "a client assertion"),
    ("oauth-client-attestation+jwt", "a client attestation"),
    (
        "oauth-client-attestation-pop+jwt",
        "a proof of a client attestation",
    ),
    ("logout+jwt", "a logout token"),
    ("secevent+jwt", "a security event"),
    ("token-introspection+jwt", "an introspection response"),
    ("oauth-authz-req+jwt", "an authorization request"),
    ("entity-statement+jwt", "a federation entity statement"),
    ("trust-mark+jwt", "a federation trust mark"),
    ("statuslist+jwt", "a status list"),
    ("openid4vci-proof+jwt", "a proof of a credential request"),
    ("dc+sd-jwt", "a credential"),
    ("vc+sd-jwt", "a credential"),
    ("kb+jwt", "a key binding"),
    ("eat+jwt", "an attestation result"),
    ("ear+jwt", "an attestation result"),
];

/// Claims that only one type of token has, each with a description.
const UNMISTAKABLE: &[(&str, &str)] = &[
    ("nonce", "an ID token"),
    ("at_hash", "an ID token"),
    ("c_hash", "an ID token"),
    ("s_hash", "an ID token"),
    ("auth_time", "an ID token"),
    ("azp", "an ID token"),
    ("eat_profile", "an attestation result"),
    ("eat_nonce", "an attestation result"),
    ("submods", "an attestation result"),
    ("ear.verifier-id", "an attestation result"),
    ("ear_verifier_id", "an attestation result"),
    ("htu", "a DPoP proof"),
    ("events", "a security event"),
    ("token_introspection", "an introspection response"),
];

/// Claims about the token itself and not about its content (RFC 7519 section 4.1).
const REGISTERED: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Returns what this token is, if it is certainly not a software statement.
///
/// Types are checked first, then claims that only another type of token has. An access token
/// without a type is recognised by the claims that it has and lacks, because a software statement
/// contains claims about software.
pub(crate) fn looks_like_other_token(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> Option<&'static str> {
    if let Some(typ) = text(header, "typ")
        && let Some(kind) = of_typ(typ)
    {
        return Some(kind);
    }
    for (name, kind) in UNMISTAKABLE {
        if claims.contains_key(*name) {
            return Some(*kind);
        }
    }
    by_absence(claims)
}

/// Recognises a token about its subject that contains no claim about software.
fn by_absence(claims: &Map<String, Value>) -> Option<&'static str> {
    let has = |name: &str| claims.contains_key(name);
    let only = |names: &[&str]| claims.keys().all(|name| names.contains(&name.as_str()));
    if !has("sub") {
        return None;
    }
    if only(REGISTERED) {
        return Some("a client assertion or an ID token");
    }
    // RFC 9068 section 2.2, with other common claims.
    let of_access = [
        REGISTERED,
        &[
            "client_id",
            "scope",
            "scp",
            "acr",
            "amr",
            "sid",
            "cnf",
            "roles",
            "groups",
        ],
    ];
    let is_access = has("client_id") && (has("scope") || has("scp")) && only(&of_access.concat());
    is_access.then_some("an access token")
}

/// Returns what a token with this `typ` is, if the type has another purpose.
pub(super) fn of_typ(typ: &str) -> Option<&'static str> {
    let typ = media_type(typ);
    let (_, kind) = OTHER_TYPES.iter().find(|(name, _)| *name == typ)?;
    Some(kind)
}

/// Returns a media type in lower case without `application/` (RFC 7515 section 4.1.9).
pub(super) fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(subtype) => subtype.to_owned(),
        None => typ,
    }
}

//! Tokens of one issuer that must not be taken for one another (RFC 8725 section 3.12).

use serde_json::{Map, Value};

/// The types of tokens that are never a software statement, a signed request or evidence of
/// their own accord, each with what it is.
const OTHER_TYPES: &[(&str, &str)] = &[
    ("at+jwt", "an access token"),
    ("id+jwt", "an ID token"),
    ("dpop+jwt", "a DPoP proof"),
    ("client-authentication+jwt", "a client assertion"),
    ("oauth-client-attestation+jwt", "a client attestation"),
    ("oauth-client-attestation-pop+jwt", "a proof of a client attestation"),
    ("logout+jwt", "a logout token"),
    ("secevent+jwt", "a security event"),
    ("token-introspection+jwt", "an introspection answer"),
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

/// Claims that only one kind of token has, each with what it is.
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
    ("token_introspection", "an introspection answer"),
];

/// Claims that are about the token and not about what it is for (RFC 7519 section 4.1).
const REGISTERED: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// What this token is, when it is surely something else than a software statement.
///
/// The types come first, then claims that only another kind has. An access token without a type
/// is told by what it has and by what it has not: a statement about software says something
/// about software.
pub fn looks_like_other_token(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> Option<&'static str> {
    let by_type = header.get("typ").and_then(Value::as_str).and_then(of_typ);
    let by_claim = || UNMISTAKABLE.iter().find(|(name, _)| claims.contains_key(*name)).map(|(_, kind)| *kind);
    by_type.or_else(by_claim).or_else(|| by_absence(claims))
}

/// A token about its subject that says nothing of software.
fn by_absence(claims: &Map<String, Value>) -> Option<&'static str> {
    let has = |name: &str| claims.contains_key(name);
    let only = |names: &[&str]| claims.keys().all(|name| names.contains(&name.as_str()));
    if !has("sub") {
        return None;
    }
    if only(REGISTERED) {
        return Some("a client assertion or an ID token");
    }
    // RFC 9068 section 2.2, with what is usual beside it.
    let of_access =
        [REGISTERED, &["client_id", "scope", "scp", "acr", "amr", "sid", "cnf", "roles", "groups"]];
    let is_access = has("client_id") && (has("scope") || has("scp")) && only(&of_access.concat());
    is_access.then_some("an access token")
}

/// What a token with this `typ` is, when it is one of those that are meant for something else.
pub(super) fn of_typ(typ: &str) -> Option<&'static str> {
    let typ = media_type(typ);
    OTHER_TYPES.iter().find(|(name, _)| *name == typ).map(|(_, kind)| *kind)
}

/// RFC 7515 section 4.1.9: a media type in small letters, without `application/`.
pub(super) fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
}

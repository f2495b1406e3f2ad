//! JWK Sets of other parties: their keys must be public, strong and consistent (RFC 7517, RFC 7518
//! section 6, RFC 8037; FAPI 2.0 section 5.4.1 for the sizes).

mod edwards;
pub(in crate::jose) mod key;
mod members;
mod modulus;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub(crate) use members::without_unknown;

use crate::base::absent;
use crate::jose::text;

/// Checks that `set` is a JWK Set of at most `limit` public keys, at least one of which can be
/// used. Keys of an unknown type are not checked (RFC 7517 section 5).
///
/// # Errors
/// The rule that it breaks. The text contains no part of a key.
pub(crate) fn check_public(set: &Value, limit: usize) -> Result<(), String> {
    let keys = keys(set, limit)?;
    let mut known = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let faulted = |rule: String| format!("keys[{index}] {rule}");
        let Value::Object(members) = key else {
            return Err(faulted("must be an object".to_owned()));
        };
        let members = absent::present_of(members);
        check_secrecy(&members).map_err(faulted)?;
        if key::check(&members).map_err(faulted)? {
            known.push(members);
        }
    }
    if known.is_empty() {
        return Err("has no key of a known type; send RSA, EC or OKP keys".to_owned());
    }
    let known: Vec<&Map<String, Value>> = known.iter().map(|members| &**members).collect();
    check_identifiers(&known)?;
    check_uses(&known)
}

/// Returns the keys of a JWK Set: at least one, at most `limit`.
pub(in crate::jose) fn keys(set: &Value, limit: usize) -> Result<&[Value], String> {
    let Some(Value::Array(keys)) = set.get("keys") else {
        return Err("must be a JWK Set: an object with an array `keys`".to_owned());
    };
    match keys.len() {
        0 => Err("must have at least one key".to_owned()),
        many if many > limit => Err(format!("has {many} keys; at most {limit} are allowed")),
        _ => Ok(keys),
    }
}

/// OpenID Connect Dynamic Client Registration section 2: private and symmetric keys are not
/// allowed.
pub(in crate::jose) fn check_secrecy(members: &Map<String, Value>) -> Result<(), String> {
    if let Some(name) = members::private(members) {
        return Err(format!(
            "is a private or symmetric key (it has `{name}`) and is now exposed; \
             replace it, and send only public keys"
        ));
    }
    match text(members, "kty") {
        None => Err("has no `kty`".to_owned()),
        Some("oct") => Err("is a symmetric key; send public keys only".to_owned()),
        Some(_) => Ok(()),
    }
}

/// Checks that keys of one type have different identifiers (RFC 7517 section 4.5).
fn check_identifiers(keys: &[&Map<String, Value>]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if let Some(kid) = text(key, "kid")
            && !seen.insert((kid, text(key, "kty"), text(key, "use")))
        {
            return Err("has two keys of one type and use with the same `kid`".to_owned());
        }
    }
    Ok(())
}

/// OpenID Connect Dynamic Client Registration section 2: every key needs `use` if some are for
/// signatures and others for encryption.
fn check_uses(keys: &[&Map<String, Value>]) -> Result<(), String> {
    let mut uses = BTreeSet::new();
    for key in keys {
        uses.insert(text(key, "use"));
    }
    if [Some("sig"), Some("enc"), None]
        .iter()
        .all(|used| uses.contains(used))
    {
        return Err(
            "must have `use` on each key, since some are for signatures and some for encryption"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! The public keys of this server, by which others verify what scripts sign.

use serde_json::{Map, Value};

use crate::base::Secret;
use crate::jose::{signing_key, thumbprint};

/// Returns the JWK Set (RFC 7517) with the public keys of those `secrets` that are private keys. It is empty if
/// this server signs nothing.
pub(crate) fn public_keys(secrets: &[Secret]) -> Map<String, Value> {
    let mut keys: Vec<Value> = Vec::new();
    for secret in secrets {
        let Ok(key) = signing_key(secret) else {
            continue;
        };
        let Some(key) = key.public_jwk() else {
            continue;
        };
        let own = thumbprint(&key);
        if !keys.iter().any(|other| thumbprint(other) == own) {
            keys.push(key);
        }
    }
    Map::from_iter([("keys".to_owned(), keys.into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    #[test]
    fn only_public_keys_are_published_and_each_once() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let (pem, text) = (
            key.to_pem().unwrap().clone(),
            Secret::new("a shared secret".to_owned()),
        );
        let set = public_keys(&[pem.clone(), text.clone(), pem]);
        assert_eq!(set["keys"], Value::Array(vec![key.public_jwk().unwrap()]));
        assert!(set["keys"][0].get("d").is_none());
        assert_eq!(public_keys(&[text])["keys"], Value::Array(Vec::new()));
    }
}

//! The public keys of this server (RFC 7517).

use serde_json::{Map, Value};

use crate::base::Secret;
use crate::jose::{signing_key, thumbprint};

/// Returns the JWK Set with the public keys of those `secrets` that are private keys. It is empty if this
/// server signs nothing.
pub(crate) fn jwks(secrets: &[Secret]) -> Map<String, Value> {
    let mut keys: Vec<Value> = Vec::new();
    for key in secrets
        .iter()
        .filter_map(|secret| signing_key(secret).ok()?.public_jwk())
    {
        if !keys
            .iter()
            .any(|other| thumbprint(other) == thumbprint(&key))
        {
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
        let set = jwks(&[pem.clone(), text.clone(), pem]);
        assert_eq!(set["keys"], Value::Array(vec![key.public_jwk().unwrap()]));
        assert!(set["keys"][0].get("d").is_none());
        assert_eq!(jwks(&[text])["keys"], Value::Array(Vec::new()));
    }
}

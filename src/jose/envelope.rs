//! Keys that are encrypted to the public key of their recipient: a JWE (RFC 7516) whose text is the key.

use josekit::JoseError;
use josekit::jwe::{
    ECDH_ES_A256KW, JweDecrypter, JweEncrypter, JweHeader, RSA_OAEP_256, deserialize_compact,
    serialize_compact,
};
use josekit::jwk::Jwk;
use serde_json::{Map, Value};

use crate::base::absent;
use crate::jose::{KeyTask, fit, jwks, text};

/// Encrypts a key with AES-256-GCM.
const CONTENT: &str = "A256GCM";

/// Why a key was not encrypted or decrypted. Every text continues a sentence that begins with the name of the JWK,
/// and contains no part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvelopeError {
    /// The public key of the recipient breaks a rule.
    #[error("{0}")]
    Recipient(String),
    /// It is not a key to encrypt to.
    #[error(
        "cannot be used to encrypt; use a public JWK of type RSA, EC (P-256, P-384, P-521) or OKP (X25519, X448), \
         without `use` or with `use` enc"
    )]
    Unfit,
    /// It is not a private key.
    #[error(
        "is not the private key of a recipient; use a private JWK of type RSA, EC (P-256, P-384, P-521) or OKP \
         (X25519, X448)"
    )]
    Private,
    /// It is another key, or the JWE was changed.
    #[error("does not decrypt it: it was made for another recipient, or was altered")]
    Unopened,
    /// The cryptography library failed.
    #[error("cannot be used: the encryption failed")]
    Failed,
}

/// Returns the algorithm for a key of the type of `jwk`; `None` if no such key encrypts.
fn algorithm(jwk: &Map<String, Value>) -> Option<&'static str> {
    match text(jwk, "kty")? {
        "RSA" => Some("RSA-OAEP-256"),
        "EC" | "OKP" => Some("ECDH-ES+A256KW"),
        _ => None,
    }
}

/// Returns the JWK of the library with only those members of `jwk` that are the key itself. The rules for the others
/// were applied before, and a `kid` that the recipient of a JWE did not have would be missed by the library.
fn bare(jwk: &Map<String, Value>) -> Result<Jwk, JoseError> {
    const KEY: &[&str] = &[
        "kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi",
    ];
    let mut members = Map::new();
    for name in KEY {
        if let Some(value) = jwk.get(*name) {
            members.insert((*name).to_owned(), value.clone());
        }
    }
    Jwk::from_map(members)
}

/// Encrypts `key` so that only the owner of the public key `recipient`, a JWK, can decrypt it. Returns a JWE in
/// compact serialisation.
///
/// # Errors
/// When `recipient` is private, weak or not for encryption.
pub(crate) fn seal_key(
    key: &[u8],
    recipient: &Map<String, Value>,
) -> Result<String, EnvelopeError> {
    let recipient = &*absent::present_of(recipient);
    jwks::check_secrecy(recipient).map_err(EnvelopeError::Recipient)?;
    let read = jwks::key::read(recipient).map_err(EnvelopeError::Recipient)?;
    let alg = algorithm(recipient).ok_or(EnvelopeError::Unfit)?;
    if read.is_none() || !fit::can(recipient, KeyTask::Encrypt, alg) {
        return Err(EnvelopeError::Unfit);
    }
    let encrypter = encrypter(recipient, alg).map_err(|_| EnvelopeError::Unfit)?;
    let mut header = JweHeader::new();
    header.set_content_encryption(CONTENT);
    serialize_compact(key, &header, &*encrypter).map_err(|_| EnvelopeError::Failed)
}

fn encrypter(
    recipient: &Map<String, Value>,
    alg: &str,
) -> Result<Box<dyn JweEncrypter>, JoseError> {
    let mut jwk = bare(recipient)?;
    if let Some(kid) = text(recipient, "kid") {
        jwk.set_key_id(kid);
    }
    Ok(match alg {
        "RSA-OAEP-256" => Box::new(RSA_OAEP_256.encrypter_from_jwk(&jwk)?),
        _ => Box::new(ECDH_ES_A256KW.encrypter_from_jwk(&jwk)?),
    })
}

/// Decrypts what [`seal_key`] encrypted to the public half of the private key `identity`, a JWK.
///
/// # Errors
/// When `identity` is not a private key, or `sealed` was encrypted to another key or changed.
pub(crate) fn open_key(
    sealed: &str,
    identity: &Map<String, Value>,
) -> Result<Vec<u8>, EnvelopeError> {
    let alg = algorithm(identity).ok_or(EnvelopeError::Private)?;
    let decrypter = decrypter(identity, alg).map_err(|_| EnvelopeError::Private)?;
    let (key, header) =
        deserialize_compact(sealed, &*decrypter).map_err(|_| EnvelopeError::Unopened)?;
    if header.content_encryption() != Some(CONTENT) {
        return Err(EnvelopeError::Unopened);
    }
    Ok(key)
}

fn decrypter(identity: &Map<String, Value>, alg: &str) -> Result<Box<dyn JweDecrypter>, JoseError> {
    let jwk = bare(identity)?;
    Ok(match alg {
        "RSA-OAEP-256" => Box::new(RSA_OAEP_256.decrypter_from_jwk(&jwk)?),
        _ => Box::new(ECDH_ES_A256KW.decrypter_from_jwk(&jwk)?),
    })
}

#[cfg(test)]
mod tests {
    use josekit::jwk::alg::{ec::EcCurve, ecx::EcxCurve};
    use serde_json::json;

    use super::*;

    /// Returns the private and the public JWK of keys of all types.
    fn pairs() -> Vec<(Map<String, Value>, Map<String, Value>)> {
        let mut pairs = Vec::new();
        for curve in [EcCurve::P256, EcCurve::P384, EcCurve::P521] {
            let pair = ECDH_ES_A256KW.generate_ec_key_pair(curve).unwrap();
            pairs.push((pair.to_jwk_private_key(), pair.to_jwk_public_key()));
        }
        for curve in [EcxCurve::X25519, EcxCurve::X448] {
            let pair = ECDH_ES_A256KW.generate_ecx_key_pair(curve).unwrap();
            pairs.push((pair.to_jwk_private_key(), pair.to_jwk_public_key()));
        }
        let pair = RSA_OAEP_256.generate_key_pair(2_048).unwrap();
        pairs.push((pair.to_jwk_private_key(), pair.to_jwk_public_key()));
        let mut read = Vec::new();
        for (private, public) in pairs {
            read.push((private.into(), public.into()));
        }
        read
    }

    #[test]
    fn only_the_recipient_can_decrypt() {
        let pairs = pairs();
        for (at, (_, public)) in pairs.iter().enumerate() {
            let sealed = seal_key(b"the key", public).unwrap();
            for (other, (private, _)) in pairs.iter().enumerate() {
                let opened = open_key(&sealed, private);
                if at == other {
                    assert_eq!(opened.unwrap(), b"the key");
                } else {
                    assert_eq!(opened, Err(EnvelopeError::Unopened));
                }
            }
        }
    }

    #[test]
    fn the_other_members_of_a_recipient_are_respected() {
        let (private, public) = pairs().swap_remove(0);
        for (name, value, is_accepted) in [
            ("kid", json!("2026"), true),
            ("use", json!("enc"), true),
            ("use", json!("sig"), false),
            ("alg", json!("ECDH-ES+A256KW"), true),
            ("alg", json!("ES256"), false),
            ("x", json!("AAAA"), false),
        ] {
            let mut public = public.clone();
            public.insert(name.to_owned(), value.clone());
            let sealed = seal_key(b"the key", &public);
            assert_eq!(sealed.is_ok(), is_accepted, "{name} {value}: {sealed:?}");
            if let Ok(sealed) = sealed {
                assert_eq!(open_key(&sealed, &private).unwrap(), b"the key");
            }
        }
        let said = seal_key(b"the key", &private).unwrap_err().to_string();
        assert!(said.starts_with("is a private or symmetric key"), "{said}");
        assert_eq!(open_key("a.b.c.d.e", &public), Err(EnvelopeError::Private));
        assert_eq!(
            open_key("a.b.c.d.e", &private),
            Err(EnvelopeError::Unopened)
        );
        let symmetric = json!({"kty": "oct", "k": "AAAA"});
        let symmetric = symmetric.as_object().unwrap();
        assert!(seal_key(b"the key", symmetric).is_err());
        assert_eq!(
            open_key("a.b.c.d.e", symmetric),
            Err(EnvelopeError::Private)
        );
    }
}

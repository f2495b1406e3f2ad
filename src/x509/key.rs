//! The public key of a certificate as a JWK (RFC 7518 section 6, RFC 8037 section 2), and whether
//! two JWKs are the same key.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use openssl::bn::{BigNum, BigNumContext};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Public};
use serde_json::{Map, Value, json};

/// The members that identify a key of each type (RFC 7638 section 3.2).
const IDENTITY: &[(&str, &[&str])] = &[("RSA", &["n", "e"]), ("EC", &["x", "y"]), ("OKP", &["x"])];

/// Returns a `SubjectPublicKeyInfo` in DER as a JWK, or `None` if it is not one or JWK does not
/// define its type.
pub(crate) fn jwk_of_spki(der: &[u8]) -> Option<Map<String, Value>> {
    jwk(PKey::public_key_from_der(der).ok()?.as_ref())
}

/// Returns `key` as a JWK.
pub(super) fn jwk(key: &PKeyRef<Public>) -> Option<Map<String, Value>> {
    let members = match key.id() {
        Id::RSA | Id::RSA_PSS => {
            let rsa = key.rsa().ok()?;
            json!({"kty": "RSA", "n": text(&rsa.n().to_vec()), "e": text(&rsa.e().to_vec())})
        }
        Id::EC => elliptic(key)?,
        Id::ED25519 => {
            json!({"kty": "OKP", "crv": "Ed25519", "x": text(&key.raw_public_key().ok()?)})
        }
        Id::ED448 => json!({"kty": "OKP", "crv": "Ed448", "x": text(&key.raw_public_key().ok()?)}),
        _ => return None,
    };
    match members {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn elliptic(key: &PKeyRef<Public>) -> Option<Value> {
    let key = key.ec_key().ok()?;
    let (curve, size) = curve(key.group().curve_name()?)?;
    let mut work = BigNumContext::new().ok()?;
    let mut x = BigNum::new().ok()?;
    let mut y = BigNum::new().ok()?;
    key.public_key()
        .affine_coordinates(key.group(), &mut x, &mut y, &mut work)
        .ok()?;
    let x = text(&x.to_vec_padded(size).ok()?);
    let y = text(&y.to_vec_padded(size).ok()?);
    Some(json!({"kty": "EC", "crv": curve, "x": x, "y": y}))
}

/// Returns the name of a curve in a JWK, and the number of bytes of a coordinate.
fn curve(curve: Nid) -> Option<(&'static str, i32)> {
    match curve {
        Nid::X9_62_PRIME256V1 => Some(("P-256", 32)),
        Nid::SECP384R1 => Some(("P-384", 48)),
        Nid::SECP521R1 => Some(("P-521", 66)),
        Nid::SECP256K1 => Some(("secp256k1", 32)),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether `own` and `other` are the same key, regardless of the other members of `other`.
pub(super) fn is_same(own: &Map<String, Value>, other: &Value) -> bool {
    let Some(Value::String(kty)) = own.get("kty") else {
        return false;
    };
    if other.get("kty") != own.get("kty") || other.get("crv") != own.get("crv") {
        return false;
    }
    let Some((_, members)) = IDENTITY.iter().find(|(known, _)| known == kty) else {
        return false;
    };
    for name in *members {
        let number = number(own.get(*name));
        if number.is_none() || number != self::number(other.get(*name)) {
            return false;
        }
    }
    true
}

/// Returns the bytes of a member without leading zeros, which only some programs write.
fn number(value: Option<&Value>) -> Option<Vec<u8>> {
    let value = value?.as_str()?;
    let decoded = URL_SAFE_NO_PAD.decode(value);
    let mut bytes = decoded.or_else(|_| URL_SAFE.decode(value)).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Some(bytes)
}

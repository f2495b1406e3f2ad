//! Checks one public key: its numbers must form a secure key, and its other members must fit it.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use openssl::x509::X509;
use serde_json::{Map, Value};

use super::{edwards, modulus};
use crate::jose::{fit, text};

/// FAPI 2.0 Security Profile section 5.4.1.
const LEAST_RSA_BITS: i32 = 2_048;
/// A larger modulus only slows down each verification.
const MOST_RSA_BITS: i32 = 8_192;

/// Reads one public key and applies all its rules. Returns `None` if its type is unknown.
pub(in crate::jose) fn read(members: &Map<String, Value>) -> Result<Option<PKey<Public>>, String> {
    let key = match text(members, "kty") {
        Some("RSA") => rsa(members)?,
        Some("EC") => elliptic(members)?,
        Some("OKP") => octets(members)?,
        _ => return Ok(None),
    };
    check_words(members)?;
    check_certificate(members, &key)?;
    Ok(Some(key))
}

/// Applies all rules of one public key. Returns whether its type is known.
///
/// An elliptic key without a certificate is checked without making a key of the library, which takes longer than the
/// check itself.
pub(in crate::jose) fn check(members: &Map<String, Value>) -> Result<bool, String> {
    if text(members, "kty") == Some("EC") && !members.contains_key("x5c") {
        point(members)?;
        check_words(members)?;
        return Ok(true);
    }
    Ok(read(members)?.is_some())
}

fn rsa(members: &Map<String, Value>) -> Result<PKey<Public>, String> {
    let (n, e) = (number(members, "n")?, number(members, "e")?);
    if !(LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&n.num_bits()) {
        return Err(format!(
            "has {} bits; RSA keys must have {LEAST_RSA_BITS} to {MOST_RSA_BITS}",
            n.num_bits()
        ));
    }
    if !e.is_bit_set(0) || e.num_bits() < 2 || e.num_bits() > 64 || !n.is_bit_set(0) {
        return Err(
            "is not a valid RSA key: `e` must be odd and at least 3, and `n` must be odd"
                .to_owned(),
        );
    }
    match modulus::fault(&n) {
        Ok(None) => {}
        Ok(Some(fault)) => return Err(fault.to_owned()),
        Err(_) => return Err("is not a valid RSA key".to_owned()),
    }
    let key = Rsa::from_public_components(n, e).and_then(PKey::from_rsa);
    key.map_err(|_| "is not a valid RSA key".to_owned())
}

/// A curve of prime order, by its name in a JWK.
struct Curve {
    name: &'static str,
    /// The length of a coordinate in bytes.
    bytes: usize,
    group: Option<EcGroup>,
}

static CURVES: LazyLock<[Curve; 4]> = LazyLock::new(|| {
    let curve = |name, id, bytes| Curve {
        name,
        bytes,
        group: EcGroup::from_curve_name(id).ok(),
    };
    [
        curve("P-256", Nid::X9_62_PRIME256V1, 32),
        curve("P-384", Nid::SECP384R1, 48),
        curve("P-521", Nid::SECP521R1, 66),
        curve("secp256k1", Nid::SECP256K1, 32),
    ]
});

fn elliptic(members: &Map<String, Value>) -> Result<PKey<Public>, String> {
    let (group, point) = point(members)?;
    let key = EcKey::from_public_key(group, &point).and_then(PKey::from_ec_key);
    key.map_err(|_| "is not a valid key of its curve".to_owned())
}

/// Returns the point of an elliptic key, and the group of its curve.
///
/// The library rejects points that are not on the curve. These curves have no points of small order. The library's own
/// check of a key multiplies the point by the order of the curve, so it would find nothing more and take a hundred
/// times as long.
fn point(members: &Map<String, Value>) -> Result<(&'static EcGroup, EcPoint), String> {
    let name = text(members, "crv");
    let curve = CURVES.iter().find(|curve| Some(curve.name) == name);
    let curve = curve.ok_or("must have a `crv` of P-256, P-384, P-521 or secp256k1")?;
    // SEC 1 section 2.3.3: an uncompressed point begins with 4.
    let mut octets = vec![4];
    for name in ["x", "y"] {
        let coordinate = octet_string(members, name)?;
        if coordinate.len() != curve.bytes {
            return Err(format!("must have {} bytes in `{name}`", curve.bytes));
        }
        octets.extend(coordinate);
    }
    let Some(group) = &curve.group else {
        return Err("has a curve that the cryptography library does not support".to_owned());
    };
    let point = BigNumContext::new()
        .and_then(|mut context| EcPoint::from_bytes(group, &octets, &mut context));
    let point = point.map_err(|_| "is not a point on its curve".to_owned())?;
    Ok((group, point))
}

fn octets(members: &Map<String, Value>) -> Result<PKey<Public>, String> {
    let (curve, id, bytes) = match text(members, "crv") {
        Some(curve @ "Ed25519") => (curve, Id::ED25519, 32),
        Some(curve @ "X25519") => (curve, Id::X25519, 32),
        Some(curve @ "Ed448") => (curve, Id::ED448, 57),
        Some(curve @ "X448") => (curve, Id::X448, 56),
        _ => return Err("must have a `crv` of Ed25519, Ed448, X25519 or X448".to_owned()),
    };
    let x = octet_string(members, "x")?;
    if x.len() != bytes {
        return Err(format!("must have {bytes} bytes in `x`"));
    }
    if let Some(fault) = edwards::fault(curve, &x) {
        return Err(fault.to_owned());
    }
    PKey::public_key_from_raw_bytes(&x, id)
        .map_err(|_| "is not a valid key of its curve".to_owned())
}

fn number(members: &Map<String, Value>, name: &str) -> Result<BigNum, String> {
    BigNum::from_slice(&octet_string(members, name)?)
        .map_err(|_| format!("has a `{name}` that is not a number"))
}

/// RFC 7515 section 2: base64url without padding.
fn octet_string(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let Some(Value::String(text)) = members.get(name) else {
        return Err(format!("must have a string `{name}`"));
    };
    let octets = URL_SAFE_NO_PAD.decode(text);
    octets.map_err(|_| format!("must have `{name}` in base64url without padding"))
}

/// Checks that the descriptive members have the right types and fit the key.
fn check_words(members: &Map<String, Value>) -> Result<(), String> {
    for name in ["kid", "use", "alg"] {
        match members.get(name) {
            None => {}
            Some(Value::String(text)) if !text.is_empty() => {}
            Some(_) => return Err(format!("must have a string in `{name}`, or omit it")),
        }
    }
    match members.get("key_ops") {
        None => {}
        Some(Value::Array(operations)) if operations.iter().all(Value::is_string) => {}
        Some(_) => {
            return Err("must have an array of strings in `key_ops`, or omit it".to_owned());
        }
    }
    if fit::is_consistent(members) {
        Ok(())
    } else {
        Err("has an `alg` that a key of its `kty` and `crv` cannot be used with".to_owned())
    }
}

/// RFC 7517 section 4.7: the first certificate must contain this key.
fn check_certificate(members: &Map<String, Value>, key: &PKey<Public>) -> Result<(), String> {
    let Some(chain) = members.get("x5c") else {
        return Ok(());
    };
    match chain.get(0).and_then(key_of_certificate) {
        Some(own) if own.public_eq(key) => Ok(()),
        _ => Err("has an `x5c` whose first certificate does not contain the key".to_owned()),
    }
}

fn key_of_certificate(item: &Value) -> Option<PKey<Public>> {
    let der = STANDARD.decode(item.as_str()?).ok()?;
    X509::from_der(&der).ok()?.public_key().ok()
}

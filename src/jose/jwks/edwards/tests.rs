use openssl::derive::Deriver;
use openssl::pkey::{Id, PKey};
use openssl::sign::Verifier;

use super::*;

fn bytes(number: &BigNum, length: usize) -> Vec<u8> {
    let mut bytes = number
        .to_vec_padded(i32::try_from(length).unwrap())
        .unwrap();
    bytes.reverse();
    bytes
}

/// Returns the points of small order of `curve`, including their non-canonical encodings.
fn small(curve: &str) -> Vec<Vec<u8>> {
    let (field, length) = match curve {
        "Ed25519" | "X25519" => (FIELD_25519.as_ref().unwrap(), 32),
        "Ed448" => (FIELD_448.as_ref().unwrap(), 57),
        _ => (FIELD_448.as_ref().unwrap(), 56),
    };
    let list = if curve.starts_with('X') {
        &field.small_montgomery
    } else {
        &field.small_edwards
    };
    let canonical = list.iter().map(|number| bytes(number, length));
    // 0 and 1 again, as p and p + 1.
    let second = (0..2).map(|more| bytes(&(&field.p + &BigNum::from_u32(more).unwrap()), length));
    canonical.chain(second).collect()
}

const CURVES: [&str; 4] = ["Ed25519", "Ed448", "X25519", "X448"];

#[test]
fn keys_of_a_generator_are_accepted() {
    for _ in 0..50 {
        for (curve, key) in [
            ("Ed25519", PKey::generate_ed25519()),
            ("Ed448", PKey::generate_ed448()),
            ("X25519", PKey::generate_x25519()),
            ("X448", PKey::generate_x448()),
        ] {
            assert_eq!(
                fault(curve, &key.unwrap().raw_public_key().unwrap()),
                None,
                "{curve}"
            );
        }
    }
}

#[test]
fn a_point_of_small_order_is_rejected_with_either_sign() {
    for curve in CURVES {
        for point in small(curve) {
            assert!(fault(curve, &point).is_some(), "{curve} {point:?}");
            if curve != "X448" {
                let mut signed = point.clone();
                *signed.last_mut().unwrap() |= 0x80;
                assert!(fault(curve, &signed).is_some(), "{curve} {signed:?}");
            }
        }
    }
}

/// Shows the danger: for some messages, a signature verifies that no private key created.
#[test]
fn with_a_point_of_small_order_anybody_can_sign() {
    // The neutral element and the number 0.
    let mut forged = [0; 64];
    forged[0] = 1;
    for point in small("Ed25519").into_iter().take(5) {
        let key = PKey::public_key_from_raw_bytes(&point, Id::ED25519).unwrap();
        let verifies = |number: u32| {
            let mut verifier = Verifier::new_without_digest(&key).unwrap();
            verifier
                .verify_oneshot(&forged, &number.to_be_bytes())
                .unwrap_or(false)
        };
        assert!(
            (0..400).any(verifies),
            "{point:?} is not a point of small order"
        );
    }
}

/// Shows the danger: encryption to such a point uses no secret. The library rejects that.
#[test]
fn with_a_point_of_small_order_there_is_no_secret() {
    for (id, curve, own) in [
        (Id::X25519, "X25519", PKey::generate_x25519()),
        (Id::X448, "X448", PKey::generate_x448()),
    ] {
        let own = own.unwrap();
        for point in small(curve) {
            let peer = PKey::public_key_from_raw_bytes(&point, id).unwrap();
            let mut deriver = Deriver::new(&own).unwrap();
            let secret = deriver
                .set_peer(&peer)
                .and_then(|()| deriver.derive_to_vec());
            assert!(
                secret.is_err(),
                "{curve} {point:?} is not a point of small order"
            );
        }
    }
}

#[test]
fn half_of_all_numbers_are_not_points() {
    for (curve, length) in [("Ed25519", 32), ("Ed448", 57)] {
        let points: Vec<_> = (2..202_u32)
            .map(|y| bytes(&BigNum::from_u32(y).unwrap(), length))
            .collect();
        let off = points
            .iter()
            .filter(|point| fault(curve, point) == Some(OFF_CURVE))
            .count();
        assert!((60..140).contains(&off), "{curve}: {off} of 200");
    }
    // The base points (RFC 8032 sections 5.1 and 5.2), by their y coordinates.
    let five =
        BigNum::from_hex_str("6666666666666666666666666666666666666666666666666666666666666658")
            .unwrap();
    assert_eq!(fault("Ed25519", &bytes(&five, 32)), None);
}

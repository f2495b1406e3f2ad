use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use serde_json::json;

use crate::base::Timestamp;
use crate::x509::{
    testing::NOW, testing::PLAIN, testing::Pair, testing::Recipe, testing::elliptic, testing::make,
    testing::make_for, *,
};

const AUTHORITY: Recipe<'static> = Recipe {
    subject: &[("CN", "authority")],
    is_authority: true,
    life: (NOW - 9_000, NOW + 9_000),
    ..PLAIN
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(u64::try_from(seconds).unwrap())
}

fn anchors(pairs: &[&Pair]) -> Anchors {
    let pem: String = pairs.iter().map(|pair| pair.pem()).collect();
    Anchors::from_pem(pem.as_bytes()).unwrap()
}

#[test]
fn every_property_of_a_certificate_is_read() {
    let issuer = make(AUTHORITY, None);
    let pair = make(PLAIN, Some(&issuer));
    let certificate = Certificate::from_pem(&pair.pem()).unwrap();
    assert_eq!(certificate.thumbprint().len(), 43);
    assert!(certificate.is_valid_at(at(NOW)) && certificate.is_valid_at(at(NOW + 1_000)));
    assert!(!certificate.is_valid_at(at(NOW + 1_001)) && !certificate.is_valid_at(at(NOW - 1_001)));
    let mut said = certificate.to_json();
    assert_eq!(said["pem"], json!(pair.pem()));
    assert_eq!(said["sha256"], json!(certificate.sha256()));
    assert_eq!(said["jwk"]["crv"], json!("P-256"));
    for varies in ["pem", "sha256", "thumbprint", "jwk"] {
        said.remove(varies);
    }
    let expected = json!({
        "subject": "CN=client,O=Example",
        "attributes": {"CN": ["client"], "O": ["Example"]},
        "issuer": "CN=authority",
        "serialNumber": "ab",
        "sans": {
            "dns": ["Client.example.org"], "uri": ["urn:x:1"],
            "ip": ["192.0.2.1", "2001:db8::1"], "email": ["Me@Example.org"],
        },
        "validity": {"notBefore": NOW - 1_000, "notAfter": NOW + 1_000},
    });
    assert_eq!(json!(said), expected);
}

#[test]
fn anything_but_a_certificate_is_rejected() {
    let check = |pem: &str, expected: CertificateError| {
        assert_eq!(Certificate::from_pem(pem).unwrap_err(), expected);
    };
    let pem = make(PLAIN, None).pem();
    check("", CertificateError::Missing);
    check("-----BEGIN PRIVATE KEY-----", CertificateError::Missing);
    check(&pem[..200], CertificateError::Malformed);
    check(
        &format!("{pem}{}", " ".repeat(MAXIMUM_BYTES)),
        CertificateError::TooLarge,
    );
    let mut der = make(PLAIN, None).der();
    assert!(Certificate::from_der(&der).is_ok());
    der.push(0);
    assert_eq!(
        Certificate::from_der(&der).unwrap_err(),
        CertificateError::Malformed
    );
    assert_eq!(
        Certificate::from_der(&vec![0x30; 20_000]).unwrap_err(),
        CertificateError::TooLarge
    );
    assert_eq!(
        Anchors::from_pem(b"nothing").unwrap_err(),
        CertificateError::Missing
    );
}

#[test]
fn alternative_names_are_compared_by_the_rules_of_their_type() {
    let sans = make(PLAIN, None).certificate().sans;
    assert!(sans.has_dns("client.EXAMPLE.org") && !sans.has_dns("example.org"));
    assert!(sans.has_uri("urn:x:1") && !sans.has_uri("URN:x:1"));
    assert!(
        sans.has_ip("192.0.2.1".parse().unwrap()) && sans.has_ip("2001:DB8:0::1".parse().unwrap())
    );
    assert!(!sans.has_ip("192.0.2.2".parse().unwrap()));
    assert!(
        sans.has_email("Me@example.ORG")
            && !sans.has_email("me@Example.org")
            && !sans.has_email("Me")
    );
}

#[test]
fn a_certificate_needs_a_trusted_issuer() {
    let root = make(AUTHORITY, None);
    let other = make(AUTHORITY, None);
    let between = make(
        Recipe {
            subject: &[("CN", "between")],
            ..AUTHORITY
        },
        Some(&root),
    );
    let no_authority = make(PLAIN, Some(&root));
    let check =
        |pair: &Pair, chain: &[&Pair], now: i64, anchor: &Pair, expected: bool, why: &str| {
            let chain: Vec<Certificate> = chain.iter().map(|pair| pair.certificate()).collect();
            assert_eq!(
                anchors(&[anchor]).vouch_for(&pair.certificate(), &chain, at(now)),
                expected,
                "{why}"
            );
        };
    let leaf = make(PLAIN, Some(&root));
    check(&leaf, &[], NOW, &root, true, "signed by an authority");
    check(&leaf, &[], NOW + 2_000, &root, false, "expired");
    check(&leaf, &[], NOW - 2_000, &root, false, "not valid yet");
    check(
        &leaf,
        &[],
        NOW,
        &other,
        false,
        "signed by another authority of the same name",
    );
    check(
        &make(PLAIN, None),
        &[],
        NOW,
        &root,
        false,
        "signed by itself",
    );
    let deep = make(PLAIN, Some(&between));
    check(
        &deep,
        &[&between],
        NOW,
        &root,
        true,
        "an intermediate certificate was sent along",
    );
    check(
        &deep,
        &[],
        NOW,
        &root,
        false,
        "an intermediate certificate is missing",
    );
    check(
        &deep,
        &[],
        NOW,
        &between,
        true,
        "an intermediate authority is an anchor",
    );
    let below = make(PLAIN, Some(&no_authority));
    check(
        &below,
        &[&no_authority],
        NOW,
        &root,
        false,
        "signed by a client",
    );
    let server = make(
        Recipe {
            for_servers: true,
            ..PLAIN
        },
        Some(&root),
    );
    check(&server, &[], NOW, &root, false, "made for servers only");
    let weak = make_for(
        PKey::from_rsa(Rsa::generate(1_024).unwrap()).unwrap(),
        PLAIN,
        Some(&root),
    );
    check(&weak, &[], NOW, &root, false, "a weak key");
    let third = make(
        Recipe {
            subject: &[("CN", "third")],
            ..AUTHORITY
        },
        None,
    );
    assert!(
        anchors(&[&third, &root]).vouch_for(&leaf.certificate(), &[], at(NOW)),
        "one of two"
    );
}

#[test]
fn a_key_is_found_in_a_set() {
    let keys = [
        PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap(),
        elliptic(Nid::X9_62_PRIME256V1),
        elliptic(Nid::SECP384R1),
        elliptic(Nid::SECP521R1),
        elliptic(Nid::SECP256K1),
        PKey::generate_ed25519().unwrap(),
        PKey::generate_ed448().unwrap(),
    ];
    let certificates: Vec<Certificate> = keys
        .into_iter()
        .map(|key| make_for(key, PLAIN, None).certificate())
        .collect();
    for certificate in &certificates {
        let mut own = certificate.jwk().unwrap();
        own.insert("kid".to_owned(), json!("1"));
        assert!(
            certificate.key_is_in(&json!({"keys": [{"kty": "oct"}, 5, own]})),
            "{own:?}"
        );
        let others = certificates
            .iter()
            .filter(|other| other.sha256() != certificate.sha256());
        let others: Vec<_> = others.map(|other| other.jwk().unwrap()).collect();
        assert!(!certificate.key_is_in(&json!({"keys": others})));
        own.insert("crv".to_owned(), json!("P-257"));
        assert!(!certificate.key_is_in(&json!({"keys": [own]})));
    }
    for set in [json!({}), json!({"keys": {}}), json!([]), json!(null)] {
        assert!(!certificates[0].key_is_in(&set));
    }
}

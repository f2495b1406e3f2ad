//! Certificates for tests.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};

use crate::x509::Certificate;

/// A time within the validity period of every certificate that sets no other period: 2026-01-01.
pub(crate) const NOW: i64 = 1_767_225_600;

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) x509: X509,
    pub(crate) key: PKey<Private>,
}

/// The properties of a test certificate.
#[derive(Clone, Copy)]
pub(crate) struct Recipe<'a> {
    pub(crate) subject: &'a [(&'a str, &'a str)],
    pub(crate) life: (i64, i64),
    pub(crate) is_authority: bool,
    pub(crate) for_servers: bool,
}

pub(crate) const PLAIN: Recipe<'static> = Recipe {
    subject: &[("O", "Example"), ("CN", "client")],
    life: (NOW - 1_000, NOW + 1_000),
    is_authority: false,
    for_servers: false,
};

pub(crate) fn elliptic(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub(crate) fn name(entries: &[(&str, &str)]) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    for (field, value) in entries {
        name.append_entry_by_text(field, value).unwrap();
    }
    name.build()
}

/// Creates the certificate of `recipe`, signed by `issuer`, or self-signed.
pub(crate) fn make(recipe: Recipe<'_>, issuer: Option<&Pair>) -> Pair {
    make_for(elliptic(Nid::X9_62_PRIME256V1), recipe, issuer)
}

pub(crate) fn make_for(key: PKey<Private>, recipe: Recipe<'_>, issuer: Option<&Pair>) -> Pair {
    let mut builder = X509Builder::new().unwrap();
    let subject = name(recipe.subject);
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&BigNum::from_u32(0xab).unwrap().to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.x509.subject_name()))
        .unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(recipe.life.0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::from_unix(recipe.life.1).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    if recipe.is_authority {
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
            .unwrap();
    } else {
        let names = SubjectAlternativeName::new()
            .dns("Client.example.org")
            .uri("urn:x:1")
            .ip("192.0.2.1")
            .ip("2001:db8::1")
            .email("Me@Example.org")
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(names).unwrap();
    }
    if recipe.for_servers {
        builder
            .append_extension(ExtendedKeyUsage::new().server_auth().build().unwrap())
            .unwrap();
    }
    let digest = if key.raw_public_key().is_ok() {
        MessageDigest::null()
    } else {
        MessageDigest::sha256()
    };
    builder
        .sign(issuer.map_or(&key, |issuer| &issuer.key), digest)
        .unwrap();
    Pair {
        x509: builder.build(),
        key,
    }
}

impl Pair {
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_x509(self.x509.clone()).unwrap()
    }

    pub(crate) fn pem(&self) -> String {
        String::from_utf8(self.x509.to_pem().unwrap()).unwrap()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.x509.to_der().unwrap()
    }
}

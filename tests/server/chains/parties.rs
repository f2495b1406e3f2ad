//! CAs and the subjects of their certificates, created while the tests run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use registrar::testing::Algorithm;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::{START, Signer, with};

/// The properties of a certificate to be created.
#[derive(Clone, Copy)]
pub(super) struct Recipe<'a> {
    pub(super) name: &'a str,
    /// The URI in its `subjectAltName`.
    pub(super) uri: Option<&'a str>,
    /// For a CA: the number of further CAs allowed below it.
    pub(super) authority: Option<u32>,
    /// The usage of its key, if the certificate restricts it.
    pub(super) usage: Option<Usage>,
    /// Validity in seconds from the beginning of each test.
    pub(super) life: (i64, i64),
}

#[derive(Clone, Copy)]
pub(super) enum Usage {
    Signs,
    Encrypts,
}

/// The certificate of a party that signs tokens.
pub(super) const LEAF: Recipe<'static> = Recipe {
    name: "leaf",
    uri: None,
    authority: None,
    usage: Some(Usage::Signs),
    life: (-1_000, 1_000_000),
};

/// The certificate of a CA.
pub(super) const AUTHORITY: Recipe<'static> = Recipe {
    name: "authority",
    authority: Some(3),
    usage: None,
    ..LEAF
};

/// A certificate with its key and the chain up to its CA.
pub(super) struct Party {
    x509: X509,
    key: PKey<Private>,
    above: Vec<X509>,
    is_root: bool,
}

impl Party {
    /// Creates a root CA.
    pub(super) fn root() -> Self {
        Self::new(AUTHORITY, None)
    }

    /// Creates a certificate from `recipe`, issued by `issuer` or self-signed.
    pub(super) fn new(recipe: Recipe<'_>, issuer: Option<&Self>) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let x509 = build(recipe, &key, issuer);
        // The chain leaves out the trust anchor.
        let above = issuer.filter(|issuer| !issuer.is_root);
        let above = above.map(|issuer| [vec![issuer.x509.clone()], issuer.above.clone()].concat());
        Self {
            x509,
            key,
            above: above.unwrap_or_default(),
            is_root: issuer.is_none(),
        }
    }

    /// Issues a certificate for a client with the name `uri`.
    pub(super) fn issue(&self, uri: &str) -> Self {
        Self::new(
            Recipe {
                uri: Some(uri),
                ..LEAF
            },
            Some(self),
        )
    }

    /// Creates a CA below this one.
    pub(super) fn below(&self, more: u32) -> Self {
        let name = format!("{more} below {}", self.above.len());
        Self::new(
            Recipe {
                name: &name,
                authority: Some(more),
                ..AUTHORITY
            },
            Some(self),
        )
    }

    /// Writes its certificate to a file.
    pub(super) fn file(&self) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), self.x509.to_pem().unwrap()).unwrap();
        file
    }

    /// Writes its private key to a file.
    pub(super) fn key_file(&self) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        file
    }

    /// Writes its certificate and the intermediate certificates to a file.
    pub(super) fn chain_file(&self) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        let all = [&self.x509].into_iter().chain(&self.above);
        let pem: Vec<u8> = all.flat_map(|one| one.to_pem().unwrap()).collect();
        std::fs::write(file.path(), pem).unwrap();
        file
    }

    /// Returns its `x5c` header, with its own certificate first.
    pub(super) fn x5c(&self) -> Value {
        let all = [&self.x509].into_iter().chain(&self.above);
        all.map(|one| STANDARD.encode(one.to_der().unwrap()))
            .collect()
    }

    /// Returns a signer with its key.
    pub(super) fn signer(&self) -> Signer {
        let pem = String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        Signer::of_pem("", &pem, Algorithm::Es256)
    }

    /// Signs a token with these claims and its certificates in the header.
    pub(super) fn sign(&self, claims: Value) -> String {
        self.sign_with(json!({}), claims)
    }

    /// The same, with more header members.
    pub(super) fn sign_with(&self, header: Value, claims: Value) -> String {
        self.signer()
            .raw(&with(json!({"x5c": self.x5c()}), header), claims)
    }
}

fn build(recipe: Recipe<'_>, key: &PKey<Private>, issuer: Option<&Party>) -> X509 {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", recipe.name).unwrap();
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::ONE, false).unwrap();
    let time = |seconds: i64| Asn1Time::from_unix(i64::try_from(START).unwrap() + seconds).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&*name, |issuer| issuer.x509.subject_name()))
        .unwrap();
    builder.set_not_before(&time(recipe.life.0)).unwrap();
    builder.set_not_after(&time(recipe.life.1)).unwrap();
    builder.set_pubkey(key).unwrap();
    if let Some(more) = recipe.authority {
        let constraints = BasicConstraints::new()
            .critical()
            .ca()
            .pathlen(more)
            .build()
            .unwrap();
        builder.append_extension(constraints).unwrap();
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()
            .unwrap();
        builder.append_extension(usage).unwrap();
    }
    match recipe.usage {
        Some(Usage::Signs) => {
            builder
                .append_extension(
                    KeyUsage::new()
                        .critical()
                        .digital_signature()
                        .build()
                        .unwrap(),
                )
                .unwrap();
        }
        Some(Usage::Encrypts) => {
            builder
                .append_extension(
                    KeyUsage::new()
                        .critical()
                        .key_encipherment()
                        .build()
                        .unwrap(),
                )
                .unwrap();
        }
        None => {}
    }
    if let Some(uri) = recipe.uri {
        let names = SubjectAlternativeName::new()
            .dns("client.example")
            .uri(uri)
            .build(&builder.x509v3_context(None, None));
        builder.append_extension(names.unwrap()).unwrap();
    }
    builder
        .sign(
            issuer.map_or(key, |issuer| &issuer.key),
            MessageDigest::sha256(),
        )
        .unwrap();
    builder.build()
}

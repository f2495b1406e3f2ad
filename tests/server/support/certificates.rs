//! Certificates that are created while the tests run, and clients that present them.

use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use registrar::config::{ClientCertificates, Configuration};
use registrar::testing::certificate_jwk;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::START;

/// A subject from its least specific to its most specific part.
pub(crate) type Subject<'a> = &'a [(&'a str, &'a str)];

/// The subject of an ordinary client, `CN=Client One,O=Example\, Inc.,C=DE`.
pub(crate) const CLIENT: Subject<'static> =
    &[("C", "DE"), ("O", "Example, Inc."), ("CN", "Client One")];

/// [`CLIENT`] in the form of RFC 4514.
pub(crate) const CLIENT_DN: &str = "CN=Client One,O=Example\\, Inc.,C=DE";

/// A certificate with its key.
pub(crate) struct Pair {
    x509: X509,
    key: PKey<Private>,
}

/// A CA.
pub(crate) struct Authority(Pair);

impl Authority {
    pub(crate) fn new() -> Self {
        Self(make(
            &[("CN", "Authority")],
            forever(),
            &Kind::Authority,
            None,
        ))
    }

    /// Issues a certificate for this server, which listens on 127.0.0.1.
    pub(crate) fn server(&self) -> Pair {
        make(&[("CN", "registrar")], forever(), &Kind::End, Some(&self.0))
    }

    /// Issues a certificate for hosts with these names.
    pub(crate) fn hosts(&self, names: &[&str]) -> Pair {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        make(
            &[("CN", "hosts")],
            forever(),
            &Kind::Hosts(names),
            Some(&self.0),
        )
    }

    /// Issues a certificate that is valid when the tests begin.
    pub(crate) fn client(&self, subject: Subject<'_>) -> Pair {
        make(
            subject,
            (START - 1_000, START + 1_000),
            &Kind::End,
            Some(&self.0),
        )
    }

    /// Issues a certificate that expired before the tests begin.
    pub(crate) fn expired_client(&self, subject: Subject<'_>) -> Pair {
        make(
            subject,
            (START - 1_000, START - 1),
            &Kind::End,
            Some(&self.0),
        )
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }
}

impl Pair {
    /// Creates a self-signed certificate.
    pub(crate) fn self_signed(subject: Subject<'_>) -> Self {
        make(subject, forever(), &Kind::End, None)
    }

    pub(crate) fn pem(&self) -> String {
        String::from_utf8(self.x509.to_pem().unwrap()).unwrap()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.x509.to_der().unwrap()
    }

    pub(crate) fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    pub(crate) fn serial(&self) -> String {
        self.x509
            .serial_number()
            .to_bn()
            .unwrap()
            .to_hex_str()
            .unwrap()
            .to_lowercase()
    }

    /// Returns its key as a JWK Set.
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": [certificate_jwk(&self.pem()).unwrap()]})
    }
}

/// Returns a validity that includes the test clock and the system clock.
fn forever() -> (u64, u64) {
    (946_684_800, 4_102_444_800)
}

enum Kind {
    Authority,
    End,
    /// A server with these names.
    Hosts(Vec<String>),
}

fn make(subject: Subject<'_>, life: (u64, u64), kind: &Kind, issuer: Option<&Pair>) -> Pair {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509Name::builder().unwrap();
    for (field, value) in subject {
        name.append_entry_by_text(field, value).unwrap();
    }
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::ONE, false).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&*name, |issuer| issuer.x509.subject_name()))
        .unwrap();
    builder.set_not_before(&time(life.0)).unwrap();
    builder.set_not_after(&time(life.1)).unwrap();
    builder.set_pubkey(&key).unwrap();
    let extension = match kind {
        Kind::Authority => BasicConstraints::new().critical().ca().build(),
        Kind::Hosts(hosts) => {
            let mut names = SubjectAlternativeName::new();
            names.ip("127.0.0.1");
            for host in hosts {
                names.dns(host);
            }
            names.build(&builder.x509v3_context(None, None))
        }
        Kind::End => {
            let mut names = SubjectAlternativeName::new();
            names
                .ip("127.0.0.1")
                .dns("client.example.org")
                .build(&builder.x509v3_context(None, None))
        }
    };
    builder.append_extension(extension.unwrap()).unwrap();
    builder
        .sign(
            issuer.map_or(&key, |issuer| &issuer.key),
            MessageDigest::sha256(),
        )
        .unwrap();
    Pair {
        x509: builder.build(),
        key,
    }
}

fn time(seconds: u64) -> Asn1Time {
    Asn1Time::from_unix(i64::try_from(seconds).unwrap()).unwrap()
}

/// The files of `[server.tls]` and the CA that issued their certificates.
pub(crate) struct Files {
    folder: TempDir,
    pub(crate) authority: Authority,
}

impl Files {
    /// Writes a server certificate with its key, and the CA, which also issues client certificates.
    pub(crate) fn new() -> Self {
        let files = Self {
            folder: TempDir::new().unwrap(),
            authority: Authority::new(),
        };
        files.write(&files.authority.server());
        std::fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces certificate and key.
    pub(crate) fn write(&self, pair: &Pair) {
        replace(&self.path("server.key"), &pair.key_pem());
        replace(&self.path("server.pem"), &pair.pem());
    }

    /// Enables TLS.
    pub(crate) fn switch_on(&self, configuration: &mut Configuration, clients: ClientCertificates) {
        let tls = &mut configuration.settings.server.tls;
        tls.certificate = Some(self.path("server.pem"));
        tls.key = Some(self.path("server.key"));
        tls.client_ca = Some(self.path("ca.pem"));
        tls.client_certificates = clients;
    }

    /// Returns a client that trusts the server and presents `pair`, if given.
    pub(crate) fn client(&self, pair: Option<&Pair>) -> reqwest::Client {
        self.builder(pair).build().unwrap()
    }

    pub(crate) fn builder(&self, pair: Option<&Pair>) -> reqwest::ClientBuilder {
        let authority = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        let builder = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy();
        match pair {
            None => builder,
            Some(pair) => {
                let (pem, key) = (pair.pem(), pair.key_pem());
                builder.identity(
                    reqwest::Identity::from_pkcs8_pem(pem.as_bytes(), key.as_bytes()).unwrap(),
                )
            }
        }
    }
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

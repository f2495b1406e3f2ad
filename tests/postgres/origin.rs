//! A host with one client document, which a test replaces.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use serde_json::{Value, json};

/// A host that serves until the process ends.
pub(crate) struct Origin {
    address: SocketAddr,
    document: Arc<Mutex<String>>,
}

impl Origin {
    /// Starts a host, and writes its certificate to `file`.
    pub(crate) fn start(file: &Path) -> Self {
        let (certificate, key) = certificate();
        std::fs::write(file, certificate.to_pem().unwrap()).unwrap();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self {
            address: listener.local_addr().unwrap(),
            document: Arc::default(),
        };
        let document = Arc::clone(&origin.document);
        std::thread::spawn(move || serve(&listener, &acceptor, &document));
        origin
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/oauth/client.json", self.address)
    }

    /// Publishes a document with this name from now on.
    pub(crate) fn publish(&self, name: &str) {
        let document = json!({
            "client_id": self.url(), "client_name": name, "redirect_uris": ["http://127.0.0.1/callback"],
        });
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = Value::to_string(&document);
    }
}

fn serve(listener: &TcpListener, acceptor: &SslAcceptor, document: &Mutex<String>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = acceptor.accept(stream.unwrap()) else {
            continue;
        };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => break,
            }
        }
        let body = document
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        // A server that was killed does not read it.
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.shutdown();
    }
}

/// Creates a certificate for 127.0.0.1 that its own key has signed.
fn certificate() -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "origin").unwrap();
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    let constraints = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(constraints).unwrap();
    let mut names = SubjectAlternativeName::new();
    let names = names
        .ip("127.0.0.1")
        .build(&builder.x509v3_context(None, None))
        .unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

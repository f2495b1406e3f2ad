//! A signer: an issuer of software statements or of signed requests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::testing::{Algorithm, Key};
use serde_json::{Map, Value, json};

use super::{START, with};

/// The holder of one key.
pub(crate) struct Signer {
    pub(crate) iss: String,
    key: Key,
}

impl Signer {
    pub(crate) fn new(iss: &str, algorithm: Algorithm) -> Self {
        Self {
            iss: iss.to_owned(),
            key: Key::generate(algorithm).expect("a key"),
        }
    }

    /// Creates a signer with the private key in `pem`.
    pub(crate) fn of_pem(iss: &str, pem: &str, algorithm: Algorithm) -> Self {
        Self {
            iss: iss.to_owned(),
            key: Key::from_pem(pem, algorithm).expect("a key"),
        }
    }

    /// Creates a signer with a shared secret.
    pub(crate) fn sharing(iss: &str, secret: &str) -> Self {
        Self {
            iss: iss.to_owned(),
            key: Key::from_secret(secret).expect("a key"),
        }
    }

    /// Returns its public key.
    pub(crate) fn jwk(&self) -> Value {
        self.key.public_jwk().expect("it has a public key")
    }

    /// Returns its public key as a `SubjectPublicKeyInfo` in base64url, the form of evidence verifiers.
    pub(crate) fn akpub(&self) -> String {
        let pem = self.key.to_pem().expect("it has a key pair");
        let key = openssl::pkey::PKey::private_key_from_pem(pem.as_bytes()).expect("a key");
        URL_SAFE_NO_PAD.encode(key.public_key_to_der().expect("its public half"))
    }

    /// Returns its JWK Set.
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": [self.jwk()]})
    }

    /// Signs a token with `claims`, issued when every test begins and valid for an hour.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.raw(
            &json!({}),
            with(
                json!({"iss": self.iss, "iat": START, "exp": START + 3_600}),
                claims,
            ),
        )
    }

    /// Signs a token with exactly these claims.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a table reads better without borrows"
    )]
    pub(crate) fn raw(&self, header: &Value, claims: Value) -> String {
        let object =
            |value: &Value| -> Map<String, Value> { value.as_object().expect("an object").clone() };
        let signed = self.key.sign(&object(header), &object(&claims));
        signed.expect("it signs")
    }
}

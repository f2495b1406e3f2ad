//! Keys for tests of scripts: HMAC only, and one certificate.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::super::host::{Host, Jwt, JwtExpectations};
use super::super::modules::decode_jwt;
use crate::base::secret::{Secret, hmac_sha256_hex};

pub(super) const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

pub(super) struct Keys;

fn mac(key: &[u8], text: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac_sha256_hex(key, text.as_bytes()).unwrap())
}

impl Host for Keys {
    fn sign_jwt(&self, claims: &Map<String, Value>, key: &Secret) -> Result<String, String> {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!(
            "{}.{}",
            part(json!({"alg": "HS256"})),
            part(claims.clone().into())
        );
        Ok(format!("{text}.{}", mac(key.expose().as_bytes(), &text)))
    }

    fn verify_jwt(
        &self,
        token: &str,
        jwks: &Value,
        expected: &JwtExpectations,
    ) -> Result<Jwt, String> {
        let read = decode_jwt(token)?;
        let (text, signature) = token.rsplit_once('.').unwrap();
        let keys = jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|key| key["k"].as_str());
        let mut keys = keys.map(|key| URL_SAFE_NO_PAD.decode(key).unwrap());
        if !expected
            .algorithms
            .iter()
            .any(|algorithm| algorithm == "HS256")
        {
            return Err("the algorithm HS256 is not accepted".to_owned());
        }
        if !keys.any(|key| mac(&key, text) == signature) {
            return Err("no key fits the signature".to_owned());
        }
        match &expected.issuer {
            Some(issuer) if read.claims["iss"] != json!(issuer) => Err("another issuer".to_owned()),
            _ => Ok(read),
        }
    }

    fn parse_certificate(&self, pem: &str) -> Result<Value, String> {
        if pem == PEM {
            Ok(json!({"subject": "CN=a", "pem": PEM}))
        } else {
            Err("no certificate".to_owned())
        }
    }
}

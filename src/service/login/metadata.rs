//! The metadata of an OpenID Provider (OpenID Connect Discovery section 3), as far as a sign-in needs it.

use serde_json::{Map, Value};
use url::Url;

use crate::jose::Algorithm;

/// How this server authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretPlace {
    /// In the header `Authorization`.
    Header,
    /// In the form.
    Form,
}

/// What the provider offers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProviderMetadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    /// The asymmetric algorithms with which it signs ID tokens.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) secret_place: SecretPlace,
    /// Whether its answers name it (RFC 9207 section 3).
    pub(super) names_itself: bool,
    /// None if it does not say.
    scopes: Option<Vec<String>>,
}

impl ProviderMetadata {
    /// Reads the document of the provider `issuer`.
    ///
    /// # Errors
    /// What is wrong with it: "must be ...".
    pub(super) fn parse(document: &Value, issuer: &str) -> Result<Self, String> {
        let members = document.as_object().ok_or("must be an object")?;
        if members.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err("must have the issuer that admin.login.issuer names".to_owned());
        }
        let algorithms = algorithms(members);
        if algorithms.is_empty() {
            let reason =
                "must list an asymmetric algorithm in id_token_signing_alg_values_supported";
            return Err(reason.to_owned());
        }
        let endpoint = required(members, "authorization_endpoint")?;
        let authorization_endpoint = authorization_endpoint(&endpoint, issuer)
            .ok_or("must have an https URL without a fragment in authorization_endpoint")?;
        let names_itself = members.get("authorization_response_iss_parameter_supported");
        Ok(Self {
            authorization_endpoint,
            token_endpoint: required(members, "token_endpoint")?,
            jwks_uri: required(members, "jwks_uri")?,
            userinfo_endpoint: required(members, "userinfo_endpoint").ok(),
            algorithms,
            secret_place: secret_place(members),
            names_itself: names_itself == Some(&Value::Bool(true)),
            scopes: texts(members, "scopes_supported"),
        })
    }

    /// Returns the scopes to ask for, so that the provider tells the name of a person and `claim`. Some providers have a
    /// scope of that name for it.
    pub(super) fn scope(&self, claim: &str) -> String {
        let mut scope = "openid".to_owned();
        for wanted in ["profile", "email", claim] {
            let is_offered = match &self.scopes {
                Some(offered) => offered.iter().any(|one| one == wanted),
                // OpenID Connect Core section 5.4 defines these two.
                None => matches!(wanted, "profile" | "email"),
            };
            if is_offered && !crate::base::scope::has(&scope, wanted) {
                scope.push(' ');
                scope.push_str(wanted);
            }
        }
        scope
    }
}

fn required(members: &Map<String, Value>, name: &str) -> Result<String, String> {
    let text = members.get(name).and_then(Value::as_str);
    let text = text.filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| format!("must have a URL in {name}"))
}

fn texts(members: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let all = members.get(name)?.as_array()?.iter();
    Some(all.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The browser is sent there, so nothing checks it later.
fn authorization_endpoint(text: &str, issuer: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_at_issuer = Url::parse(issuer).is_ok_and(|issuer| issuer.origin() == url.origin());
    let is_plain = url.has_host() && url.fragment().is_none();
    (is_plain && (url.scheme() == "https" || is_at_issuer)).then_some(url)
}

/// A secret could verify an ID token with HMAC too, but whoever has it could then sign in as anyone.
fn algorithms(members: &Map<String, Value>) -> Vec<Algorithm> {
    let Some(names) = texts(members, "id_token_signing_alg_values_supported") else {
        // Every provider supports it (OpenID Connect Discovery section 3).
        return vec![Algorithm::Rs256];
    };
    let known = names.iter().filter_map(|name| Algorithm::parse(name));
    known
        .filter(|algorithm| !algorithm.is_symmetric())
        .collect()
}

/// `client_secret_basic` is the default (OpenID Connect Discovery section 3).
fn secret_place(members: &Map<String, Value>) -> SecretPlace {
    let methods = texts(members, "token_endpoint_auth_methods_supported").unwrap_or_default();
    let has = |name: &str| methods.iter().any(|method| method == name);
    if has("client_secret_post") && !has("client_secret_basic") {
        SecretPlace::Form
    } else {
        SecretPlace::Header
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example.org";

    fn document(more: &[(&str, Value)]) -> Value {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example.org/authorize?tenant=a",
            "token_endpoint": "https://id.example.org/token",
            "jwks_uri": "https://keys.example.org/jwks",
        });
        for (name, value) in more {
            document[name] = value.clone();
        }
        document
    }

    #[test]
    fn what_a_provider_does_not_say_has_its_default() {
        let metadata = ProviderMetadata::parse(&document(&[]), ISSUER).unwrap();
        assert_eq!(metadata.algorithms, [Algorithm::Rs256]);
        assert_eq!(metadata.secret_place, SecretPlace::Header);
        assert!(!metadata.names_itself);
        assert_eq!(metadata.scope("groups"), "openid profile email");
    }

    #[test]
    fn only_what_a_provider_offers_is_asked_for() {
        for (offered, claim, expected) in [
            (json!(["openid"]), "groups", "openid"),
            (
                json!(["openid", "groups", "email"]),
                "groups",
                "openid email groups",
            ),
            (json!(["openid", "email"]), "email", "openid email"),
        ] {
            let document = document(&[("scopes_supported", offered)]);
            let metadata = ProviderMetadata::parse(&document, ISSUER).unwrap();
            assert_eq!(metadata.scope(claim), expected);
        }
    }

    #[test]
    fn a_document_that_would_make_a_sign_in_unsafe_is_rejected() {
        for (name, value, expected) in [
            (
                "issuer",
                json!("https://id.example.org/"),
                "must have the issuer",
            ),
            ("issuer", json!(null), "must have the issuer"),
            ("token_endpoint", json!(""), "token_endpoint"),
            ("jwks_uri", json!(1), "jwks_uri"),
            (
                "authorization_endpoint",
                json!("http://id.example.org/authorize"),
                "authorization_endpoint",
            ),
            (
                "authorization_endpoint",
                json!("javascript:alert(1)"),
                "authorization_endpoint",
            ),
            (
                "id_token_signing_alg_values_supported",
                json!(["none", "HS256"]),
                "asymmetric",
            ),
        ] {
            let reason = ProviderMetadata::parse(&document(&[(name, value)]), ISSUER).unwrap_err();
            assert!(reason.contains(expected), "{name}: {reason}");
        }
    }

    #[test]
    fn the_secret_is_sent_as_the_provider_accepts_it() {
        for (methods, expected) in [
            (json!(["client_secret_post"]), SecretPlace::Form),
            (
                json!(["client_secret_post", "client_secret_basic"]),
                SecretPlace::Header,
            ),
            (json!(["none"]), SecretPlace::Header),
        ] {
            let document = document(&[("token_endpoint_auth_methods_supported", methods)]);
            let metadata = ProviderMetadata::parse(&document, ISSUER).unwrap();
            assert_eq!(metadata.secret_place, expected);
        }
    }
}

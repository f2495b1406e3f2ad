//! What a request presents: one method, and the client that the request names.

use serde_json::Value;

use super::PresentedCredentials;
use crate::base::{ClientId, Secret};
use crate::http::{Authorization, SEVERAL};
use crate::jose::Compact;
use crate::token::TokenError;

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request presents.
pub(super) struct Presented {
    /// The client that it names; none if the name cannot be that of a client.
    pub(super) client_id: Option<ClientId>,
    pub(super) proof: ClientProof,
}

/// The proof by which the client wants to authenticate.
pub(super) enum ClientProof {
    /// `client_secret_basic`
    Basic(Secret),
    /// `client_secret_post`
    Post(Secret),
    /// `client_secret_jwt` or `private_key_jwt`
    Assertion(Box<Compact>),
    /// `attest_jwt_client_auth`
    Attestation,
    /// No proof in the request: the client uses a certificate, or `none`.
    Nothing,
    /// A proof that cannot be read.
    Unreadable,
}

impl Presented {
    /// Reads the proof in `shown` (RFC 6749 section 2.3: one method in each request).
    pub(super) fn read(shown: &PresentedCredentials<'_>) -> Result<Self, TokenError> {
        if matches!(shown.authorization, Authorization::Several) {
            return Err(TokenError::Request(SEVERAL));
        }
        let (secret, assertion) = (
            shown.form.get("client_secret"),
            shown.form.get("client_assertion"),
        );
        let used = [shown.is_by_header(), secret.is_some(), assertion.is_some()];
        if used.iter().filter(|is_used| **is_used).count() > 1 {
            return Err(TokenError::Request(
                "use only one method of client authentication",
            ));
        }
        let assertion_type = shown.form.get("client_assertion_type");
        if assertion.is_some() && assertion_type != Some(ASSERTION_TYPE) {
            let rule = "a client_assertion requires the client_assertion_type \
                        urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            return Err(TokenError::Request(rule));
        }
        let (own_name, proof) = read_proof(shown, secret, assertion);
        let name = only_name(own_name.as_deref(), shown.form.get("client_id"))?;
        let client_id = name.and_then(|id| ClientId::parse(id).ok());
        Ok(Self { client_id, proof })
    }
}

/// Reads the only proof in `shown`, and the client that it names.
fn read_proof(
    shown: &PresentedCredentials<'_>,
    secret: Option<&str>,
    assertion: Option<&str>,
) -> (Option<String>, ClientProof) {
    match (shown.authorization, secret, assertion) {
        (Authorization::Basic { client_id, secret }, ..) => {
            (Some(client_id.clone()), ClientProof::Basic(secret.clone()))
        }
        (Authorization::Nothing, Some(secret), _) => {
            (None, ClientProof::Post(Secret::new(secret.to_owned())))
        }
        (Authorization::Nothing, None, Some(assertion)) => read_assertion(assertion),
        (Authorization::Nothing, None, None) if shown.attestation.are_absent() => {
            (None, ClientProof::Nothing)
        }
        (Authorization::Nothing, None, None) => (None, ClientProof::Attestation),
        (Authorization::Bearer(_) | Authorization::Several | Authorization::Unreadable, ..) => {
            (None, ClientProof::Unreadable)
        }
    }
}

/// Returns the name of the client: the name in its proof, which `client_id` must not contradict, or
/// `client_id`.
fn only_name<'a>(
    own: Option<&'a str>,
    client_id: Option<&'a str>,
) -> Result<Option<&'a str>, TokenError> {
    match (own, client_id) {
        (Some(own), Some(named)) if own != named => Err(TokenError::Request(
            "client_id does not match the client that authenticates",
        )),
        (own, named) => Ok(own.or(named)),
    }
}

/// Reads an assertion, and the client that it names (RFC 7523 section 3: `sub`).
fn read_assertion(text: &str) -> (Option<String>, ClientProof) {
    let Ok(token) = Compact::parse(text) else {
        return (None, ClientProof::Unreadable);
    };
    let Ok(claims) = token.unverified_claims() else {
        return (None, ClientProof::Unreadable);
    };
    let subject = match claims.get("sub") {
        Some(Value::String(subject)) => Some(subject.clone()),
        _ => None,
    };
    (subject, ClientProof::Assertion(Box::new(token)))
}

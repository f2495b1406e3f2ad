//! What a request presents: one method, and the client that the request names.

use serde_json::Value;

use super::Shown;
use crate::base::model::ClientId;
use crate::base::secret::Secret;
use crate::http::answer::SEVERAL;
use crate::http::credentials::Authorization;
use crate::jose::Compact;
use crate::token::TokenError;

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request presents.
pub(super) struct Presented {
    /// The client that it names; none if the name cannot be that of a client.
    pub(super) client_id: Option<ClientId>,
    pub(super) proof: Proof,
}

/// The proof by which the client wants to authenticate.
pub(super) enum Proof {
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
    pub(super) fn read(shown: &Shown<'_>) -> Result<Self, TokenError> {
        let (secret, assertion) = (
            shown.form.get("client_secret"),
            shown.form.get("client_assertion"),
        );
        if matches!(shown.authorization, Authorization::Several) {
            return Err(TokenError::Request(SEVERAL));
        }
        let by_header = !matches!(shown.authorization, Authorization::Nothing);
        if [by_header, secret.is_some(), assertion.is_some()]
            .into_iter()
            .filter(|used| *used)
            .count()
            > 1
        {
            return Err(TokenError::Request(
                "use only one method of client authentication",
            ));
        }
        let is_jwt = shown
            .form
            .get("client_assertion_type")
            .map(|kind| kind == ASSERTION_TYPE);
        if assertion.is_some() && is_jwt != Some(true) {
            let rule = "a client_assertion requires the client_assertion_type \
                        urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            return Err(TokenError::Request(rule));
        }
        let (own_name, proof) = match (shown.authorization, secret, assertion) {
            (Authorization::Basic { client_id, secret }, ..) => {
                (Some(client_id.clone()), Proof::Basic(secret.clone()))
            }
            (Authorization::Bearer(_) | Authorization::Several | Authorization::Unreadable, ..) => {
                (None, Proof::Unreadable)
            }
            (Authorization::Nothing, Some(secret), _) => {
                (None, Proof::Post(Secret::new(secret.to_owned())))
            }
            (Authorization::Nothing, None, Some(assertion)) => read_assertion(assertion),
            (Authorization::Nothing, None, None) if shown.attestation.are_absent() => {
                (None, Proof::Nothing)
            }
            (Authorization::Nothing, None, None) => (None, Proof::Attestation),
        };
        let named = shown.form.get("client_id");
        if let (Some(own), Some(named)) = (&own_name, named)
            && own != named
        {
            return Err(TokenError::Request(
                "client_id does not match the client that authenticates",
            ));
        }
        let client_id = own_name
            .as_deref()
            .or(named)
            .and_then(|id| ClientId::parse(id).ok());
        Ok(Self { client_id, proof })
    }
}

/// Reads an assertion, and the client that it names (RFC 7523 section 3: `sub`).
fn read_assertion(text: &str) -> (Option<String>, Proof) {
    let read = Compact::parse(text).and_then(|token| Ok((token.unverified_claims()?, token)));
    match read {
        Ok((claims, token)) => {
            let subject = claims.get("sub").and_then(Value::as_str).map(str::to_owned);
            (subject, Proof::Assertion(Box::new(token)))
        }
        Err(_) => (None, Proof::Unreadable),
    }
}

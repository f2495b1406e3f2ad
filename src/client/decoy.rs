//! A client that does not exist.
//!
//! Reading a record takes longer than finding none. An attacker could measure the difference and
//! learn which clients exist. Where a client must be read before its credentials are compared, an
//! ordinary record is therefore read in place of a missing one.

use crate::client::Client;

/// An ordinary record. Its digest is random bytes, so no token matches this client.
const RECORD: &str = concat!(
    r#"{"id":"00000000-0000-4000-8000-000000000000","metadata":{"redirect_uris":["https://client.example.org/cb"],"#,
    r#""client_name":"Nobody","application_type":"web","token_endpoint_auth_method":"client_secret_basic","#,
    r#""grant_types":["authorization_code"],"response_types":["code"],"subject_type":"public","#,
    r#""id_token_signed_response_alg":"RS256","persist_client_authorizations":true},"issued_at":1767225600,"#,
    r#""secret":{"sealed":"D8MpFugBbKf53fvkjGqkQ8xJzVgzrVaVUpTIst9GJozLMcBRk5NNIjqeuf7JM/X8emAaYb0Wth1YAEtK+Q1FrA7H/lk3HAs1NauJPwcQPeObEse9c1QQb6llFcNPVPsFM62LMJ/VeP6C8CfU8q9nvILc","#,
    r#""expires_at":4102444800},"#,
    r#""tokens":{"current":"TfwE3Frw4dn9R3Yci8qRFkUumlgfQZazeQgCIpyyv9Q="},"revision":1,"#,
    r#""provenance":{"trust_level":"open","address":"192.0.2.1","configuration":"3fdd0ec0d887"}}"#,
);

/// Does the work of reading a client. Returns `None` only if the constant record cannot be parsed.
pub(crate) fn read() -> Option<Client> {
    serde_json::from_str(std::hint::black_box(RECORD)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TokenDigest;

    #[test]
    fn the_decoy_is_a_complete_client_without_usable_credentials() {
        let decoy = read().unwrap();
        assert!(decoy.secret.is_some() && decoy.tokens.previous.is_none());
        assert!(!decoy.tokens.current.is(&TokenDigest::of("")));
        assert_eq!(serde_json::to_string(&decoy).unwrap(), RECORD);
    }
}

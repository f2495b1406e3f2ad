//! The cost of an authentication failure: a limited number of keys is tried, the same for every client and
//! for an unknown one. Work is counted, not timed. `rate_limits.rs` tests the number of allowed failures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::testing::{Algorithm, MOST_TRIES};
use serde_json::{Value, json};

use crate::support::{
    GRANT, Origin, Reply, START, Signer, TestServer, fetches_locally, machine, with,
};

const NOBODY: &str = "11111111-1111-4111-8111-111111111111";
const JWT: (&str, &str) = (
    "client_assertion_type",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
);

/// Creates an assertion of `client` that is signed with none of its keys.
fn garbage(client: &str, header: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": client, "sub": client, "aud": "x", "jti": "1", "exp": START + 60});
    format!(
        "{}.{}.{}",
        part(header),
        part(&claims),
        URL_SAFE_NO_PAD.encode([7; 132])
    )
}

/// Sends `assertion`, which is rejected. Returns the work that the server did for it.
async fn refused(server: &TestServer, assertion: &str) -> (u64, u64) {
    let (read, tried) = server.inside().effort();
    let answer = server
        .form("/token", &[GRANT, JWT, ("client_assertion", assertion)])
        .await;
    answer.expect_error(401, &["invalid_client"]);
    let after = server.inside().effort();
    (after.0 - read, after.1 - tried)
}

fn keyed(jwks: &Value) -> Value {
    with(
        machine(),
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}),
    )
}

/// Returns twenty keys of the most expensive curve without a `kid`.
fn many_keys() -> Value {
    let keys = (0..20).map(|_| {
        let mut key = Signer::new("", Algorithm::Es512).jwk();
        key.as_object_mut().unwrap().shift_remove("kid");
        key
    });
    json!({"keys": keys.collect::<Vec<_>>()})
}

#[tokio::test]
async fn a_failure_tries_as_few_keys_for_a_known_client_as_for_an_unknown_one_and_parses_them_once()
{
    let server = TestServer::configured(fetches_locally).await;
    let origin = Origin::new().await;
    let url = origin.at("/jwks", Reply::json(many_keys()));
    let many = server.register(&keyed(&many_keys())).await;
    let remote = with(
        machine(),
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": url}),
    );
    let remote = server.register(&remote).await;
    let secret = server.register(&machine()).await;
    let most = MOST_TRIES as u64;
    assert_eq!(
        refused(&server, &garbage(&many.id, &json!({"alg": "ES512"}))).await,
        (1, most)
    );
    for header in [
        json!({"alg": "ES512"}),
        json!({"alg": "ES512", "kid": "unknown"}),
        json!({"alg": "ES256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "EdDSA"}),
        json!({"alg": "ES256K"}),
    ] {
        for client in [&*many.id, &*remote.id, &*secret.id, NOBODY, "no-identifier"] {
            let effort = refused(&server, &garbage(client, &header)).await;
            assert_eq!(effort, (0, most), "{client} {header}");
        }
    }
    assert_eq!(
        origin.hits("/jwks"),
        2,
        "the keys are fetched once, and once more for an unknown key"
    );
}

#[tokio::test]
async fn keys_are_parsed_again_when_they_change() {
    let server = TestServer::new().await;
    let (first, second) = (
        Signer::new("", Algorithm::Es256),
        Signer::new("", Algorithm::Es256),
    );
    let client = server.register(&keyed(&first.jwks())).await;
    let signed = async |signer: &Signer, jti: &str| {
        let issuer = server.server().url();
        let claims = json!({"iss": client.id, "sub": client.id, "aud": issuer, "jti": jti, "exp": START + 60});
        let assertion = signer.raw(&json!({}), claims);
        server
            .form("/token", &[GRANT, JWT, ("client_assertion", &assertion)])
            .await
    };
    let read = || server.inside().effort().0;
    for jti in ["1", "2", "3"] {
        signed(&first, jti).await.expect_status(200);
    }
    assert_eq!(read(), 1);
    let update = client.update(json!({"jwks": second.jwks()}));
    server.update(&client, &update).await.expect_status(200);
    signed(&second, "4").await.expect_status(200);
    signed(&first, "5")
        .await
        .expect_error(401, &["invalid_client"]);
    assert_eq!(read(), 2);
}

/// A client with several keys for one algorithm must name its key.
#[tokio::test]
async fn a_named_key_is_found_among_many() {
    let server = TestServer::new().await;
    let signers: Vec<Signer> = (0..6).map(|_| Signer::new("", Algorithm::Es256)).collect();
    let jwks = json!({"keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>()});
    let client = server.register(&keyed(&jwks)).await;
    for (number, signer) in signers.iter().enumerate() {
        let jti = number.to_string();
        let issuer = server.server().url();
        let claims = json!({"iss": client.id, "sub": client.id, "aud": issuer, "jti": jti, "exp": START + 60});
        let kid = signer.jwk()["kid"].clone();
        let assertion = signer.raw(&json!({"kid": kid}), claims.clone());
        server
            .form("/token", &[GRANT, JWT, ("client_assertion", &assertion)])
            .await
            .expect_status(200);
    }
}

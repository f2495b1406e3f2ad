//! `/.well-known/udap`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::testing::verified;
use serde_json::{Map, Value, json};

use super::anchors::community;
use super::parties::Party;
use crate::support::{Answer, TestServer, with};

const BASE: &str = "https://fhir.example/r4";

async fn metadata(server: &TestServer) -> Answer {
    Answer::of(server.ask(
        "GET",
        "/.well-known/udap?community=https://community.example",
    ))
    .await
}

/// Starts a server that trusts the CA in `anchors`, with more settings.
async fn trusting(anchors: &tempfile::NamedTempFile, more: Value) -> TestServer {
    let members = json!({
        "softwareStatementValidationType": "builtin", "softwareStatementIdentity": "subject",
        "dcrSsaValidationConfigs": [community("health", anchors.path())],
    });
    TestServer::registering(with(members, more)).await
}

#[tokio::test]
async fn the_document_exists_when_clients_register_by_certificates() {
    metadata(&TestServer::new().await).await.expect_status(404);
    let anchors = Party::root().file();
    let off = trusting(&anchors, json!({"dynamicRegistrationEnabled": false})).await;
    metadata(&off).await.expect_status(404);
    let uri = "https://community.example/certification";
    let named = json!({"certificationsSupported": [uri], "certificationsRequired": [uri]});
    let server = trusting(&anchors, json!({ "udapMetadata": named })).await;
    let answer = metadata(&server).await;
    answer.expect_status(200);
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    for (name, value) in [
        ("udap_versions_supported", json!(["1"])),
        (
            "udap_profiles_supported",
            json!(["udap_dcr", "udap_authn", "udap_authz"]),
        ),
        ("udap_certifications_supported", json!([uri])),
        ("udap_certifications_required", json!([uri])),
        ("udap_authorization_extensions_supported", json!([])),
        (
            "token_endpoint_auth_methods_supported",
            json!(["private_key_jwt"]),
        ),
        ("token_endpoint", json!(server.url("/token"))),
        ("registration_endpoint", json!(server.url("/register"))),
        ("udap_authorization_extensions_required", Value::Null),
        ("signed_metadata", Value::Null),
    ] {
        assert_eq!(answer.member(name), &value, "{name}");
    }
    for name in [
        "token_endpoint_auth_signing_alg_values_supported",
        "registration_endpoint_jwt_signing_alg_values_supported",
    ] {
        let algorithms = answer.body[name].as_array().unwrap();
        assert!(
            algorithms.contains(&json!("RS256")) && !algorithms.contains(&json!("HS256")),
            "{name}"
        );
    }
    let grants = answer.body["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!("client_credentials")) && !grants.contains(&json!("implicit")));
    assert!(
        !answer.body["scopes_supported"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

/// Verifies `token` with the certificates of `party` in its header, and returns its claims.
fn read(server: &TestServer, party: &Party, token: &Value) -> Map<String, Value> {
    let token = token.as_str().unwrap();
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header["x5c"], party.x5c());
    verified(token, &party.signer().jwks(), None, &["iss"], server.now()).unwrap()
}

#[tokio::test]
async fn the_metadata_is_signed_with_the_key_of_the_operator() {
    let root = Party::root();
    let (anchors, own) = (root.file(), root.below(0).issue(BASE));
    let (key, chain) = (own.key_file(), own.chain_file());
    let named = json!({"baseUrl": BASE, "signingKey": key.path(), "certificates": chain.path()});
    let server = trusting(&anchors, json!({ "udapMetadata": named })).await;
    let token = metadata(&server).await.body["signed_metadata"].clone();
    let signed = read(&server, &own, &token);
    let now = server.now();
    assert_eq!(
        (&signed["iss"], &signed["sub"]),
        (&json!(BASE), &json!(BASE))
    );
    assert_eq!(
        (&signed["iat"], &signed["exp"]),
        (&json!(now), &json!(now + 86_400))
    );
    for (name, path) in [
        ("token_endpoint", "/token"),
        ("registration_endpoint", "/register"),
    ] {
        assert_eq!(signed[name], server.url(path));
    }
    assert_eq!(
        metadata(&server).await.body["signed_metadata"],
        token,
        "the metadata is not signed anew for each request"
    );
    server.clock.advance(601);
    let next = metadata(&server).await.body["signed_metadata"].clone();
    assert_ne!(read(&server, &own, &next)["jti"], signed["jti"]);
}

#[tokio::test]
async fn mismatching_files_are_a_configuration_error() {
    let root = Party::root();
    let (own, other) = (root.issue(BASE), root.issue("https://other.example"));
    let (key, chain, foreign, elsewhere) = (
        own.key_file(),
        own.chain_file(),
        other.key_file(),
        other.chain_file(),
    );
    let check =
        |key: &std::path::Path, chain: &std::path::Path, base: &str, expected: Option<&str>| {
            let named = json!({"baseUrl": base, "signingKey": key, "certificates": chain});
            let live =
                serde_json::from_value(json!({"registration": {"udapMetadata": named}})).unwrap();
            let faults = registrar::testing::judge(live).err();
            match expected {
                None => assert_eq!(faults, None),
                Some(expected) => {
                    assert!(
                        faults.as_ref().is_some_and(|said| said.contains(expected)),
                        "{faults:?}"
                    );
                }
            }
        };
    check(key.path(), chain.path(), BASE, None);
    check(foreign.path(), chain.path(), BASE, Some("signingKey: "));
    check(chain.path(), chain.path(), BASE, Some("signingKey: "));
    check(key.path(), key.path(), BASE, Some("certificates: "));
    check(
        key.path(),
        elsewhere.path(),
        BASE,
        Some("is not the key of the first certificate"),
    );
    check(
        key.path(),
        chain.path(),
        "https://fhir.example/r4/",
        Some("baseUrl: "),
    );
    check(
        &key.path().with_extension("none"),
        chain.path(),
        BASE,
        Some("cannot be read"),
    );
}

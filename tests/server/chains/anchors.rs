//! Certificates in the header of a token, with trust anchors that the operator configured.

use std::path::Path;

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::parties::{AUTHORITY, LEAF, Party, Recipe, Usage};
use crate::statements::{REFUSED, UNAPPROVED, post, request};
use crate::support::{Answer, START, Signer, TestServer, minimal, registering, with};

/// The name of the client in its certificate.
const CLIENT: &str = "https://client.example/app";

/// Returns an entry for all clients with a certificate of a CA in `anchors`.
pub(super) fn community(id: &str, anchors: &Path) -> Value {
    json!({"id": id, "type": "SSA", "trustAnchors": anchors, "certificateSan": "iss"})
}

/// Starts a server with these entries.
async fn trusting(entries: Value) -> TestServer {
    let members =
        json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": entries});
    TestServer::registering(members).await
}

/// Returns the claims of a statement of `iss` about itself.
fn claims(iss: &str) -> Value {
    json!({"iss": iss, "iat": START, "exp": START + 300, "software_id": "app"})
}

#[tokio::test]
async fn a_statement_is_trusted_by_the_certificate_of_its_signer() {
    let root = Party::root();
    let file = root.file();
    let server = trusting(json!([community("health", file.path())])).await;
    let (one, two) = (root.below(1), root.below(2));
    let deep = two.below(1).below(0);
    for (name, signer) in [
        ("issued by the anchor", root.issue(CLIENT)),
        ("issued by an intermediate CA", one.issue(CLIENT)),
        ("issued below three intermediate CAs", deep.issue(CLIENT)),
        (
            "without a key usage",
            Party::new(
                Recipe {
                    uri: Some(CLIENT),
                    usage: None,
                    ..LEAF
                },
                Some(&root),
            ),
        ),
    ] {
        let answer = post(&server, &signer.sign(claims(CLIENT))).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.text);
        assert_eq!(answer.body["software_id"], "app");
        let client = crate::support::Registered::of(answer.body);
        let origin = json!({"iss": CLIENT, "software_id": "app", "certified_by": "health"});
        let provenance = server.provenance(&client).await;
        assert_eq!(
            (&provenance["statement"], &provenance["trust_level"]),
            (&origin, &json!("statement"))
        );
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_rejected() {
    let root = Party::root();
    let file = root.file();
    let server = trusting(json!([community("health", file.path())])).await;
    let leaf = |recipe: Recipe<'static>| Recipe {
        uri: recipe.uri.or(Some(CLIENT)),
        ..recipe
    };
    let issued = |recipe: Recipe<'static>, issuer: &Party| Party::new(leaf(recipe), Some(issuer));
    let good = root.issue(CLIENT);
    let (short, old) = (
        root.below(0),
        Recipe {
            life: (-1_000, -1),
            ..AUTHORITY
        },
    );
    let old = Party::new(Recipe { name: "old", ..old }, Some(&root));
    let four = root.below(3).below(2).below(1).below(0);
    let shows = |x5c: Value| good.sign_with(json!({ "x5c": x5c }), claims(CLIENT));
    let der = |party: &Party| party.x5c()[0].clone();
    let url_safe = der(&good)
        .as_str()
        .unwrap()
        .replace('+', "-")
        .replace('/', "_")
        .replace('=', "");
    let below = root.below(0);
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "another CA of the same name",
            Party::root().issue(CLIENT).sign(claims(CLIENT)),
            UNAPPROVED,
        ),
        (
            "itself",
            Party::new(leaf(LEAF), None).sign(claims(CLIENT)),
            UNAPPROVED,
        ),
        (
            "issued by a certificate that is not a CA",
            issued(LEAF, &good).sign(claims(CLIENT)),
            UNAPPROVED,
        ),
        (
            "a longer path than allowed",
            issued(LEAF, &short.below(0)).sign(claims(CLIENT)),
            UNAPPROVED,
        ),
        (
            "an expired CA",
            old.issue(CLIENT).sign(claims(CLIENT)),
            UNAPPROVED,
        ),
        (
            "a missing intermediate CA",
            below
                .issue(CLIENT)
                .sign_with(json!({"x5c": [der(&below.issue(CLIENT))]}), claims(CLIENT)),
            UNAPPROVED,
        ),
        (
            "expired",
            issued(
                Recipe {
                    life: (-1_000, -1),
                    ..LEAF
                },
                &root,
            )
            .sign(claims(CLIENT)),
            REFUSED,
        ),
        (
            "not valid yet",
            issued(
                Recipe {
                    life: (10, 1_000),
                    ..LEAF
                },
                &root,
            )
            .sign(claims(CLIENT)),
            REFUSED,
        ),
        (
            "key usage without signatures",
            issued(
                Recipe {
                    usage: Some(Usage::Encrypts),
                    ..LEAF
                },
                &root,
            )
            .sign(claims(CLIENT)),
            REFUSED,
        ),
        (
            "the certificate of another client",
            root.issue("https://client.example/APP")
                .sign(claims(CLIENT)),
            REFUSED,
        ),
        (
            "without a URI",
            Party::new(LEAF, Some(&root)).sign(claims(CLIENT)),
            REFUSED,
        ),
        (
            "more than four certificates",
            four.issue(CLIENT).sign(claims(CLIENT)),
            REFUSED,
        ),
        (
            "the wrong order",
            shows(json!([der(&root), der(&good)])),
            REFUSED,
        ),
        (
            "another key",
            Party::new(leaf(LEAF), Some(&root))
                .sign_with(json!({"x5c": good.x5c()}), claims(CLIENT)),
            REFUSED,
        ),
        ("x5c not an array", shows(der(&good)), REFUSED),
        ("none", shows(json!([])), REFUSED),
        ("x5c element not a string", shows(json!([5])), REFUSED),
        (
            "x5c element not a certificate",
            shows(json!(["AQAB"])),
            REFUSED,
        ),
        (
            "base64url instead of base64",
            shows(json!([format!("{url_safe}-_")])),
            REFUSED,
        ),
        (
            "no x5c",
            good.signer().raw(&json!({}), claims(CLIENT)),
            REFUSED,
        ),
        ("no issuer", good.sign(json!({"iat": START})), REFUSED),
    ];
    for (name, statement, codes) in cases {
        let answer = post(&server, &statement).await;
        let code = answer.body["error"].as_str().unwrap_or_default();
        assert!(
            answer.status == 400 && codes.contains(&code),
            "{name}: {} {}",
            answer.status,
            answer.text
        );
        answer.expect_error(400, codes);
    }
    server.expect_empty().await;
    // Later the certificate has expired.
    post(&server, &good.sign(claims(CLIENT)))
        .await
        .expect_status(201);
    server.clock.advance(1_000_001);
    let late = with(
        claims(CLIENT),
        json!({"iat": server.now(), "exp": server.now() + 300}),
    );
    post(&server, &good.sign(late))
        .await
        .expect_error(400, REFUSED);
}

#[tokio::test]
async fn certificates_are_trusted_only_for_an_entry_with_anchors() {
    let (root, directory) = (Party::root(), Signer::new(CLIENT, Algorithm::Es256));
    let (file, other) = (root.file(), Party::root().file());
    let (party, by_key) = (root.issue(CLIENT), directory.token(json!({})));
    let keys = json!({"id": "keys", "type": "SSA", "issuers": [CLIENT], "jwks": directory.jwks()});
    let both = with(
        community("both", file.path()),
        json!({"jwks": directory.jwks(), "issuers": [CLIENT]}),
    );
    let named = with(
        community("named", file.path()),
        json!({"issuers": ["https://another.example"]}),
    );
    let other = community("other", other.path());
    for (entries, certificate, key) in [
        (json!([keys]), 400, 201),
        (json!([both]), 201, 201),
        (json!([named]), 400, 400),
        (json!([other]), 400, 400),
        (json!([other, community("health", file.path())]), 201, 400),
        (json!([keys, community("health", file.path())]), 201, 201),
    ] {
        let server = trusting(entries.clone()).await;
        let answer = post(&server, &party.sign(claims(CLIENT))).await;
        assert_eq!(answer.status, certificate, "{entries}: {}", answer.text);
        let answer = post(&server, &by_key).await;
        assert_eq!(answer.status, key, "{entries}: {}", answer.text);
    }
}

#[tokio::test]
async fn unusable_anchors_are_a_configuration_error() {
    let (good, empty) = (
        Party::root().file(),
        tempfile::NamedTempFile::new().unwrap(),
    );
    let folder = tempfile::TempDir::new().unwrap();
    for (entry, said) in [
        (
            community("a", &folder.path().join("missing.pem")),
            "missing.pem' cannot be read",
        ),
        (community("a", folder.path()), "is not a regular file"),
        (
            community("a", empty.path()),
            "contains no valid certificates",
        ),
    ] {
        let live: registrar::config::Live =
            serde_json::from_value(json!({"registration": {"dcrSsaValidationConfigs": [entry]}}))
                .unwrap();
        let faults = registrar::testing::judge(live).unwrap_err();
        let place = "registration.dcrSsaValidationConfigs[0].trustAnchors: ";
        assert!(
            faults.starts_with(place) && faults.contains(said),
            "{faults}"
        );
    }
    let live: registrar::config::Live = serde_json::from_value(
        json!({"registration": {"dcrSsaValidationConfigs": [community("a", good.path())]}}),
    )
    .unwrap();
    assert!(registrar::testing::judge(live).is_ok());
}

const ATTESTER: &str = "https://wallets.example";

/// Starts a server that trusts attestations of `ATTESTER` by their certificates.
async fn attesting(anchors: &Path, more: Value) -> TestServer {
    let entry = with(json!({"issuer": ATTESTER, "trustAnchors": anchors}), more);
    TestServer::configured(|configuration| {
        registering(configuration, json!({ "trustedClientAttesters": [entry] }));
    })
    .await
}

async fn attest(server: &TestServer, attester: &Party, iss: &str) -> Answer {
    let instance = Signer::new("", Algorithm::Es256);
    let claims =
        json!({"iss": iss, "sub": "wallet", "exp": START + 300, "cnf": {"jwk": instance.jwk()}});
    let attestation = attester.sign_with(json!({"typ": "oauth-client-attestation+jwt"}), claims);
    let proof = instance.raw(
        &json!({"typ": "oauth-client-attestation-pop+jwt"}),
        json!({"aud": server.url(""), "jti": "1", "iat": START}),
    );
    let request = server
        .ask("POST", "/register")
        .header("OAuth-Client-Attestation", attestation);
    Answer::of(
        request
            .header("OAuth-Client-Attestation-PoP", proof)
            .json(&minimal()),
    )
    .await
}

#[tokio::test]
async fn an_attester_is_trusted_by_the_certificates_of_its_ca() {
    let root = Party::root();
    let (file, provider) = (root.file(), root.below(0).issue(ATTESTER));
    let stranger = Party::root().issue(ATTESTER);
    let unnamed = Party::new(LEAF, Some(&root));
    let own = Signer::new(ATTESTER, Algorithm::Es256);
    for (more, party, iss, status) in [
        (json!({}), &provider, ATTESTER, 201),
        (json!({}), &unnamed, ATTESTER, 201),
        (json!({}), &provider, "https://another.example", 400),
        (json!({}), &stranger, ATTESTER, 400),
        (json!({"certificateSan": "iss"}), &provider, ATTESTER, 201),
        (json!({"certificateSan": "iss"}), &unnamed, ATTESTER, 400),
        (json!({"jwks": own.jwks()}), &provider, ATTESTER, 201),
        (json!({"jwks": own.jwks()}), &stranger, ATTESTER, 400),
    ] {
        let server = attesting(file.path(), more.clone()).await;
        let answer = attest(&server, party, iss).await;
        assert_eq!(answer.status, status, "{more} {iss}: {}", answer.text);
        if status == 400 {
            answer.expect_error(400, &["invalid_client_attestation"]);
        }
    }
}

#[tokio::test]
async fn scripts_see_the_certificates_of_a_statement() {
    let (root, script) = (
        Party::root(),
        r#"
        fn getSoftwareStatementJwks(context) {
            let shown = context.softwareStatement.header.x5c;
            if shown.len() != 1 || context.softwareStatement.claims.iss != "https://client.example/app" {
                return ();
            }
            #{ keys: [x509::parse("-----BEGIN CERTIFICATE-----\n" + shown[0] + "\n-----END CERTIFICATE-----\n").jwk] }
        }
    "#,
    );
    let server = TestServer::scripted(&[("10.rhai", script)], |_| {}).await;
    let party = root.issue(CLIENT);
    let unnamed = party.signer().raw(&json!({}), claims(CLIENT));
    let statement = party.sign_with(json!({}), claims(CLIENT));
    // The `kid` of the header is in no certificate.
    assert_eq!(server.post(&request(&unnamed)).await.status, 500);
    let answer = server.post(&request(&statement)).await;
    answer.expect_error(400, REFUSED);
    assert!(answer.text.contains("kid"), "{}", answer.text);
}

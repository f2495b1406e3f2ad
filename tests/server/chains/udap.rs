//! UDAP from end to end: a community with a CA, clients with certificates, registration, modification
//! and cancellation, and assertions at the token endpoint.

use futures_util::future::join_all;
use registrar::config::Sources;
use serde_json::{Value, json};

use super::anchors::community;
use super::parties::Party;
use crate::statements::{REFUSED, UNAPPROVED};
use crate::support::{Answer, GRANT, Registered, Signer, TestServer, registering, with};

const CLIENT: &str = "https://client.example/b2b";

/// A community with its server.
struct Community {
    root: Party,
    client: Party,
    server: TestServer,
    _anchors: tempfile::NamedTempFile,
}

impl Community {
    async fn new(more: Value) -> Self {
        let root = Party::root();
        let anchors = root.file();
        let members = json!({
            "softwareStatementValidationType": "builtin", "softwareStatementIdentity": "subject",
            "dcrSsaValidationConfigs": [community("health", anchors.path())],
        });
        let server = TestServer::registering(with(members, more)).await;
        let client = root.below(0).issue(CLIENT);
        Self {
            root,
            client,
            server,
            _anchors: anchors,
        }
    }

    /// Returns the claims of a statement of the client about itself.
    fn claims(&self, jti: &str, more: Value) -> Value {
        claims(&self.server, CLIENT, jti, more)
    }

    /// Registers with a statement of the client that has these additional claims.
    async fn register(&self, jti: &str, more: Value) -> Answer {
        post(
            &self.server,
            &self.client.sign(self.claims(jti, more)),
            json!({}),
        )
        .await
    }
}

fn claims(server: &TestServer, iss: &str, jti: &str, more: Value) -> Value {
    let basis = json!({
        "iss": iss, "sub": iss, "aud": server.url("/register"), "jti": jti,
        "iat": server.now(), "exp": server.now() + 300,
        "client_name": "Acme B2B App", "contacts": ["mailto:operations@client.example"],
        "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
        "scope": "profile email",
    });
    let mut claims = with(basis, more);
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

async fn post(server: &TestServer, statement: &str, more: Value) -> Answer {
    server
        .post(&with(
            json!({"software_statement": statement, "udap": "1"}),
            more,
        ))
        .await
}

async fn authenticate(server: &TestServer, party: &Party, id: &str, jti: &str) -> Answer {
    let (iat, exp) = (server.now(), server.now() + 300);
    let claims = json!({
        "iss": id, "sub": id, "aud": server.server().url(), "jti": jti, "iat": iat, "exp": exp,
    });
    let assertion = party.sign(claims);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = [
        GRANT,
        ("client_assertion_type", kind),
        ("client_assertion", &assertion),
        ("udap", "1"),
    ];
    server.form("/token", &form).await
}

/// The shipped UDAP configuration with a test CA.
#[tokio::test]
async fn the_shipped_configuration_registers_both_types_of_clients() {
    let (root, anchors) = (Party::root(), tempfile::NamedTempFile::new().unwrap());
    std::fs::copy(root.file().path(), anchors.path()).unwrap();
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/config/udap.toml");
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    let loaded = registrar::config::load(&sources).unwrap();
    let server = TestServer::configured(|configuration| {
        let shipped = serde_json::to_value(&loaded.live.registration).unwrap();
        let mut entries = shipped["dcrSsaValidationConfigs"].clone();
        entries[0]["trustAnchors"] = json!(anchors.path());
        configuration.live = loaded.live.clone();
        registering(configuration, json!({ "dcrSsaValidationConfigs": entries }));
        configuration.settings.discovery = loaded.settings.discovery.clone();
    })
    .await;
    let (system, app) = (root.issue(CLIENT), root.issue("https://client.example/app"));
    let more = json!({"scope": "system/Patient.read system/Procedure.read"});
    let answer = post(
        &server,
        &system.sign(claims(&server, CLIENT, "1", more)),
        json!({}),
    )
    .await;
    answer.expect_status(201);
    assert_eq!(
        answer.body["scope"],
        "system/Patient.read system/Procedure.read"
    );
    let more = json!({
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "redirect_uris": ["https://client.example/cb"], "logo_uri": "https://client.example/logo.png",
        "scope": "user/Patient.read",
    });
    let statement = app.sign(claims(&server, "https://client.example/app", "1", more));
    post(&server, &statement, json!({}))
        .await
        .expect_status(201);
    // A registration without a certificate is rejected, even without a statement.
    server
        .post(&crate::support::minimal())
        .await
        .expect_error(400, REFUSED);
    let metadata = Answer::of(server.ask("GET", "/.well-known/udap")).await;
    assert_eq!(
        metadata.body["authorization_endpoint"],
        "https://auth.example.org/authorize"
    );
    assert_eq!(
        metadata.body["grant_types_supported"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_client_registers_gets_tokens_updates_and_cancels_itself() {
    let community = Community::new(json!({})).await;
    let server = &community.server;
    let certification =
        Signer::new("certifier", registrar::testing::Algorithm::Es256).token(json!({
            "certification_uris": ["https://certifier.example/2026"], "padding": "x".repeat(4_000),
        }));
    let statement = community.client.sign(community.claims("1", json!({})));
    let answer = post(
        server,
        &statement,
        json!({"certifications": [certification]}),
    )
    .await;
    answer.expect_status(201);
    assert_eq!(answer.body["software_statement"], json!(statement));
    assert_eq!(answer.body["certifications"], json!([certification]));
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "udap",
        "jwks",
        "client_secret",
        "redirect_uris",
    ] {
        assert_eq!(answer.body.get(name), None, "{name}");
    }
    let client = Registered::of(answer.body);
    authenticate(server, &community.client, &client.id, "a")
        .await
        .expect_status(200);

    // The same name registers again with a newer certificate of another CA of the community.
    let renewed = community.root.issue(CLIENT);
    let changed = community.claims("2", json!({"client_name": "Acme", "scope": "profile"}));
    let answer = post(server, &renewed.sign(changed), json!({})).await;
    answer.expect_status(200);
    assert_eq!(answer.body["client_id"], json!(client.id));
    assert_eq!(
        (&answer.body["client_name"], &answer.body["scope"]),
        (&json!("Acme"), &json!("profile"))
    );
    assert_eq!(
        answer.body.get("certifications"),
        None,
        "the record is replaced"
    );
    assert_eq!(
        answer.body["client_id_issued_at"],
        client.body["client_id_issued_at"]
    );
    authenticate(server, &renewed, &client.id, "b")
        .await
        .expect_status(200);
    authenticate(server, &community.client, &client.id, "c")
        .await
        .expect_status(200);
    let read = server.read(&client).await;
    assert_eq!(read.body["client_name"], "Acme");

    // An empty list of grant types cancels the registration.
    let answer = community.register("3", json!({"grant_types": []})).await;
    answer.expect_status(200);
    assert_eq!(
        answer.body,
        json!({"client_id": client.id, "grant_types": []})
    );
    authenticate(server, &renewed, &client.id, "d")
        .await
        .expect_status(401);
    server.read(&client).await.expect_status(401);
    server.expect_empty().await;
    community
        .register("4", json!({"grant_types": []}))
        .await
        .expect_bad_metadata("grant_types");
    let again = community.register("5", json!({})).await;
    again.expect_status(201);
    assert_ne!(again.body["client_id"], json!(client.id));
}

#[tokio::test]
async fn a_statement_is_for_one_request_of_its_own_client() {
    let community = Community::new(json!({})).await;
    let server = &community.server;
    let now = server.now();
    for (number, more) in [
        json!({"sub": "https://client.example/other"}),
        json!({"sub": null}),
        json!({"aud": null}),
        json!({"aud": server.url("")}),
        json!({"aud": "https://another.example/register"}),
        json!({"exp": now + 301}),
        json!({"exp": null}),
        json!({"iat": null}),
        json!({"exp": now - 61, "iat": now - 100}),
        json!({"jti": null}),
        json!({"iss": "https://client.example/other", "sub": "https://client.example/other"}),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = community
            .register(&format!("bad {number}"), more.clone())
            .await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text);
        answer.expect_error(400, REFUSED);
    }
    let stranger = Party::root().issue(CLIENT);
    post(
        server,
        &stranger.sign(community.claims("s", json!({}))),
        json!({}),
    )
    .await
    .expect_error(400, UNAPPROVED);
    for (name, more) in [
        (
            "grant_types",
            json!({"grant_types": ["client_credentials", "authorization_code"]}),
        ),
        ("grant_types", json!({"grant_types": null})),
        (
            "contacts",
            json!({"contacts": ["operations@client.example"]}),
        ),
        (
            "token_endpoint_auth_method",
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
        ),
        ("scope", json!({"scope": null})),
        (
            "logo_uri",
            json!({"grant_types": ["authorization_code"], "response_types": ["code"],
            "redirect_uris": ["https://client.example/cb"]}),
        ),
    ] {
        community
            .register(name, more)
            .await
            .expect_bad_metadata(name);
    }
    let statement = community.client.sign(community.claims("once", json!({})));
    post(server, &statement, json!({"udap": "2"}))
        .await
        .expect_bad_metadata("udap");
    server.expect_empty().await;
    post(server, &statement, json!({})).await.expect_status(201);
    // Neither the statement nor another one with its jti is accepted again. A rejected statement does not
    // use up its jti.
    post(server, &statement, json!({}))
        .await
        .expect_error(400, UNAPPROVED);
    community
        .register("once", json!({"client_name": "B"}))
        .await
        .expect_error(400, UNAPPROVED);
    let ends = community.claims("once", json!({"grant_types": []}));
    post(server, &community.client.sign(ends), json!({}))
        .await
        .expect_error(400, UNAPPROVED);
    community
        .register("bad 0", json!({}))
        .await
        .expect_status(200);
}

#[tokio::test]
async fn of_many_simultaneous_registrations_one_creates_the_client() {
    let community = Community::new(json!({})).await;
    let names: Vec<String> = (0..8).map(|number| format!("race {number}")).collect();
    let answers = join_all(names.iter().map(|jti| community.register(jti, json!({})))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses
            .iter()
            .all(|status| [200, 201, 409].contains(status)),
        "{statuses:?}"
    );
    let ids: std::collections::BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.status != 409)
        .map(|answer| answer.body["client_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    let all = community.server.storage().count_clients().await.unwrap();
    let own = u64::from(community.server.server().administrator().is_some());
    assert_eq!(all, own + 1);
}

#[tokio::test]
async fn a_name_is_unique_within_its_community() {
    let (one, two) = (Party::root(), Party::root());
    let (first, second) = (one.file(), two.file());
    let server = TestServer::registering(json!({
        "softwareStatementValidationType": "builtin", "softwareStatementIdentity": "subject",
        "dcrSsaValidationConfigs": [community("one", first.path()), community("two", second.path())],
    }))
    .await;
    let register = async |party: &Party, jti: &str, more: Value| {
        post(
            &server,
            &party.sign(claims(&server, CLIENT, jti, more)),
            json!({}),
        )
        .await
    };
    let (here, there) = (one.issue(CLIENT), two.issue(CLIENT));
    let client = register(&here, "1", json!({})).await;
    client.expect_status(201);
    let other = register(&there, "2", json!({})).await;
    other.expect_status(201);
    assert_ne!(client.body["client_id"], other.body["client_id"]);
    register(&there, "3", json!({"grant_types": []}))
        .await
        .expect_status(200);
    assert_eq!(server.read(&Registered::of(client.body)).await.status, 200);
}

#[tokio::test]
async fn a_disabled_client_cannot_register_again_or_cancel_by_a_statement() {
    let script = r"fn updateClient(context) { context.client.disabled = true; true }";
    let root = Party::root();
    let anchors = root.file();
    let server = TestServer::scripted(&[("10.rhai", script)], |configuration| {
        registering(
            configuration,
            json!({
                "softwareStatementValidationType": "builtin", "softwareStatementIdentity": "subject",
                "dcrSsaValidationConfigs": [community("health", anchors.path())],
            }),
        );
    })
    .await;
    let party = root.issue(CLIENT);
    let register = async |jti: &str, more: Value| {
        post(
            &server,
            &party.sign(claims(&server, CLIENT, jti, more)),
            json!({}),
        )
        .await
    };
    register("1", json!({})).await.expect_status(201);
    register("2", json!({})).await.expect_status(200);
    register("3", json!({})).await.expect_error(400, UNAPPROVED);
    register("4", json!({"grant_types": []}))
        .await
        .expect_error(400, UNAPPROVED);
}

#[tokio::test]
async fn without_the_option_each_registration_creates_a_client() {
    let community = Community::new(json!({"softwareStatementIdentity": "none"})).await;
    community.register("1", json!({})).await.expect_status(201);
    community.register("2", json!({})).await.expect_status(201);
    community
        .register("2", json!({}))
        .await
        .expect_error(400, UNAPPROVED);
    // The UDAP rules apply to other statements only with the option.
    let plain = json!({"iss": CLIENT, "iat": community.server.now(), "client_name": "A"});
    let body = json!({"software_statement": community.client.sign(plain), "grant_types": ["client_credentials"]});
    community.server.post(&body).await.expect_status(201);
    let strict = Community::new(json!({})).await;
    let plain = json!({"iss": CLIENT, "iat": strict.server.now(), "client_name": "A"});
    let body = json!({"software_statement": strict.client.sign(plain), "grant_types": ["client_credentials"]});
    strict.server.post(&body).await.expect_error(400, REFUSED);
    // Clients that may not delete themselves may not cancel their registration either.
    let kept = Community::new(json!({"clientDeletionEnabled": false})).await;
    kept.register("1", json!({})).await.expect_status(201);
    kept.register("2", json!({"grant_types": []}))
        .await
        .expect_bad_metadata("grant_types");
}

//! `registrar documents check URL`: what is found by fetching a document.

use registrar::config::{ClientDocumentRedirectUris, ClientDocuments, FetchSettings, Live};
use registrar::testing::check_client_document;
use serde_json::{Value, json};

use crate::statements;
use crate::support::certificates::Files;
use crate::support::{
    Answer, Canary, Origin, Reply, TestServer, development_with, registering, with,
};

/// An origin with a certificate that the check trusts.
struct Host {
    files: Files,
    origin: Origin,
}

impl Host {
    async fn new() -> Self {
        let files = Files::new();
        let origin = Origin::with_tls(&files).await;
        Self { files, origin }
    }

    fn document(&self) -> Value {
        json!({
            "client_id": self.origin.url("/client.json"),
            "client_name": "App",
            "redirect_uris": [self.origin.url("/cb")],
            "token_endpoint_auth_method": "none",
            "token_endpoint_auth_methods_supported": ["none"],
        })
    }

    /// Checks the errors and warnings, each as `member: words`, when the host answers with each of `replies`.
    async fn check(&self, replies: &[Reply], errors: &[&str], warnings: &[&str]) -> Value {
        self.origin.set_each("/client.json", replies.to_vec());
        let url = self.origin.url("/client.json");
        let report = check_client_document(development_with(&self.files), &Live::default(), &url)
            .await
            .unwrap();
        for (list, expected) in [("errors", errors), ("warnings", warnings)] {
            let found = report[list].as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{report:#}");
            for (one, expected) in found.iter().zip(expected) {
                let text = format!(
                    "{}: {}",
                    one["member"].as_str().unwrap(),
                    one["text"].as_str().unwrap()
                );
                assert!(
                    text.contains(expected),
                    "{text} does not contain {expected}"
                );
            }
        }
        assert_eq!(report["valid"], errors.is_empty());
        report
    }
}

fn kept(document: &Value) -> Reply {
    Reply::json(document.clone()).header("cache-control", "max-age=600")
}

#[tokio::test]
async fn a_good_document_is_reported_with_what_is_registered() {
    let host = Host::new().await;
    let document = host.document();
    let report = host.check(&[kept(&document)], &[], &[]).await;
    assert_eq!(report["metadata"]["application_type"], "web");
    assert_eq!(report["client_id"], document["client_id"]);
    assert_eq!(host.origin.hits("/client.json"), 2);
    assert_eq!(
        host.origin.asked("/client.json", "accept").as_deref(),
        Some("application/json")
    );
}

#[tokio::test]
async fn an_answer_that_is_no_document_is_named() {
    let host = Host::new().await;
    let good = host.document();
    let challenge = Reply::text("text/html", "<p>")
        .with_status(403)
        .header("cf-mitigated", "challenge");
    for (reply, error) in [
        (
            challenge,
            ": the document cannot be fetched: the answer has status 403, but must have status 200 (the answer \
                     has the content type text/html); the host wants a browser to solve a challenge",
        ),
        (
            Reply::status(301).header("location", host.origin.url("/good")),
            "redirects are not followed (status 301)",
        ),
        (Reply::status(204), "status 204"),
        (
            Reply::text("text/html", good.to_string()),
            "must have the content type application/json",
        ),
        (
            Reply::text("application/json", "x".repeat(6 * 1024)),
            "larger than 5120 bytes",
        ),
        (
            Reply::text("application/json", "\u{feff}\u{feff}{}"),
            "cannot be read",
        ),
        (
            Reply::text("application/json", r#"{"client_id":"a","client_id":"b"}"#),
            "duplicate member",
        ),
    ] {
        host.check(&[reply.header("cache-control", "max-age=1")], &[error], &[])
            .await;
    }
    assert_eq!(host.origin.hits("/good"), 0);
}

#[tokio::test]
async fn a_host_that_varies_or_states_no_lifetime_is_warned_about() {
    let host = Host::new().await;
    let good = host.document();
    let mut other = good.clone();
    other["client_name"] = json!("Other");
    host.check(&[Reply::json(good.clone())], &[], &["without a lifetime"])
        .await;
    let long = Reply::json(good.clone()).header("cache-control", "max-age=100000");
    host.check(&[long], &[], &["may be kept for 100000 seconds"])
        .await;
    host.check(
        &[kept(&good), kept(&other)],
        &[],
        &["two fetches returned different documents"],
    )
    .await;
    host.check(
        &[kept(&good), Reply::status(500)],
        &[],
        &["a second fetch had status 500"],
    )
    .await;
    let challenged = kept(&good)
        .header("cf-mitigated", "challenge")
        .header("content-encoding", "gzip");
    host.check(
        &[challenged],
        &[],
        &["challenges some requests", "the coding gzip"],
    )
    .await;
}

#[tokio::test]
async fn the_picture_is_fetched_too() {
    let host = Host::new().await;
    let mut document = host.document();
    document["logo_uri"] = json!(host.origin.url("/logo"));
    for (reply, warning) in [
        (
            Reply::status(404),
            "logo_uri: cannot be fetched: the answer has status 404",
        ),
        (
            Reply::text("image/svg+xml", "<svg/>"),
            "logo_uri: is not a PNG",
        ),
        (Reply::endless(), "logo_uri: is larger than 262144 bytes"),
    ] {
        host.origin.set("/logo", reply);
        host.check(&[kept(&document)], &[], &[warning]).await;
    }
    host.origin.set("/logo", Reply::text("image/gif", "GIF89a"));
    host.check(&[kept(&document)], &[], &[]).await;
}

#[tokio::test]
async fn an_administrator_checks_by_the_settings_of_the_server() {
    let host = Host::new().await;
    let server = TestServer::configured(|configuration| {
        configuration.settings.fetch = development_with(&host.files);
        configuration
            .live
            .registration
            .client_document_redirect_uris = ClientDocumentRedirectUris::SameHost;
    })
    .await;
    let mut document = host.document();
    host.origin.set("/client.json", kept(&document));
    let ask = async |body: Value| {
        let request = server
            .administrate("POST", "/admin/v1/client-documents/check")
            .await;
        Answer::of(request.json(&body)).await
    };
    let url = document["client_id"].clone();
    let published = ask(json!({"client_id": url})).await;
    published.expect_status(200);
    assert_eq!(published.member("valid"), &json!(true));
    assert_eq!(published.body["metadata"]["application_type"], "web");
    document["redirect_uris"] = json!(["https://other.example.org/cb"]);
    let other = ask(json!({"client_id": url, "document": document})).await;
    other.expect_status(200);
    assert_eq!(other.body["errors"][0]["member"], "redirect_uris[0]");
    assert!(other.body.get("metadata").is_none());
    assert_eq!(host.origin.hits("/client.json"), 2);
    ask(json!({})).await.expect_status(400);
}

/// A script that accepts every client.
const ACCEPTING: &str = "fn createClient(context) { true }";

/// A server that checks documents of a host.
struct Checker {
    host: Host,
    server: TestServer,
}

impl Checker {
    async fn new(script: &str, members: Value) -> Self {
        let host = Host::new().await;
        let server = TestServer::scripted(&[("10-judge.rhai", script)], |configuration| {
            configuration.settings.fetch = development_with(&host.files);
            configuration.live.registration.client_documents = ClientDocuments::Any;
            registering(configuration, members);
        })
        .await;
        Self { host, server }
    }

    async fn order(&self, word: &str, body: Value) -> Answer {
        let path = format!("/admin/v1/client-documents/{word}");
        let request = self.server.administrate("POST", &path).await;
        let answer = Answer::of(request.json(&body)).await;
        assert!([200, 204].contains(&answer.status), "{}", answer.text);
        answer
    }

    /// Checks that the document with these members on top has an error and a warning that contain these words; an empty
    /// text stands for none.
    async fn check(&self, more: Value, error: &str, warning: &str) -> Value {
        let document = with(self.host.document(), more);
        let body = json!({"client_id": document["client_id"], "document": document});
        let report = self.order("check", body).await.body;
        for (list, expected) in [("errors", error), ("warnings", warning)] {
            let found = report[list].as_array().unwrap();
            assert_eq!(found.len(), usize::from(!expected.is_empty()), "{report:#}");
            assert!(report[list].to_string().contains(expected), "{report:#}");
        }
        assert_eq!(report["valid"], json!(error.is_empty()), "{report:#}");
        assert_eq!(report.get("metadata").is_some(), error.is_empty());
        report
    }
}

#[tokio::test]
async fn the_check_of_a_server_asks_its_scripts_and_stores_nothing() {
    let script = r#"
        fn mayFetchDocument(context) { context.document.host == "127.0.0.1" }
        fn createClient(context) {
            let name = context.client.client_name;
            kv::set("seen", name, 60);
            if name == "Fault" { throw "a fault"; }
            if name == "Held" { context.holdForApproval("a new name"); }
            if name == "Own" { context.createWebApplicationException(403, #{ error: "no", error_description: "not this name" }); }
            context.client.contacts = ["a@example.org"];
            name != "Evil"
        }
    "#;
    let checker = Checker::new(script, json!({"softwareStatementValidationType": "script"})).await;
    let report = checker.check(json!({}), "", "").await;
    assert_eq!(report["metadata"]["contacts"], json!(["a@example.org"]));
    assert_eq!(report["unchecked"], json!([]));
    let named = |name: &str| json!({"client_name": name});
    let refused = "the policy of this server does not allow this client document";
    checker.check(named("Evil"), refused, "").await;
    checker.check(named("Fault"), "server_error", "").await;
    checker.check(named("Own"), "no: not this name", "").await;
    let waits = "must approve it before it is in force";
    checker.check(named("Held"), "", waits).await;
    // The rules come first, and the other steps have not judged it then.
    let report = checker
        .check(
            json!({"redirect_uris": ["javascript:x"]}),
            "redirect_uris[0]",
            "",
        )
        .await;
    let unchecked = json!(["software statement", "sector file", "scripts", "approval"]);
    assert_eq!(report["unchecked"], unchecked);
    for path in [
        "/admin/v1/clients?trust_level=document",
        "/admin/v1/client-documents",
    ] {
        let request = checker.server.administrate("GET", path).await;
        let listed = Answer::of(request).await;
        listed.expect_status(200);
        let lists = listed.body.as_object().unwrap().values();
        let mut lengths = lists.filter_map(Value::as_array).map(Vec::len);
        assert_eq!((lengths.next(), lengths.next()), (Some(0), None));
    }
    assert_eq!(checker.host.origin.hits("/client.json"), 0);
}

#[tokio::test]
async fn the_check_of_a_server_verifies_statements_and_sector_files() {
    let issuer = statements::issuer();
    let checker = Checker::new(ACCEPTING, statements::builtin(&issuer, json!({}))).await;
    let statement = |statement: String| json!({"software_statement": statement});
    let good = issuer.token(json!({"jti": "one", "client_name": "Vouched"}));
    let report = checker.check(statement(good), "", "").await;
    assert_eq!(report["metadata"]["client_name"], "Vouched");
    let bad = "x.y.z".to_owned();
    checker
        .check(statement(bad), "software_statement", "")
        .await;
    let sector = checker.host.origin.at("/sector", Reply::json(json!([])));
    let members = json!({"subject_type": "pairwise", "sector_identifier_uri": sector});
    let rule = "must be in the file at sector_identifier_uri";
    checker.check(members.clone(), rule, "").await;
    let uri = checker.host.origin.url("/cb");
    checker
        .host
        .origin
        .set("/sector", Reply::json(json!([uri])));
    checker.check(members, "", "").await;
}

#[tokio::test]
async fn the_check_of_a_server_knows_its_lists_and_decisions() {
    let checker = Checker::new(ACCEPTING, json!({"clientDocumentApproval": "first"})).await;
    let waits = "must approve it before it is in force";
    checker.check(json!({}), "", waits).await;
    let document = checker.host.document();
    let url = document["client_id"].clone();
    checker
        .order("pin", json!({"client_id": url, "document": document}))
        .await;
    checker.order("unpin", json!({"client_id": url})).await;
    // Now it is an update of a client, which no setting holds.
    checker
        .check(json!({"tos_uri": "https://127.0.0.1/tos"}), "", "")
        .await;
    checker.order("deny", json!({"client_id": url})).await;
    let body = json!({"client_id": url, "document": document});
    let report = checker.order("check", body).await;
    let denied = "an administrator has denied it";
    assert!(
        report.body["warnings"].to_string().contains(denied),
        "{}",
        report.text
    );
    let listed =
        json!({"clientDocuments": "listed", "clientDocumentAllowList": ["https://a.example/*"]});
    for (members, warning) in [
        (
            listed,
            "clientDocumentAllowList or clientDocumentDenyList excludes it",
        ),
        (json!({"clientDocuments": "off"}), "clientDocuments is off"),
    ] {
        Checker::new(ACCEPTING, members)
            .await
            .check(json!({}), "", warning)
            .await;
    }
}

#[tokio::test]
async fn nothing_in_a_private_network_is_fetched() {
    let canary = Canary::new();
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let url = format!("https://{host}:{}/client.json", canary.port());
        let report = check_client_document(FetchSettings::default(), &Live::default(), &url)
            .await
            .unwrap();
        let text = report["errors"][0]["text"].as_str().unwrap();
        assert!(
            text.contains("must have the name of a host on the public internet"),
            "{text}"
        );
    }
    canary.expect_untouched();
}

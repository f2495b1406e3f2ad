//! Patches of the live configuration on a running server: in force at once, completely, and after a
//! restart.

use std::path::PathBuf;
use std::sync::Arc;

use registrar::clock::SystemClock;
use registrar::config::{Sources, load};
use registrar::server::{Server, Start, StartError, start};
use registrar::testing::inside;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::reload::until;
use crate::support::{TestServer, minimal};

/// A folder with a configuration file and a store, in which a server runs.
struct Place {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
            environment: Vec::new(),
        };
        std::fs::create_dir(place.path("scripts")).unwrap();
        place.write("");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration file: `text` after the lines that every test needs.
    fn write(&self, text: &str) {
        let (data, scripts) = (self.path("data"), self.path("scripts"));
        let server = "[server]\nlisten = \"127.0.0.1:0\"\n";
        let store = format!("[store]\nurl = \"sled:{}\"\n", data.display());
        let scripts = format!("[scripts]\ndirectory = \"{}\"\n", scripts.display());
        std::fs::write(
            self.path("r.toml"),
            [server, &store, &scripts, text].concat(),
        )
        .unwrap();
    }

    async fn try_start(&self) -> Result<Server, StartError> {
        let (file, environment) = (Some(self.path("r.toml")), self.environment.clone());
        let sources = Sources {
            file,
            environment,
            ..Sources::default()
        };
        let configuration = load(&sources).unwrap();
        start(Start {
            configuration,
            sources,
            clock: Arc::new(SystemClock),
        })
        .await
    }

    async fn start(&self) -> Server {
        self.try_start().await.unwrap()
    }
}

/// The configuration as administrators see it.
type Document = Map<String, Value>;

fn show(server: &Server) -> Document {
    inside(server).configuration()
}

async fn patch(server: &Server, operations: &Value) -> Result<Document, String> {
    let operations = operations.to_string();
    inside(server).patch(operations.as_bytes(), None).await
}

pub(crate) fn set(path: &str, value: impl Into<Value>) -> Value {
    json!([{"op": "replace", "path": path, "value": value.into()}])
}

async fn register(server: &Server) -> u16 {
    let url = format!("{}/register", server.url());
    reqwest::Client::new()
        .post(url)
        .json(&minimal())
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

async fn ready(server: &Server) -> Value {
    reqwest::get(format!("{}/readyz", server.url()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_patch_is_in_force_at_once_and_after_a_restart() {
    let place = Place::new();
    let server = place.start().await;
    assert_eq!(register(&server).await, 201);
    let before = show(&server);
    let after = patch(
        &server,
        &set("/registration/dynamicRegistrationEnabled", false),
    )
    .await
    .unwrap();
    assert_eq!(register(&server).await, 403);
    assert_eq!(after["registration"]["dynamicRegistrationEnabled"], false);
    assert_eq!(
        after["origins"]["registration.dynamicRegistrationEnabled"],
        "patch"
    );
    assert_ne!(after["revision"], before["revision"]);
    assert_eq!(after, show(&server));
    server.stop().await;

    let server = place.start().await;
    assert_eq!(register(&server).await, 403);
    assert_eq!(show(&server), after);
    let removed = json!([{"op": "remove", "path": "/registration/dynamicRegistrationEnabled"}]);
    let removed = patch(&server, &removed).await.unwrap();
    assert_eq!(register(&server).await, 201);
    assert_eq!(
        removed["origins"]["registration.dynamicRegistrationEnabled"],
        "default"
    );
    server.stop().await;
    let server = place.start().await;
    assert_eq!(register(&server).await, 201);
    server.stop().await;
}

#[tokio::test]
async fn patches_in_janssens_spelling_are_accepted_unchanged() {
    let place = Place::new();
    place.write("[registration]\ndynamicRegistrationEnabled = false\n");
    let server = place.start().await;
    let example = br#"[
    {
     "op": "add",
     "path": "anExampleConfigField",
     "value": "anExampleConfigField_value"
     }
    ]"#;
    let patched = inside(&server).patch(example, None).await;
    let error = patched.unwrap_err();
    assert!(
        error.starts_with("operation 1: anExampleConfigField: unknown key"),
        "{error}"
    );
    assert_eq!(register(&server).await, 403);
    let enabled = br#"[
 {
  "op": "add",
  "path": "dynamicRegistrationEnabled",
  "value": "true"
  }
 ]"#;
    let patched = inside(&server).patch(enabled, None).await;
    patched.unwrap();
    assert_eq!(register(&server).await, 201);
    server.stop().await;
}

#[tokio::test]
async fn an_invalid_patch_changes_nothing() {
    let server = TestServer::new().await;
    let server = server.server();
    let before = show(server);
    for (operations, part) in [
        (
            set("/registration/clientExpiryGrace", "x"),
            "patch: registration.clientExpiryGrace: must be a whole number from 0",
        ),
        (
            set("/registration/defaultSubjectType", "other"),
            "must be one of subjectTypesSupported",
        ),
        (
            set("/registration/redirectUriAllowList", json!(["no pattern"])),
            "registration.redirectUriAllowList: 'no pattern'",
        ),
        (
            json!([
                set("/registration/nativeAllowHttps", false)[0],
                set("/scopes/0/id", "")[0]
            ]),
            "patch: scopes[0].id: must be visible ASCII",
        ),
        (set("/limits/bodyBytes", 1), "[limits] cannot be patched"),
    ] {
        let error = patch(server, &operations).await.unwrap_err();
        assert!(error.contains(part), "{error} does not contain {part}");
        assert_eq!(show(server), before, "{operations}");
    }
    let (_, revision) = inside(server).storage().patches().await.unwrap();
    assert_eq!(revision, 0);
}

#[tokio::test]
async fn of_two_patches_of_the_same_revision_one_is_rejected() {
    let server = TestServer::new().await;
    let server = server.server();
    let seen = show(server)["revision"].as_str().unwrap().to_owned();
    let bodies: Vec<String> = (1..=8)
        .map(|grace| set("/registration/clientExpiryGrace", grace).to_string())
        .collect();
    let attempts = bodies
        .iter()
        .map(|body| async { inside(server).patch(body.as_bytes(), Some(&seen)).await });
    let outcomes = futures_util::future::join_all(attempts).await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    let present = show(server)["revision"].take();
    assert_eq!(made[0].as_ref().unwrap()["revision"], present);
    for outcome in refused {
        let error = outcome.unwrap_err();
        let named = format!("its revision is now {}", present.as_str().unwrap());
        assert!(error.contains(&named), "{error}");
    }
}

#[tokio::test]
async fn a_changed_secret_alone_creates_another_revision() {
    let server = TestServer::new().await;
    let server = server.server();
    let path = "/registration/dcrSignatureValidationSharedSecret";
    let one = patch(server, &set(path, "the-first-secret-of-32-bytes-or-more"))
        .await
        .unwrap();
    let two = patch(server, &set(path, "the-second-secret-of-32-bytes-or-more"))
        .await
        .unwrap();
    assert_ne!(one["revision"], two["revision"]);
    assert_eq!(
        two["registration"]["dcrSignatureValidationSharedSecret"],
        "********"
    );
    let kept = patch(server, &set(path, "********")).await.unwrap();
    assert_eq!(kept["revision"], two["revision"], "nothing was changed");
    let live = inside(server).exposed_configuration();
    assert_eq!(
        live["registration"]["dcrSignatureValidationSharedSecret"],
        "the-second-secret-of-32-bytes-or-more"
    );
}

#[tokio::test]
async fn the_environment_takes_precedence() {
    let mut place = Place::new();
    let name = "REGISTRAR_REGISTRATION__DYNAMIC_REGISTRATION_ENABLED";
    place
        .environment
        .push((name.to_owned(), "false".to_owned()));
    let server = place.start().await;
    let path = "/registration/dynamicRegistrationEnabled";
    let error = patch(&server, &set(path, true)).await.unwrap_err();
    assert!(
        error.contains("is overridden by an environment variable"),
        "{error}"
    );
    assert_eq!(
        show(&server)["origins"]["registration.dynamicRegistrationEnabled"],
        "environment"
    );
    patch(&server, &set("/registration/nativeAllowHttps", false))
        .await
        .unwrap();
    assert_eq!(register(&server).await, 403);
    server.stop().await;
}

#[tokio::test]
async fn a_patch_stays_on_top_of_a_file_that_changes() {
    let place = Place::new();
    let server = place.start().await;
    patch(&server, &set("/registration/clientExpiryGrace", 7))
        .await
        .unwrap();
    place.write("[registration]\nclientExpiryGrace = 9\nevidenceNonceLifetime = 20\n");
    let registration = || show(&server)["registration"].clone();
    until(async || (registration()["evidenceNonceLifetime"] == 20).then_some(())).await;
    assert_eq!(registration()["clientExpiryGrace"], 7);
    let same = patch(&server, &set("/registration/clientExpiryGrace", 9))
        .await
        .unwrap();
    assert_eq!(same["origins"]["registration.clientExpiryGrace"], "file");

    place.write("[registration]\nclientExpiryGrace = \"long\"\n");
    until(async || ready(&server).await.get("configurationError").map(drop)).await;
    let error = patch(&server, &set("/registration/nativeAllowHttps", false))
        .await
        .unwrap_err();
    assert!(
        error.starts_with("the configuration file is invalid")
            && error.contains("r.toml:8:1: registration.clientExpiryGrace"),
        "{error}"
    );
    assert_eq!(registration()["clientExpiryGrace"], 9);
    place.write("[registration]\nclientExpiryGrace = 3\n");
    // A patch reads the file itself, whether or not the change was noticed already.
    patch(&server, &set("/registration/nativeAllowHttps", false))
        .await
        .unwrap();
    assert_eq!(registration()["clientExpiryGrace"], 3);
    assert_eq!(ready(&server).await.get("configurationError"), None);
    server.stop().await;
}

#[tokio::test]
async fn a_stored_patch_that_is_no_longer_valid_stops_the_start() {
    let place = Place::new();
    let server = place.start().await;
    patch(
        &server,
        &set("/registration/defaultSubjectType", "pairwise"),
    )
    .await
    .unwrap();
    server.stop().await;
    place.write("[registration]\nsubjectTypesSupported = [\"public\"]\n");
    let error = place
        .try_start()
        .await
        .err()
        .expect("it does not start")
        .to_string();
    assert!(
        error.contains("patch: registration.defaultSubjectType: must be one of"),
        "{error}"
    );
    assert!(error.contains("registrar config reset"), "{error}");
    place.write("");
    place.start().await.stop().await;
}

#[tokio::test]
async fn a_patch_stored_by_another_server_is_applied() {
    let server = TestServer::new().await;
    let server = server.server();
    let values = json!({"registration.clientExpiryGrace": 7});
    let stored = inside(server).storage().patch(&values).await;
    stored.unwrap();
    let error = patch(server, &set("/registration/nativeAllowHttps", false))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        "the configuration was changed at the same time; read it, then retry"
    );
    let again = patch(server, &set("/registration/nativeAllowHttps", false))
        .await
        .unwrap();
    assert_eq!(again["registration"]["clientExpiryGrace"], 7);
    assert_eq!(again["registration"]["nativeAllowHttps"], false);
}

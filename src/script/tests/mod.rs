use std::sync::{Arc, LazyLock};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::base::{ManualClock, Timestamp};
use crate::client::{Metadata, TrustLevel};
use crate::config::{ScriptSettings, SecretSource};
use crate::script::{testing::fake::FakeHost, *};
use crate::x509::{Certificate, testing::PLAIN, testing::Recipe, testing::make};

mod after;
mod ask;
mod bounds;
mod check;
mod comparisons;
mod concealed;
mod cycles;
mod docs;
mod faults;
mod hooks;
mod hostile;
mod loading;
mod logged;
mod modules;
mod outside;
mod waiting;

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// The certificate of the caller, with the members of `context.certificate`.
static CERTIFICATE: LazyLock<Value> = LazyLock::new(|| {
    let subject = Recipe {
        subject: &[("CN", "a")],
        ..PLAIN
    };
    let certificate = Certificate::from_pem(&make(subject, None).pem()).unwrap();
    certificate.to_json().into()
});

/// Scripts, and the fake world that they reach.
struct World {
    set: Arc<ScriptSet>,
    host: Arc<FakeHost>,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

fn world(
    files: &[(&str, &str)],
    change: impl FnOnce(&mut ScriptSettings),
) -> Result<World, String> {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let attributes = object(json!({"deniedVendors": ["acme"], "serial": u64::MAX}));
    let mut settings = ScriptSettings {
        directory: folder.path().to_owned(),
        attributes,
        ..ScriptSettings::default()
    };
    let key = folder.path().join("key.txt");
    std::fs::write(&key, "key-of-the-tests-0123456789abcdef\n").unwrap();
    settings
        .secrets
        .insert("key".to_owned(), SecretSource::File(key));
    // A debug build is slow; the tests of the deadline set their own deadline.
    settings.limits.deadline_ms = 20_000;
    change(&mut settings);
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix(1_767_225_600)));
    let host = Arc::new(FakeHost::new(clock.clone()));
    let runtime =
        Runtime::new(&settings, clock.clone(), host.clone()).map_err(|error| error.to_string())?;
    let mut set = ScriptSet::load(&settings, &runtime).map_err(|errors| errors.to_string())?;
    set.check(&[]);
    let set = Arc::new(set);
    Ok(World {
        set,
        host,
        clock,
        _folder: folder,
    })
}

fn load(
    files: &[(&str, &str)],
    change: impl FnOnce(&mut ScriptSettings),
) -> Result<Arc<ScriptSet>, String> {
    world(files, change).map(|world| world.set)
}

/// Returns a world with one script that has one hook.
fn hooked(hook: Hook, body: &str) -> World {
    let parameters = hook.parameters().join(", ");
    world(
        &[(
            "10-a.rhai",
            &format!("fn {}({parameters}) {{ {body} }}", hook.name()),
        )],
        |_| {},
    )
    .unwrap()
}

fn facts(request: Value) -> Arc<Facts> {
    let mut headers = HeaderMap::new();
    headers.append("x-a", HeaderValue::from_static("1"));
    headers.append("x-a", HeaderValue::from_static("2"));
    let proofs = Proofs {
        software_statement: Some(
            json!({"header": {"alg": "ES256"}, "claims": {"iss": "https://iss.example.org"}}),
        ),
        initial_access_token_id: Some("0a1b".into()),
        initial_access_token_note: Some("for the tests".into()),
        ..Proofs::none(TrustLevel::Open)
    };
    let asked = RequestFacts {
        http_request: HttpRequest {
            method: "POST".into(),
            path: "/register".into(),
            headers,
            ip_address: Some("192.0.2.1".parse().unwrap()),
        },
        received_at: Timestamp::from_unix(1_767_225_599),
        certificate: Some(CERTIFICATE.clone()),
        custom_attributes: vec!["department".into()],
        recorder: None,
    };
    Arc::new(Facts {
        settled: ["software_id".to_owned(), "tos_uri".to_owned()].into(),
        ..Facts::new(
            Arc::new(asked),
            Arc::new(proofs),
            Metadata::new(object(request)),
        )
    })
}

async fn create(set: &Arc<ScriptSet>, client: Value) -> Result<Decision, HookError> {
    let facts = facts(client.clone());
    set.decide(Hook::CreateClient, facts, Metadata::new(object(client)))
        .await
}

/// Returns how a hook ended, in one line.
fn ending(error: &HookError) -> String {
    match error {
        HookError::Answered { status, entity, .. } => {
            format!("{status} {}", Value::Object(entity.clone()))
        }
        error => error.to_string(),
    }
}

/// Checks the outcome of a `createClient` with this body for `client`: the client, or an error.
async fn check(body: &str, client: Value, expected: Result<Value, &str>) {
    let world = hooked(Hook::CreateClient, body);
    world.host.answer_json(
        "GET",
        "https://api.example.org/status",
        200,
        &json!({"ok": true}),
    );
    world.host.answer(
        "POST",
        "https://api.example.org/check",
        host::HttpAnswer {
            status: 204,
            ..Default::default()
        },
    );
    world
        .host
        .add_client(object(json!({"software_id": "known"})));
    match (create(&world.set, client).await, expected) {
        (Ok(decision), Ok(client)) => {
            assert_eq!(
                Value::Object(decision.client.into_object()),
                client,
                "{body}"
            );
        }
        (Err(error), Err(part)) => {
            let text = ending(&error);
            assert!(
                text.contains(part),
                "{body}: '{text}' does not contain '{part}'"
            );
        }
        (found, expected) => panic!("{body}: {found:?} is not {expected:?}"),
    }
}

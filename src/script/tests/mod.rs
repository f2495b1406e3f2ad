use std::sync::Arc;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::client::{Metadata, TrustLevel};
use crate::clock::{ManualClock, Timestamp};
use crate::config::ScriptSettings;

mod docs;
mod hooks;
mod hostile;
mod loading;
mod modules;

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn load(files: &[(&str, &str)], change: impl FnOnce(&mut ScriptSettings)) -> Result<Arc<ScriptSet>, String> {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let attributes = object(json!({"deniedVendors": ["acme"], "serial": u64::MAX}));
    let mut settings =
        ScriptSettings { directory: folder.path().to_owned(), attributes, ..ScriptSettings::default() };
    // A debug build is slow; the tests of the deadline set their own.
    settings.limits.deadline_ms = 20_000;
    change(&mut settings);
    let clock: Arc<dyn crate::clock::Clock> = Arc::new(ManualClock::new(Timestamp::from_unix(1_767_225_600)));
    ScriptSet::load(&settings, &clock).map(Arc::new).map_err(|errors| errors.to_string())
}

fn facts(request: Value) -> Arc<Facts> {
    Arc::new(Facts {
        register_request: object(request),
        software_statement: Some(
            json!({"header": {"alg": "ES256"}, "claims": {"iss": "https://iss.example.org"}}),
        ),
        dcr: None,
        evidence: None,
        attestation: None,
        certificate: None,
        initial_access_token: None,
        http_request: HttpRequest {
            method: "POST".into(),
            path: "/register".into(),
            headers: vec![("x-a".into(), "1".into()), ("x-a".into(), "2".into())],
            ip_address: Some("192.0.2.1".parse().unwrap()),
        },
        trust_level: TrustLevel::Open,
        custom_attributes: vec!["department".into()],
    })
}

async fn create(set: &Arc<ScriptSet>, client: Value) -> Result<Decision, HookError> {
    let facts = facts(client.clone());
    set.decide(Hook::CreateClient, facts, Metadata::new(object(client))).await
}

/// What one `createClient` with this body does to `client`: the client, or how it ended.
async fn check(body: &str, client: Value, expected: Result<Value, &str>) {
    let set = load(&[("10-a.rhai", &format!("fn createClient(context) {{ {body} }}"))], |_| {}).unwrap();
    let found = create(&set, client).await;
    match (found, expected) {
        (Ok(decision), Ok(client)) => {
            assert_eq!(Value::Object(decision.client.into_object()), client, "{body}");
        }
        (Err(error), Err(part)) => {
            let text = match error {
                HookError::Answered { status, entity, .. } => format!("{status} {}", Value::Object(entity)),
                error => error.to_string(),
            };
            assert!(text.contains(part), "{body}: '{text}' does not say '{part}'");
        }
        (found, expected) => panic!("{body}: {found:?} is not {expected:?}"),
    }
}

//! The lines that reach the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rhai::Dynamic;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata as EventMetadata, Subscriber};

use super::{World, create, facts, hooked, object, world};
use crate::config::{ScriptSettings, SecretSource};
use crate::script::{Facts, Hook, HookError, value::members::MemberAccess};

/// A layer that keeps the messages of scripts.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>, Arc<AtomicBool>);

impl Subscriber for Lines {
    fn enabled(&self, _: &EventMetadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == "registrar::script" {
            event.record(&mut Message(self));
        }
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Message<'a>(&'a Lines);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.0.lock().unwrap().push(format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        assert_eq!((field.name(), value), ("script", "10-a.rhai"));
        self.0.1.store(true, Ordering::SeqCst);
    }
}

/// Returns the lines that `body` writes to the log, on the thread that calls it.
fn lines(body: &str) -> Vec<String> {
    lines_about(json!({}), None, (Hook::CreateClient, body))
}

/// Returns the lines that `hook` writes to the log about a client and a response.
fn lines_about(client: Value, answer: Option<Value>, (hook, body): (Hook, &str)) -> Vec<String> {
    lines_in(hooked(hook, body), hook, facts(json!({})), (client, answer))
}

/// Returns the lines that the script with `hook` writes to the log, on the thread that calls it.
pub(super) fn lines_in(
    world: World,
    hook: Hook,
    asked: Arc<Facts>,
    (client, answer): (Value, Option<Value>),
) -> Vec<String> {
    let lines = Lines::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let set = world.set;
    runtime.block_on(async {
        let seen = lines.clone();
        set.on_a_thread(hook, asked, move |asking| {
            tracing::subscriber::with_default(seen, || {
                let members = |value, access| {
                    asking.members(crate::client::Metadata::new(object(value)), access)
                };
                let client = members(client, MemberAccess::Metadata);
                let answer = answer.map(|answer| members(answer, MemberAccess::Answer));
                let (index, script) = asking.set.with(hook).next().unwrap();
                asking
                    .call(index, script, answer.map(Dynamic::from), &client)
                    .map(drop)
            })
        })
        .await
        .unwrap();
    });
    assert!(lines.1.load(Ordering::SeqCst), "the script is named");
    std::mem::take(&mut *lines.0.lock().unwrap())
}

#[test]
fn no_line_shows_a_secret() {
    let body = "let key = secrets::get(\"key\"); log::info(`a ${key} b`); log::debug(key); print(key + key); true";
    assert_eq!(lines(body), ["a [key] b", "[key]", "[key][key]"]);
}

#[test]
fn no_line_shows_a_credential_of_the_client() {
    let client = json!({"client_id": "c", "client_secret": "s3cr3t-of-c", "client_name": "n"});
    let body =
        "log::info(context.client.client_secret); log::warn(context.client.to_map().to_string());";
    let written = lines_about(client, None, (Hook::ClientCreated, body));
    assert_eq!(written[0], "[client_secret]");
    assert!(
        written[1].contains("\"client_name\": \"n\"") && !written[1].contains("s3cr3t"),
        "{written:?}"
    );
    let answer = json!({"client_secret": "s3cr3t-of-c", "registration_access_token": "t0k3n-of-c"});
    let body = "log::info(response.client_secret + response.registration_access_token); true";
    let written = lines_about(json!({}), Some(answer), (Hook::ModifyPostResponse, body));
    assert_eq!(written, ["[client_secret][registration_access_token]"]);
}

#[test]
fn a_call_writes_fifty_lines_of_four_kilobytes_at_most() {
    let body = "let s = \"\"; s.pad(5000, 'a'); for i in 0..100 { print(s); log::warn(s); } true";
    let lines = lines(body);
    assert_eq!((lines.len(), lines[0].len()), (50, 4_096));
}

#[tokio::test]
async fn a_fault_shows_no_secret_either() {
    let world = hooked(Hook::CreateClient, "throw `it is ${secrets::get(\"key\")}`");
    let Err(HookError::Fault(fault)) = create(&world.set, json!({})).await else {
        panic!()
    };
    assert_eq!(fault.message, "it is [key]");
}

#[test]
fn an_unreadable_secret_stops_the_start_and_is_named() {
    let check = |source: SecretSource, expected: &str| {
        let change = |settings: &mut ScriptSettings| {
            settings.secrets.insert("verifier".to_owned(), source);
        };
        let error = world(&[], change).map(drop).unwrap_err();
        assert!(
            error.starts_with("scripts.secrets.verifier: ") && error.contains(expected),
            "{error}"
        );
    };
    check(
        SecretSource::Env("REGISTRAR_TESTS_HAVE_NO_SUCH_VARIABLE".into()),
        "is not set",
    );
    check(
        SecretSource::File("does/not/exist".into()),
        "does/not/exist: ",
    );
    let folder = tempfile::TempDir::new().unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "1234567\n").unwrap();
    check(SecretSource::File(short), "it has 7 bytes");
    let change = |settings: &mut ScriptSettings| {
        settings.secrets.insert(
            "package".to_owned(),
            SecretSource::Env("CARGO_PKG_NAME".into()),
        );
    };
    let script = "fn createClient(context) { if secrets::get(\"package\").len() < 8 { throw \"short\" } true }";
    assert!(world(&[("10-a.rhai", script)], change).is_ok());
}

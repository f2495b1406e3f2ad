//! A trial call of one hook with given arguments, for `registrar script call` and for tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::json;
use crate::client::Metadata;
use crate::script::{
    Facts, Hook, HookError, HttpCall, Reservation, ScriptFault, ScriptSet, joined_headers,
    testing::FakeHost, testing::ScriptObserver,
};

pub(crate) use super::given::Given;

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ending {
    /// Every script accepted the request, returned the requested value, or was notified.
    Passed,
    /// A script returned `false`.
    Refused,
    /// A script set the response.
    Answered,
    /// A script failed.
    Fault,
}

/// The result of a trial call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trial {
    /// How it ended.
    pub(crate) outcome: Ending,
    /// The script that ended it, or that returned the requested value.
    pub(crate) script: Option<String>,
    /// The status of the error response that a client would get; none when the hook passed.
    pub(crate) status: Option<u16>,
    /// The body of the error response that a client would get; none when the hook passed.
    pub(crate) entity: Option<Map<String, Value>>,
    /// The error message, for the log.
    pub(crate) message: Option<String>,
    /// The line of a fault, from 1.
    pub(crate) line: Option<usize>,
    /// The column of a fault, from 1.
    pub(crate) column: Option<usize>,
    /// The client as the scripts left it; none unless the hook may change it and it passed.
    pub(crate) client: Option<Map<String, Value>>,
    /// The result with which a script that may change the client has accepted the evidence.
    pub(crate) attestation: Option<Value>,
    /// The request as the scripts left it, for a hook that changes the request.
    pub(crate) request: Option<Map<String, Value>>,
    /// The response as the scripts left it, for a hook that changes a response.
    pub(crate) response: Option<Map<String, Value>>,
    /// The value that a script returned, for a hook that requests a value; none when no script did.
    pub(crate) value: Option<Value>,
    /// The calls of `http`.
    pub(crate) http: Vec<Sent>,
    /// The log lines, as in `info: registering`.
    pub(crate) log: Vec<String>,
    /// Operations, as Rhai counts them.
    pub(crate) operations: u64,
    /// The duration in microseconds.
    pub(crate) microseconds: u64,
}

/// A call of `http`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sent {
    /// The method.
    pub(crate) method: String,
    /// The URL.
    pub(crate) url: String,
    /// The headers, with names in lower case.
    pub(crate) headers: Map<String, Value>,
    /// The body, if it is UTF-8.
    pub(crate) body: Option<String>,
    /// The body in base64, if it is not UTF-8.
    pub(crate) base64: Option<String>,
    /// The parsed body, if it is JSON.
    pub(crate) json: Option<Value>,
}

impl Sent {
    fn of(call: &HttpCall) -> Self {
        let mut sent = Self {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: joined_headers(call.headers.iter()),
            body: None,
            base64: None,
            json: None,
        };
        if let Some(bytes) = &call.body {
            match std::str::from_utf8(bytes) {
                Ok(text) => sent.body = Some(text.to_owned()),
                Err(_) => sent.base64 = Some(STANDARD.encode(bytes)),
            }
            sent.json = json::parse(bytes).ok();
        }
        sent
    }
}

/// The result of a hook that passed.
#[derive(Default)]
struct Left {
    script: Option<String>,
    client: Option<Map<String, Value>>,
    attestation: Option<Value>,
    request: Option<Map<String, Value>>,
    response: Option<Map<String, Value>>,
    value: Option<Value>,
    /// What the scripts reserved for the client.
    reserved: Vec<Reservation>,
}

/// The observers of what scripts do.
pub(in crate::script) struct Watch<'a> {
    pub(in crate::script) host: &'a FakeHost,
    pub(in crate::script) observer: &'a ScriptObserver,
}

/// Calls the scripts of `set` as the server would.
pub(in crate::script) async fn run(
    set: &Arc<ScriptSet>,
    hook: Hook,
    given: Given,
    custom: &[String],
    watch: &Watch<'_>,
) -> Trial {
    let before = (
        watch.host.calls().len(),
        watch.observer.lines_from(0).len(),
        watch.observer.operations(),
    );
    let begun = Instant::now();
    let ended = ask(set, hook, given, custom).await;
    let took = begun.elapsed();
    let trial = match ended {
        Ok(left) => {
            watch.host.count(&left.reserved);
            passed(left)
        }
        Err(error) => stopped(error, hook),
    };
    let calls = watch.host.calls();
    Trial {
        http: calls.iter().skip(before.0).map(Sent::of).collect(),
        log: watch.observer.lines_from(before.1),
        operations: watch.observer.operations().saturating_sub(before.2),
        microseconds: microseconds(took),
        ..trial
    }
}

async fn ask(
    set: &Arc<ScriptSet>,
    hook: Hook,
    given: Given,
    custom: &[String],
) -> Result<Left, HookError> {
    // A new client has no registered metadata.
    let registered = given.client.clone().map(Metadata::new).unwrap_or_default();
    let (facts, client, response) = given.into_parts(custom, set.runtime().clock.now());
    let facts = Arc::new(facts);
    match hook {
        Hook::AdaptRequest => adapt(set, facts, registered).await,
        Hook::CreateClient | Hook::UpdateClient | Hook::DeleteClient => {
            decide(set, hook, facts, client).await
        }
        Hook::ModifyPostResponse | Hook::ModifyPutResponse | Hook::ModifyReadResponse => {
            let response = set.modify_response(hook, response, facts, client).await?;
            Ok(Left {
                response: Some(response),
                ..Left::default()
            })
        }
        Hook::ClientCreated
        | Hook::ClientUpdated
        | Hook::ClientDeleted
        | Hook::RegistrationPending => {
            notify_each(set, hook, &facts, &client).await?;
            Ok(Left::default())
        }
        _ => request_value(set, hook, facts, client).await,
    }
}

async fn adapt(
    set: &Arc<ScriptSet>,
    facts: Arc<Facts>,
    registered: Metadata,
) -> Result<Left, HookError> {
    let request = facts.register_request.clone();
    let adapted = set.adapt(request, facts, registered).await?;
    Ok(Left {
        request: Some(adapted.request.into_object()),
        ..Left::default()
    })
}

async fn decide(
    set: &Arc<ScriptSet>,
    hook: Hook,
    facts: Arc<Facts>,
    client: Metadata,
) -> Result<Left, HookError> {
    let decision = set.decide(hook, facts, client).await?;
    Ok(Left {
        reserved: decision.reserved,
        client: Some(decision.client.into_object()),
        attestation: decision.attestation,
        ..Left::default()
    })
}

async fn request_value(
    set: &Arc<ScriptSet>,
    hook: Hook,
    facts: Arc<Facts>,
    client: Metadata,
) -> Result<Left, HookError> {
    let Some(said) = set.ask(hook, facts, client).await? else {
        return Ok(Left::default());
    };
    Ok(Left {
        script: Some(said.by.name),
        value: Some(said.value),
        ..Left::default()
    })
}

/// Notifies every script of a change to `client`. The results and the responses are ignored.
async fn notify_each(
    set: &Arc<ScriptSet>,
    hook: Hook,
    facts: &Arc<Facts>,
    client: &Metadata,
) -> Result<(), HookError> {
    for index in 0..set.scripts().len() {
        match set.tell_one(index, hook, facts, client).await {
            Err(error @ (HookError::Fault(_) | HookError::Busy)) => return Err(error),
            Ok(()) | Err(HookError::Answered { .. } | HookError::Refused { .. }) => {}
        }
    }
    Ok(())
}

fn passed(left: Left) -> Trial {
    Trial {
        script: left.script,
        client: left.client,
        attestation: left.attestation,
        request: left.request,
        response: left.response,
        value: left.value,
        ..ended(Ending::Passed)
    }
}

/// Returns the result of a hook that did not pass, with the response that the server would send.
fn stopped(error: HookError, hook: Hook) -> Trial {
    let code = |code: &str| json!({ "error": code }).as_object().cloned();
    match error {
        HookError::Answered {
            script,
            status,
            entity,
        } => Trial {
            script: Some(script),
            status: Some(status),
            entity: Some(entity),
            ..ended(Ending::Answered)
        },
        HookError::Refused { script } => Trial {
            script: Some(script),
            status: Some(400),
            entity: code("invalid_client_metadata"),
            ..ended(Ending::Refused)
        },
        HookError::Fault(fault) => failed(fault, code("server_error")),
        HookError::Busy => failed(
            ScriptFault::new("", hook, HookError::Busy.to_string()),
            code("server_error"),
        ),
    }
}

fn failed(fault: ScriptFault, entity: Option<Map<String, Value>>) -> Trial {
    let place = |number: usize| (number > 0).then_some(number);
    Trial {
        script: Some(fault.script),
        status: Some(500),
        entity,
        message: Some(fault.message),
        line: place(fault.line),
        column: place(fault.column),
        ..ended(Ending::Fault)
    }
}

const fn ended(outcome: Ending) -> Trial {
    Trial {
        outcome,
        script: None,
        status: None,
        entity: None,
        message: None,
        line: None,
        column: None,
        client: None,
        attestation: None,
        request: None,
        response: None,
        value: None,
        http: Vec::new(),
        log: Vec::new(),
        operations: 0,
        microseconds: 0,
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

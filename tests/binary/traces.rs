//! Traces: what an OTLP receiver gets.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::process::Registrar;

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// A receiver of OTLP over HTTP on loopback.
struct Receiver {
    url: String,
    bodies: Bodies,
    _tasks: TaskTracker,
}

impl Receiver {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let bodies = Bodies::default();
        let take = |State(bodies): State<Bodies>, body: Bytes| async move {
            bodies.lock().unwrap().push(body);
            [(CONTENT_TYPE, "application/x-protobuf")]
        };
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&bodies));
        let tasks = TaskTracker::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            bodies,
            _tasks: tasks,
        }
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let requests = bodies
            .iter()
            .map(|body| ExportTraceServiceRequest::decode(body.clone()).expect("it is OTLP"));
        let scopes = requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|one| one.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// Returns whether `text` is anywhere in the received data.
    fn has(&self, text: &str) -> bool {
        let bodies = self.bodies.lock().unwrap();
        bodies
            .iter()
            .any(|body| body.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

fn attribute(span: &Span, name: &str) -> Value {
    use opentelemetry_proto::tonic::common::v1::any_value::Value::{IntValue, StringValue};
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(StringValue(text)) => json!(text),
        Some(IntValue(number)) => json!(number),
        _ => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_traced_with_its_steps_and_without_secrets() {
    let receiver = Receiver::new().await;
    let scripts = tempfile::TempDir::new().expect("a folder");
    let script = "fn createClient(context) { log::info(\"seen\"); true }";
    std::fs::write(scripts.path().join("10-seen.rhai"), script).expect("a script");
    let configuration = format!(
        "[telemetry]\notlp = \"{}\"\nformat = \"json\"\n[scripts]\ndirectory = \"{}\"\n",
        receiver.url,
        scripts.path().display()
    );
    let mut registrar = Registrar::start_with(&configuration);
    let http = reqwest::Client::new();
    let body = json!({"redirect_uris": ["https://client.example.org/cb"], "grant_types": ["authorization_code", "client_credentials"]});
    let created = http
        .post(registrar.url("/register?hidden-query"))
        .header("traceparent", format!("00-{TRACE}-{PARENT}-00"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let correlation = created.headers()["x-correlation-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let client: Value = created.json().await.unwrap();
    let (id, secret) = (
        client["client_id"].as_str().unwrap(),
        client["client_secret"].as_str().unwrap(),
    );
    let token = http
        .post(registrar.url("/token"))
        .basic_auth(id, Some(secret));
    let token = token.header("content-type", "application/x-www-form-urlencoded");
    let token = token
        .body("grant_type=client_credentials")
        .header("traceparent", "chosen-by-the-caller");
    let token: Value = token.send().await.unwrap().json().await.unwrap();
    let refused = http
        .get(client["registration_client_uri"].as_str().unwrap())
        .bearer_auth("wrong-token");
    assert_eq!(refused.send().await.unwrap().status(), 401);
    assert!(registrar.terminate().success());

    let spans = receiver.spans();
    let named = |name: &str| {
        spans
            .iter()
            .find(|span| span.name == name)
            .unwrap_or_else(|| {
                panic!(
                    "no span is called {name}: {:?}",
                    spans.iter().map(|span| &span.name).collect::<Vec<_>>()
                )
            })
    };
    let registration = named("POST registration");
    assert_eq!(
        (
            hex(&registration.trace_id),
            hex(&registration.parent_span_id)
        ),
        (TRACE.into(), PARENT.into())
    );
    assert_eq!(registration.kind, 2, "the span has the kind of a server");
    assert_eq!(attribute(registration, "correlation_id"), correlation);
    assert_eq!(attribute(registration, "http.response.status_code"), 201);
    assert_eq!(attribute(registration, "client_id"), id);
    for step in [
        "parse",
        "statement",
        "rules",
        "createClient 10-seen.rhai",
        "store",
    ] {
        let step = spans
            .iter()
            .find(|span| span.name == step && span.trace_id == registration.trace_id);
        let step = step.unwrap_or_else(|| panic!("a step is missing: {spans:?}"));
        assert_eq!(step.parent_span_id, registration.span_id, "{}", step.name);
    }
    let granted = named("POST token");
    assert!(
        granted.parent_span_id.is_empty(),
        "an invalid trace context is not continued"
    );
    assert_ne!(granted.trace_id, registration.trace_id);
    let management = named("GET management");
    assert_eq!(attribute(management, "error.type"), "invalid_token");
    assert_eq!(
        attribute(management, "client_id"),
        Value::Null,
        "no credentials of that client were verified"
    );
    let access = token["access_token"].as_str().unwrap();
    let holder = client["registration_access_token"].as_str().unwrap();
    for hidden in [
        secret,
        holder,
        access,
        "wrong-token",
        "hidden-query",
        "chosen-by-the-caller",
    ] {
        assert!(!receiver.has(hidden), "{hidden} is in the traces");
    }
    // Log lines of a script carry the id of their request, with traces as without.
    let said = registrar
        .log()
        .lines()
        .find(|line| line.contains("\"message\":\"seen\""))
        .expect("a line")
        .to_owned();
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["span"]["correlation_id"], correlation);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_receiver_delays_nothing() {
    // A port that was free a moment ago and has no listener.
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let mut registrar =
        Registrar::start_with(&format!("[telemetry]\notlp = \"http://{address}\"\n"));
    let body = json!({"redirect_uris": ["https://client.example.org/cb"]});
    let created = reqwest::Client::new()
        .post(registrar.url("/register"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 201);
    assert!(registrar.terminate().success());
    let log = registrar.log();
    assert!(
        log.contains("xport") && log.to_lowercase().contains("error"),
        "the log reports it: {log}"
    );
}

//! A client that was written from the text of draft-dellaert-oauth-approval-based-dcr alone, against the real server and
//! against the messages of the draft: `examples/clients/approval.py`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Registrar;

/// The program, as it runs.
struct Program {
    child: Child,
    errors: BufReader<ChildStderr>,
}

impl Program {
    /// Starts the program, which registers a client at the server at `url`.
    fn start(url: &str, environment: &[(&str, &str)]) -> Self {
        let client =
            json!({"client_name": "Example", "redirect_uris": ["https://client.example.org/cb"]});
        let mut command = Command::new("python3");
        command
            .arg("-B")
            .arg("examples/clients/approval.py")
            .arg(client.to_string())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("REGISTRAR_URL", url)
            .envs(environment.iter().copied());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("python3 runs");
        let errors = BufReader::new(child.stderr.take().expect("standard error"));
        Self { child, errors }
    }

    /// Reads what the program tells until `text`, and returns the rest of that line.
    fn told(&mut self, text: &str) -> String {
        let mut all = String::new();
        loop {
            let begin = all.len();
            let read = self.errors.read_line(&mut all).expect("a line");
            assert!(read > 0, "'{text}' was not told: {all}");
            if let Some((_, rest)) = all[begin..].split_once(text) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Waits for the end. Returns the exit status, and what was printed.
    fn ended(mut self) -> (Option<i32>, Value) {
        let mut output = String::new();
        let mut printed = self.child.stdout.take().expect("an output");
        printed.read_to_string(&mut output).expect("an output");
        let mut errors = String::new();
        self.errors.read_to_string(&mut errors).expect("errors");
        let code = self.child.wait().expect("an end").code();
        (code, serde_json::from_str(&output).unwrap_or_default())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server where everything waits, for so many seconds.
fn server(seconds: u64) -> Registrar {
    Registrar::start_with(&format!(
        "[registration]\nregistrationApproval = \"required\"\nregistrationApprovalSeconds = {seconds}\n\
         registrationApprovalIntervalSeconds = 1\nregistrationApprovalUri = \"https://console.example.org/approve\"\n"
    ))
}

/// Decides about the registration whose code the program shows.
fn decide(registrar: &Registrar, program: &mut Program, verb: &str) {
    let code = program.told("visit https://console.example.org/approve and enter ");
    let found = registrar.cli(&["pending", "list", "--code", &code, "--format", "json"]);
    let found = found.json();
    let id = found.pointer("/0/id").and_then(Value::as_str);
    let id = id.expect("it waits");
    registrar.cli(&["pending", verb, id]).fine();
}

#[test]
fn the_program_gets_its_client_when_it_was_approved() {
    let registrar = server(600);
    let mut program = Program::start(&registrar.url(""), &[]);
    decide(&registrar, &mut program, "approve");
    let (code, client) = program.ended();
    assert_eq!(code, Some(0));
    let id = client["client_id"].as_str().expect("a client_id");
    let stored = registrar.cli(&["clients", "show", id, "--format", "json"]);
    assert_eq!(stored.json()["metadata"]["client_name"], "Example");
}

#[test]
fn the_program_learns_every_other_end() {
    let registrar = server(600);
    let mut program = Program::start(&registrar.url(""), &[]);
    decide(&registrar, &mut program, "deny");
    assert_eq!(program.ended(), (Some(3), Value::Null));

    let program = Program::start(&registrar.url(""), &[("CANCEL_AFTER", "0.1")]);
    assert_eq!(program.ended(), (Some(6), Value::Null));
    let waiting = registrar.cli(&["pending", "list", "--state", "waiting", "--format", "json"]);
    assert_eq!(waiting.json(), json!([]));

    let hasty = server(1);
    let program = Program::start(&hasty.url(""), &[]);
    assert_eq!(program.ended(), (Some(4), Value::Null));

    // Nothing waits here.
    let open = Registrar::start();
    let (code, client) = Program::start(&open.url(""), &[]).ended();
    assert_eq!(code, Some(0));
    assert!(client["client_id"].is_string());
}

/// An answer of the server of the draft, and what has to be asked before.
struct Message {
    asked: Option<Value>,
    answer: &'static str,
}

const METADATA: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const DEFERRED: &str = concat!(
    "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\r\n",
    r#"{"registration_code": "ZDY2NTFiYTg1N2I4NGFjYWY5N2ZmZGZhYmJiMTE0NjIyMTBjMzYyMwo", "verification_code": "FBWS-TRGI","#,
    r#" "verification_uri": "https://as.example.com/register-verification", "expires_in": 600, "interval": 1}"#
);
const PENDING: &str = "HTTP/1.1 202 Accepted\r\nCache-Control: no-store\r\n\r\n";
const SLOWER: &str =
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nCache-Control: no-store\r\n\r\n";
const CREATED: &str = concat!(
    "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\r\n",
    r#"{"client_id": "ZmRkYTk0ZT", "client_name": "Example"}"#
);

/// Sends these answers, one to each connection. An empty one closes it. Returns when each was asked for.
fn draft(listener: TcpListener, messages: Vec<Message>) -> JoinHandle<Vec<Instant>> {
    std::thread::spawn(move || {
        let mut times = Vec::new();
        for message in messages {
            let (mut stream, _) = listener.accept().expect("a connection");
            times.push(Instant::now());
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let (mut head, mut length) = (String::new(), 0);
            while reader.read_line(&mut head).expect("a head") > 2 {
                let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().expect("a length");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            if let Some(asked) = message.asked {
                assert!(head.starts_with("POST /register "), "{head}");
                assert!(
                    head.to_ascii_lowercase()
                        .contains("content-type: application/json")
                );
                assert_eq!(body, asked);
            }
            stream
                .write_all(message.answer.as_bytes())
                .expect("an answer");
        }
        times
    })
}

#[test]
fn the_program_follows_the_messages_of_the_draft() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let metadata = json!({
        "registration_endpoint": format!("{url}/register"), "registration_modes_supported": ["approval"],
    });
    let metadata: &'static str = format!("{METADATA}\r\n{metadata}").leak();
    let code =
        json!({"registration_code": "ZDY2NTFiYTg1N2I4NGFjYWY5N2ZmZGZhYmJiMTE0NjIyMTBjMzYyMwo"});
    let registration = json!({
        "client_name": "Example", "redirect_uris": ["https://client.example.org/cb"],
        "registration_mode": ["approval"],
    });
    let message = |asked: Option<&Value>, answer| Message {
        asked: asked.cloned(),
        answer,
    };
    let messages = vec![
        message(None, metadata),
        message(Some(&registration), DEFERRED),
        message(Some(&code), PENDING),
        message(Some(&code), SLOWER),
        message(Some(&code), ""),
        message(Some(&code), CREATED),
    ];
    let draft = draft(listener, messages);
    let mut program = Program::start(&url, &[]);
    let shown = program.told("visit https://as.example.com/register-verification and enter ");
    assert_eq!(shown, "FBWS-TRGI");
    let (status, client) = program.ended();
    assert_eq!(
        (status, &client["client_id"]),
        (Some(0), &json!("ZmRkYTk0ZT"))
    );
    let times = draft.join().expect("the messages of the draft");
    // The interval, the interval once more, Retry-After, and twice as long after a connection without an answer.
    for (pair, least) in times[1..].windows(2).zip([1, 1, 2, 4]) {
        let gap = pair[1].duration_since(pair[0]);
        assert!(
            gap >= Duration::from_secs(least),
            "{gap:?} is less than {least} seconds"
        );
    }
}

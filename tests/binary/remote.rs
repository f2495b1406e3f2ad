//! The commands that work with a running server: how tests call the binary, and what it prints.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::process::{Registrar, command};

/// The output and the exit code of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Asserts that the command succeeded, and returns its output.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The same, for output in JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let out = self.fine();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Asserts that it failed with this code, wrote no result, and printed all of these texts.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.out, "", "a failure has no result");
        for part in said {
            assert!(
                self.err.contains(part),
                "'{}' does not say '{part}'",
                self.err
            );
        }
    }
}

impl Registrar {
    /// Returns a command with `arguments`, this server and the credentials of its administrator.
    pub(crate) fn asked(&self, arguments: &[&str]) -> Command {
        let server = self.url("");
        let credentials = self.credentials();
        let more = [
            "--server",
            &server,
            "--credentials",
            credentials.to_str().expect("a path"),
        ];
        command(&[arguments, &more].concat())
    }

    pub(crate) fn cli(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.asked(arguments).output().expect("the binary runs"))
    }

    /// The same, with `input` on standard input.
    pub(crate) fn cli_reading(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.asked(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(input)
            .expect("it reads");
        Ran::of(&child.wait_with_output().expect("it ends"))
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.folder().join("data/admin-credentials.json")
    }

    /// Registers a client with `members` on top of the usual ones; null removes a member.
    pub(crate) async fn register(&self, members: Value) -> Value {
        let mut body = json!({"redirect_uris": ["https://client.example.org/cb"]});
        let object = body.as_object_mut().expect("an object");
        object.extend(members.as_object().expect("an object").clone());
        object.retain(|_, value| !value.is_null());
        let sent = reqwest::Client::new()
            .post(self.url("/register"))
            .json(&body)
            .send()
            .await;
        let answer = sent.expect("an answer");
        assert_eq!(answer.status(), 201);
        answer.json().await.expect("JSON")
    }
}

/// Writes credentials to a file as the first start does.
pub(crate) fn write_credentials(folder: &Path, client: &Value) -> String {
    let file = folder.join("credentials.json");
    let written =
        json!({"client_id": client["client_id"], "client_secret": client["client_secret"]});
    std::fs::write(&file, written.to_string()).expect("a file");
    file.to_str().expect("a path").to_owned()
}

//! `registrar health`: whether a server works, for images without a shell and for everything else that runs a command
//! to find out.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::timeout;

use crate::cli::{CommandFailure, remote, write_line};
use crate::config;
use crate::fetch::{Direct, DirectError, Request, Response};

#[derive(Debug, Args)]
pub(super) struct HealthArguments {
    /// The URL of the listener that has the probes, such as `http://127.0.0.1:8081`. Default: the listener in the
    /// configuration file, on this machine.
    #[arg(long, value_name = "URL", value_parser = remote::server_url)]
    url: Option<String>,
    /// Ask only whether the process is alive, not whether the server can do its work.
    #[arg(long)]
    live: bool,
    /// How long to wait for the answer, in seconds, from 1 to 60.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
    /// A PEM file of CAs to trust in addition to the CAs of the system.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// The configuration file, for the address of the probes.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Asks the server, and prints what it lacks.
pub(super) async fn run(arguments: &HealthArguments) -> Result<(), CommandFailure> {
    let (base, http) = match &arguments.url {
        Some(url) => (url.clone(), Direct::new(arguments.ca.as_deref())),
        None => (arguments.own_url(), Direct::on_this_machine()),
    };
    let http = http.map_err(|error| error.to_string())?;
    let (path, state) = if arguments.live {
        ("/healthz", "alive")
    } else {
        ("/readyz", "ready")
    };
    let answer = arguments.ask(&http, &base, path).await?;
    let members = understood(&base, state, &answer)?;
    warn_of_troubles(&members);
    write_line(&format!("{base} is {state}"))
}

impl HealthArguments {
    /// Returns the answer of the server, if it comes in time.
    async fn ask(&self, http: &Direct, base: &str, path: &str) -> Result<Response, String> {
        let request = Request {
            url: format!("{base}{path}"),
            ..Request::default()
        };
        let patience = Duration::from_secs(self.timeout);
        match timeout(patience, http.send(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(silent(base, &error)),
            Err(_) => {
                let seconds = self.timeout;
                Err(format!("no answer from {base} within {seconds} seconds"))
            }
        }
    }

    /// Returns the URL of the listener with the probes, as the configuration has it. Mistakes in the configuration are
    /// reported and left out: the running server keeps its previous one, and is not ill because of them.
    fn own_url(&self) -> String {
        let sources = remote::sources(self.config.as_deref());
        let (settings, mistakes) = config::settings_despite_errors(&sources);
        if let Some(mistakes) = mistakes {
            note!("registrar: warning: invalid configuration:\n{mistakes}");
        }
        let (listen, is_tls) = match settings.admin.listen {
            Some(address) => (address, settings.admin.tls),
            None => (settings.server.listen, settings.server.tls.is_on()),
        };
        let scheme = if is_tls { "https" } else { "http" };
        format!("{scheme}://{}", remote::reachable(listen))
    }
}

/// Returns the members of the answer of a server that is well.
fn understood(base: &str, state: &str, answer: &Response) -> Result<Value, String> {
    let members: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    match (answer.status, text("status"), text("error_description")) {
        (200, Some("ok"), _) => Ok(members),
        (503, _, Some(reason)) => Err(format!("{base} is not {state}: {reason}")),
        (404, ..) => Err(format!(
            "{base} has no probes: if they are on the admin listener, name its URL with --url"
        )),
        (status, ..) => Err(format!(
            "the response from {base} is not from a Registrar (status {status})"
        )),
    }
}

/// Returns why there is no answer.
fn silent(base: &str, error: &DirectError) -> String {
    match error {
        DirectError::Unreachable(cause) => format!(
            "the server at {base} is unreachable ({cause}); is it running? --url names another address"
        ),
        DirectError::Tls(cause) => format!(
            "no TLS connection to {base} ({cause}); name its URL with --url, and a file with the CA of its \
             certificate with --ca"
        ),
        DirectError::Timeout | DirectError::Broken(_) | DirectError::Unsendable(_) => {
            format!("no answer from {base}: {error}")
        }
    }
}

/// Prints what failed although the server is ready, because it uses what it had before.
fn warn_of_troubles(members: &Value) {
    for (name, reason) in troubles(members) {
        note!("registrar: warning: {name}: {reason}");
    }
}

/// Returns the members of an answer of `/readyz` that state a problem of a server that is ready, with what they say.
pub(super) fn troubles(members: &Value) -> impl Iterator<Item = (&str, &str)> {
    let members = members.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| {
        let is_trouble = name.ends_with("Error") || name == "sweepHeld";
        Some((name.as_str(), value.as_str().filter(|_| is_trouble)?))
    })
}

//! What a running server says: whether it is ready, whether its public URL leads to it, how requests arrive through the
//! proxies in front of it, and what it finds itself.

use std::time::Duration;

use serde_json::Value;

use crate::cli::health::troubles;
use crate::cli::{CommandFailure, Needs, Remote, RemoteArguments, cell, clock};
use crate::config::Settings;
use crate::fetch::{Direct, DirectError, Request};

use super::report::{CheckVerdict, DoctorReport};

const READ: Needs = |scopes| &scopes.config_read;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The difference between two clocks that is not worth mentioning, in seconds.
const CLOCK: u64 = 5;
/// Where the metadata of the server is (RFC 8414 section 3).
const METADATA: &str = "/.well-known/oauth-authorization-server";
const EXAMINE: &str = "/admin/v1/doctor";

/// What to do about members of `/readyz` that state a problem.
const TROUBLES: [(&str, &str); 7] = [
    (
        "scriptsError",
        "correct the scripts; 'registrar script check' finds their mistakes",
    ),
    (
        "configurationError",
        "correct the configuration file; 'registrar check' shows what is wrong",
    ),
    ("tlsError", "correct the files of [server.tls]"),
    ("candidateError", "correct the candidate"),
    (
        "keyError",
        "put the key file of the store back; 'registrar key status' shows which key is in force",
    ),
    (
        "secretsError",
        "correct the environment variable or the file of the secret in [scripts.secrets]",
    ),
    ("sweepHeld", "check the clock of the server"),
];

pub(super) async fn examine(
    report: &mut DoctorReport,
    remote: &RemoteArguments,
    settings: &Settings,
) {
    let place = remote.place(settings);
    let http = match Direct::new(remote.ca()) {
        Ok(http) => http,
        Err(error) => return report.problem("server", error.to_string(), "correct --ca"),
    };
    if !is_alive(report, &http, &place.admin).await {
        return;
    }
    ready(report, &http, &place.admin).await;
    let is_ours = public_url(report, &http, &place.server, settings).await;
    match remote.connect_with(settings, &[READ]).await {
        Ok(own) => {
            own_view(report, &own).await;
            // The credentials go to no other server.
            if is_ours {
                proxies(report, remote, settings).await;
            } else {
                report.skipped(PROXIES, "the public URL does not lead to this server");
            }
        }
        Err(failure) => {
            let advice = "name credentials with --credentials to check how requests arrive, webhooks and events";
            report.warn("server", message(failure), advice);
        }
    }
}

/// Whether a server answers there.
async fn is_alive(report: &mut DoctorReport, http: &Direct, server: &str) -> bool {
    match ask(http, &format!("{server}/healthz")).await {
        Ok((200, _)) => {
            report.fine("server", format!("the server at {server} is alive"));
            return true;
        }
        Ok((status, _)) => {
            let found = format!("{server} answers with status {status}: it is no registrar");
            report.problem("server", found, "name the server with --server");
        }
        Err(error) => {
            let found = format!("no server answers at {server}: {error}");
            let advice = "start it, or name it with --server, to check the rest";
            report.warn("server", found, advice);
        }
    }
    false
}

/// Asks the server for what it finds itself.
async fn own_view(report: &mut DoctorReport, own: &Remote) {
    match tokio::time::timeout(PATIENCE, own.get(EXAMINE, &[])).await {
        Ok(Ok(found)) => told(report, &found),
        Ok(Err(failure)) => report.warn("server", message(failure), "see the log of the server"),
        Err(_) => report.problem(
            "server",
            "the server does not answer in time",
            "see its log",
        ),
    }
}

fn message(failure: CommandFailure) -> String {
    match failure {
        CommandFailure::Failed(text) | CommandFailure::Usage(text) => text,
        CommandFailure::Different | CommandFailure::ReaderGone => String::new(),
    }
}

/// Returns the status and the JSON of the answer.
async fn ask(http: &Direct, url: &str) -> Result<(u16, Value), String> {
    let sent = tokio::time::timeout(PATIENCE, http.send(Request::get(url))).await;
    match sent {
        Ok(Ok(answer)) => {
            let body = serde_json::from_slice(&answer.body).unwrap_or_default();
            Ok((answer.status, body))
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(DirectError::Timeout.to_string()),
    }
}

async fn ready(report: &mut DoctorReport, http: &Direct, server: &str) {
    const SUBJECT: &str = "readiness";
    match ask(http, &format!("{server}/readyz")).await {
        Ok((200, body)) => {
            report.fine(SUBJECT, "the server accepts requests");
            for (name, text) in troubles(&body) {
                let known = TROUBLES.iter().find(|(trouble, _)| *trouble == name);
                let advice = known.map_or("see the log of the server", |(_, advice)| advice);
                report.problem(SUBJECT, format!("{name}: {text}"), advice);
            }
        }
        Ok((status, _)) => report.problem(
            SUBJECT,
            format!("the server is not ready (status {status})"),
            "see its log: the store does not accept changes",
        ),
        Err(error) => report.problem(SUBJECT, error, "see the log of the server"),
    }
}

const PUBLIC_URL: &str = "public URL";
const PROXIES: &str = "proxies";

/// Compares the metadata at the public URL with the metadata that the server itself has. Returns whether they are the same.
async fn public_url(
    report: &mut DoctorReport,
    http: &Direct,
    server: &str,
    settings: &Settings,
) -> bool {
    let Some(issuer) = settings.server.issuer.as_deref() else {
        report.skipped(PUBLIC_URL, "server.issuer is not set");
        return false;
    };
    let Some(public) = metadata_url(issuer) else {
        let found = format!("{issuer} is not a URL");
        report.problem(PUBLIC_URL, found, "correct server.issuer");
        return false;
    };
    let Some(there) = public_metadata(report, http, &public).await else {
        return false;
    };
    let own = there.get("issuer").and_then(Value::as_str);
    let own = own.unwrap_or_default();
    if own.trim_end_matches('/') != issuer.trim_end_matches('/') {
        let found = format!("{public} is the metadata of the issuer '{own}', not of {issuer}");
        let advice = "correct server.issuer, or the proxy, which leads to another server";
        report.problem(PUBLIC_URL, found, advice);
        return false;
    }
    compare(report, http, (&public, server), &there).await
}

/// Compares what is at the URL `public` with what `server` itself has there. Returns whether it is the same.
async fn compare(
    report: &mut DoctorReport,
    http: &Direct,
    (public, server): (&str, &str),
    there: &Value,
) -> bool {
    let path = public.get(origin(public).len()..).unwrap_or(METADATA);
    let here = ask(http, &format!("{}{path}", origin(server))).await;
    if matches!(&here, Ok((200, here)) if here != there) {
        let found = format!("{public} is not the metadata that this server has");
        let advice = "the proxy leads to another server or keeps an old answer";
        report.problem(PUBLIC_URL, found, advice);
        return false;
    }
    let found = format!("{public} is the metadata of this server");
    report.fine(PUBLIC_URL, found);
    matches!(here, Ok((200, _)))
}

/// Returns the metadata at `public`, or reports why there is none.
async fn public_metadata(report: &mut DoctorReport, http: &Direct, public: &str) -> Option<Value> {
    match ask(http, public).await {
        Ok((200, body)) => return Some(body),
        Ok((status, _)) => report.problem(
            PUBLIC_URL,
            format!("{public} answers with status {status}"),
            "let the proxy pass on /.well-known/ and every path of this server",
        ),
        Err(error) => report.problem(
            PUBLIC_URL,
            format!("{public} cannot be reached: {error}"),
            "check DNS, the proxy, its certificate and firewalls. If only this machine cannot reach the public URL, run \
             this command elsewhere with --server",
        ),
    }
    None
}

/// Returns the scheme, host and port of `url`.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(start..).and_then(|rest| rest.find('/'));
    path.and_then(|at| url.get(..start + at)).unwrap_or(url)
}

/// Returns the URL of the metadata of `issuer`: its path is behind the well-known one (RFC 8414 section 3.1).
fn metadata_url(issuer: &str) -> Option<String> {
    let origin = origin(issuer);
    let path = issuer.get(origin.len()..)?.trim_end_matches('/');
    origin
        .contains("://")
        .then(|| format!("{origin}{METADATA}{path}"))
}

/// Adds what the server has found itself.
fn told(report: &mut DoctorReport, found: &Value) {
    let checks = found.get("checks").and_then(Value::as_array);
    for check in checks.into_iter().flatten() {
        let text = |name: &str| check.get(name).and_then(Value::as_str);
        let verdict = match text("verdict") {
            Some("ok") => CheckVerdict::Ok,
            Some("problem") => CheckVerdict::Problem,
            _ => CheckVerdict::Warning,
        };
        let said = text("found").unwrap_or_default().to_owned();
        let advice = text("advice").map(str::to_owned);
        report.add(text("subject").unwrap_or("server"), verdict, (said, advice));
    }
    let (Some(theirs), ours) = (
        found.get("time").and_then(Value::as_u64),
        clock().now().unix(),
    ) else {
        return;
    };
    if theirs.abs_diff(ours) > CLOCK {
        let found = format!(
            "the clock of the server differs by {} seconds",
            theirs.abs_diff(ours)
        );
        report.warn("clock", found, "synchronise both with NTP");
    }
}

/// Calls the server at its public URL, and shows how the call arrived.
async fn proxies(report: &mut DoctorReport, remote: &RemoteArguments, settings: &Settings) {
    const SUBJECT: &str = PROXIES;
    let Some(issuer) = settings.server.issuer.as_deref() else {
        return report.skipped(SUBJECT, "server.issuer is not set");
    };
    if settings.admin.listen.is_some() {
        let found =
            "the admin API has its own listener, so it cannot show how requests of clients arrive";
        return report.skipped(SUBJECT, found);
    }
    let public = match remote.connect_at(settings, issuer, &[READ]).await {
        Ok(public) => public,
        Err(failure) => {
            let found = format!("the token endpoint at the public URL: {}", message(failure));
            return report.problem(SUBJECT, found, "check the proxy");
        }
    };
    match tokio::time::timeout(PATIENCE, public.get(EXAMINE, &[])).await {
        Ok(Ok(found)) => passed_on(report, &found, settings),
        // Proxies that do not pass on the admin API are right.
        Ok(Err(failure)) => report.skipped(
            SUBJECT,
            format!(
                "the admin API is not at the public URL: {}",
                message(failure)
            ),
        ),
        Err(_) => report.problem(SUBJECT, "no answer in time", "check the proxy"),
    }
}

/// Says how the call arrived that was made at the public URL.
fn passed_on(report: &mut DoctorReport, found: &Value, settings: &Settings) {
    let request = found.get("request").unwrap_or(&Value::Null);
    arrived(report, request);
    if !settings.server.certificate_headers.is_empty() {
        let trusted = request.get("certificate_trusted");
        certificate(report, trusted.and_then(Value::as_bool));
    }
}

const UNNAMED: &str =
    "let the proxy set Forwarded or X-Forwarded-For: all clients share one rate limit now";
const UNTRUSTED: &str = "add its address to server.trustedProxies: all clients share its address and its rate limit now";

fn arrived(report: &mut DoctorReport, request: &Value) {
    const SUBJECT: &str = PROXIES;
    let text = |name: &str| cell(request.get(name));
    let flag = |name: &str| request.get(name).and_then(Value::as_bool);
    let headers = cell(request.get("forwarded"));
    let seen = format!(
        "the call arrived from {} for the host '{}'",
        text("peer"),
        text("host")
    );
    match (flag("trusted_proxy").unwrap_or(false), headers.is_empty()) {
        (true, true) => report.problem(
            SUBJECT,
            format!("{seen}: a trusted proxy, which does not name its caller"),
            UNNAMED,
        ),
        (true, false) => {
            let by = text("address");
            report.fine(
                SUBJECT,
                format!("{seen}: a trusted proxy ({headers}). It was made by {by}"),
            );
        }
        (false, true) => report.fine(SUBJECT, format!("{seen}, without a proxy")),
        (false, false) => {
            let found = format!("{seen} with {headers}, but this proxy is not trusted");
            report.problem(SUBJECT, found, UNTRUSTED);
        }
    }
}

fn certificate(report: &mut DoctorReport, is_trusted: Option<bool>) {
    const SUBJECT: &str = "certificates";
    match is_trusted {
        Some(true) => report.fine(SUBJECT, "the call arrived with a trusted client certificate"),
        Some(false) => report.warn(
            SUBJECT,
            "the call arrived with a client certificate that is not trusted",
            "let the proxy forward certificates that it has verified, or set server.tls.clientCa",
        ),
        None => report.skipped(
            SUBJECT,
            "this command presents no client certificate, so server.certificateHeaders could not be checked",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_is_between_the_host_and_the_path_of_the_issuer() {
        for (issuer, expected) in [
            (
                "https://a.example",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example:8443/",
                "https://a.example:8443/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/t/1",
                "https://a.example/.well-known/oauth-authorization-server/t/1",
            ),
        ] {
            assert_eq!(metadata_url(issuer).as_deref(), Some(expected));
        }
        assert_eq!(metadata_url("nothing"), None);
    }
}

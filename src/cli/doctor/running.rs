//! What a running server says: whether it is ready, whether its public URL leads to it, how requests arrive through the
//! proxies in front of it, and what it finds itself.

use std::time::Duration;

use serde_json::Value;

use crate::cli::{CommandFailure, Needs, RemoteArguments, clock};
use crate::config::Settings;
use crate::fetch::{Direct, DirectError, Request};

use super::report::{Report, Verdict};

const READ: Needs = |scopes| &scopes.config_read;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The difference between two clocks that is not worth mentioning, in seconds.
const CLOCK: u64 = 5;
/// Where the metadata of the server is (RFC 8414 section 3).
const METADATA: &str = "/.well-known/oauth-authorization-server";
const EXAMINE: &str = "/admin/v1/doctor";

/// Members of `/readyz` that state a problem.
const TROUBLES: [(&str, &str); 5] = [
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
    ("sweepHeld", "check the clock of the server"),
];

pub(super) async fn examine(report: &mut Report, remote: &RemoteArguments, settings: &Settings) {
    let place = remote.place(settings);
    let http = match Direct::new(remote.ca()) {
        Ok(http) => http,
        Err(error) => return report.problem("server", error.to_string(), "correct --ca"),
    };
    match ask(&http, &format!("{}/healthz", place.admin)).await {
        Ok((200, _)) => report.fine("server", format!("the server at {} is alive", place.admin)),
        Ok((status, _)) => {
            let found = format!(
                "{} answers with status {status}: it is no registrar",
                place.admin
            );
            return report.problem("server", found, "name the server with --server");
        }
        Err(error) => {
            let found = format!("no server answers at {}: {error}", place.admin);
            let advice = "start it, or name it with --server, to check the rest";
            return report.warn("server", found, advice);
        }
    }
    ready(report, &http, &place.admin).await;
    public_url(report, &http, &place.server, settings).await;
    let own = match remote.connect_with(settings, &[READ]).await {
        Ok(own) => own,
        Err(failure) => {
            let found = message(failure);
            let advice = "name credentials with --credentials to check how requests arrive, webhooks and events";
            return report.warn("server", found, advice);
        }
    };
    match tokio::time::timeout(PATIENCE, own.get(EXAMINE, &[])).await {
        Ok(Ok(found)) => told(report, &found),
        Ok(Err(failure)) => report.warn("server", message(failure), "see the log of the server"),
        Err(_) => report.problem(
            "server",
            "the server does not answer in time",
            "see its log",
        ),
    }
    proxies(report, remote, settings).await;
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

async fn ready(report: &mut Report, http: &Direct, server: &str) {
    const SUBJECT: &str = "readiness";
    match ask(http, &format!("{server}/readyz")).await {
        Ok((200, body)) => {
            report.fine(SUBJECT, "the server accepts requests");
            for (name, advice) in TROUBLES {
                if let Some(text) = body.get(name).and_then(Value::as_str) {
                    report.problem(SUBJECT, format!("{name}: {text}"), advice);
                }
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

/// Compares the metadata at the public URL with the metadata that the server itself has.
async fn public_url(report: &mut Report, http: &Direct, server: &str, settings: &Settings) {
    const SUBJECT: &str = "public URL";
    let Some(issuer) = settings.server.issuer.as_deref() else {
        return report.skipped(SUBJECT, "server.issuer is not set");
    };
    let Some(public) = metadata_url(issuer) else {
        return report.problem(
            SUBJECT,
            format!("{issuer} is not a URL"),
            "correct server.issuer",
        );
    };
    let there = match ask(http, &public).await {
        Ok((200, body)) => body,
        Ok((status, _)) => {
            let found = format!("{public} answers with status {status}");
            let advice = "let the proxy pass on /.well-known/ and every path of this server";
            return report.problem(SUBJECT, found, advice);
        }
        Err(error) => {
            let found = format!("{public} cannot be reached: {error}");
            let advice = "check DNS, the proxy, its certificate and firewalls. If only this machine cannot reach the \
                          public URL, run this command elsewhere with --server";
            return report.problem(SUBJECT, found, advice);
        }
    };
    let own = there
        .get("issuer")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if own != issuer.trim_end_matches('/') && own != issuer {
        let found = format!("{public} is the metadata of the issuer '{own}', not of {issuer}");
        let advice = "correct server.issuer, or the proxy, which leads to another server";
        return report.problem(SUBJECT, found, advice);
    }
    let path = public.get(origin(&public).len()..).unwrap_or(METADATA);
    let here = ask(http, &format!("{}{path}", origin(server))).await;
    match here {
        Ok((200, here)) if here != there => report.problem(
            SUBJECT,
            format!("{public} is not the metadata that this server has"),
            "the proxy leads to another server or keeps an old answer",
        ),
        _ => report.fine(SUBJECT, format!("{public} is the metadata of this server")),
    }
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
fn told(report: &mut Report, found: &Value) {
    let checks = found.get("checks").and_then(Value::as_array);
    for check in checks.into_iter().flatten() {
        let text = |name: &str| check.get(name).and_then(Value::as_str);
        let verdict = match text("verdict") {
            Some("ok") => Verdict::Ok,
            Some("problem") => Verdict::Problem,
            _ => Verdict::Warning,
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
async fn proxies(report: &mut Report, remote: &RemoteArguments, settings: &Settings) {
    const SUBJECT: &str = "proxies";
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
        Ok(Ok(found)) => arrived(report, &found, settings),
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

fn arrived(report: &mut Report, found: &Value, settings: &Settings) {
    const SUBJECT: &str = "proxies";
    let request = found.get("request").unwrap_or(&Value::Null);
    let text = |name: &str| {
        request
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let flag = |name: &str| request.get(name).and_then(Value::as_bool);
    let (peer, address, host) = (text("peer"), text("address"), text("host"));
    let headers: Vec<&str> = match request.get("forwarded").and_then(Value::as_array) {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    let headers = headers.join(", ");
    let seen = format!("from {peer} for the host '{host}'");
    match flag("trusted_proxy") {
        Some(true) if headers.is_empty() => report.problem(
            SUBJECT,
            format!("the call arrived {seen}, a trusted proxy, which does not name its caller"),
            "let the proxy set Forwarded or X-Forwarded-For: all clients share one rate limit now",
        ),
        Some(true) => report.fine(
            SUBJECT,
            format!("the call arrived {seen}, a trusted proxy ({headers}), and was made by {address}"),
        ),
        _ if headers.is_empty() => {
            report.fine(SUBJECT, format!("the call arrived {seen}, without a proxy"));
        }
        _ => report.problem(
            SUBJECT,
            format!("the call arrived {seen} with {headers}, but this proxy is not trusted"),
            "add its address to server.trustedProxies: all clients share its address and its rate limit now",
        ),
    }
    if settings.server.certificate_headers.is_empty() {
        return;
    }
    match flag("certificate_trusted") {
        Some(trusted) => report.fine(
            "certificates",
            format!("the call has a client certificate; trusted: {trusted}"),
        ),
        None => report.skipped(
            "certificates",
            "the call of this command has no client certificate, so certificateHeaders could not be checked",
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

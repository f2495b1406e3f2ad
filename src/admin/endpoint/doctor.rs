//! `GET /admin/v1/doctor`: what the server itself can check about what it needs from others, and how the request arrived.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use futures_util::future::join_all;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::{endpoint::Query, endpoint::admit};
use crate::events::{self, ConsumerStatus};
use crate::http::{ClientCertificate, Problem, answer, peer};
use crate::service::{Context, Service, reach::reach};

/// How long each other system may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The maximum number of hosts of `fetch.allowedHosts`, and of hosts that scripts call, that are asked.
const MOST_HOSTS: usize = 16;
/// The maximum number of characters of a host name that is repeated.
const HOST_CHARACTERS: usize = 255;
/// The number of events that a consumer may be behind while nothing is wrong.
const LAG: u64 = 1_000;

/// The headers by which a proxy names its caller.
const FORWARDED: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-real-ip",
    "via",
];

/// What the server has found.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Examination {
    /// The issuer identifier of the server.
    issuer: String,
    /// The time of day of the server, in seconds since 1970-01-01T00:00:00Z.
    time: u64,
    request: ArrivedRequest,
    checks: Vec<ServerCheck>,
}

/// How this request arrived.
#[derive(Serialize, JsonSchema)]
struct ArrivedRequest {
    /// The address that the connection comes from.
    peer: String,
    /// The address of the caller, as the audit log and the rate limits see it.
    address: String,
    /// Whether the peer is in `server.trustedProxies`.
    trusted_proxy: bool,
    /// The headers of proxies that the request has.
    forwarded: Vec<&'static str>,
    /// The host that the request is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// Whether the client certificate of the caller is trusted; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_trusted: Option<bool>,
}

impl ArrivedRequest {
    fn of(service: &Service, parts: &Parts) -> Self {
        let address = peer::client_address(parts);
        let peer = match parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(peer)) => peer.ip().to_canonical(),
            None => address,
        };
        let certificate = parts.extensions.get::<ClientCertificate>();
        Self {
            peer: peer.to_string(),
            address: address.to_string(),
            trusted_proxy: peer::is_one_of(peer, &service.settings.server.trusted_proxies),
            forwarded: forwarded(parts),
            host: host(parts),
            certificate_trusted: certificate.map(|shown| shown.is_trusted),
        }
    }
}

fn forwarded(parts: &Parts) -> Vec<&'static str> {
    let has = |name: &&str| parts.headers.contains_key(*name);
    FORWARDED.into_iter().filter(has).collect()
}

/// Returns the host of the request, cut to a sensible length.
fn host(parts: &Parts) -> Option<String> {
    let host = peer::host(parts)?;
    Some(host.chars().take(HOST_CHARACTERS).collect())
}

/// One thing that was checked.
#[derive(Serialize, JsonSchema)]
struct ServerCheck {
    /// What it belongs to.
    subject: &'static str,
    verdict: ServerVerdict,
    /// What was found.
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

/// Whether something is wrong.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum ServerVerdict {
    Ok,
    Warning,
    Problem,
}

impl ServerCheck {
    const fn fine(subject: &'static str, found: String) -> Self {
        Self {
            subject,
            verdict: ServerVerdict::Ok,
            found,
            advice: None,
        }
    }

    fn bad(
        subject: &'static str,
        verdict: ServerVerdict,
        (found, advice): (String, &'static str),
    ) -> Self {
        Self {
            subject,
            verdict,
            found,
            advice: Some(advice),
        }
    }
}

/// Checks the store, the upstream server, the provider of the console, the webhooks, the hosts that may be fetched from and the consumers of events,
/// and shows how the request arrived.
///
/// # Errors
/// 401 without a valid token, 403 without the required scope, 503 if the store fails.
pub(crate) async fn examine(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.config_read).await?;
    Query::read(&parts.uri, &[])?;
    let mut checks = vec![store(&service).await];
    checks.extend(others(&cx).await);
    for status in events::statuses(&service).await? {
        checks.push(consumer(&status));
    }
    let examination = Examination {
        issuer: service.issuer.clone(),
        time: service.clock.now().unix(),
        request: ArrivedRequest::of(&service, &parts),
        checks,
    };
    Ok(answer::json(StatusCode::OK, &examination))
}

/// Checks whether other systems can be reached.
async fn others(cx: &Context<'_>) -> Vec<ServerCheck> {
    let (named, webhooks, hosts, targets) = tokio::join!(
        named(cx.service),
        webhooks(cx),
        hosts(cx.service),
        script_targets(cx)
    );
    let checks = named.into_iter().chain(webhooks).chain(hosts);
    checks.chain(targets).collect()
}

async fn store(service: &Service) -> ServerCheck {
    let begun = tokio::time::Instant::now();
    match tokio::time::timeout(PATIENCE, service.store.check()).await {
        Ok(Ok(())) => {
            let milliseconds = begun.elapsed().as_millis();
            ServerCheck::fine(
                "store",
                format!("the store accepts changes, within {milliseconds} ms"),
            )
        }
        Ok(Err(error)) => ServerCheck::bad(
            "store",
            ServerVerdict::Problem,
            (error.to_string(), "see the log of the server"),
        ),
        Err(_) => ServerCheck::bad(
            "store",
            ServerVerdict::Problem,
            (
                "the store does not answer in time".to_owned(),
                "check the disk or the database",
            ),
        ),
    }
}

/// Checks the servers that the configuration names.
async fn named(service: &Service) -> Vec<ServerCheck> {
    let (upstream, login) = tokio::join!(upstream(service), login(service));
    upstream.into_iter().chain(login).collect()
}

async fn upstream(service: &Service) -> Option<ServerCheck> {
    const ADVICE: &str = "check discovery.upstream, and see the log of the server for the reason";
    let upstream = service.upstream.as_ref()?;
    let outcome = tokio::time::timeout(PATIENCE, upstream.metadata()).await;
    let reason = match outcome {
        Ok(Ok(_)) => {
            let found = "the metadata of the upstream server is available";
            return Some(ServerCheck::fine("upstream", found.to_owned()));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it does not answer in time".to_owned(),
    };
    let found = format!("the metadata of the upstream server is not available: {reason}");
    Some(ServerCheck::bad(
        "upstream",
        ServerVerdict::Problem,
        (found, ADVICE),
    ))
}

async fn login(service: &Service) -> Option<ServerCheck> {
    const ADVICE: &str = "check admin.login.issuer, and see the log of the server for the reason";
    let provider = service.login.as_ref()?;
    let reason = match tokio::time::timeout(PATIENCE, provider.check()).await {
        Ok(Ok(())) => {
            let found = format!("the metadata of {} is available", provider.host);
            return Some(ServerCheck::fine("login", found));
        }
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => format!("{} does not answer in time", provider.host),
    };
    Some(ServerCheck::bad(
        "login",
        ServerVerdict::Problem,
        (reason, ADVICE),
    ))
}

async fn webhooks(cx: &Context<'_>) -> Vec<ServerCheck> {
    const ADVICE: &str = "check the URL of the webhook, its DNS name, its certificate, firewalls, and [fetch], whose rules \
                          apply; the log of the server has the reason";
    let webhooks = cx.snapshot.live.webhooks.iter();
    let checks = webhooks.map(async |webhook| {
        let name = &webhook.name;
        match reach(&cx.service.fetcher, &webhook.url, PATIENCE).await {
            Ok(status) => ServerCheck::fine(
                "webhooks",
                format!("the host of the webhook {name} answers (status {status} to HEAD)"),
            ),
            Err(reason) => ServerCheck::bad(
                "webhooks",
                ServerVerdict::Problem,
                (
                    format!("the host of the webhook {name} does not answer: {reason}"),
                    ADVICE,
                ),
            ),
        }
    });
    join_all(checks).await
}

/// Asks the hosts that scripts and keys are fetched from, as far as they are listed by name.
async fn hosts(service: &Service) -> Vec<ServerCheck> {
    const ADVICE: &str = "if scripts or keys need this host: check its DNS name, its certificate and firewalls. Otherwise \
                          remove it from fetch.allowedHosts";
    let listed = service.settings.fetch.allowed_hosts.iter().cloned();
    let named = listed
        .map(String::from)
        .filter(|host| !host.starts_with('*'));
    let checks = named
        .take(MOST_HOSTS)
        .map(async |host| host_check("fetch", service, (&host, String::new()), ADVICE).await);
    join_all(checks).await
}

/// Asks the hosts whose URLs are written in the scripts in force.
async fn script_targets(cx: &Context<'_>) -> Vec<ServerCheck> {
    const ADVICE: &str = "check the URL in the script, the DNS name and the certificate of the host, firewalls, and [fetch], \
                          whose rules apply";
    let called = cx.snapshot.scripts.called_hosts();
    let checks = called.iter().take(MOST_HOSTS).map(async |called| {
        let by = format!(", which {} calls in line {},", called.file, called.line);
        host_check("scripts", cx.service, (&called.host, by), ADVICE).await
    });
    join_all(checks).await
}

/// Asks one host. `by` says who needs it.
async fn host_check(
    subject: &'static str,
    service: &Service,
    (host, by): (&str, String),
    advice: &'static str,
) -> ServerCheck {
    match reach(&service.fetcher, &format!("https://{host}/"), PATIENCE).await {
        Ok(_) => ServerCheck::fine(subject, format!("{host}{by} answers")),
        Err(reason) => ServerCheck::bad(
            subject,
            ServerVerdict::Warning,
            (
                format!("{host}{by} does not answer to https: {reason}"),
                advice,
            ),
        ),
    }
}

fn consumer(status: &ConsumerStatus) -> ServerCheck {
    let ConsumerStatus {
        name, lag, parked, ..
    } = status;
    if let Some(reason) = &status.disabled {
        return ServerCheck::bad(
            "events",
            ServerVerdict::Problem,
            (
                format!("{name} receives no events: {reason}"),
                "remove the cause, then run 'registrar events enable'",
            ),
        );
    }
    if *parked > 0 {
        return ServerCheck::bad(
            "events",
            ServerVerdict::Warning,
            (
                format!("{parked} events for {name} could not be delivered and are parked"),
                "see 'registrar events parked', then run 'registrar events retry' or 'skip'",
            ),
        );
    }
    if *lag > LAG {
        return ServerCheck::bad(
            "events",
            ServerVerdict::Warning,
            (
                format!("{name} is {lag} events behind"),
                "see 'registrar events consumers' for what it waits for",
            ),
        );
    }
    ServerCheck::fine(
        "events",
        format!("{name} is {lag} events behind, and none is parked"),
    )
}

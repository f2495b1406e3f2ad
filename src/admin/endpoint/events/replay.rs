//! Sends existing clients to one consumer again, for example to fill a new system.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::endpoint::refusal::call_refused;
use crate::admin::endpoint::{admit, bad_request, clients, read_typed, unknown};
use crate::admin::{Administrator, schema};
use crate::base::{ClientId, Timestamp};
use crate::client::{Client, TrustLevel};
use crate::events;
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::Stored;
use crate::store::audit::Action;
use crate::store::events::{Cause, Reason};

/// The maximum number of clients in one call.
const MOST: usize = 500;

/// The request to send existing clients to one consumer again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct ReplayRequest {
    /// `clientCreated`, for the hooks of scripts. Either this or `webhook` is required.
    #[schemars(extend("enum" = ["clientCreated"]))]
    hook: Option<String>,
    /// The name of a webhook.
    webhook: Option<String>,
    /// Selects the clients. A client must match all members. Absent: all clients.
    #[serde(default)]
    filter: Option<ReplayFilter>,
    /// `next` of the previous call.
    after: Option<String>,
    /// The maximum number of clients; 500 by default.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<usize>,
}

/// The parameters of a list of clients.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ReplayFilter {
    client_id: Option<String>,
    client_name: Option<String>,
    software_id: Option<String>,
    #[schemars(schema_with = "schema::trust_level")]
    trust_level: Option<TrustLevel>,
    disabled: Option<bool>,
    issued_from: Option<u64>,
    issued_before: Option<u64>,
    expires_before: Option<u64>,
    /// An address or a network that the registration came from.
    address: Option<String>,
    initial_access_token: Option<String>,
    statement_iss: Option<String>,
    script_version: Option<String>,
    used_from: Option<u64>,
    used_before: Option<u64>,
    never_used: Option<bool>,
}

impl ReplayFilter {
    /// Returns the value of the parameter that the list of clients calls `name`.
    fn parameter(&self, name: &str) -> Option<String> {
        let seconds = |moment: Option<u64>| moment.map(|moment| moment.to_string());
        let flag = |flag: Option<bool>| flag.map(|flag| flag.to_string());
        match name {
            "client_id" => self.client_id.clone(),
            "client_name" => self.client_name.clone(),
            "software_id" => self.software_id.clone(),
            "trust_level" => self.trust_level.map(|level| level.as_str().to_owned()),
            "disabled" => flag(self.disabled),
            "issued_from" => seconds(self.issued_from),
            "issued_before" => seconds(self.issued_before),
            "expires_before" => seconds(self.expires_before),
            "address" => self.address.clone(),
            "initial_access_token" => self.initial_access_token.clone(),
            "statement_iss" => self.statement_iss.clone(),
            "script_version" => self.script_version.clone(),
            "used_from" => seconds(self.used_from),
            "used_before" => seconds(self.used_before),
            "never_used" => flag(self.never_used),
            _ => None,
        }
    }
}

/// What was sent again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Replayed")]
pub(in crate::admin) struct ReplayedPage {
    /// The number of clients.
    replayed: usize,
    /// The value of `after` for the next call, if more clients follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The number of events that the consumer has not received yet.
    lag: u64,
}

/// Appends an event for each client of one page, which only the named consumer receives: it sees the client as if it
/// had just been created, with the reason `replay`. Clients that the operator created are left out.
///
/// # Errors
/// 400 for an invalid body; 401 without a valid token; 403 without the required scope; 404 if no script has the hook,
/// or for an unknown webhook; 408, 413 and 415 for a body that cannot be read; 503 if the store fails.
pub(crate) async fn replay(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_write).await?;
    let replayed = replay_from(&cx, &by, &mut parts).await;
    let replayed = replayed.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    Ok(answer::json(StatusCode::OK, &replayed))
}

async fn replay_from(
    cx: &Context<'_>,
    by: &Administrator,
    parts: &mut Parts,
) -> Result<ReplayedPage, Problem> {
    let wanted: ReplayRequest = read_typed(parts)?;
    let consumer = consumer(cx, &wanted)?;
    let (after, limit) = wanted.page()?;
    let filter = wanted.filter.unwrap_or_default();
    let filter = clients::filter(cx.service.clock.now(), |name| filter.parameter(name))?;
    clients::settle_uses(cx, &filter).await?;
    let clients = &cx.service.store.clients;
    let page = clients.list(&filter, after.as_ref(), limit).await?;
    let sent = replayable(page.clients, cx.service.clock.now());
    append(cx, by, &consumer, &sent).await?;
    Ok(ReplayedPage {
        replayed: sent.len(),
        next: page.next.map(|id| id.to_string()),
        lag: events::lag(cx.service, &consumer).await?,
    })
}

impl ReplayRequest {
    /// Returns the client after which the page starts, and the number of its clients.
    fn page(&self) -> Result<(Option<ClientId>, usize), Problem> {
        let after = self.after.as_deref().map(ClientId::parse);
        let Ok(after) = after.transpose() else {
            return Err(bad_request("after must be the identifier of a client"));
        };
        let limit = self.limit.unwrap_or(MOST);
        if !(1..=MOST).contains(&limit) {
            return Err(bad_request(&format!("limit must be from 1 to {MOST}")));
        }
        Ok((after, limit))
    }
}

/// Returns the clients that other systems may know.
fn replayable(clients: Vec<Stored>, now: Timestamp) -> Vec<Client> {
    let mut replayable = Vec::new();
    for stored in clients {
        let client = stored.into_client();
        if !client.is_operators() && !client.is_expired(now) {
            replayable.push(client);
        }
    }
    replayable
}

/// Appends the events for `clients`, together with an audit event.
async fn append(
    cx: &Context<'_>,
    by: &Administrator,
    consumer: &str,
    clients: &[Client],
) -> Result<(), Problem> {
    if clients.is_empty() {
        return Ok(());
    }
    let now = cx.service.clock.now();
    let event = by.did(Action::EventsReplayed, consumer, now);
    let event = event.with("clients", clients.len());
    let cause = Cause::of(&event, Reason::Replay);
    let log = &cx.service.store.events;
    log.replay(clients, consumer, &cause, event.change()?)
        .await?;
    tracing::info!(
        consumer,
        clients = clients.len(),
        "clients replayed by an administrator"
    );
    Ok(())
}

/// Returns the name of the consumer that a request names.
fn consumer(cx: &Context<'_>, wanted: &ReplayRequest) -> Result<String, Problem> {
    let (name, missing) = match (wanted.hook.as_deref(), wanted.webhook.as_deref()) {
        (Some("clientCreated"), None) => (events::HOOKS.to_owned(), "script with clientCreated"),
        (Some(_), None) => {
            let reason = "only clientCreated can be replayed: there was no other change";
            return Err(bad_request(reason));
        }
        (None, Some(webhook)) => (events::webhook(webhook), "webhook"),
        (None, None) | (Some(_), Some(_)) => {
            return Err(bad_request("name either hook or webhook"));
        }
    };
    if events::can_replay(&cx.snapshot, &name) {
        Ok(name)
    } else {
        Err(unknown(missing))
    }
}

//! Delivers events to webhooks, as the Standard Webhooks specification says.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::{Included, Live, Webhook};
use crate::events::{AttemptResult, Delivery, EventSubject, identified, subject};
use crate::fetch::{Fetcher, Request};
use crate::service::webhooks::{WebhookSecrets, client_filter};
use crate::service::{Service, exports};
use crate::store::{ClientFilter, Event, EventType};

/// The beginning of the name of a consumer that is a webhook.
pub(super) const PREFIX: &str = "webhook:";
/// The status with which a receiver ends the deliveries (RFC 9110 section 15.5.11).
const GONE: u16 = 410;
/// The number of bytes of an answer that are read, and ignored, so that its connection can be used again.
const ANSWER_BYTES: usize = 16 * 1024;

/// Returns the names of the consumers that `live` configures.
pub(super) fn consumers(live: &Live) -> impl Iterator<Item = String> {
    let webhooks = live.webhooks.iter();
    webhooks.map(|webhook| format!("{PREFIX}{}", webhook.name))
}

/// Sends the event to the webhook of `consumer` in the configuration in force, if the webhook wants it.
pub(super) async fn deliver(
    service: &Service,
    fetcher: &Fetcher,
    consumer: &str,
    delivery: &Delivery,
) -> AttemptResult {
    match request(service, consumer, delivery).await {
        Ok(Some(request)) => send(fetcher, request).await,
        Ok(None) => AttemptResult::Unwanted,
        Err(reason) => AttemptResult::failed(&reason),
    }
}

/// Returns the request that delivers the event; none if the webhook does not want it.
async fn request(
    service: &Service,
    consumer: &str,
    delivery: &Delivery,
) -> Result<Option<Request>, String> {
    let live = &service.snapshot().live;
    let webhook = configured(live, consumer).ok_or("the webhook is no longer configured")?;
    let event = &delivery.logged.event;
    if !names(webhook, event.kind) {
        return Ok(None);
    }
    let filter = client_filter(&webhook.clients)?;
    let found = subject(service, event).await;
    let found = found.map_err(|error| error.to_string())?;
    let Some(subject) = found.filter(|subject| is_selected(&filter, event, subject)) else {
        return Ok(None);
    };
    let client = included(webhook, event, &subject);
    let added = added(live, &subject);
    let body = body(event, &data(delivery, client.as_ref(), added.as_ref()));
    let signed = signed(service, webhook, &event.id, body).await?;
    Ok(Some(signed))
}

fn configured<'a>(live: &'a Live, consumer: &str) -> Option<&'a Webhook> {
    let name = consumer.strip_prefix(PREFIX)?;
    live.webhooks.iter().find(|webhook| webhook.name == name)
}

/// Returns whether the webhook wants events of this type.
fn names(webhook: &Webhook, kind: EventType) -> bool {
    webhook.events.iter().any(|named| kind.is_named(named))
}

/// Returns whether the webhook wants events of this client.
fn is_selected(filter: &ClientFilter, event: &Event, subject: &EventSubject) -> bool {
    match subject {
        EventSubject::Stored(client) => filter.matches(client),
        EventSubject::Deleted(Some(deleted)) => filter.matches_deleted(&event.client_id, deleted),
        EventSubject::Request(found) => filter.matches(&found.request().client),
        EventSubject::Document(candidate) => filter.matches_candidate(&event.client_id, candidate),
        // It is not known what was denied.
        EventSubject::Deleted(None) if event.pending.is_some() => filter.is_empty(),
        // The log no longer has the event. Only an event that the webhook wants is ever sent again.
        EventSubject::Deleted(None) => true,
    }
}

/// Returns the metadata of the client, if the webhook includes it.
fn included(
    webhook: &Webhook,
    event: &Event,
    subject: &EventSubject,
) -> Option<Map<String, Value>> {
    match webhook.include? {
        Included::Client => shown(event, subject),
    }
}

/// Returns the metadata of the client, without its secret.
fn shown(event: &Event, subject: &EventSubject) -> Option<Map<String, Value>> {
    let metadata = match subject {
        EventSubject::Stored(client) => client.shown(None),
        EventSubject::Deleted(deleted) => identified(deleted.as_deref()?, event),
        EventSubject::Request(found) => found.request().client.shown(None),
        EventSubject::Document(candidate) => candidate.shown(),
    };
    Some(metadata.as_object().clone())
}

/// Returns the request with this body, signed with every secret of the webhook.
async fn signed(
    service: &Service,
    webhook: &Webhook,
    id: &str,
    body: String,
) -> Result<Request, String> {
    let now = service.clock.now().unix();
    let signature = secrets(webhook).await?.sign(id, now, &body)?;
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", &now.to_string()),
        ("webhook-signature", &signature),
    ];
    Ok(Request {
        method: "POST".to_owned(),
        url: webhook.url.clone(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: Some(body.into_bytes()),
        limit: Some(ANSWER_BYTES),
        is_body_ignored: true,
        ..Request::default()
    })
}

/// Reads the secrets of the webhook, which may have been replaced since the last event.
async fn secrets(webhook: &Webhook) -> Result<WebhookSecrets, String> {
    let file = webhook.secret_file.clone();
    let read = tokio::task::spawn_blocking(move || WebhookSecrets::read(&file)).await;
    let read = read.map_err(|error| error.to_string())?;
    read.map_err(|reason| format!("secretFile: {reason}"))
}

/// Returns what the event says, with the metadata of the client and what `[[exports]]` adds to it.
fn data(
    delivery: &Delivery,
    client: Option<&Map<String, Value>>,
    added: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let event = &delivery.logged.event;
    let members = [
        ("id", json!(event.id)),
        ("position", json!(delivery.logged.position)),
        ("client_id", json!(event.client_id)),
        ("reason", json!(event.reason)),
        ("changed", json!(event.changed)),
        ("revision", json!(event.revision)),
        ("actor", json!(event.actor)),
        ("correlation_id", json!(event.correlation_id)),
        ("pending", json!(event.pending)),
        ("pending_type", json!(event.pending_type)),
        ("client", json!(client)),
        ("exports", json!(added)),
    ];
    let mut data = Map::new();
    for (name, value) in members {
        if !value.is_null() {
            data.insert(name.to_owned(), value);
        }
    }
    data
}

/// Returns what `[[exports]]` adds to the client, if anything.
fn added(live: &Live, subject: &EventSubject) -> Option<Map<String, Value>> {
    let added = match subject {
        EventSubject::Stored(client) => exports::of(live, client),
        EventSubject::Request(found) => exports::of(live, &found.request().client),
        EventSubject::Document(candidate) => {
            exports::resolved(live, &candidate.shown(), candidate.level())
        }
        EventSubject::Deleted(_) => return None,
    };
    (!added.is_empty()).then_some(added)
}

/// Returns the body of the request.
fn body(event: &Event, data: &Map<String, Value>) -> String {
    let seconds = i64::try_from(event.at.unix()).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    json!({"type": event.kind, "timestamp": at.to_string(), "data": data}).to_string()
}

async fn send(fetcher: &Fetcher, request: Request) -> AttemptResult {
    match fetcher.send(request).await.map(|answer| answer.status) {
        Ok(200..=299) => AttemptResult::Done,
        Ok(GONE) => AttemptResult::Refused("the receiver answered 410 (Gone)".to_owned()),
        Ok(status @ 300..=399) => AttemptResult::failed(&format!(
            "the receiver answered {status}; redirects are not followed, so configure the final URL"
        )),
        Ok(status) => AttemptResult::failed(&format!("the receiver answered {status}")),
        Err(error) => AttemptResult::failed(&error),
    }
}

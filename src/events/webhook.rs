//! Delivers events to webhooks, as the Standard Webhooks specification says.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::{Included, Live, Webhook};
use crate::events::{Attempt, Delivery, Subject, identified, subject};
use crate::fetch::{Fetcher, Request};
use crate::service::Service;
use crate::service::webhooks::{WebhookSecrets, client_filter};
use crate::store::{ClientFilter, Event};

/// The beginning of the name of a consumer that is a webhook.
const PREFIX: &str = "webhook:";
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
) -> Attempt {
    let live = &service.snapshot().live;
    let name = consumer.strip_prefix(PREFIX).unwrap_or_default();
    let Some(webhook) = live.webhooks.iter().find(|webhook| webhook.name == name) else {
        return Attempt::failed(&"the webhook is no longer configured");
    };
    let event = &delivery.logged.event;
    if !webhook
        .events
        .iter()
        .any(|named| event.kind.is_named(named))
    {
        return Attempt::Done;
    }
    let filter = match client_filter(&webhook.clients) {
        Ok(filter) => filter,
        Err(reason) => return Attempt::failed(&reason),
    };
    let subject = match subject(service, event).await {
        Ok(Some(subject)) if is_selected(&filter, event, &subject) => subject,
        Ok(_) => return Attempt::Done,
        Err(error) => return Attempt::failed(&error),
    };
    let client = webhook
        .include
        .and_then(|Included::Client| shown(event, &subject));
    match request(service, webhook, delivery, client).await {
        Ok(request) => send(fetcher, request).await,
        Err(reason) => Attempt::failed(&reason),
    }
}

/// Returns whether the webhook wants events of this client.
fn is_selected(filter: &ClientFilter, event: &Event, subject: &Subject) -> bool {
    match subject {
        Subject::Stored(client) => filter.matches(client),
        Subject::Deleted(Some(deleted)) => filter.matches_deleted(&event.client_id, deleted),
        // The log no longer has the event. Only an event that the webhook wants is ever sent again.
        Subject::Deleted(None) => true,
    }
}

/// Returns the metadata of the client, without its secret.
fn shown(event: &Event, subject: &Subject) -> Option<Map<String, Value>> {
    let metadata = match subject {
        Subject::Stored(client) => client.shown(None),
        Subject::Deleted(deleted) => identified(deleted.as_deref()?, event),
    };
    Some(metadata.as_object().clone())
}

/// Returns the signed request.
async fn request(
    service: &Service,
    webhook: &Webhook,
    delivery: &Delivery,
    client: Option<Map<String, Value>>,
) -> Result<Request, String> {
    let file = webhook.secret_file.clone();
    let secrets = tokio::task::spawn_blocking(move || WebhookSecrets::read(&file)).await;
    let secrets = secrets.map_err(|error| error.to_string())?;
    let secrets = secrets.map_err(|reason| format!("secretFile: {reason}"))?;
    let id = &delivery.logged.event.id;
    let (now, body) = (service.clock.now().unix(), body(delivery, client));
    let signature = secrets.sign(id, now, &body)?;
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.clone()),
        ("webhook-timestamp", now.to_string()),
        ("webhook-signature", signature),
    ];
    Ok(Request {
        method: "POST".to_owned(),
        url: webhook.url.clone(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body: Some(body.into_bytes()),
        timeout: None,
        limit: Some(ANSWER_BYTES),
        is_body_ignored: true,
    })
}

/// Returns the body of the request.
fn body(delivery: &Delivery, client: Option<Map<String, Value>>) -> String {
    let event = &delivery.logged.event;
    let mut data = json!({
        "id": event.id,
        "position": delivery.logged.position,
        "client_id": event.client_id,
        "reason": event.reason,
        "changed": event.changed,
        "revision": event.revision,
    });
    let optional = [
        ("actor", event.actor.clone().map(Value::from)),
        (
            "correlation_id",
            event.correlation_id.clone().map(Value::from),
        ),
        ("client", client.map(Value::from)),
    ];
    if let Value::Object(members) = &mut data {
        for (name, value) in optional {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        }
    }
    let seconds = i64::try_from(event.at.unix()).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    json!({"type": event.kind, "timestamp": at.to_string(), "data": data}).to_string()
}

async fn send(fetcher: &Fetcher, request: Request) -> Attempt {
    match fetcher.send(request).await.map(|answer| answer.status) {
        Ok(200..=299) => Attempt::Done,
        Ok(GONE) => Attempt::Refused("the receiver answered 410 (Gone)".to_owned()),
        Ok(status @ 300..=399) => Attempt::failed(&format!(
            "the receiver answered {status}; redirects are not followed, so configure the final URL"
        )),
        Ok(status) => Attempt::failed(&format!("the receiver answered {status}")),
        Err(error) => Attempt::failed(&error),
    }
}

//! What is sent to the upstream server, and what of its answer becomes a part of the client.

use serde_json::{Map, Value};

use crate::base::{ClientId, SealError, SealingKeys, Secret, Timestamp, Violation};
use crate::client::hosted_document::is_plain_id;
use crate::client::{
    Approved, Client, ClientSecret, MemberOrigin, MemberOrigins, Metadata, SetBy, UpstreamClient,
    member,
};
use crate::registration::{Issued, RegisterError};
use crate::service::{Context, UpstreamAnswer, UpstreamManagement};

use super::FrontError;

/// Members that a client sets and that concern only this server.
const OWN: [&str; 2] = ["software_statement", "lifetime"];

/// Returns the part of `metadata` that is sent: the named members, or, if none is named, all that a client may set.
pub(super) fn forwarded(named: &[String], metadata: &Metadata) -> Map<String, Value> {
    let mut sent = Map::new();
    for (name, value) in metadata.iter() {
        let plain = name.split_once('#').map_or(name, |(plain, _)| plain);
        let is_sent = if named.is_empty() {
            is_clients(plain)
        } else {
            named.iter().any(|one| one == plain)
        };
        if is_sent {
            sent.insert(name.to_owned(), value.clone());
        }
    }
    sent
}

fn is_clients(name: &str) -> bool {
    let is_set_by_client = member::find(name).is_some_and(|one| one.set_by == SetBy::Client);
    is_set_by_client && !OWN.contains(&name)
}

/// Returns the issued client as the upstream server has registered it: with its identifier, its secret, and the values
/// that it has changed. `before` is the secret that the client had there.
pub(super) fn adopted(
    cx: &Context<'_>,
    issued: Issued,
    before: Option<&ClientSecret>,
    registration: &UpstreamAnswer,
) -> Result<Issued, RegisterError> {
    let id = usable_id(&registration.client_id);
    let id = id.filter(|id| issued.client.hosted_document.is_none() || is_plain_id(id.as_str()));
    let id = id.ok_or_else(|| FrontError::Unusable("client_id".to_owned()))?;
    let key = &cx.service.store.sealing_keys;
    let client = Client {
        id: id.clone(),
        ..issued.client
    };
    let client = overlaid(cx, client, registration)?;
    let secret = secret(key, &client, before, registration)?;
    let client = Client {
        secret,
        upstream: Some(sealed(key, &id, registration)?),
        ..client
    };
    let secret = match &client.secret {
        Some(secret) => Some(key.open(&secret.sealed, id.as_str())?),
        None => None,
    };
    Ok(Issued {
        client,
        secret,
        ..issued
    })
}

/// Puts the values that the upstream server has changed into the metadata. What it omits stays: the rules and quotas of
/// this server refer to members that another server may not know.
pub(super) fn overlaid(
    cx: &Context<'_>,
    client: Client,
    registration: &UpstreamAnswer,
) -> Result<Client, RegisterError> {
    let (before, answer) = (client.metadata.metadata(), &registration.members);
    let mut changed = changed(before, answer);
    // What the upstream server has added by itself may be nothing that this server supports. It would keep the client from
    // sending back what it has read. Types are checked before rules, so one look may not find everything.
    loop {
        let faulty = faulty(cx, &overlay(before, answer, &changed));
        let count = changed.len();
        changed.retain(|name| before.get(name).is_some() || !faulty.iter().any(|one| one == name));
        if changed.len() == count {
            break;
        }
    }
    if changed.is_empty() {
        return Ok(client);
    }
    let metadata = overlay(before, answer, &changed);
    let approved = approved(cx, &metadata)?;
    tracing::info!(
        client_id = client.id.as_str(),
        members = changed.join(", "),
        "the upstream server has registered other values"
    );
    Ok(Client {
        origins: Some(origins(client.origins.as_ref(), &metadata, &changed)),
        metadata: approved,
        ..client
    })
}

/// Returns the metadata with the values of an answer for the `changed` members.
fn overlay(before: &Metadata, answer: &Map<String, Value>, changed: &[&str]) -> Metadata {
    let mut metadata = before.clone();
    for name in changed {
        if let Some(value) = answer.get(*name) {
            metadata.set(name, value.clone());
        }
    }
    metadata
}

/// Returns the members of `metadata` that break rules.
fn faulty(cx: &Context<'_>, metadata: &Metadata) -> Vec<String> {
    let (Ok((_, faults)) | Err(faults)) = cx.rules().take_over(metadata.clone());
    let member = |fault: Violation| fault.member.split('[').next().map(str::to_owned);
    faults.into_iter().filter_map(member).collect()
}

/// Returns the origins of `metadata`, of which the upstream server has changed some members.
fn origins(before: Option<&MemberOrigins>, metadata: &Metadata, changed: &[&str]) -> MemberOrigins {
    let origin_of = |name: &str| match before {
        _ if changed.contains(&name) => MemberOrigin::Upstream,
        Some(origins) => origins.origin_of(name),
        None => MemberOrigin::Request,
    };
    MemberOrigins::collect(metadata.iter().map(|(name, _)| (name, origin_of(name))))
}

/// Returns the members of an answer that a client may set and whose values differ.
fn changed<'a>(metadata: &Metadata, answer: &'a Map<String, Value>) -> Vec<&'a str> {
    let mut changed = Vec::new();
    for (name, value) in answer {
        let plain = name
            .split_once('#')
            .map_or(name.as_str(), |(plain, _)| plain);
        let is_known = is_clients(plain);
        let is_empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Array(items) => items.is_empty() && metadata.get(name).is_none(),
            _ => false,
        };
        if is_known && !is_empty && metadata.get(name) != Some(value) {
            changed.push(name.as_str());
        }
    }
    changed
}

/// The upstream server decides about its clients, so its values may break rules that apply here. They must be metadata.
fn approved(cx: &Context<'_>, metadata: &Metadata) -> Result<Approved, RegisterError> {
    let (approved, broken) = cx.rules().take_over(metadata.clone()).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let cause = faults.join("; ");
        tracing::error!(cause, "the upstream server has registered invalid metadata");
        FrontError::Unusable("answer".to_owned())
    })?;
    if !broken.is_empty() {
        let broken: Vec<String> = broken.iter().map(ToString::to_string).collect();
        let rules = broken.join("; ");
        tracing::warn!(
            rules,
            "the upstream server has registered values that break rules here"
        );
    }
    Ok(approved)
}

/// Returns the secret that the upstream server has returned, or the previous one if it returns none.
fn secret(
    key: &SealingKeys,
    client: &Client,
    before: Option<&ClientSecret>,
    registration: &UpstreamAnswer,
) -> Result<Option<ClientSecret>, SealError> {
    let Some(secret) = &registration.secret else {
        // A secret that was created here is none there.
        return Ok(before.cloned());
    };
    let there = Some(registration.secret_expires_at).filter(|end| *end != 0);
    let there = there.map(Timestamp::from_unix);
    let ends = [there, client.expires_at].into_iter().flatten().min();
    Ok(Some(ClientSecret {
        sealed: key.seal(secret, client.id.as_str())?,
        expires_at: ends,
    }))
}

/// Returns the identifier that the upstream server has created, if a client can have it here.
pub(super) fn usable_id(text: &str) -> Option<ClientId> {
    ClientId::parse(text).ok().filter(|id| !id.is_url())
}

/// Returns the stored client with the credentials of an answer; none if they are the same.
pub(super) fn with_credentials(
    key: &SealingKeys,
    client: &Client,
    registration: &UpstreamAnswer,
) -> Result<Option<Client>, SealError> {
    let has_token = has_token(key, client, registration)?;
    let has_secret = has_secret(key, client, registration)?;
    if has_token && has_secret {
        return Ok(None);
    }
    Ok(Some(Client {
        secret: secret(key, client, client.secret.as_ref(), registration)?,
        upstream: Some(sealed(key, &client.id, registration)?),
        ..client.clone()
    }))
}

/// Whether `client` is managed as the answer states.
fn has_token(
    key: &SealingKeys,
    client: &Client,
    registration: &UpstreamAnswer,
) -> Result<bool, SealError> {
    let Some(managed) = management(key, client)? else {
        return Ok(false);
    };
    let is_token = |token: &Secret| managed.token.matches(token.expose());
    let is_uri = |uri: &String| *uri == managed.uri;
    Ok(registration.token.as_ref().is_none_or(is_token)
        && registration.uri.as_ref().is_none_or(is_uri))
}

/// Whether `client` has the secret of the answer, if that has one.
fn has_secret(
    key: &SealingKeys,
    client: &Client,
    registration: &UpstreamAnswer,
) -> Result<bool, SealError> {
    match (&registration.secret, &client.secret) {
        (None, _) => Ok(true),
        (Some(_), None) => Ok(false),
        (Some(new), Some(current)) => {
            let current = key.open(&current.sealed, client.id.as_str())?;
            Ok(current.matches(new.expose()))
        }
    }
}

/// Returns how the client of an answer is managed, as it is stored.
pub(super) fn sealed(
    key: &SealingKeys,
    id: &ClientId,
    registration: &UpstreamAnswer,
) -> Result<UpstreamClient, SealError> {
    let token = match &registration.token {
        Some(token) => Some(key.seal(token, &UpstreamClient::token_owner(id))?),
        None => None,
    };
    Ok(UpstreamClient {
        uri: registration.uri.clone(),
        token,
    })
}

/// Returns how `client` is managed at the upstream server; none if it cannot be.
pub(super) fn management(
    key: &SealingKeys,
    client: &Client,
) -> Result<Option<UpstreamManagement>, SealError> {
    match &client.upstream {
        Some(upstream) => opened(key, &client.id, upstream),
        None => Ok(None),
    }
}

/// Returns how the client `id` is managed; none if the upstream server does not let it be.
pub(super) fn opened(
    key: &SealingKeys,
    id: &ClientId,
    upstream: &UpstreamClient,
) -> Result<Option<UpstreamManagement>, SealError> {
    let (Some(uri), Some(token)) = (&upstream.uri, &upstream.token) else {
        return Ok(None);
    };
    let token = key.open(token, &UpstreamClient::token_owner(id))?;
    Ok(Some(UpstreamManagement {
        client_id: id.to_string(),
        uri: uri.clone(),
        token,
    }))
}

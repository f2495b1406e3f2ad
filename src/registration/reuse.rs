//! Identical registrations of public clients (`reuseIdenticalPublicClients`).
//!
//! Software that registers anew at each start fills a store with copies of one client. Where the
//! operator says so, who registers exactly the metadata of a public client that is there gets that
//! client. Nobody manages it: the first who registered may be a stranger to all who come after,
//! and could lead their users elsewhere. So none of them gets a registration access token, the
//! first no more than the others, and all get the same answer.

use serde_json::{Map, Value};

use super::{Caller, ClientInformation, Issued, Proven, RegisterError, hooks};
use crate::client::rules::{expiry, needs_secret};
use crate::client::{Client, Metadata, TrustLevel};
use crate::script::Hook;
use crate::secret::sha256_hex;
use crate::service::Context;
use crate::store::{Change, Indexed, StoreError};
use crate::telemetry;

/// A client that is to be shared by all who register its metadata, or none.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The digest of the metadata.
    pub(super) digest: Option<String>,
    /// How many clients had it when it was looked for.
    seen: u64,
}

impl Shared {
    /// How a client with `metadata` is shared. Only one that anybody may register, and that has
    /// nothing of its own: no proof, no secret, no end.
    pub(super) fn of(cx: &Context<'_>, proven: &Proven, metadata: &Metadata) -> Self {
        let is_open = proven.shown.trust_level == TrustLevel::Open
            && proven.initial_access.is_none()
            && proven.statement.is_none()
            && proven.uses.is_empty();
        let is_public = metadata.text("token_endpoint_auth_method") == Some("none")
            && !needs_secret(metadata)
            && expiry(metadata, cx.service.clock.now()).is_none();
        let is_shared = cx.settings().reuse_identical_public_clients && is_open && is_public;
        Self { digest: is_shared.then(|| digest(metadata)), seen: 0 }
    }

    /// The client that is there already. That it is registered again is a use of it.
    pub(super) async fn find(&mut self, cx: &Context<'_>) -> Result<Option<Client>, RegisterError> {
        let Some(digest) = &self.digest else { return Ok(None) };
        let (store, now) = (&cx.service.store, cx.service.clock.now());
        let value = Indexed::Shared(digest);
        for _ in 0..TRIES {
            self.seen = store.clients.count(value).await?;
            if self.seen == 0 {
                return Ok(None);
            }
            let mut found = store.clients.having(value, MOST).await?.into_iter();
            let Some(found) = found.find(|stored| stored.client().is_usable(now)) else { return Ok(None) };
            // Noted first, so that it is not removed as unused while it is confirmed.
            store.uses.note(&found.client().id, now);
            // It may be seen before it is on the disk: who is told of it must be able to rely on it.
            match store.clients.confirm(&found).await {
                Ok(()) => return Ok(Some(found.into_client())),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RegisterError::Conflict)
    }

    /// That nobody registers the same at the same time.
    pub(super) fn alone(&self) -> Change {
        match &self.digest {
            Some(digest) => Indexed::Shared(digest).no_more_than(self.seen),
            None => Change::default(),
        }
    }
}

/// Clients with the same metadata that are looked at: more than one only after an operator
/// disabled one.
const MOST: usize = 8;

/// How often a client that changes meanwhile is looked for.
const TRIES: usize = 8;

/// What is told of a shared client that is there already.
pub(super) async fn answer(
    cx: &Context<'_>,
    caller: &Caller,
    client: Client,
) -> Result<ClientInformation, RegisterError> {
    telemetry::concerns(client.id.as_str(), client.provenance.trust_level.as_str());
    tracing::info!("the same public client is there already");
    let issued = Issued { client, token: None, secret: None };
    let answer = ClientInformation::new(cx, &issued.client, None, None);
    Ok(hooks::modify(cx, caller, Hook::ModifyPostResponse, answer).await?)
}

/// SHA-256, in hex, of the metadata with its members in the order of their names.
fn digest(metadata: &Metadata) -> String {
    let sorted = sorted(&Value::Object(metadata.as_object().clone()));
    sha256_hex(sorted.to_string().as_bytes())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Map::from_iter(members).into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> String {
        digest(&Metadata::new(value.as_object().unwrap().clone()))
    }

    #[test]
    fn the_order_of_members_does_not_matter_and_all_else_does() {
        let one = json!({"a": ["x", "y"], "b": {"c": 1, "d": [{"e": 1, "f": 2}]}});
        let other = json!({"b": {"d": [{"f": 2, "e": 1}], "c": 1}, "a": ["x", "y"]});
        assert_eq!(of(&one), of(&other));
        for different in [
            json!({"a": ["y", "x"], "b": one["b"]}),
            json!({"a": ["x", "y"], "b": {"c": "1", "d": one["b"]["d"]}}),
            json!({"a": one["a"], "b": one["b"], "c": 1}),
        ] {
            assert_ne!(of(&one), of(&different), "{different}");
        }
    }
}

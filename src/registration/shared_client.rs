//! Identical registrations of public clients (`reuseIdenticalPublicClients`).
//!
//! Software that registers anew at each start fills a store with copies of one client. If the operator
//! enables this option, a registration with exactly the metadata of an existing public client gets that
//! client. Nobody can manage a shared client: its first registrant may be a stranger to all later ones, and
//! could redirect their users elsewhere. Therefore no registrant gets a registration access token, not even
//! the first, and all get the same answer.

use serde_json::{Map, Value};

use crate::base::sha256_hex;
use crate::client::{Client, Metadata, TrustLevel, rules};
use crate::registration::{self, Attempt, ClientInformation, Issued, Proven, RegisterError};
use crate::service::Context;
use crate::store::{Change, Indexed, StoreError, Stored};
use crate::telemetry;

/// A client that is shared by everyone who registers its metadata; or no such client.
#[derive(Debug, Default)]
pub(super) struct SharedClient {
    /// The digest of the metadata.
    pub(super) digest: Option<String>,
    /// The number of clients with this digest when they were counted.
    seen: u64,
}

impl SharedClient {
    /// Decides whether a client with `metadata` is shared. It must be open to anyone and have nothing of its
    /// own: no proof, no secret, no expiry.
    pub(super) fn of(cx: &Context<'_>, proven: &Proven, metadata: &Metadata) -> Self {
        let is_open = proven.proofs.trust_level == TrustLevel::Open
            && proven.initial_access.is_none()
            && proven.statement.is_none()
            && proven.uses.is_empty();
        // A document has an owner, who can withdraw it.
        let has_document = proven.document.publishes();
        let is_public = metadata.text("token_endpoint_auth_method") == Some("none")
            && !rules::needs_secret(metadata)
            && rules::expiry(metadata, cx.service.clock.now()).is_none();
        let is_shared =
            cx.settings().reuse_identical_public_clients && is_open && is_public && !has_document;
        Self {
            digest: is_shared.then(|| digest(metadata)),
            seen: 0,
        }
    }

    /// Returns the answer with the existing client; none if there is no such client. Another registration of
    /// it counts as a use.
    pub(super) async fn answer(
        &mut self,
        attempt: Attempt<'_>,
    ) -> Result<Option<ClientInformation>, RegisterError> {
        if self.digest.is_none() {
            return Ok(None);
        }
        // In a box, so that every other registration does not carry the space of this future.
        Box::pin(self.answer_with_existing(attempt)).await
    }

    async fn answer_with_existing(
        &mut self,
        attempt: Attempt<'_>,
    ) -> Result<Option<ClientInformation>, RegisterError> {
        let (cx, now) = (attempt.cx, attempt.cx.service.clock.now());
        for _ in 0..TRIES {
            let Some(found) = self.find(cx).await? else {
                return Ok(None);
            };
            // The use is noted first, so that the client is not deleted as unused while it is confirmed.
            cx.service.store.uses.note(&found.client().id, now);
            // The client may be visible before it is on disk, but everyone who receives it must be able to
            // rely on it.
            match cx.service.store.clients.confirm(&found).await {
                Ok(()) => return Ok(Some(answer(attempt, found.into_client()).await?)),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RegisterError::Conflict)
    }

    /// Finds a client with this metadata that can be used, and counts the clients with this metadata.
    async fn find(&mut self, cx: &Context<'_>) -> Result<Option<Stored>, StoreError> {
        let Some(digest) = &self.digest else {
            return Ok(None);
        };
        let (clients, now) = (&cx.service.store.clients, cx.service.clock.now());
        let value = Indexed::Shared(digest);
        self.seen = clients.count(value).await?;
        if self.seen == 0 {
            return Ok(None);
        }
        let mut found = clients.having(value, MOST).await?.into_iter();
        Ok(found.find(|stored| stored.client().is_usable(now)))
    }

    /// Returns the condition that nobody registers the same metadata at the same time.
    pub(super) fn alone(&self) -> Change {
        match &self.digest {
            Some(digest) => Indexed::Shared(digest).no_more_than(self.seen),
            None => Change::default(),
        }
    }
}

/// The maximum number of clients with the same metadata that are read. Several exist only after an operator
/// has disabled one.
const MOST: usize = 8;

/// The maximum number of attempts to find a client that other requests change at the same time.
const TRIES: usize = 8;

/// Returns the client information of an existing shared client.
async fn answer(attempt: Attempt<'_>, client: Client) -> Result<ClientInformation, RegisterError> {
    telemetry::concerns(client.id.as_str(), client.provenance.trust_level.as_str());
    tracing::info!("an identical public client already exists; it is shared");
    let issued = Issued {
        client,
        token: None,
        secret: None,
        reserved: Vec::new(),
    };
    registration::answer(attempt, &issued).await
}

/// Returns the SHA-256, in hex, of the metadata with its members sorted by name.
fn digest(metadata: &Metadata) -> String {
    let sorted = sorted(&Value::Object(metadata.as_object().clone()));
    sha256_hex(sorted.to_string().as_bytes())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut entries: Vec<_> = members.iter().collect();
            entries.sort_by_key(|(name, _)| *name);
            let mut ordered = Map::new();
            for (name, value) in entries {
                ordered.insert(name.clone(), sorted(value));
            }
            ordered.into()
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
    fn only_the_order_of_members_is_irrelevant() {
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

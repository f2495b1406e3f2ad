//! What a server stores, as JSON.

use serde::Serialize;
use serde_json::Value;

use super::plain;
use crate::base::{ClientId, Secret, Timestamp};
use crate::client::Client;
use crate::config::StoreSettings;
use crate::store::{
    Change, ConsumerState, Existing, InitialAccess, KeyValueLimits, MOST_IMPORTED, Order, Store,
    seen::Seen,
};

/// The limits of the values of scripts.
const LIMITS: KeyValueLimits = KeyValueLimits {
    entries: 10,
    key_bytes: 100,
    value_bytes: 100,
};

/// The store of a server. Moments are seconds since 1970.
///
/// Every function fails when the store cannot be read or written, or a value has the wrong form.
#[derive(Clone)]
pub struct Storage(Store);

impl Storage {
    pub(super) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// Opens a store that no server has open.
    pub async fn open(settings: &StoreSettings) -> Result<Self, String> {
        plain(Store::open(settings).await).map(Self)
    }

    /// Returns all keys with their values.
    pub async fn everything(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, String> {
        plain(self.0.everything().await)
    }

    /// Returns a client.
    pub async fn client(&self, id: &str) -> Result<Option<Value>, String> {
        let stored = plain(self.0.clients.find(&plain(ClientId::parse(id))?).await)?;
        stored.map(|stored| json(stored.client())).transpose()
    }

    /// Returns the number of clients, including administrators.
    pub async fn count_clients(&self) -> Result<u64, String> {
        plain(self.0.clients.count_all().await)
    }

    /// Stores a new client.
    pub async fn insert_client(&self, client: Value) -> Result<(), String> {
        let client = record(client)?;
        plain(self.0.clients.insert(&client, Change::default()).await)
    }

    /// Replaces the client with the same identifier.
    pub async fn replace_client(&self, client: Value) -> Result<(), String> {
        let client = record(client)?;
        let seen = plain(self.0.clients.find(&client.id).await)?;
        let seen = seen.ok_or("there is no such client")?;
        let replaced = self.0.clients.replace(&seen, &client, Change::default());
        plain(replaced.await)
    }

    /// Removes a client.
    pub async fn remove_client(&self, id: &str) -> Result<(), String> {
        let seen = plain(self.0.clients.find(&plain(ClientId::parse(id))?).await)?;
        let seen = seen.ok_or("there is no such client")?;
        plain(self.0.clients.remove(&seen, Change::default()).await)
    }

    /// Imports new clients.
    pub async fn import_clients(&self, clients: Vec<Value>) -> Result<(), String> {
        let clients: Result<Vec<Client>, String> = clients.into_iter().map(record).collect();
        for batch in clients?.chunks(MOST_IMPORTED) {
            let nothing_more = |_: &Client| Ok(Change::default());
            let import = self.0.clients.import(batch, Existing::Refuse, nothing_more);
            plain(import.await)?;
        }
        Ok(())
    }

    /// Removes clients that have expired at this moment. Returns their number.
    pub async fn sweep_clients(&self, at: u64) -> Result<usize, String> {
        plain(self.0.clients.sweep(Timestamp::from_unix(at), 100).await)
    }

    /// Writes the uses of clients that are only in memory.
    pub async fn write_uses(&self) -> Result<(), String> {
        plain(self.0.uses.write().await).map(drop)
    }

    /// Seals a secret for a client.
    pub fn seal(&self, secret: &str, owner: &str) -> Result<Value, String> {
        let secret = Secret::new(secret.to_owned());
        json(&plain(self.0.sealing_keys.seal(&secret, owner))?)
    }

    /// Returns the first 100 events of the audit log after this position.
    pub async fn audited(&self, after: u64) -> Result<Vec<Value>, String> {
        let page = plain(self.0.audit.page(after, 100).await)?;
        page.iter().map(|logged| json(&logged.event)).collect()
    }

    /// Returns the last position of the audit log.
    pub async fn last_audited(&self) -> Result<u64, String> {
        plain(self.0.audit.last().await)
    }

    /// Returns the last position of the event log.
    pub async fn last_event(&self) -> Result<u64, String> {
        plain(self.0.events.last().await)
    }

    /// Returns the patched values of the live configuration, and their revision.
    pub async fn patches(&self) -> Result<(Value, u64), String> {
        let patches = plain(self.0.patches.load().await)?;
        Ok((patches.document, patches.revision))
    }

    /// Stores the first patched values of the live configuration.
    pub async fn patch(&self, values: &Value) -> Result<(), String> {
        let replaced = self.0.patches.replace(0, values, Change::default());
        plain(replaced.await).map(drop)
    }

    /// Stores an initial access token, and returns its identifier.
    pub async fn create_initial_access(&self, token: &str, grant: Value) -> Result<String, String> {
        let grant: InitialAccess = plain(serde_json::from_value(grant))?;
        let (tokens, token) = (&self.0.initial_access_tokens, Secret::new(token.to_owned()));
        plain(tokens.create(&token, grant, Change::default()).await)
    }

    /// Revokes an initial access token. Returns whether it was valid.
    pub async fn revoke_initial_access(&self, id: &str, now: u64) -> Result<bool, String> {
        let (tokens, now) = (&self.0.initial_access_tokens, Timestamp::from_unix(now));
        plain(tokens.revoke(id, now, Change::default()).await)
    }

    /// Issues a nonce that is valid for 300 seconds.
    pub async fn issue_nonce(&self, now: u64) -> Result<String, String> {
        plain(
            self.0
                .nonces
                .issue(Timestamp::from_unix(now), 300, 10)
                .await,
        )
    }

    /// Consumes a nonce. Returns whether it was valid.
    pub async fn consume_nonce(&self, nonce: &str, now: u64) -> Result<bool, String> {
        plain(
            self.0
                .nonces
                .consume(nonce, Timestamp::from_unix(now))
                .await,
        )
    }

    /// Returns a value that a script keeps.
    pub async fn kept(&self, script: &str, key: &str, now: u64) -> Result<Option<Value>, String> {
        let values = self.0.key_values.of(script, LIMITS);
        plain(values.get(key, Timestamp::from_unix(now)).await)
    }

    /// Keeps a value for a script for 300 seconds.
    pub async fn keep(
        &self,
        script: &str,
        key: &str,
        value: &Value,
        now: u64,
    ) -> Result<(), String> {
        let (values, now) = (
            self.0.key_values.of(script, LIMITS),
            Timestamp::from_unix(now),
        );
        plain(values.set(key, value, now.plus(300), now).await)
    }

    /// Returns the state of a consumer of the event log.
    pub async fn consumer(&self, name: &str) -> Result<Option<Value>, String> {
        let state = plain(self.0.consumers.state(name).await)?;
        state.map(|state| json(&state)).transpose()
    }

    /// Stores a consumer that is disabled for this reason.
    pub async fn begin_disabled(&self, name: &str, reason: &str) -> Result<(), String> {
        let state = ConsumerState {
            disabled: Some(reason.to_owned()),
            ..ConsumerState::default()
        };
        plain(self.0.consumers.begin(name, &state).await)
    }

    /// Orders that a disabled consumer is enabled.
    pub async fn enable(&self, name: &str) -> Result<(), String> {
        let ordered = self
            .0
            .consumers
            .order(name, 0, Order::Enable, Change::default());
        plain(ordered.await)
    }

    /// Orders that a consumer never gets the event at this position.
    pub async fn skip(&self, name: &str, position: u64) -> Result<(), String> {
        let ordered = self
            .0
            .consumers
            .order(name, position, Order::Skip, Change::default());
        plain(ordered.await)
    }

    /// Returns whether an order for a consumer is not carried out yet.
    pub async fn has_orders(&self, name: &str) -> Result<bool, String> {
        let orders = plain(self.0.consumers.orders(name, 1).await)?;
        Ok(!orders.is_empty())
    }

    /// Returns the events that a consumer could not deliver.
    pub async fn parked(&self, name: &str) -> Result<Vec<Value>, String> {
        let parked = plain(self.0.consumers.parked(name, 0, 10_000).await)?;
        parked.iter().map(json).collect()
    }

    /// Returns the moment that the store last recorded.
    pub async fn seen(&self) -> Result<Option<u64>, String> {
        let seen = plain(self.0.seen().await)?;
        Ok(seen.map(|seen| seen.moment.unix()))
    }

    /// Records a moment.
    pub async fn set_seen(&self, moment: u64) -> Result<(), String> {
        let (moment, waited) = (Timestamp::from_unix(moment), 0);
        plain(self.0.set_seen(Seen { moment, waited }).await)
    }
}

fn json(value: &impl Serialize) -> Result<Value, String> {
    plain(serde_json::to_value(value))
}

fn record(client: Value) -> Result<Client, String> {
    plain(serde_json::from_value(client))
}

//! Checks whether each record matches its key, and whether all records are consistent.

use std::path::Path;

use serde_json::Value;

use super::super::{Content, integrity};
use super::{Inspect, Inspection, StoreSource, read_client};
use crate::store::{
    AuditEvent, ByLevel, DeletedClient, Event, ExpiringKind, GIVES_WAY, Link, StoreError,
    clients::index::entered, clients::levels, keys, number, record,
};

/// What was read so far.
pub(super) struct Judge<'a, E: Inspect> {
    source: &'a StoreSource<E>,
    folder: &'a Path,
    content: Content,
    /// Clients of each trust level.
    levels: ByLevel,
}

impl<'a, E: Inspect> Judge<'a, E> {
    pub(super) fn new(source: &'a StoreSource<E>, folder: &'a Path) -> Self {
        Self {
            source,
            folder,
            content: source.empty_content(),
            levels: levels::none(),
        }
    }

    /// Checks one record.
    pub(super) fn see(&mut self, found: &mut Inspection, key: &[u8], value: &[u8]) {
        found.records += 1;
        self.content = self.content.with(key, value);
        if key.starts_with(keys::CLIENTS) {
            self.client(found, key, value);
        } else if let Err(error) = read(key, value) {
            found.fault(error.to_string());
        }
    }

    /// Checks a client and its entries in the indexes.
    fn client(&mut self, found: &mut Inspection, key: &[u8], value: &[u8]) {
        let stored = match read_client(key, value) {
            Ok(stored) => stored,
            Err(error) => return found.fault(error.to_string()),
        };
        found.clients += 1;
        levels::count(&mut self.levels, stored.client());
        for (entry, _) in entered(stored.client()).put {
            // The sweep adds a client that was stored before the index of uses existed.
            let is_use = entry.starts_with(keys::USES);
            if !is_use && self.source.is_missing(&entry) {
                let id = &stored.client().id;
                found.fault(format!(
                    "the client {id} is missing from an index: there is no entry {}",
                    entry.escape_ascii()
                ));
            }
        }
    }

    /// Checks the stored numbers of clients by trust level against the clients read, if these numbers are
    /// kept.
    fn levels(&self, found: &mut Inspection) {
        if self.source.is_missing(keys::LEVELS_COUNTED) {
            return;
        }
        for (level, seen) in self.levels {
            let level = level.as_str();
            let counted = self.counted(&keys::level_count(level));
            if counted.is_some_and(|count| count != seen) {
                found.fault(format!(
                    "{seen} clients of the trust level {level} can be read, but the store counted a \
                     different number"
                ));
            }
        }
    }

    /// Returns the number that is stored under `key`, if it can be read.
    fn counted(&self, key: &[u8]) -> Option<u64> {
        let value = self.source.get(key).ok()?;
        let count = number(key, value.as_deref()).ok()?;
        Some(count.unsigned_abs())
    }

    /// Compares everything that was read with the numbers that the store keeps.
    pub(super) fn end(self, found: &mut Inspection) {
        let counted = self.counted(keys::CLIENT_COUNT);
        if counted.is_some_and(|count| count != found.clients) {
            found.fault(format!(
                "{} clients can be read, but the store counted a different number",
                found.clients
            ));
        }
        self.levels(found);
        if let Err(error) = self.check_whole() {
            found.fault(told(error));
        }
    }

    /// Checks that no acknowledged data is missing.
    fn check_whole(&self) -> Result<(), StoreError> {
        let tally = self.source.tally()?;
        integrity::check_whole(tally, self.content, self.folder)
    }
}

fn told(error: StoreError) -> String {
    match error {
        StoreError::Damaged(what) => what,
        other => other.to_string(),
    }
}

/// Keys of JSON.
const JSON: [&[u8]; 5] = [
    keys::PATCHES,
    keys::KEY_PROOF,
    keys::ROTATION,
    keys::SEEN,
    keys::SCRIPT_PIN,
];
/// Prefixes of keys of JSON.
const JSON_BELOW: [&[u8]; 5] = [
    keys::CONSUMERS,
    keys::SCRIPTS,
    keys::RECORDED,
    keys::DOCUMENTS,
    keys::UPSTREAM_CALLS,
];
/// Keys of the numbers of sequences.
const SEQUENCES: [&[u8]; 3] = [keys::AUDIT, keys::EVENTS, keys::RECORDED];

/// Prefixes of keys of the logs, and of the marks of the audit log.
const LOGS: [&[u8]; 4] = [
    keys::AUDIT,
    keys::EVENTS,
    keys::AUDIT_HEAD,
    keys::AUDIT_ANCHOR,
];

/// Reads a record that is not a client.
fn read(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let ends = ExpiringKind::ALL
        .into_iter()
        .any(|kind| kind.of_record(key).is_some());
    let is_below = |prefix: &&[u8]| key.starts_with(prefix);
    if ends {
        record::decode_until::<Value>(key, value)?;
    } else if SEQUENCES.contains(&key) || key.starts_with(keys::NUMBERS) {
        number(key, Some(value))?;
    } else if JSON.contains(&key) || JSON_BELOW.iter().any(is_below) {
        record::decode::<Value>(key, value)?;
    } else if LOGS.iter().any(is_below) {
        read_logged(key, value)?;
    } else if key.starts_with(keys::DELETED_CLIENTS) {
        record::decode::<DeletedClient>(key, value)?;
    } else if !value.is_empty() && value != GIVES_WAY {
        // Index entries have no value, except for those of values that may be evicted.
        return Err(StoreError::corrupt(key, "its key is of an unknown type"));
    }
    Ok(())
}

/// Reads an event of the audit log or of the event log, or a mark of the audit log.
fn read_logged(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    if key.starts_with(keys::AUDIT) {
        record::decode::<AuditEvent>(key, value).map(drop)
    } else if [keys::AUDIT_HEAD, keys::AUDIT_ANCHOR].contains(&key) {
        Link::from_mark(key, Some(value)).map(drop)
    } else {
        record::decode::<Event>(key, value).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::base::SealingKey;
    use crate::client::Client;
    use crate::store::backend::embedded::Work;
    use crate::store::backend::embedded::inspect::check;
    use crate::store::backend::sled::{Db, Sled};
    use crate::store::backend::{Backend, Change};
    use crate::store::clients::index::client_use;
    use crate::store::sealing::key_file;
    use crate::store::{Store, keys};

    #[tokio::test]
    async fn a_client_older_than_the_index_of_uses_is_not_a_fault() {
        let folder = tempfile::TempDir::new().unwrap();
        let place = folder.path().join("data");
        let backend: Arc<dyn Backend> = Arc::new(Sled::open(&place, 1 << 20).unwrap());
        let store = Store::on(Arc::clone(&backend), SealingKey::from_bytes([7; 32]).into());
        let client: Client = serde_json::from_value(serde_json::json!({
            "id": "one", "metadata": {}, "issued_at": 1, "expires_at": 9, "revision": 1,
            "tokens": {"current": ""}, "provenance": {"trust_level": "open", "configuration": "c"},
        }))
        .unwrap();
        store
            .clients
            .insert(&client, Change::default())
            .await
            .unwrap();
        let remove = |key| Change {
            delete: vec![key],
            ..Change::default()
        };
        backend
            .apply(remove(client_use(&client).unwrap()))
            .await
            .unwrap();
        drop((store, backend));
        // The store was opened without the file of its key.
        let key = folder.path().join("some.key");
        key_file::load_or_make(&key, false).unwrap();
        let check = || check::<Db>(&place, Some(&key), &Work::default()).unwrap();
        let found = check();
        assert!(found.is_fine() && found.clients == 1, "{found:?}");
        // Every other index must be complete.
        let backend = Sled::open(&place, 1 << 20).unwrap();
        let expiry = keys::client_expiry(client.expires_at.unwrap(), &client.id);
        backend.apply(remove(expiry)).await.unwrap();
        drop(backend);
        assert!(!check().is_fine());
    }
}

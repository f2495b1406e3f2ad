//! Checks whether each record matches its key, and whether all records are consistent.

use std::path::Path;

use super::Inspection;
use super::source::StoreSource;
use crate::store::audit::AuditEvent;
use crate::store::backend::number;
use crate::store::backend::sled::integrity;
use crate::store::backend::sled::mark::Mark;
use crate::store::backend::sled::tally::{Content, Tally};
use crate::store::clients::Stored;
use crate::store::clients::index::entered;
use crate::store::clients::levels::{self, ByLevel};
use crate::store::expiring::key_values::GIVES_WAY;
use crate::store::keys::{self, ExpiringKind};
use crate::store::{StoreError, record};

/// What was read so far.
pub(super) struct Judge<'a> {
    source: &'a StoreSource,
    folder: &'a Path,
    content: Content,
    /// Clients of each trust level.
    levels: ByLevel,
}

impl<'a> Judge<'a> {
    pub(super) fn new(source: &'a StoreSource, folder: &'a Path) -> Self {
        Self {
            source,
            folder,
            content: Content::default(),
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
        let stored = match Stored::read((key.to_vec(), value.to_vec())) {
            Ok(stored) if keys::client(&stored.client().id) == key => stored,
            Ok(_) => {
                return found
                    .fault(StoreError::corrupt(key, "it belongs to another client").to_string());
            }
            Err(error) => return found.fault(error.to_string()),
        };
        found.clients += 1;
        levels::count(&mut self.levels, stored.client());
        for (entry, _) in entered(stored.client()).put {
            // The sweep adds a client that was stored before the index of uses existed.
            let is_use = entry.starts_with(keys::USES);
            if !is_use && self.source.get(&entry).is_ok_and(|value| value.is_none()) {
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
        if self
            .source
            .get(keys::LEVELS_COUNTED)
            .is_ok_and(|value| value.is_none())
        {
            return;
        }
        for (level, seen) in self.levels {
            let level = level.as_str();
            let key = keys::level_count(level);
            let counted = self.source.get(&key);
            let counted = counted.and_then(|value| number(&key, value.as_deref()));
            if counted.is_ok_and(|count| count.unsigned_abs() != seen) {
                found.fault(format!(
                    "{seen} clients of the trust level {level} can be read, but the store counted a \
                     different number"
                ));
            }
        }
    }

    /// Compares everything that was read with the numbers that the store keeps.
    pub(super) fn end(self, found: &mut Inspection) {
        let counted = self.source.get(keys::CLIENT_COUNT);
        let counted = counted.and_then(|value| number(keys::CLIENT_COUNT, value.as_deref()));
        if counted.is_ok_and(|count| count.unsigned_abs() != found.clients) {
            found.fault(format!(
                "{} clients can be read, but the store counted a different number",
                found.clients
            ));
        }
        self.levels(found);
        let tally = self.source.tally();
        if let Some(fault) = tally
            .and_then(|tally| self.whole(tally))
            .unwrap_or_else(|error| Some(told(error)))
        {
            found.fault(fault);
        }
    }

    /// Returns which acknowledged data is missing.
    fn whole(&self, tally: Option<Tally>) -> Result<Option<String>, StoreError> {
        integrity::judge(tally.unwrap_or_default(), Mark::read(self.folder)?)?;
        // A store that an older registrar without a tally created has none yet.
        Ok(tally.and_then(|tally| self.content.differs(tally.content())))
    }
}

fn told(error: StoreError) -> String {
    match error {
        StoreError::Damaged(what) => what,
        other => other.to_string(),
    }
}

/// Reads a record that is not a client.
fn read(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let ends = ExpiringKind::ALL
        .into_iter()
        .any(|kind| kind.of_record(key).is_some());
    if ends {
        return record::decode_until::<serde_json::Value>(key, value).map(drop);
    }
    if [keys::PATCHES, keys::KEY_PROOF, keys::SEEN].contains(&key) {
        return record::decode::<serde_json::Value>(key, value).map(drop);
    }
    if key == keys::AUDIT || key.starts_with(keys::NUMBERS) {
        return number(key, Some(value)).map(drop);
    }
    if key.starts_with(keys::AUDIT) {
        return record::decode::<AuditEvent>(key, value).map(drop);
    }
    // Index entries have no value, except for those of values that may be evicted.
    if value.is_empty() || value == GIVES_WAY {
        Ok(())
    } else {
        Err(StoreError::corrupt(key, "its key is of an unknown type"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::base::SealingKey;
    use crate::client::Client;
    use crate::store::backend::sled::Sled;
    use crate::store::backend::sled::inspect::check;
    use crate::store::backend::sled::work::Work;
    use crate::store::backend::{Backend, Change};
    use crate::store::clients::index::client_use;
    use crate::store::sealing::key_file;
    use crate::store::{Store, keys};

    #[tokio::test]
    async fn a_client_older_than_the_index_of_uses_is_not_a_fault() {
        let folder = tempfile::TempDir::new().unwrap();
        let place = folder.path().join("data");
        let backend: Arc<dyn Backend> = Arc::new(Sled::open(&place, 1 << 20).unwrap());
        let store = Store::on(Arc::clone(&backend), SealingKey::from_bytes([7; 32]));
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
        let check = || check(&place, Some(&key), &Work::default()).unwrap();
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

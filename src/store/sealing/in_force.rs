//! Writes what is sealed only with the key in force.
//!
//! A request seals a secret, and may run scripts for seconds before it writes the record. If another key is in force by then,
//! everything that the previous key sealed may have been sealed anew already, and nobody would look at this record again.
//! So each change that writes something sealed expects that the store still has the proof of the key that this server
//! seals with, and what another key has sealed is sealed anew before it is written.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::anew;
use super::key_file::KeyFile;
use super::key_proof;
use crate::base::SealingKeys;
use crate::store::{
    Applied, Backend, BackendFacts, Change, Expectation, Journal, Pair, StoreError, keys,
};

/// How often a change is attempted: each time, another key was put in force meanwhile.
const TRIES: usize = 4;

/// A backend to which everything sealed is written with the key in force.
struct SealedWrites {
    backend: Arc<dyn Backend>,
    keys: SealingKeys,
}

/// Wraps `backend`, whose secrets are sealed with `keys`.
pub(in crate::store) fn in_force(
    backend: Arc<dyn Backend>,
    keys: &SealingKeys,
) -> Arc<dyn Backend> {
    let keys = keys.clone();
    Arc::new(SealedWrites { backend, keys })
}

impl SealedWrites {
    /// Applies `change` as long as the store has `proof`, the proof of the key in force.
    async fn expecting(&self, mut change: Change, proof: Vec<u8>) -> Result<Applied, StoreError> {
        if self.keys.has_others() {
            return self.sealed(&change, proof).await;
        }
        change.expect.push(unchanged(&proof));
        let applied = self.backend.apply(change).await;
        if matches!(applied, Err(StoreError::Conflict)) {
            self.follow(&proof).await?;
        }
        applied
    }

    /// Does so while something may be sealed with another key than the one in force.
    async fn sealed(&self, change: &Change, mut proof: Vec<u8>) -> Result<Applied, StoreError> {
        for _ in 0..TRIES {
            let mut attempt = self.resealed(change.clone())?;
            attempt.expect.push(unchanged(&proof));
            let applied = self.backend.apply(attempt).await;
            if !matches!(applied, Err(StoreError::Conflict)) {
                return applied;
            }
            match self.follow(&proof).await? {
                Some(another) => proof = another,
                None => return applied,
            }
        }
        Err(StoreError::Busy)
    }

    /// Returns `change` with everything in it sealed by the key in force.
    fn resealed(&self, mut change: Change) -> Result<Change, StoreError> {
        for (key, value) in change.put.iter_mut().chain(&mut change.append) {
            if anew::is_sealed(key)
                && let Some(anew) = anew::resealed(&self.keys, key, value)?
            {
                *value = anew;
            }
        }
        Ok(change)
    }

    /// Seals with the key whose proof the store has, if that is another one than `seen`, and returns it.
    async fn follow(&self, seen: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let proof = self.backend.get(keys::KEY_PROOF).await?;
        let Some(proof) = proof.filter(|proof| proof != seen) else {
            return Ok(None);
        };
        let found = KeyFile::from(&self.keys);
        let Some(current) = key_proof::opening(&found, &proof)? else {
            let reason = "another server has put a new key in force that this one lacks; copy the key file to this server";
            return Err(StoreError::Unavailable(reason.to_owned()));
        };
        let previous = found.all_but(&current);
        self.keys.replace(&current, &previous, Some(&proof));
        Ok(Some(proof))
    }
}

/// Expects that the key that `proof` proves is in force.
fn unchanged(proof: &[u8]) -> Expectation {
    Expectation::Value(keys::KEY_PROOF.to_vec(), proof.to_vec())
}

/// Returns whether `change` writes something that may be sealed.
fn seals(change: &Change) -> bool {
    let mut written = change.put.iter().chain(&change.append);
    written.any(|(key, _)| anew::is_sealed(key))
}

impl Backend for SealedWrites {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.backend.get(key)
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        self.backend.scan(range, limit)
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        if !seals(&change) {
            return self.backend.apply(change);
        }
        match self.keys.proof() {
            Some(proof) => Box::pin(self.expecting(change, proof)),
            None => self.backend.apply(change),
        }
    }

    fn facts(&self) -> BackendFacts {
        self.backend.facts()
    }

    fn journal(&self) -> Option<&Journal> {
        self.backend.journal()
    }

    fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    fn watch(&self) -> Option<mpsc::Receiver<()>> {
        self.backend.watch()
    }
}

//! Replacing the key that seals secrets, while servers run.
//!
//! An operator puts a new key before the present one in the key file of every server. A server that finds it announces it
//! in the store. A server that lacks the announced key objects, so that no server seals what another one cannot open. When
//! nobody has objected for a while, the new key is in force: it seals from then on, and the previous one opens what it has
//! sealed until that is [sealed anew](super::anew). Each of these steps is one conditional change, so servers can compete,
//! stop and be killed at any moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::key_file::{self, KeyFile};
use super::key_proof;
use crate::base::{SealingKey, SealingKeys, Timestamp};
use crate::store::audit::{Action, AuditEvent, Author};
use crate::store::{Backend, Change, Expectation, StoreError, keys, record, unless_lost};

/// How long an announcement stays without objection before the key is in force, where several servers share the store.
/// A server looks every two seconds.
const QUIET: Duration = Duration::from_secs(10);
/// How long an objection counts that its server does not repeat: the server has ended.
const GONE: Duration = Duration::from_mins(1);

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RotationStage {
    /// Servers are finding out whether all of them have the key.
    Announced,
    /// The key seals, and what the previous one sealed is being sealed anew.
    InForce,
    /// Nothing is sealed with the previous key any more.
    Complete,
}

/// A rotation, as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRotation {
    /// The name of the new key.
    pub(crate) key: String,
    /// The name of the key that it replaces.
    pub(crate) previous: String,
    /// How far it is.
    pub(crate) stage: RotationStage,
    /// When the key was announced.
    pub(crate) announced_at: Timestamp,
    /// When it began to seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_force_at: Option<Timestamp>,
    /// When nothing was sealed with the previous key any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<Timestamp>,
    /// When the previous key was first missing from the key file of a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<Timestamp>,
    /// How many records were sealed anew.
    #[serde(default)]
    pub(crate) sealed_anew: u64,
    /// The servers that lack the key, and how often they said so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) missing_on: BTreeMap<String, u64>,
}

impl KeyRotation {
    /// Whether secrets may still be sealed with the previous key.
    pub(in crate::store) fn needs_previous(&self) -> bool {
        self.stage == RotationStage::InForce
    }

    /// Returns the event of the audit log that this server did `action` to the new key. Nobody has asked the server: it
    /// does what the key file says.
    fn audited(&self, action: Action, at: Timestamp) -> AuditEvent {
        let event = Author::default().did(action, self.key.as_str(), at);
        event.with("previous", self.previous.as_str())
    }
}

/// A rotation as it was read, with its bytes.
type Seen = (KeyRotation, Vec<u8>);

/// Reads the last rotation, with the bytes that must be unchanged when it goes on.
pub(in crate::store) async fn read(backend: &dyn Backend) -> Result<Option<Seen>, StoreError> {
    match backend.get(keys::ROTATION).await? {
        Some(bytes) => Ok(Some((record::decode(keys::ROTATION, &bytes)?, bytes))),
        None => Ok(None),
    }
}

/// What a server remembers between two [steps](KeyRotations::step).
#[derive(Debug)]
pub(crate) struct Observed {
    /// The server.
    server: String,
    /// The rotation as it was seen last, and since when it is so.
    seen: Option<(Vec<u8>, Instant)>,
}

impl Observed {
    /// Nothing has been seen by the server with this name.
    pub(crate) const fn by(server: String) -> Self {
        Self { server, seen: None }
    }

    /// Returns how long the rotation has been as these bytes say.
    fn unchanged(&mut self, bytes: &[u8]) -> Duration {
        match &self.seen {
            Some((seen, since)) if seen == bytes => since.elapsed(),
            _ => {
                self.seen = Some((bytes.to_vec(), Instant::now()));
                Duration::ZERO
            }
        }
    }
}

/// What a [step](KeyRotations::step) did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RotationStep {
    /// Nothing, and nothing is to do now.
    None,
    /// Another server was faster.
    Again,
    /// It announced the key with this name.
    Announced(String),
    /// The key with this name was announced, and this server lacks it.
    Missing(String),
    /// The key with this name is in force from now on.
    InForce(String),
    /// The previous key, with this name, is gone from the key file.
    Finished(String),
}

/// Replaces the key of a store.
#[derive(Clone)]
pub(crate) struct KeyRotations {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) keys: SealingKeys,
    file: Option<PathBuf>,
}

impl KeyRotations {
    pub(in crate::store) const fn new(backend: Arc<dyn Backend>, keys: SealingKeys) -> Self {
        Self {
            backend,
            keys,
            file: None,
        }
    }

    /// From now on the keys are those in `file`. `None`: they never change.
    pub(in crate::store) fn follow_file(&mut self, file: Option<PathBuf>) {
        self.file = file;
    }

    /// Returns the last rotation.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn last(&self) -> Result<Option<KeyRotation>, StoreError> {
        Ok(read(&*self.backend).await?.map(|(rotation, _)| rotation))
    }

    /// Reads the file of the keys, takes over what it says, and does the next step of a rotation that is due.
    ///
    /// # Errors
    /// When the file or the store cannot be read, or the file lacks a key that is needed. The keys stay as they are.
    pub(crate) async fn step(
        &self,
        observed: &mut Observed,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        let Some(file) = &self.file else {
            return Ok(RotationStep::None);
        };
        let found = key_file::load_or_make(file, true)?;
        self.take_over(&found, file).await?;
        let is_new = found.first.id() != self.keys.current_id();
        match read(&*self.backend).await? {
            Some(seen) if seen.0.stage == RotationStage::Announced => {
                self.answer(observed, &found, seen, now).await
            }
            Some((rotation, _)) if rotation.needs_previous() => Ok(RotationStep::None),
            last if is_new => {
                let last = last.map(|(_, bytes)| bytes);
                self.announce(&found.first.id(), last, now).await
            }
            Some(seen) => self.finish(&found, seen, now).await,
            None => Ok(RotationStep::None),
        }
    }

    /// Answers an announcement: agrees if the key file has the key, objects if it does not, or announces another key.
    async fn answer(
        &self,
        observed: &mut Observed,
        found: &KeyFile,
        seen: Seen,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        let unchanged = observed.unchanged(&seen.1);
        if found.with_id(&seen.0.key).is_none() {
            return if found.first.id() == self.keys.current_id() {
                self.object(observed, seen).await
            } else {
                self.announce(&found.first.id(), Some(seen.1), now).await
            };
        }
        if let Some(rotation) = without_objection(observed, &seen.0, unchanged) {
            let change = next(Some(seen.1), &rotation)?;
            return self.apply(change, RotationStep::Again).await;
        }
        let is_quiet = !self.backend.is_shared() || unchanged >= QUIET;
        if is_quiet && seen.0.missing_on.is_empty() {
            return self.put_in_force(found, seen, now).await;
        }
        Ok(RotationStep::None)
    }

    /// Seals with the key that the store has in force, and opens with all keys of the file.
    async fn take_over(&self, found: &KeyFile, file: &Path) -> Result<(), StoreError> {
        let current = key_proof::check(&*self.backend, found, file).await?;
        let previous = found.all_but(&current);
        let names = previous.iter().map(SealingKey::id).collect::<Vec<_>>();
        if current.id() != self.keys.current_id() || names != self.keys.previous_ids() {
            self.keys.replace(current, previous);
        }
        Ok(())
    }

    async fn announce(
        &self,
        key: &str,
        last: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        let rotation = KeyRotation {
            key: key.to_owned(),
            previous: self.keys.current_id(),
            stage: RotationStage::Announced,
            announced_at: now,
            in_force_at: None,
            completed_at: None,
            finished_at: None,
            sealed_anew: 0,
            missing_on: BTreeMap::new(),
        };
        let event = rotation.audited(Action::KeyAnnounced, now);
        let change = next(last, &rotation)?.and(event.change()?);
        self.apply(change, RotationStep::Announced(rotation.key))
            .await
    }

    /// Notes that the previous key is no longer in the key file, once for all servers.
    async fn finish(
        &self,
        found: &KeyFile,
        (mut rotation, bytes): Seen,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        let is_noted = rotation.finished_at.is_some();
        if is_noted || found.with_id(&rotation.previous).is_some() {
            return Ok(RotationStep::None);
        }
        rotation.finished_at = Some(now);
        let event = rotation.audited(Action::KeyRemoved, now);
        let change = next(Some(bytes), &rotation)?.and(event.change()?);
        self.apply(change, RotationStep::Finished(rotation.previous))
            .await
    }

    /// Says that this server lacks the key that is announced.
    async fn object(
        &self,
        observed: &Observed,
        (mut rotation, bytes): Seen,
    ) -> Result<RotationStep, StoreError> {
        let times = rotation.missing_on.entry(observed.server.clone());
        *times.or_default() += 1;
        let change = next(Some(bytes), &rotation)?;
        self.apply(change, RotationStep::Missing(rotation.key))
            .await
    }

    /// Seals with the announced key from now on.
    async fn put_in_force(
        &self,
        found: &KeyFile,
        (mut rotation, bytes): Seen,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        let Some(key) = found.with_id(&rotation.key) else {
            return Ok(RotationStep::None);
        };
        rotation.stage = RotationStage::InForce;
        rotation.in_force_at = Some(now);
        let event = rotation.audited(Action::KeyPutInForce, now);
        let mut change = next(Some(bytes), &rotation)?.and(event.change()?);
        let proof = key_proof::of(key)?;
        change.put.push((keys::KEY_PROOF.to_vec(), proof));
        let done = RotationStep::InForce(rotation.key);
        let step = self.apply(change, done.clone()).await?;
        if step == done {
            self.keys.replace(key.clone(), found.all_but(key));
        }
        Ok(step)
    }

    /// Notes that `count` records were sealed anew, and if `is_over`, that none is left. Returns whether the rotation is
    /// over.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sealed(
        &self,
        count: u64,
        is_over: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some((mut rotation, bytes)) = read(&*self.backend).await? else {
            return Ok(true);
        };
        if rotation.stage != RotationStage::InForce || (count == 0 && !is_over) {
            return Ok(rotation.stage == RotationStage::Complete);
        }
        rotation.sealed_anew = rotation.sealed_anew.saturating_add(count);
        let mut change = Change::default();
        if is_over {
            rotation.stage = RotationStage::Complete;
            rotation.completed_at = Some(now);
            let event = rotation.audited(Action::KeyRotationCompleted, now);
            change = event.with("sealed_anew", rotation.sealed_anew).change()?;
        }
        let change = next(Some(bytes), &rotation)?.and(change);
        let noted = unless_lost(self.backend.apply(change).await)?;
        Ok(is_over && noted.is_some())
    }

    async fn apply(&self, change: Change, step: RotationStep) -> Result<RotationStep, StoreError> {
        let applied = unless_lost(self.backend.apply(change).await)?;
        Ok(applied.map_or(RotationStep::Again, |_| step))
    }
}

/// Returns the rotation without the objection of this server, which has the key now, or without those of servers that
/// have ended; none if there is no such objection.
fn without_objection(
    observed: &Observed,
    rotation: &KeyRotation,
    unchanged: Duration,
) -> Option<KeyRotation> {
    let mut rest = rotation.clone();
    if unchanged >= GONE {
        rest.missing_on.clear();
    }
    rest.missing_on.remove(&observed.server);
    (rest != *rotation).then_some(rest)
}

/// Returns the change that replaces the rotation that was read as `last` with `rotation`.
fn next(last: Option<Vec<u8>>, rotation: &KeyRotation) -> Result<Change, StoreError> {
    let key = keys::ROTATION.to_vec();
    let unchanged = match last {
        Some(bytes) => Expectation::Value(key.clone(), bytes),
        None => Expectation::Absent(key.clone()),
    };
    Ok(Change {
        expect: vec![unchanged],
        put: vec![(key, record::encode(keys::ROTATION, rotation)?)],
        ..Change::default()
    })
}

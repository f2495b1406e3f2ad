//! Replacing the key that seals secrets, while servers run.
//!
//! An operator puts a new key before the present one in the key file of every server. A server that finds it announces it
//! in the store. A server that lacks the announced key objects, so that no server seals what another one cannot open. When
//! nobody has objected for a while, the new key is in force: it seals from then on, and the previous one opens what it has
//! sealed until that is [sealed anew](super::anew). When no server has the announced key any more, the announcement is
//! withdrawn. Each of these steps is one conditional change, so servers can compete, stop and be killed at any moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::anew::Pass;
use super::key_file::{self, KeyFile};
use super::key_proof::{self, ProvenKey};
use super::observed::{KeyStatement, ObservedRotation};
use crate::base::{SealingKey, SealingKeys, Timestamp};
use crate::store::audit::{Action, AuditEvent, Author};
use crate::store::{Backend, Change, Expectation, StoreError, keys, record, unless_lost};

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
    /// How many records no key opened when everything was last looked at.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unopened: u64,
    /// The servers that lack the key while it is announced, and how often they said so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) missing_on: BTreeMap<String, u64>,
    /// The servers that have the key while it is announced, and how often they said so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) present_on: BTreeMap<String, u64>,
}

impl KeyRotation {
    /// Whether secrets may still be sealed with the previous key.
    pub(in crate::store) fn needs_previous(&self) -> bool {
        self.stage == RotationStage::InForce
    }

    /// Ends the rotation at `now`, and returns the event of that.
    fn complete(&mut self, now: Timestamp) -> AuditEvent {
        self.stage = RotationStage::Complete;
        self.completed_at = Some(now);
        let event = self.audited(Action::KeyRotationCompleted, now);
        let event = event.with("sealed_anew", self.sealed_anew);
        event.with("unopened", self.unopened)
    }

    /// Returns the event of the audit log that this server did `action` to the new key. Nobody has asked the server: it
    /// does what the key file says.
    fn audited(&self, action: Action, at: Timestamp) -> AuditEvent {
        let event = Author::default().did(action, self.key.as_str(), at);
        event.with("previous", self.previous.as_str())
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A rotation as it was read, with its bytes.
type SeenRotation = (KeyRotation, Vec<u8>);

/// Reads the last rotation, with the bytes that must be unchanged when it goes on.
pub(in crate::store) async fn read(
    backend: &dyn Backend,
) -> Result<Option<SeenRotation>, StoreError> {
    match backend.get(keys::ROTATION).await? {
        Some(bytes) => Ok(Some((record::decode(keys::ROTATION, &bytes)?, bytes))),
        None => Ok(None),
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
    /// The key with the first name was announced, and this server has a new key too: the one with the second name.
    Rival(String, String),
    /// The announcement of the key with this name was withdrawn, because no server has the key any more.
    Withdrawn(String),
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
        observed: &mut ObservedRotation,
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
                self.announce(observed, &found.first.id(), last, now).await
            }
            Some(seen) => self.finish(&found, seen, now).await,
            None => Ok(RotationStep::None),
        }
    }

    /// Answers an announcement: agrees if the key file has the key, and objects if it does not. If no server has it any more,
    /// another key is announced, or none.
    async fn answer(
        &self,
        observed: &mut ObservedRotation,
        found: &KeyFile,
        seen: SeenRotation,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        observed.note(&seen.0);
        let is_shared = self.backend.is_shared();
        if found.with_id(&seen.0.key).is_some() {
            let is_quiet = !is_shared || observed.is_quiet();
            if is_quiet && seen.0.missing_on.is_empty() {
                return self.put_in_force(found, seen, now).await;
            }
            return self.agree(observed, seen).await;
        }
        let is_new = found.first.id() != self.keys.current_id();
        let new = is_new.then(|| found.first.id());
        if is_shared && observed.is_held() {
            return self.object(observed, new, seen).await;
        }
        match new {
            Some(new) => self.announce(observed, &new, Some(seen.1), now).await,
            None => self.withdraw(seen, now).await,
        }
    }

    /// Seals with the key that the store has in force, and opens with all keys of the file.
    async fn take_over(&self, found: &KeyFile, file: &Path) -> Result<(), StoreError> {
        let ProvenKey { current, proof } = key_proof::check(&*self.backend, found, file).await?;
        let previous = found.all_but(&current);
        let names = previous.iter().map(SealingKey::id).collect::<Vec<_>>();
        if current.id() != self.keys.current_id() || names != self.keys.previous_ids() {
            self.keys.replace(&current, &previous, Some(&proof));
        }
        Ok(())
    }

    async fn announce(
        &self,
        observed: &ObservedRotation,
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
            unopened: 0,
            missing_on: BTreeMap::new(),
            present_on: BTreeMap::from([(observed.server().to_owned(), 1)]),
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
        (mut rotation, bytes): SeenRotation,
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

    /// Says that this server has the key that is announced, if it is time to say so.
    async fn agree(
        &self,
        observed: &ObservedRotation,
        (rotation, bytes): SeenRotation,
    ) -> Result<RotationStep, StoreError> {
        match observed.stated(&rotation, KeyStatement::Has) {
            Some(stated) => {
                self.apply(next(Some(bytes), &stated)?, RotationStep::None)
                    .await
            }
            None => Ok(RotationStep::None),
        }
    }

    /// Says that this server lacks the key that is announced, if it is time to say so. `new` is the new key that it has.
    async fn object(
        &self,
        observed: &ObservedRotation,
        new: Option<String>,
        (rotation, bytes): SeenRotation,
    ) -> Result<RotationStep, StoreError> {
        if let Some(stated) = observed.stated(&rotation, KeyStatement::Lacks) {
            // If another server was faster, this one says so at its next look.
            unless_lost(self.backend.apply(next(Some(bytes), &stated)?).await)?;
        }
        Ok(match new {
            Some(new) => RotationStep::Rival(rotation.key, new),
            None => RotationStep::Missing(rotation.key),
        })
    }

    /// Ends an announcement of a key that no server has any more.
    async fn withdraw(
        &self,
        (rotation, bytes): SeenRotation,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        let event = rotation.audited(Action::KeyWithdrawn, now);
        let withdrawn = Change {
            expect: vec![Expectation::Value(keys::ROTATION.to_vec(), bytes)],
            delete: vec![keys::ROTATION.to_vec()],
            ..Change::default()
        };
        let change = withdrawn.and(event.change()?);
        self.apply(change, RotationStep::Withdrawn(rotation.key))
            .await
    }

    /// Seals with the announced key from now on.
    async fn put_in_force(
        &self,
        found: &KeyFile,
        (mut rotation, bytes): SeenRotation,
        now: Timestamp,
    ) -> Result<RotationStep, StoreError> {
        let Some(key) = found.with_id(&rotation.key) else {
            return Ok(RotationStep::None);
        };
        rotation.stage = RotationStage::InForce;
        rotation.present_on.clear();
        rotation.in_force_at = Some(now);
        let event = rotation.audited(Action::KeyPutInForce, now);
        let mut change = next(Some(bytes), &rotation)?.and(event.change()?);
        let proof = key_proof::of(key)?;
        change.put.push((keys::KEY_PROOF.to_vec(), proof.clone()));
        let done = RotationStep::InForce(rotation.key);
        let step = self.apply(change, done.clone()).await?;
        if step == done {
            self.keys.replace(key, &found.all_but(key), Some(&proof));
        }
        Ok(step)
    }

    /// Notes what `pass` has done. Returns whether the rotation is over with that.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sealed(&self, pass: &Pass, now: Timestamp) -> Result<bool, StoreError> {
        let Some((before, bytes)) = read(&*self.backend).await? else {
            return Ok(false);
        };
        if before.stage == RotationStage::Announced {
            return Ok(false);
        }
        let mut rotation = before.clone();
        rotation.sealed_anew = rotation.sealed_anew.saturating_add(pass.sealed);
        rotation.unopened = pass.unopened;
        let ends = pass.found_nothing() && rotation.needs_previous();
        let told = if ends {
            rotation.complete(now).change()?
        } else {
            Change::default()
        };
        if rotation == before {
            return Ok(false);
        }
        let change = next(Some(bytes), &rotation)?.and(told);
        let noted = unless_lost(self.backend.apply(change).await)?;
        Ok(ends && noted.is_some())
    }

    async fn apply(&self, change: Change, step: RotationStep) -> Result<RotationStep, StoreError> {
        let applied = unless_lost(self.backend.apply(change).await)?;
        Ok(applied.map_or(RotationStep::Again, |_| step))
    }
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

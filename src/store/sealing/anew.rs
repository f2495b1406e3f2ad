//! Sealing anew, with the key in force, what a previous key has sealed.

use std::collections::VecDeque;
use std::ops::Range;

use futures_util::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rotation::KeyRotations;
use crate::base::{SealError, Sealed, SealingKeys};
use crate::client::{Client, UpstreamClient};
use crate::store::expiring::key_values::KeptValue;
use crate::store::patches::PatchesRecord;
use crate::store::{
    Change, Expectation, ExpiringKind, Pair, PendingRequest, StoreError, UpstreamCall, keys, page,
    record, unless_lost,
};

/// The number of records that are read at a time.
const PAGE: usize = 128;

/// The prefix of the records that expire.
const EXPIRING: &[u8] = b"x/";

/// Returns whether the record under `key` may have something sealed. For what is appended, `key` is that of the sequence.
pub(super) fn is_sealed(key: &[u8]) -> bool {
    let prefixes = [
        keys::CLIENTS,
        keys::PREVIOUS_DOCUMENT_CLIENTS,
        keys::UPSTREAM_CALLS,
        keys::RECORDED,
        keys::PATCHES,
    ];
    let kinds = [ExpiringKind::KeyValue, ExpiringKind::Pending];
    prefixes.iter().any(|prefix| key.starts_with(prefix))
        || kinds.iter().any(|kind| kind.of_record(key).is_some())
}

/// Returns the record under `key` with everything in it sealed by the key in force, or `None` if it is so already. What no
/// key opens stays as it is.
pub(super) fn resealed(
    with: &SealingKeys,
    key: &[u8],
    value: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    match Anew(with).record(key, value) {
        Err(ResealFailure::Seal(SealError::Unopened)) => Ok(None),
        outcome => outcome.map_err(StoreError::from),
    }
}

/// One pass over everything that is sealed.
#[derive(Debug)]
pub(crate) struct Pass {
    left: VecDeque<Range<Vec<u8>>>,
    /// Records that were sealed anew.
    pub(crate) sealed: u64,
    /// Records that were changed at the same moment, so that another pass must look at them again.
    pub(crate) missed: u64,
    /// Records that no key opens: they were lost with another key.
    pub(crate) unopened: u64,
}

impl Default for Pass {
    fn default() -> Self {
        let left = [
            keys::PATCHES.to_vec()..keys::behind(keys::PATCHES),
            keys::behind(keys::RECORDED)..keys::under(keys::RECORDED).end,
            keys::under(&ExpiringKind::KeyValue.record(b"")),
            keys::under(&ExpiringKind::Pending.record(b"")),
            keys::under(keys::PREVIOUS_DOCUMENT_CLIENTS),
            keys::under(keys::UPSTREAM_CALLS),
            keys::under(keys::CLIENTS),
        ];
        Self {
            left: left.into(),
            sealed: 0,
            missed: 0,
            unopened: 0,
        }
    }
}

impl Pass {
    /// Whether everything was looked at.
    pub(crate) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Whether nothing is left that a previous key has sealed.
    pub(crate) const fn found_nothing(&self) -> bool {
        self.sealed == 0 && self.missed == 0
    }
}

/// What became of a record.
enum ResealOutcome {
    Kept,
    Sealed,
    Missed,
    Unopened,
}

impl KeyRotations {
    /// Seals anew what a previous key has sealed in the next records of `pass`.
    ///
    /// # Errors
    /// When the store cannot be read or written, or a record is malformed.
    pub(crate) async fn seal_page(&self, pass: &mut Pass) -> Result<(), StoreError> {
        let Some(range) = pass.left.pop_front() else {
            return Ok(());
        };
        let (pairs, rest) = page(&*self.backend, range, PAGE).await?;
        if let Some(rest) = rest {
            pass.left.push_front(rest);
        }
        let outcomes = join_all(pairs.into_iter().map(|pair| self.seal_pair(pair))).await;
        for outcome in outcomes {
            match outcome? {
                ResealOutcome::Kept => {}
                ResealOutcome::Sealed => pass.sealed += 1,
                ResealOutcome::Missed => pass.missed += 1,
                ResealOutcome::Unopened => pass.unopened += 1,
            }
        }
        Ok(())
    }

    async fn seal_pair(&self, (key, value): Pair) -> Result<ResealOutcome, StoreError> {
        let anew = match Anew(&self.keys).record(&key, &value) {
            Ok(Some(anew)) => anew,
            Ok(None) => return Ok(ResealOutcome::Kept),
            Err(ResealFailure::Seal(SealError::Unopened)) => return Ok(ResealOutcome::Unopened),
            Err(failure) => return Err(failure.into()),
        };
        let change = Change {
            expect: vec![Expectation::Value(key.clone(), value)],
            put: vec![(key, anew)],
            ..Change::default()
        };
        let applied = unless_lost(self.backend.apply(change).await)?;
        Ok(applied.map_or(ResealOutcome::Missed, |_| ResealOutcome::Sealed))
    }
}

#[derive(Debug, thiserror::Error)]
enum ResealFailure {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ResealFailure> for StoreError {
    fn from(failure: ResealFailure) -> Self {
        match failure {
            ResealFailure::Seal(error) => Self::Unavailable(error.to_string()),
            ResealFailure::Store(error) => error,
        }
    }
}

/// Whether something was sealed anew.
type Changed = Result<bool, ResealFailure>;

/// Seals records anew.
struct Anew<'a>(&'a SealingKeys);

impl Anew<'_> {
    /// Returns the record under `key` with everything in it sealed by the key in force, or `None` if it is so already.
    fn record(&self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, ResealFailure> {
        if key == keys::PATCHES {
            return rewrite(key, value, |record: &mut PatchesRecord| {
                self.sealed(&mut record.sealed, &super::owner(keys::PATCHES))
            });
        }
        if key.starts_with(keys::RECORDED) {
            return rewrite(key, value, |sealed: &mut Sealed| {
                self.sealed(sealed, &super::owner(keys::RECORDED))
            });
        }
        if key.starts_with(keys::UPSTREAM_CALLS) {
            return rewrite(key, value, |call: &mut UpstreamCall| self.call(call));
        }
        if key.starts_with(EXPIRING) {
            return self.expiring(key, value);
        }
        rewrite(key, value, |client: &mut Client| self.client(client))
    }

    /// Does the same for a record that expires.
    fn expiring(&self, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, ResealFailure> {
        if let Some(name) = ExpiringKind::KeyValue.of_record(key) {
            return rewrite_until(key, value, |kept: &mut KeptValue| match kept {
                KeptValue::Sealed(sealed) => self.sealed(sealed, &super::owner(name)),
                KeptValue::Integer => Ok(false),
            });
        }
        rewrite_until(key, value, |request: &mut PendingRequest| {
            self.client(&mut request.client)
        })
    }

    fn sealed(&self, sealed: &mut Sealed, owner: &str) -> Changed {
        let anew = self.0.seal_anew(sealed, owner)?;
        let is_changed = anew.is_some();
        if let Some(anew) = anew {
            *sealed = anew;
        }
        Ok(is_changed)
    }

    fn client(&self, client: &mut Client) -> Changed {
        let secret = match &mut client.secret {
            Some(secret) => self.sealed(&mut secret.sealed, client.id.as_str())?,
            None => false,
        };
        let owner = UpstreamClient::token_owner(&client.id);
        Ok(self.upstream(client.upstream.as_mut(), &owner)? || secret)
    }

    fn call(&self, call: &mut UpstreamCall) -> Changed {
        let Some(id) = &call.client_id else {
            return Ok(false);
        };
        let owner = UpstreamClient::token_owner(id);
        self.upstream(call.upstream.as_mut(), &owner)
    }

    fn upstream(&self, upstream: Option<&mut UpstreamClient>, owner: &str) -> Changed {
        match upstream.and_then(|upstream| upstream.token.as_mut()) {
            Some(token) => self.sealed(token, owner),
            None => Ok(false),
        }
    }
}

fn rewrite<T: Serialize + DeserializeOwned>(
    key: &[u8],
    value: &[u8],
    change: impl FnOnce(&mut T) -> Changed,
) -> Result<Option<Vec<u8>>, ResealFailure> {
    let mut decoded = record::decode(key, value)?;
    if !change(&mut decoded)? {
        return Ok(None);
    }
    Ok(Some(record::encode(key, &decoded)?))
}

fn rewrite_until<T: Serialize + DeserializeOwned>(
    key: &[u8],
    value: &[u8],
    change: impl FnOnce(&mut T) -> Changed,
) -> Result<Option<Vec<u8>>, ResealFailure> {
    let (mut decoded, until) = record::decode_until(key, value)?;
    if !change(&mut decoded)? {
        return Ok(None);
    }
    Ok(Some(record::encode_until(key, &decoded, until)?))
}

//! The keys: first the type of the record, then what orders the records of that type.
//!
//! | Key | Value |
//! |---|---|
//! | `a/` | the number of the last event of the audit log |
//! | `a/` number, 8 bytes, big-endian | an event |
//! | `b/anchor` | the number and the digest of the last event of the audit log that was removed: see `backend/chain.rs` |
//! | `b/head` | the number and the digest of the last event of the audit log |
//! | `c/` client id | the record of a client |
//! | `d/o/` client id | the octets of the version in force of the document of a client |
//! | `d/p/` client id | the client as it was by the previous version of its document |
//! | `d/s/` client id | how the fetches of the document of a client went |
//! | `e/` moment, `/`, client id | empty: the client expires then |
//! | `g/` client id | the last metadata of a client that was deleted, as long as the event of its deletion is kept |
//! | `h` | empty: written to check whether the store accepts writes |
//! | `i/` member, `/`, digest of its value, client id | empty: the client has this value |
//! | `l/e` | empty: the index of uses contains every client, including those stored before it existed |
//! | `l/n` moment, `/`, client id | empty: the client was issued then and never used |
//! | `l/u` moment, `/`, client id | empty: the client was last used then |
//! | `k` | a text sealed with the key of the store, so that a different key is detected |
//! | `n/c` | number: how many clients there are |
//! | `n/l` | number, 1: all clients are counted by level, including those stored earlier |
//! | `n/l/` trust level | number: how many clients have this level |
//! | `n/f` | number: how many registrations at the upstream server are not finished |
//! | `n/i/` member, `/`, digest of its value | number: how many clients have this value |
//! | `n/x/` type, `/`, group | number: how many records of a bounded type are in the group |
//! | `n/x/` type, `/`, origin | number: how many records of a type with shares have this origin, a digest |
//! | `n/u/` type, `/`, key | number: belongs to the record of this key and is removed with it |
//! | `p/configuration` | the patches of the live configuration, sealed |
//! | `p/scripts` | which version of the scripts is pinned |
//! | `r` | the last rotation of the key of the store |
//! | `q/` | the number of the last recorded request |
//! | `q/` number, 8 bytes, big-endian | a recorded request, sealed |
//! | `s` | the time that the store last recorded |
//! | `t/f/` version | the files of a set of scripts |
//! | `t/s/` version | where a set of scripts came from, and when it was in force |
//! | `u/` identifier | a call of the upstream server that is not finished |
//! | `v/` | the number of the last event of the event log |
//! | `v/` number, 8 bytes, big-endian | an event |
//! | `w/` consumer, `/s` | how far a consumer of the event log has come |
//! | `w/` consumer, `/l` | which server works for it |
//! | `w/` consumer, `/o/` number | what an operator wants of an event that waits |
//! | `w/` consumer, `/p/` number | an event that was given up |
//! | `x/` type, `/`, key | a record that expires |
//! | `y/` type, `/`, moment, key | empty, or the byte 1 if it may be evicted: this record expires then |
//!
//! An embedded store has one more key, after all others: its [tally](crate::store::backend::embedded::tally).
//!
//! A moment is seconds since the epoch, 8 bytes, big-endian; a number is 8 bytes, big-endian; a digest is
//! SHA-256, 32 bytes. No key contains a value of a client or a token in clear.

use std::ops::Range;

use crate::base::{ClientId, Timestamp, sha256};

/// The sequence of the audit log.
pub(super) const AUDIT: &[u8] = b"a/";
/// The last event of the audit log that has a digest.
pub(super) const AUDIT_HEAD: &[u8] = b"b/head";
/// The last event of the audit log that was removed, which the first one that is kept follows.
pub(super) const AUDIT_ANCHOR: &[u8] = b"b/anchor";
/// The prefix of client records.
pub(super) const CLIENTS: &[u8] = b"c/";
/// The end of the range of client records.
pub(super) const CLIENTS_END: &[u8] = b"c0";
/// The prefix of what is stored about documents of clients.
pub(super) const DOCUMENTS: &[u8] = b"d/";
/// The prefix of clients by the previous version of their document.
pub(super) const PREVIOUS_DOCUMENT_CLIENTS: &[u8] = b"d/p/";
/// The prefix of the expiry index of clients.
const EXPIRIES: &[u8] = b"e/";
/// The prefix of the index of uses.
pub(super) const USES: &[u8] = b"l/";
/// The marker that every client is in the index of uses.
pub(super) const USES_ENTERED: &[u8] = b"l/e";
/// The prefix of the index of clients that were never used.
const NEVER_USED: &[u8] = b"l/n";
/// The prefix of the index of the last uses of all other clients.
const LAST_USED: &[u8] = b"l/u";
/// Written to check whether the store accepts writes.
pub(super) const HEARTBEAT: &[u8] = b"h";
/// The proof that a key is the key of the store.
pub(super) const KEY_PROOF: &[u8] = b"k";
/// The last rotation of the key of the store.
pub(super) const ROTATION: &[u8] = b"r";
/// The time that the store last recorded.
pub(super) const SEEN: &[u8] = b"s";
/// The prefix of numbers.
pub(super) const NUMBERS: &[u8] = b"n/";
/// The number of clients.
pub(super) const CLIENT_COUNT: &[u8] = b"n/c";
/// The marker that all clients are counted by their level.
pub(super) const LEVELS_COUNTED: &[u8] = b"n/l";
/// The prefix of the numbers of clients of each level.
pub(super) const LEVELS: &[u8] = b"n/l/";
/// The prefix of data that servers keep in memory, so that they must notice its changes.
pub(super) const WATCHED: &[u8] = b"p/";
/// The patches of the live configuration.
pub(super) const PATCHES: &[u8] = b"p/configuration";

/// The pinned version of the scripts.
pub(super) const SCRIPT_PIN: &[u8] = b"p/scripts";
/// The sequence of recorded requests.
pub(super) const RECORDED: &[u8] = b"q/";
/// The prefix of versions of the scripts.
pub(super) const SCRIPTS: &[u8] = b"t/";
/// The prefix of the summaries of versions of the scripts.
pub(super) const SCRIPT_VERSIONS: &[u8] = b"t/s/";
/// The prefix of the files of versions of the scripts.
const SCRIPT_FILES: &[u8] = b"t/f/";

/// The prefix of calls of the upstream server that are not finished.
pub(super) const UPSTREAM_CALLS: &[u8] = b"u/";
/// The number of registrations among them.
pub(super) const UPSTREAM_CREATIONS: &[u8] = b"n/f";

/// The sequence of the event log.
pub(super) const EVENTS: &[u8] = b"v/";
/// The prefix of the last metadata of deleted clients.
pub(super) const DELETED_CLIENTS: &[u8] = b"g/";
/// The prefix of the records of the consumers of the event log.
pub(super) const CONSUMERS: &[u8] = b"w/";

/// Bytes of a moment.
const MOMENT: usize = size_of::<u64>();
/// Bytes of a digest.
const DIGEST: usize = 32;

/// Returns the key of a client's record.
pub(super) fn client(id: &ClientId) -> Vec<u8> {
    [CLIENTS, id.as_str().as_bytes()].concat()
}

/// Returns the key of how the fetches of the document of a client went.
pub(super) fn document_state(id: &ClientId) -> Vec<u8> {
    [DOCUMENTS, b"s/", id.as_str().as_bytes()].concat()
}

/// Returns the key of the octets of the document of a client.
pub(super) fn document_octets(id: &ClientId) -> Vec<u8> {
    [DOCUMENTS, b"o/", id.as_str().as_bytes()].concat()
}

/// Returns the key of the client by the previous version of its document.
pub(super) fn previous_document_client(id: &ClientId) -> Vec<u8> {
    [PREVIOUS_DOCUMENT_CLIENTS, id.as_str().as_bytes()].concat()
}

/// Returns the key of the summary of a version of the scripts.
pub(super) fn script_version(version: &str) -> Vec<u8> {
    [SCRIPT_VERSIONS, version.as_bytes()].concat()
}

/// Returns the version that the key of a summary names.
pub(super) fn script_version_of(key: &[u8]) -> Option<String> {
    let version = key.strip_prefix(SCRIPT_VERSIONS)?;
    String::from_utf8(version.to_vec()).ok()
}

/// Returns the key of the files of a version of the scripts.
pub(super) fn script_files(version: &str) -> Vec<u8> {
    [SCRIPT_FILES, version.as_bytes()].concat()
}

/// Returns the key of the last metadata of a deleted client.
pub(super) fn deleted_client(id: &ClientId) -> Vec<u8> {
    [DELETED_CLIENTS, id.as_str().as_bytes()].concat()
}

/// Returns the key of a call of the upstream server.
pub(super) fn upstream_call(id: &str) -> Vec<u8> {
    [UPSTREAM_CALLS, id.as_bytes()].concat()
}

/// Returns the identifier of the call that a key names.
pub(super) fn upstream_call_id(key: &[u8]) -> Option<String> {
    let id = key.strip_prefix(UPSTREAM_CALLS)?;
    String::from_utf8(id.to_vec()).ok()
}

/// Returns the key that records how far a consumer has come.
pub(super) fn consumer_state(name: &str) -> Vec<u8> {
    [CONSUMERS, name.as_bytes(), b"/s"].concat()
}

/// Returns the key that records which server works for a consumer.
pub(super) fn consumer_lease(name: &str) -> Vec<u8> {
    [CONSUMERS, name.as_bytes(), b"/l"].concat()
}

/// Returns the prefix of the orders of operators for a consumer.
pub(super) fn consumer_orders(name: &str) -> Vec<u8> {
    [CONSUMERS, name.as_bytes(), b"/o/"].concat()
}

/// Returns the prefix of the events that a consumer has given up.
pub(super) fn consumer_parked(name: &str) -> Vec<u8> {
    [CONSUMERS, name.as_bytes(), b"/p/"].concat()
}

/// Returns the key that records when a client expires.
pub(super) fn client_expiry(at: Timestamp, id: &ClientId) -> Vec<u8> {
    [EXPIRIES, &moment(at), b"/", id.as_str().as_bytes()].concat()
}

/// Returns the range of the clients that expire at `at` or before.
pub(super) fn clients_expired(at: Timestamp) -> Range<Vec<u8>> {
    EXPIRIES.to_vec()..[EXPIRIES, &moment(at.plus(1))].concat()
}

/// Returns the range of the clients that expire from `from` on and before `before`.
pub(super) fn clients_expiring(from: Timestamp, before: Timestamp) -> Range<Vec<u8>> {
    let start = [EXPIRIES, &moment(from)].concat();
    let end = [EXPIRIES, &moment(before)].concat();
    let end = end.max(start.clone());
    start..end
}

/// Returns the client that a key of the expiry index names.
pub(super) fn expiring_client(key: &[u8]) -> Option<ClientId> {
    client_id(key.get(EXPIRIES.len() + MOMENT + 1..)?)
}

/// Returns the key that records that a client was issued at `at` and never used.
pub(super) fn no_use(at: Timestamp, id: &ClientId) -> Vec<u8> {
    [NEVER_USED, &moment(at), b"/", id.as_str().as_bytes()].concat()
}

/// Returns the key that records that a client was last used at `at`.
pub(super) fn last_use(at: Timestamp, id: &ClientId) -> Vec<u8> {
    [LAST_USED, &moment(at), b"/", id.as_str().as_bytes()].concat()
}

/// Returns the range of the clients that were issued at `at` or before and never used.
pub(super) fn never_used(at: Timestamp) -> Range<Vec<u8>> {
    NEVER_USED.to_vec()..[NEVER_USED, &moment(at.plus(1))].concat()
}

/// Returns the range of the clients that were last used at `at` or before.
pub(super) fn last_used(at: Timestamp) -> Range<Vec<u8>> {
    LAST_USED.to_vec()..[LAST_USED, &moment(at.plus(1))].concat()
}

/// Returns the client that a key of the index of uses names.
pub(super) fn used_client(key: &[u8]) -> Option<ClientId> {
    client_id(key.get(NEVER_USED.len() + MOMENT + 1..)?)
}

/// Returns the prefix of the index keys of all clients with this value of an indexed member.
pub(super) fn index(member: &str, value: &[u8; 32]) -> Vec<u8> {
    [b"i/", member.as_bytes(), b"/", value].concat()
}

/// Returns the key of the number of clients with this value of an indexed member.
pub(super) fn index_count(member: &str, value: &[u8; 32]) -> Vec<u8> {
    [&b"n/"[..], &index(member, value)].concat()
}

/// Returns the key of the number of clients of a trust level.
pub(super) fn level_count(level: &str) -> Vec<u8> {
    [LEVELS, level.as_bytes()].concat()
}

/// Returns whether the value under `key` can be derived from the records of clients and from expiring
/// records. The expiry index of the latter cannot: its entries also record what may be evicted.
pub(super) fn follows_from_records(key: &[u8]) -> bool {
    let beginnings: [&[u8]; 7] = [
        EXPIRIES, NEVER_USED, LAST_USED, LEVELS, b"i/", b"n/i/", b"n/x/",
    ];
    key == CLIENT_COUNT
        || beginnings
            .iter()
            .any(|beginning| key.starts_with(beginning))
}

/// Returns the client that a key with the prefix `prefix` names.
pub(super) fn indexed_client(prefix: &[u8], key: &[u8]) -> Option<ClientId> {
    client_id(key.strip_prefix(prefix)?)
}

fn client_id(bytes: &[u8]) -> Option<ClientId> {
    ClientId::parse(std::str::from_utf8(bytes).ok()?).ok()
}

/// Returns the range of all keys that begin with `prefix`, which must have a byte other than 255.
pub(super) fn under(prefix: &[u8]) -> Range<Vec<u8>> {
    let mut end = prefix.to_vec();
    // Byte 255 has no successor, so the byte before it is increased: a digest may end in any byte.
    while end.pop_if(|last| *last == u8::MAX).is_some() {}
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    prefix.to_vec()..end
}

/// Returns the smallest key after `key`.
pub(super) fn behind(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

/// Returns the SHA-256 of several texts, each preceded by its length, so that their boundaries are
/// unambiguous.
pub(super) fn digest(texts: &[&str]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend(text.len().to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    sha256(&bytes)
}

/// The types of records that expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpiringKind {
    /// A value of a script.
    KeyValue,
    /// A nonce that was issued.
    Nonce,
    /// An identifier that was used once.
    SingleUse,
    /// An access token.
    AccessToken,
    /// An initial access token.
    InitialAccess,
    /// A client document that waits for an administrator.
    DocumentCandidate,
    /// A denied URL of a client document.
    DocumentDenial,
    /// A registration or an update that waits for approval.
    Pending,
    /// A session of an administrator in the console.
    Session,
}

impl ExpiringKind {
    /// All types.
    pub(super) const ALL: [Self; 9] = [
        Self::KeyValue,
        Self::Nonce,
        Self::SingleUse,
        Self::AccessToken,
        Self::InitialAccess,
        Self::DocumentCandidate,
        Self::DocumentDenial,
        Self::Pending,
        Self::Session,
    ];

    const fn name(self) -> &'static [u8] {
        match self {
            Self::KeyValue => b"value/",
            Self::Nonce => b"nonce/",
            Self::SingleUse => b"once/",
            Self::AccessToken => b"token/",
            Self::InitialAccess => b"initial/",
            Self::DocumentCandidate => b"candidate/",
            Self::DocumentDenial => b"denial/",
            Self::Pending => b"pending/",
            Self::Session => b"session/",
        }
    }

    /// Returns the storage key of a record.
    pub(super) fn record(self, key: &[u8]) -> Vec<u8> {
        [b"x/", self.name(), key].concat()
    }

    /// Returns the key of a record from its storage key.
    pub(super) fn of_record(self, stored: &[u8]) -> Option<&[u8]> {
        stored.strip_prefix(b"x/")?.strip_prefix(self.name())
    }

    /// Returns the key that records when a record expires.
    pub(super) fn expiry(self, at: Timestamp, key: &[u8]) -> Vec<u8> {
        [b"y/", self.name(), &moment(at), key].concat()
    }

    /// Returns the range of the index entries of all records that expire at `at` or before.
    pub(super) fn ended(self, at: Timestamp) -> Range<Vec<u8>> {
        [b"y/", self.name()].concat()..[b"y/", self.name(), &moment(at.plus(1))].concat()
    }

    /// Returns the key of the record that an index entry names.
    pub(super) fn of_expiry(self, entry: &[u8]) -> Option<&[u8]> {
        entry
            .strip_prefix(b"y/")?
            .strip_prefix(self.name())?
            .get(MOMENT..)
    }

    /// Returns the key of the number of records in the group of `key`. Returns `None` if the type is not
    /// bounded, so that its writers need not compete for one number.
    pub(super) fn group_count(self, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::KeyValue => {
                let script = key.split(|byte| *byte == 0).next().unwrap_or_default();
                Some([b"n/x/", self.name(), script].concat())
            }
            Self::Nonce | Self::DocumentCandidate | Self::Pending | Self::Session => {
                Some([b"n/x/", self.name()].concat())
            }
            Self::SingleUse | Self::AccessToken | Self::InitialAccess | Self::DocumentDenial => {
                None
            }
        }
    }

    /// Returns the key of the number of records with the origin of `key`, for the types of which one origin may have
    /// only a share. Returns `None` for other types, and for records that are stored without their origin.
    pub(super) fn share_count(self, key: &[u8]) -> Option<Vec<u8>> {
        let length = match self {
            // The digest of a code or a secret in hex, and that of a URL.
            Self::Pending | Self::Session => 2 * DIGEST,
            Self::DocumentCandidate => DIGEST,
            Self::KeyValue
            | Self::Nonce
            | Self::SingleUse
            | Self::AccessToken
            | Self::InitialAccess
            | Self::DocumentDenial => return None,
        };
        let origin = key.get(length..).filter(|origin| !origin.is_empty())?;
        Some([b"n/x/", self.name(), origin].concat())
    }

    /// Returns the key of the number that belongs to a record, for the types that have one.
    pub(super) fn own_number(self, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::KeyValue | Self::InitialAccess => Some([b"n/u/", self.name(), key].concat()),
            Self::Nonce
            | Self::SingleUse
            | Self::AccessToken
            | Self::DocumentCandidate
            | Self::DocumentDenial
            | Self::Pending
            | Self::Session => None,
        }
    }
}

fn moment(at: Timestamp) -> [u8; MOMENT] {
    at.unix().to_be_bytes()
}

#[cfg(test)]
mod tests;

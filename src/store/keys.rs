//! The keys: what kind it is, then what orders it.
//!
//! | Key | Value |
//! |---|---|
//! | `a/` | the number of the last event of the audit log |
//! | `a/` number, 8 bytes, big end first | an event |
//! | `c/` client id | the record of a client |
//! | `e/` moment, `/`, client id | nothing: the client expires then |
//! | `h` | nothing: written to see whether the store takes writes |
//! | `i/` member, `/`, digest of its value, client id | nothing: the client has this value |
//! | `l/e` | nothing: every client is in the index of uses, those too that were stored before it |
//! | `l/n` moment, `/`, client id | nothing: the client was issued then, and never used |
//! | `l/u` moment, `/`, client id | nothing: the client was last used then |
//! | `k` | a text that is sealed with the key of the store, so that another key is noticed |
//! | `n/c` | number: how many clients there are |
//! | `n/l` | number, 1: the clients are counted by level, those too that were stored before they were |
//! | `n/l/` trust level | number: how many clients there are of this level |
//! | `n/i/` member, `/`, digest of its value | number: how many clients have this value |
//! | `n/x/` kind, `/`, group | number: how many records of a bounded kind there are in the group |
//! | `n/u/` kind, `/`, key | number: belongs to the record of this key, and goes with it |
//! | `p/configuration` | the patches of the live configuration, sealed |
//! | `s` | what time the store saw last |
//! | `x/` kind, `/`, key | a record that ends |
//! | `y/` kind, `/`, moment, key | nothing, or 1 byte, 1, where it may give way: the record of this key ends then |
//!
//! The backend of sled has one more, behind all others: its [tally](super::tally).
//!
//! A moment is seconds since the epoch, 8 bytes, big end first; a number is 8 bytes, big end
//! first; a digest is a SHA-256, 32 bytes. No key has a value of a client or of a token in clear.

use std::ops::Range;

use crate::clock::Timestamp;
use crate::model::ClientId;
use crate::secret::sha256;

/// The sequence of the audit log.
pub(super) const AUDIT: &[u8] = b"a/";
/// Where the records of clients begin.
pub(super) const CLIENTS: &[u8] = b"c/";
/// Where they end.
pub(super) const CLIENTS_END: &[u8] = b"c0";
/// Where the index of the expiry of clients begins.
const EXPIRIES: &[u8] = b"e/";
/// Where the index of the uses of clients begins.
pub(super) const USES: &[u8] = b"l/";
/// What says that every client is in it.
pub(super) const USES_ENTERED: &[u8] = b"l/e";
/// Where the index of clients begins that were never used.
const NEVER_USED: &[u8] = b"l/n";
/// Where the index of the last use of the others begins.
const LAST_USED: &[u8] = b"l/u";
/// What is written to see whether the store takes writes.
pub(super) const HEARTBEAT: &[u8] = b"h";
/// What shows that a key is that of the store.
pub(super) const KEY_PROOF: &[u8] = b"k";
/// What time the store saw last.
pub(super) const SEEN: &[u8] = b"s";
/// Where numbers begin.
pub(super) const NUMBERS: &[u8] = b"n/";
/// How many clients there are.
pub(super) const CLIENT_COUNT: &[u8] = b"n/c";
/// What says that all clients are counted by their level.
pub(super) const LEVELS_COUNTED: &[u8] = b"n/l";
/// Where the numbers of clients of each level begin.
pub(super) const LEVELS: &[u8] = b"n/l/";
/// What servers keep in memory, so that they must know of its changes.
pub(super) const WATCHED: &[u8] = b"p/";
/// The patches of the live configuration.
pub(super) const PATCHES: &[u8] = b"p/configuration";

/// Bytes of a moment.
const MOMENT: usize = size_of::<u64>();

/// The key of a client's record.
pub(super) fn client(id: &ClientId) -> Vec<u8> {
    [CLIENTS, id.as_str().as_bytes()].concat()
}

/// The key that says when a client expires.
pub(super) fn client_expiry(at: Timestamp, id: &ClientId) -> Vec<u8> {
    [EXPIRIES, &moment(at), b"/", id.as_str().as_bytes()].concat()
}

/// The clients that expire at `at` or before.
pub(super) fn clients_expired(at: Timestamp) -> Range<Vec<u8>> {
    EXPIRIES.to_vec()..[EXPIRIES, &moment(at.plus(1))].concat()
}

/// The client that a key of the index of expiry names.
pub(super) fn expiring_client(key: &[u8]) -> Option<ClientId> {
    client_id(key.get(EXPIRIES.len() + MOMENT + 1..)?)
}

/// The key that says that a client was issued at `at` and never used.
pub(super) fn no_use(at: Timestamp, id: &ClientId) -> Vec<u8> {
    [NEVER_USED, &moment(at), b"/", id.as_str().as_bytes()].concat()
}

/// The key that says that a client was last used at `at`.
pub(super) fn last_use(at: Timestamp, id: &ClientId) -> Vec<u8> {
    [LAST_USED, &moment(at), b"/", id.as_str().as_bytes()].concat()
}

/// The clients that were issued at `at` or before, and never used.
pub(super) fn never_used(at: Timestamp) -> Range<Vec<u8>> {
    NEVER_USED.to_vec()..[NEVER_USED, &moment(at.plus(1))].concat()
}

/// The clients that were used, the last time at `at` or before.
pub(super) fn last_used(at: Timestamp) -> Range<Vec<u8>> {
    LAST_USED.to_vec()..[LAST_USED, &moment(at.plus(1))].concat()
}

/// The client that a key of the index of uses names.
pub(super) fn used_client(key: &[u8]) -> Option<ClientId> {
    client_id(key.get(NEVER_USED.len() + MOMENT + 1..)?)
}

/// What the keys of all clients with this value of an indexed member begin with.
pub(super) fn index(member: &str, value: &[u8; 32]) -> Vec<u8> {
    [b"i/", member.as_bytes(), b"/", value].concat()
}

/// The key of how many clients have this value of an indexed member.
pub(super) fn index_count(member: &str, value: &[u8; 32]) -> Vec<u8> {
    [&b"n/"[..], &index(member, value)].concat()
}

/// The key of how many clients there are of a trust level.
pub(super) fn level_count(level: &str) -> Vec<u8> {
    [LEVELS, level.as_bytes()].concat()
}

/// Whether what is under `key` follows from the records of clients and of what ends. The index of the ends
/// of the latter does not: it says more.
pub(super) fn follows_from_records(key: &[u8]) -> bool {
    let beginnings: [&[u8]; 7] = [EXPIRIES, NEVER_USED, LAST_USED, LEVELS, b"i/", b"n/i/", b"n/x/"];
    key == CLIENT_COUNT || beginnings.iter().any(|beginning| key.starts_with(beginning))
}

/// The client that a key names whose first part is `prefix`.
pub(super) fn indexed_client(prefix: &[u8], key: &[u8]) -> Option<ClientId> {
    client_id(key.strip_prefix(prefix)?)
}

fn client_id(bytes: &[u8]) -> Option<ClientId> {
    ClientId::parse(std::str::from_utf8(bytes).ok()?).ok()
}

/// Everything that begins with `prefix`, which has a byte other than 255.
pub(super) fn under(prefix: &[u8]) -> Range<Vec<u8>> {
    let mut end = prefix.to_vec();
    // No byte follows 255, so it is the one before it that must grow: a digest may end in any byte.
    while end.pop_if(|last| *last == u8::MAX).is_some() {}
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    prefix.to_vec()..end
}

/// The smallest key behind `key`.
pub(super) fn behind(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

/// The SHA-256 of several texts, with the length of each, so that none can reach into the next.
pub(super) fn digest(texts: &[&str]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend(text.len().to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    sha256(&bytes)
}

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value of a script.
    KeyValue,
    /// A nonce that was given out.
    Nonce,
    /// What was used once.
    SingleUse,
    /// An access token.
    AccessToken,
    /// An initial access token.
    InitialAccess,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 5] =
        [Self::KeyValue, Self::Nonce, Self::SingleUse, Self::AccessToken, Self::InitialAccess];

    const fn name(self) -> &'static [u8] {
        match self {
            Self::KeyValue => b"value/",
            Self::Nonce => b"nonce/",
            Self::SingleUse => b"once/",
            Self::AccessToken => b"token/",
            Self::InitialAccess => b"initial/",
        }
    }

    /// The key of a record.
    pub(super) fn record(self, key: &[u8]) -> Vec<u8> {
        [b"x/", self.name(), key].concat()
    }

    /// The key of a record, out of the key under which it is stored.
    pub(super) fn of_record(self, stored: &[u8]) -> Option<&[u8]> {
        stored.strip_prefix(b"x/")?.strip_prefix(self.name())
    }

    /// The key that says when a record ends.
    pub(super) fn expiry(self, at: Timestamp, key: &[u8]) -> Vec<u8> {
        [b"y/", self.name(), &moment(at), key].concat()
    }

    /// The index entries of all records that end at `at` or before.
    pub(super) fn ended(self, at: Timestamp) -> Range<Vec<u8>> {
        [b"y/", self.name()].concat()..[b"y/", self.name(), &moment(at.plus(1))].concat()
    }

    /// The key of the record that an index entry names.
    pub(super) fn of_expiry(self, entry: &[u8]) -> Option<&[u8]> {
        entry.strip_prefix(b"y/")?.strip_prefix(self.name())?.get(MOMENT..)
    }

    /// Where it is counted how many records there are in the group of `key`; none when the kind
    /// is not bounded, so that its writers need not meet at one number.
    pub(super) fn group_count(self, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::KeyValue => {
                let script = key.split(|byte| *byte == 0).next().unwrap_or_default();
                Some([b"n/x/", self.name(), script].concat())
            }
            Self::Nonce => Some([b"n/x/", self.name()].concat()),
            Self::SingleUse | Self::AccessToken | Self::InitialAccess => None,
        }
    }

    /// The key of a number that belongs to a record, for the kinds that have one.
    pub(super) fn own_number(self, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::KeyValue | Self::InitialAccess => Some([b"n/u/", self.name(), key].concat()),
            Self::Nonce | Self::SingleUse | Self::AccessToken => None,
        }
    }
}

fn moment(at: Timestamp) -> [u8; MOMENT] {
    at.unix().to_be_bytes()
}

#[cfg(test)]
mod tests;

//! How clients are found other than by their identifiers, and how many there are.
//!
//! The index contains digests of values. A long value thus does not make a long key, and no value can
//! extend into the identifier that follows it. Each value has a counter, so that counting reads a single
//! record.

use crate::client::{Client, TrustLevel};
use crate::store::{Change, Expectation, Pair, keys};

/// An indexed member of a client, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexed<'a> {
    /// `software_id`
    SoftwareId(&'a str),
    /// `org_id`
    OrgId(&'a str),
    /// The verified software statement.
    Statement {
        /// Its `iss`.
        iss: &'a str,
        /// Its `jti`.
        jti: &'a str,
    },
    /// The digest under which a client is shared.
    Shared(&'a str),
    /// Administrators, except the first one as long as only the server has changed it.
    Administrator,
    /// The name in the certificates by which the client is recognised.
    Certified {
        /// The configuration entry that names the trusted CAs.
        entry: &'a str,
        /// The name.
        subject: &'a str,
    },
}

impl Indexed<'_> {
    /// Returns the prefix of the index keys of all clients with this value.
    pub(in crate::store) fn prefix(self) -> Vec<u8> {
        let (member, value) = self.parts();
        keys::index(member, &value)
    }

    /// Returns the key of the number of clients with this value.
    pub(in crate::store) fn count_key(self) -> Vec<u8> {
        let (member, value) = self.parts();
        keys::index_count(member, &value)
    }

    /// Returns a change that is applied only while at most `count` clients have this value.
    pub(crate) fn no_more_than(self, count: u64) -> Change {
        let expect = vec![Expectation::Below(
            self.count_key(),
            count.saturating_add(1),
        )];
        Change {
            expect,
            ..Change::default()
        }
    }

    fn parts(self) -> (&'static str, [u8; 32]) {
        match self {
            Self::SoftwareId(value) => ("software_id", keys::digest(&[value])),
            Self::OrgId(value) => ("org_id", keys::digest(&[value])),
            Self::Shared(value) => ("shared", keys::digest(&[value])),
            Self::Administrator => ("administrator", keys::digest(&[])),
            Self::Certified { entry, subject } => ("certified", keys::digest(&[entry, subject])),
            Self::Statement { iss, jti } => ("software_statement", keys::digest(&[iss, jti])),
        }
    }
}

/// Returns everything that is indexed of `client`.
fn indexed(client: &Client) -> impl Iterator<Item = Indexed<'_>> {
    let metadata = client.metadata.metadata();
    let statement = client.provenance.statement.as_ref();
    let certified = statement.and_then(|origin| {
        Some(Indexed::Certified {
            entry: origin.certified_by.as_deref()?,
            subject: &origin.iss,
        })
    });
    let statement = statement.and_then(|origin| {
        Some(Indexed::Statement {
            iss: &origin.iss,
            jti: origin.jti.as_deref()?,
        })
    });
    let software_id = metadata.text("software_id").map(Indexed::SoftwareId);
    let org_id = metadata.text("org_id").map(Indexed::OrgId);
    let shared = client.shared_as.as_deref().map(Indexed::Shared);
    let administrator = client.administrator.as_ref();
    let administrator = administrator.map(|_| Indexed::Administrator);
    let all = [
        software_id,
        org_id,
        statement,
        certified,
        shared,
        administrator,
    ];
    all.into_iter().flatten()
}

/// Returns the change that adds the index entries of `client`.
pub(in crate::store) fn entered(client: &Client) -> Change {
    let put: Vec<Pair> = index_keys(client).map(|key| (key, Vec::new())).collect();
    Change {
        put,
        count: counts(client, 1),
        ..Change::default()
    }
}

/// Returns the change that removes the index entries of `client`.
pub(in crate::store) fn removed(client: &Client) -> Change {
    Change {
        delete: index_keys(client).collect(),
        count: counts(client, -1),
        ..Change::default()
    }
}

fn index_keys(client: &Client) -> impl Iterator<Item = Vec<u8>> {
    let id = client.id.as_str().as_bytes();
    let expiry = client
        .expires_at
        .map(|at| keys::client_expiry(at, &client.id));
    expiry
        .into_iter()
        .chain(client_use(client))
        .chain(indexed(client).map(move |value| [&value.prefix(), id].concat()))
}

/// Returns the key that records when `client` was last used, or when it was issued if it was never used.
/// `None` for the administrator's own clients, whose uses do not matter.
pub(in crate::store) fn client_use(client: &Client) -> Option<Vec<u8>> {
    if client.provenance.trust_level == TrustLevel::Operator {
        return None;
    }
    Some(match client.last_used_at {
        Some(at) => keys::last_use(at, &client.id),
        None => keys::no_use(client.issued_at, &client.id),
    })
}

fn counts(client: &Client, by: i64) -> Vec<(Vec<u8>, i64)> {
    let level = keys::level_count(client.provenance.trust_level.as_str());
    let all = [keys::CLIENT_COUNT.to_vec(), level];
    all.into_iter()
        .chain(indexed(client).map(Indexed::count_key))
        .map(|key| (key, by))
        .collect()
}

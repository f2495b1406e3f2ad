//! Sessions of administrators in the console: opaque, and stored under the digests of their secrets, with the
//! administrator whose share of all sessions they count for.
//!
//! A session is valid only as long as its administrator is the one that signed in: a change by which the access tokens
//! of an administrator become invalid ends its sessions too. People who signed in at an OpenID Provider are not in the
//! store: whether the configuration still gives them their scopes is decided where the configuration is known.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ExpiringRecord, Found, Space, key_of_secret, short_id};
use crate::base::{ClientId, Secret, Timestamp, hex, sha256};
use crate::store::{
    Backend, Change, Clients, ExpiringKind, StoreError, Stored, unless_lost, until_won,
};

/// Seconds after which a session without a request ends.
pub(crate) const IDLE: u64 = 1_800;
/// Seconds after which a session ends, whatever is requested.
pub(crate) const LONGEST: u64 = 43_200;
/// Seconds for which a request does not prolong a session again, so that few requests write.
const PROLONGED: u64 = 60;
/// The maximum number of sessions, of which one administrator may have a tenth.
const MOST: u64 = 1_000;

/// Who has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum SessionHolder {
    /// An administrator.
    Administrator {
        client_id: ClientId,
        /// When that client was issued: a later client with the same identifier is another client.
        client_issued_at: Timestamp,
    },
    /// A person, at an OpenID Provider.
    Person {
        /// The issuer identifier of the provider.
        issuer: String,
        /// The identifier of this server at the provider.
        audience: String,
        /// The identifier of the person at the provider.
        subject: String,
        name: String,
        /// The claim that gave the scopes.
        claim: String,
        /// The values of the claim that gave the scopes.
        values: Vec<String>,
        /// The scopes, with spaces between them.
        scope: String,
    },
}

impl SessionHolder {
    /// Returns who acts in the session, as the audit log names it.
    pub(crate) fn actor(&self) -> String {
        match self {
            Self::Administrator { client_id, .. } => client_id.to_string(),
            Self::Person { subject, .. } => Self::actor_of(subject),
        }
    }

    /// Returns how the audit log names the person with this identifier at the provider.
    pub(crate) fn actor_of(subject: &str) -> String {
        format!("oidc:{subject}")
    }

    /// Returns the name of a person. That of an administrator is in its record.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Administrator { .. } => None,
            Self::Person { name, .. } => Some(name),
        }
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Who has signed in.
    #[serde(flatten)]
    pub(crate) holder: SessionHolder,
    /// When it began.
    pub(crate) began_at: Timestamp,
    /// When it was last used, to a minute.
    pub(crate) used_at: Timestamp,
    /// The address from which the sign-in came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    /// What the browser calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) browser: Option<String>,
}

impl Session {
    /// The moment from which it is no longer valid, unless it is used again.
    pub(crate) fn ends_at(&self) -> Timestamp {
        self.used_at.plus(IDLE).min(self.began_at.plus(LONGEST))
    }
}

/// A session as it was read.
#[derive(Debug, Clone)]
pub(crate) struct FoundSession(Found<Session>);

impl FoundSession {
    /// Its identifier, from which its secret cannot be derived.
    pub(crate) fn id(&self) -> String {
        short_id(&String::from_utf8_lossy(&self.0.entry.key))
    }

    /// What it is.
    pub(crate) const fn session(&self) -> &Session {
        &self.0.entry.value
    }
}

/// The sessions. Their number is exact, and the same for all servers on one database.
#[derive(Clone)]
pub(crate) struct Sessions {
    space: Space<Session>,
    clients: Clients,
}

impl Sessions {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            clients: Clients::new(Arc::clone(&backend)),
            space: Space::new(backend, ExpiringKind::Session),
        }
    }

    /// Returns the identifier under which the session with this `secret` is stored.
    pub(crate) fn id_of(secret: &Secret) -> String {
        short_id(&key_of_secret(secret))
    }

    /// Stores a session under its `secret`, together with `also`. Returns false if there are too many sessions, or too
    /// many of its administrator.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn begin(
        &self,
        secret: &Secret,
        session: &Session,
        also: &Change,
    ) -> Result<bool, StoreError> {
        let owner = hex(&sha256(session.holder.actor().as_bytes()));
        let key = [key_of_secret(secret), short_id(&owner)].concat();
        let entry = entry(key.into_bytes(), session.clone());
        until_won(|| async {
            let Some(insertion) = self.space.insertion_below(&entry, MOST).await? else {
                return Ok(Some(false));
            };
            let stored = self.space.backend.apply(insertion.and(also.clone())).await;
            Ok(unless_lost(stored)?.map(|_| true))
        })
        .await
    }

    /// Returns the session with this `secret`, and the administrator if one has signed in, if both are valid at `now`.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn find(
        &self,
        secret: &str,
        now: Timestamp,
    ) -> Result<Option<(FoundSession, Option<Stored>)>, StoreError> {
        let key = hex(&sha256(secret.as_bytes()));
        let found = self.space.find_under(key.as_bytes()).await?;
        let Some(found) = found.filter(|found| found.is_live(now)) else {
            return Ok(None);
        };
        let client = match &found.entry.value.holder {
            SessionHolder::Person { .. } => None,
            SessionHolder::Administrator {
                client_id,
                client_issued_at,
            } => {
                let client = self.clients.find(client_id).await?;
                let is_same = |stored: &Stored| stored.client().issued_at == *client_issued_at;
                let is_good = |stored: &Stored| is_same(stored) && stored.client().is_usable(now);
                let Some(client) = client.filter(is_good) else {
                    return Ok(None);
                };
                Some(client)
            }
        };
        Ok(Some((FoundSession(found), client)))
    }

    /// Prolongs a session, which is used at `now`. Another request of it may do so, or end it, at the same time, and wins.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn prolong(
        &self,
        FoundSession(found): &FoundSession,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if now < found.entry.value.used_at.plus(PROLONGED) {
            return Ok(());
        }
        let session = Session {
            used_at: now,
            ..found.entry.value.clone()
        };
        let next = entry(found.entry.key.clone(), session);
        let change = self.space.replacement(found, &next)?;
        unless_lost(self.space.backend.apply(change).await).map(drop)
    }

    /// Returns all sessions that have not ended at `now`, in the order of their identifiers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn all(&self, now: Timestamp) -> Result<Vec<FoundSession>, StoreError> {
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        let page = self.space.page(None, most).await?;
        let live = page.into_iter().filter(|found| found.is_live(now));
        Ok(live.map(FoundSession).collect())
    }

    /// Returns the session with the identifier `id`, if it has not ended at `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find_by_id(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<FoundSession>, StoreError> {
        let found = self.space.find_by_short_id(id).await?;
        let live = found.filter(|found| found.is_live(now));
        Ok(live.map(FoundSession))
    }

    /// Ends the session with the identifier `id`, together with `also`. Returns false if there is none.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn end(&self, id: &str, also: &Change) -> Result<bool, StoreError> {
        until_won(|| async {
            let Some(found) = self.space.find_by_short_id(id).await? else {
                return Ok(Some(false));
            };
            let removal = self.space.removal(&found).and(also.clone());
            Ok(unless_lost(self.space.backend.apply(removal).await)?.map(|_| true))
        })
        .await
    }
}

fn entry(key: Vec<u8>, session: Session) -> ExpiringRecord<Session> {
    ExpiringRecord {
        key,
        expires_at: session.ends_at(),
        value: session,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_of_an_earlier_version_is_that_of_an_administrator() {
        let stored = json!({"client_id": "a", "client_issued_at": 1, "began_at": 2, "used_at": 3});
        let session: Session = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(session.holder.actor(), "a");
        assert_eq!(serde_json::to_value(&session).unwrap(), stored);
        let person = json!({
            "issuer": "https://id.example.org", "audience": "registrar", "subject": "a", "name": "Ada",
            "claim": "groups", "values": ["admins"], "scope": "audit.read", "began_at": 2, "used_at": 3,
        });
        let session: Session = serde_json::from_value(person.clone()).unwrap();
        assert_eq!(session.holder.actor(), "oidc:a");
        assert_eq!(session.holder.name(), Some("Ada"));
        assert_eq!(serde_json::to_value(&session).unwrap(), person);
    }
}

//! What the servers of a store say about a key that is announced, as one of them sees it.
//!
//! Each server says whether it has the key, and repeats that: what is not repeated for a while was said by a server that has
//! ended. The clocks of the servers need not agree, since each of them notes when it has seen a statement change.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::rotation::KeyRotation;
use crate::base::Timestamp;

/// How long an announcement stays without objection before the key is in force, where several servers share the store.
/// A server looks every two seconds.
const QUIET: Duration = Duration::from_secs(10);
/// How long after its last statement a server repeats it.
const REPEAT: Duration = Duration::from_secs(15);
/// How long a statement counts that its server does not repeat: the server has ended.
const GONE: Duration = Duration::from_mins(1);

/// What a server says about the key that is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyStatement {
    /// Its key file has the key.
    Has,
    /// Its key file lacks the key.
    Lacks,
}

impl KeyStatement {
    const ALL: [Self; 2] = [Self::Has, Self::Lacks];

    /// Returns the servers that say so, and how often they did.
    const fn servers(self, rotation: &KeyRotation) -> &BTreeMap<String, u64> {
        match self {
            Self::Has => &rotation.present_on,
            Self::Lacks => &rotation.missing_on,
        }
    }

    const fn servers_mut(self, rotation: &mut KeyRotation) -> &mut BTreeMap<String, u64> {
        match self {
            Self::Has => &mut rotation.present_on,
            Self::Lacks => &mut rotation.missing_on,
        }
    }
}

/// What a server remembers between two [steps](super::rotation::KeyRotations::step).
#[derive(Debug)]
pub(crate) struct ObservedRotation {
    /// The server.
    server: String,
    /// The announcement that was seen last: its key and its time.
    announcement: Option<(String, Timestamp)>,
    /// Since when nobody objects to it.
    quiet_since: Instant,
    /// When a server last said that it has the key.
    held_at: Instant,
    /// How often each server has said what, and when it was last seen to say so.
    heard: BTreeMap<(KeyStatement, String), (u64, Instant)>,
}

impl ObservedRotation {
    /// Nothing has been seen by the server with this name.
    pub(crate) fn by(server: String) -> Self {
        Self {
            server,
            announcement: None,
            quiet_since: Instant::now(),
            held_at: Instant::now(),
            heard: BTreeMap::new(),
        }
    }

    /// The server.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Notes what is said in `rotation`, which is announced.
    pub(super) fn note(&mut self, rotation: &KeyRotation) {
        let now = Instant::now();
        let announcement = Some((rotation.key.clone(), rotation.announced_at));
        if self.announcement != announcement {
            self.announcement = announcement;
            self.heard.clear();
            (self.quiet_since, self.held_at) = (now, now);
        }
        self.heard
            .retain(|(statement, server), _| statement.servers(rotation).contains_key(server));
        for statement in KeyStatement::ALL {
            for (server, times) in statement.servers(rotation) {
                let heard = self.heard.entry((statement, server.clone()));
                let (before, at) = heard.or_insert((0, now));
                if before != times {
                    (*before, *at) = (*times, now);
                    if statement == KeyStatement::Has {
                        self.held_at = now;
                    }
                }
            }
        }
        if !rotation.missing_on.is_empty() {
            self.quiet_since = now;
        }
    }

    /// Whether nobody has objected for so long that every server must have seen the announcement.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet_since.elapsed() >= QUIET
    }

    /// Whether a server that runs may have the key.
    pub(super) fn is_held(&self) -> bool {
        self.held_at.elapsed() < GONE
    }

    /// Returns the rotation in which this server says so, and servers that have ended say nothing; `None` if that is so.
    pub(super) fn stated(&self, rotation: &KeyRotation, mine: KeyStatement) -> Option<KeyRotation> {
        let mut stated = rotation.clone();
        for statement in KeyStatement::ALL {
            let servers = statement.servers_mut(&mut stated);
            servers.retain(|server, _| {
                if *server == self.server {
                    return statement == mine;
                }
                let at = self.said(statement, server);
                at.is_some_and(|at| at.elapsed() < GONE)
            });
        }
        let last = self.said(mine, &self.server);
        if last.is_none_or(|at| at.elapsed() >= REPEAT) {
            let times = mine.servers_mut(&mut stated).entry(self.server.clone());
            *times.or_default() += 1;
        }
        (stated != *rotation).then_some(stated)
    }

    /// Returns when `server` was last seen to say so.
    fn said(&self, statement: KeyStatement, server: &str) -> Option<Instant> {
        let heard = self.heard.get(&(statement, server.to_owned()));
        heard.map(|(_, at)| *at)
    }
}

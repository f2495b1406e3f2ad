//! Checks that the kept events are those that were stored, each in its place.
//!
//! Each event has a digest over itself and the digest of the event before it. Whoever changes, removes or moves an
//! event must compute all later digests anew. Digests that were noted somewhere else show that too.

use crate::store::{
    AuditLog, Link, Logged, Pair, StoreError, audit::position, backend::chain, keys, number,
    numbered, record,
};

/// How often a check begins anew because old events are removed while it runs.
const TURNS: usize = 8;

/// What a check of the log has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verification {
    /// The position of the first event that was checked.
    pub(crate) first: Option<u64>,
    /// How many events fit.
    pub(crate) events: u64,
    /// How many events before the first one with a digest have none, since an earlier version wrote them.
    pub(crate) without_digest: u64,
    /// The last event with a digest.
    pub(crate) last: Option<Link>,
    /// The position of the event with the digest that was looked for.
    pub(crate) found: Option<u64>,
    /// The first event that does not fit.
    pub(crate) fault: Option<ChainFault>,
    /// The position after which the check continues, if events are left.
    pub(crate) next: Option<u64>,
}

/// An event that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainFault {
    /// Its position, or the position at which it is missing.
    pub(crate) position: u64,
    /// What is wrong.
    pub(crate) kind: ChainFaultKind,
}

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainFaultKind {
    /// It is missing.
    Missing,
    /// It has no digest, although the one before it has one.
    NoDigest,
    /// Its digest is of other contents, or of another event before it.
    Changed,
    /// It is not the event that was stored last at this position.
    Replaced,
}

impl ChainFaultKind {
    /// Says what is wrong with an event.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "it is missing",
            Self::NoDigest => {
                "it has no digest: somebody has removed the digest, or an earlier version of the server wrote the event"
            }
            Self::Changed => {
                "its digest does not fit: this event was changed or moved, or the one before it was replaced"
            }
            Self::Replaced => "it is not the event that the server stored last",
        }
    }
}

/// What the store says of its log beside the events.
#[derive(Clone, Copy, Default)]
struct LogMarks {
    /// The last event that was removed.
    anchor: Option<Link>,
    /// The last event.
    head: Option<Link>,
    /// The number of the last event.
    count: u64,
}

impl AuditLog {
    /// Checks at most `limit` events after the position `after`, and looks for the event with the digest `wanted`.
    /// 0 starts with the first event that is kept. Any other event must have been checked before, since the event
    /// after it is checked against its digest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn verify(
        &self,
        after: u64,
        wanted: Option<[u8; 32]>,
        limit: usize,
    ) -> Result<Verification, StoreError> {
        let mut found = Verification::default();
        for _ in 0..TURNS {
            let marks = self.marks().await?;
            found = self.verify_page(&marks, after, wanted, limit).await?;
            let removed = self.mark(keys::AUDIT_ANCHOR).await?;
            if found.fault.is_none() || removed == marks.anchor {
                break;
            }
        }
        Ok(found)
    }

    async fn marks(&self) -> Result<LogMarks, StoreError> {
        // In this order, since events that are stored in the meantime must not look like events that are missing.
        let count = self.0.get(keys::AUDIT).await?;
        Ok(LogMarks {
            count: number(keys::AUDIT, count.as_deref())?.unsigned_abs(),
            head: self.mark(keys::AUDIT_HEAD).await?,
            anchor: self.mark(keys::AUDIT_ANCHOR).await?,
        })
    }

    pub(super) async fn mark(&self, key: &[u8]) -> Result<Option<Link>, StoreError> {
        Link::from_mark(key, self.0.get(key).await?.as_deref())
    }

    async fn verify_page(
        &self,
        marks: &LogMarks,
        after: u64,
        wanted: Option<[u8; 32]>,
        limit: usize,
    ) -> Result<Verification, StoreError> {
        let mut check = LogCheck::new(*marks, wanted);
        let anchored = marks.anchor.map_or(0, |anchor| anchor.number);
        if after > anchored {
            let key = numbered(keys::AUDIT, after);
            let Some(value) = self.0.get(&key).await? else {
                check.fault(after, ChainFaultKind::Missing);
                return Ok(check.found);
            };
            check.start(after, &value);
        }
        let first = numbered(keys::AUDIT, after.max(anchored).saturating_add(1));
        let end = keys::under(keys::AUDIT).end;
        let pairs = self.0.scan(first..end, limit).await?;
        let is_end = pairs.len() < limit;
        for pair in pairs {
            if check.found.fault.is_some() {
                break;
            }
            check.see(pair)?;
        }
        Ok(check.end(is_end))
    }
}

/// A check of consecutive events.
pub(crate) struct LogCheck {
    marks: LogMarks,
    wanted: Option<[u8; 32]>,
    found: Verification,
    /// The position of the event before the next one; `None` if nothing is known about it.
    before: Option<u64>,
}

impl LogCheck {
    /// Begins a check of events that somebody keeps elsewhere. Nothing is known about those before the first one.
    pub(crate) fn of_copies(wanted: Option<[u8; 32]>) -> Self {
        Self::new(LogMarks::default(), wanted)
    }

    /// Checks the next of these events. Returns whether it fits to those before it.
    ///
    /// # Errors
    /// When it cannot be written as it was stored.
    pub(crate) fn see_copy(&mut self, copy: &Logged) -> Result<bool, StoreError> {
        let mut value = record::encode(keys::AUDIT, &copy.event)?;
        if let Some(digest) = &copy.digest {
            value = chain::with_digest(value, digest);
        }
        if self.before.is_none() && copy.position > 1 && copy.digest.is_some() {
            self.start(copy.position, &value);
        } else {
            self.see((numbered(keys::AUDIT, copy.position), value))?;
        }
        Ok(self.found.fault.is_none())
    }

    /// Returns what was found so far.
    pub(crate) fn found(self) -> Verification {
        self.found
    }

    fn new(marks: LogMarks, wanted: Option<[u8; 32]>) -> Self {
        let mut check = Self {
            marks,
            wanted,
            found: Verification::default(),
            before: marks.anchor.map(|anchor| anchor.number),
        };
        if let Some(anchor) = marks.anchor {
            check.link(anchor);
        }
        check
    }

    /// Starts after the event at `position`.
    fn start(&mut self, position: u64, value: &[u8]) {
        self.before = Some(position);
        self.found.last = None;
        if let Some((_, digest)) = chain::without_digest(value) {
            self.link(Link {
                number: position,
                digest,
            });
        }
    }

    fn fault(&mut self, position: u64, kind: ChainFaultKind) {
        self.found
            .fault
            .get_or_insert(ChainFault { position, kind });
    }

    /// Takes an event whose digest is right.
    fn link(&mut self, link: Link) {
        if self.wanted == Some(link.digest) {
            self.found.found = Some(link.number);
        }
        let head = self.marks.head;
        if head.is_some_and(|head| head.number == link.number && head.digest != link.digest) {
            self.fault(link.number, ChainFaultKind::Replaced);
        }
        self.found.last = Some(link);
    }

    /// Checks the next event.
    fn see(&mut self, (key, value): Pair) -> Result<(), StoreError> {
        let at = position(&key)?;
        // An earlier version removed old events without a trace.
        let expected = self.before.map_or(at, |before| before.saturating_add(1));
        if at != expected {
            self.fault(expected, ChainFaultKind::Missing);
            return Ok(());
        }
        self.before = Some(at);
        self.found.first.get_or_insert(at);
        let Some((original, digest)) = chain::without_digest(&value) else {
            if self.found.last.is_some() {
                self.fault(at, ChainFaultKind::NoDigest);
            } else {
                self.found.without_digest += 1;
            }
            return Ok(());
        };
        if chain::digest(self.found.last.as_ref(), at, &original) != digest {
            self.fault(at, ChainFaultKind::Changed);
            return Ok(());
        }
        self.link(Link { number: at, digest });
        if self.found.fault.is_none() {
            self.found.events += 1;
        }
        Ok(())
    }

    /// Returns what was found. At the end of the log, no event is missing behind it.
    fn end(mut self, is_end: bool) -> Verification {
        if self.found.fault.is_some() {
            return self.found;
        }
        if !is_end {
            self.found.next = self.before;
            return self.found;
        }
        let last = self.before.unwrap_or(0);
        let linked = self.found.last.map_or(0, |link| link.number);
        let head = self.marks.head.map_or(0, |head| head.number);
        if self.marks.count > last {
            self.fault(last.saturating_add(1), ChainFaultKind::Missing);
        } else if head > linked {
            self.fault(head, ChainFaultKind::NoDigest);
        }
        self.found
    }
}

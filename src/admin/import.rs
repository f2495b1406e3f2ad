//! Clients from the lines of an export, some at a time: each lot is stored as one change, durably,
//! before the next one is read to its end.

use serde_json::{Map, Value};

use super::Administrator;
use super::portable::{self, Arrived};
use crate::client::Client;
use crate::http::body::BodyError;
use crate::http::lines::Lines;
use crate::model::json;
use crate::service::Context;
use crate::store::StoreError;
use crate::store::audit::Action;
use crate::store::import::{Existing, ImportError};
use crate::store::line;

/// Bytes of one line. A client is a few kilobytes; what it may have at most is as long as the
/// longest request and the longest statement together.
pub(super) const LINE: usize = 1 << 20;
/// Clients that are stored as one change.
const LOT: usize = 100;
/// Bytes of their lines.
const LOT_BYTES: usize = 1 << 20;

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Clients that were not there before.
    pub(super) imported: usize,
    /// Clients that were there, and stayed.
    pub(super) skipped: usize,
    /// Clients that were there, and were replaced.
    pub(super) replaced: usize,
    /// Clients that break rules of this server.
    pub(super) odd: usize,
}

/// Why an import ended before its last line.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportFault {
    /// A line is not one of an export.
    #[error("line {number}: {reason}")]
    Line {
        /// The line, counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A client is there already.
    #[error(
        "line {number}: there is a client with this client_id already; existing=skip or existing=replace go on"
    )]
    Exists {
        /// The line, counted from 1.
        number: usize,
    },
    /// The last line is missing.
    #[error(
        "line {number}: the last line, which says how many clients there are, is missing: the export was cut off"
    )]
    Cut {
        /// The line that should have been.
        number: usize,
    },
    /// The body can not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An import that is under way.
pub(super) struct Import<'a> {
    /// What it works with.
    pub(super) cx: &'a Context<'a>,
    /// Who asks for it.
    pub(super) by: &'a Administrator,
    /// What becomes of clients that are there already.
    pub(super) existing: Existing,
    /// What it did.
    pub(super) tally: Tally,
    lot: Vec<(usize, Client)>,
    lot_bytes: usize,
}

impl<'a> Import<'a> {
    /// An import that begins.
    pub(super) const fn new(cx: &'a Context<'a>, by: &'a Administrator, existing: Existing) -> Self {
        let tally = Tally { imported: 0, skipped: 0, replaced: 0, odd: 0 };
        Self { cx, by, existing, tally, lot: Vec::new(), lot_bytes: 0 }
    }

    /// Imports all of `lines`. What came before a line that is wrong is imported.
    ///
    /// # Errors
    /// The first line that is wrong, or what else ended it.
    pub(super) async fn run(&mut self, lines: &mut Lines) -> Result<(), ImportFault> {
        let outcome = self.read(lines).await;
        // What it says is about earlier lines.
        self.store().await?;
        outcome
    }

    async fn read(&mut self, lines: &mut Lines) -> Result<(), ImportFault> {
        let (mut number, mut clients) = (0, 0);
        loop {
            number += 1;
            let line = match lines.next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Err(ImportFault::Cut { number }),
                Err(BodyError::TooLarge { limit }) => {
                    return Err(ImportFault::Line {
                        number,
                        reason: format!("is longer than {limit} bytes"),
                    });
                }
                Err(error) => return Err(error.into()),
            };
            let wrong = |reason| ImportFault::Line { number, reason };
            // What JSON is wrong in is said without what stands there.
            let members =
                json::parse_object(&line).map_err(|_| wrong("is not one JSON object".to_owned()))?;
            if let Some(told) = last_line(&members) {
                let reason = format!("says that there are {told} clients, and {clients} came before it");
                return if told == clients { end(lines, number).await } else { Err(wrong(reason)) };
            }
            let arrived = portable::read(self.cx, members).map_err(wrong)?;
            self.take(number, arrived, line.len()).await?;
            clients += 1;
        }
    }

    async fn take(&mut self, number: usize, arrived: Arrived, bytes: usize) -> Result<(), ImportFault> {
        let Arrived { client, odd } = arrived;
        if !odd.is_empty() {
            self.tally.odd += 1;
            tracing::warn!(client_id = %client.id, members = ?odd, "an imported client breaks rules of this server");
        }
        let is_full = self.lot.len() >= LOT || self.lot_bytes.saturating_add(bytes) > LOT_BYTES;
        if is_full || self.lot.iter().any(|(_, other)| other.id == client.id) {
            self.store().await?;
        }
        self.lot_bytes += bytes;
        self.lot.push((number, client));
        Ok(())
    }

    /// Stores what was read, each client with its event.
    async fn store(&mut self) -> Result<(), ImportFault> {
        let (numbers, clients): (Vec<usize>, Vec<Client>) = self.lot.drain(..).unzip();
        self.lot_bytes = 0;
        if clients.is_empty() {
            return Ok(());
        }
        let (by, now) = (self.by, self.cx.service.clock.now());
        let told = |client: &Client| {
            let event = by.did(Action::ClientImported, client.id.as_str(), now);
            let event = event.with("trust_level", client.provenance.trust_level.as_str());
            event.with("revision", client.revision).change()
        };
        let stored = self.cx.service.store.clients.import(&clients, self.existing, told).await;
        let stored = stored.map_err(|error| match error {
            ImportError::Store(error) => ImportFault::Store(error),
            // A lot is neither too long nor has it a client twice.
            ImportError::TooMany | ImportError::Twice(_) => ImportFault::Store(StoreError::Conflict),
        })?;
        self.tally.imported += stored.created;
        self.tally.skipped += stored.skipped;
        self.tally.replaced += stored.replaced;
        match stored.refused.and_then(|at| numbers.get(at)) {
            Some(&number) if self.existing == Existing::Replace => {
                let reason = "client_id: is that of a client of the operator, which no import replaces";
                Err(ImportFault::Line { number, reason: reason.to_owned() })
            }
            Some(&number) => Err(ImportFault::Exists { number }),
            None => Ok(()),
        }
    }
}

/// How many clients the last line says that there are; none: it is another line.
fn last_line(members: &Map<String, Value>) -> Option<u64> {
    members.get(line::CLIENTS).filter(|_| members.len() == 1)?.as_u64()
}

/// Nothing comes after the last line.
async fn end(lines: &mut Lines, number: usize) -> Result<(), ImportFault> {
    if lines.next().await?.is_none() {
        return Ok(());
    }
    let reason = "comes after the last line of an export".to_owned();
    Err(ImportFault::Line { number: number + 1, reason })
}

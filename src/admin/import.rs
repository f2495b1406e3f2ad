//! Imports clients from the lines of an export, in batches. Each batch is stored durably as one change before
//! the next batch is complete.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::{Administrator, is_default, portable, portable::Arrived};
use crate::base::{Timestamp, json};
use crate::client::Client;
use crate::http::{BodyError, BodyLines};
use crate::service::Context;
use crate::store::{
    Action, Along, AuditEvent, Existing, ImportError, Reason, StoreError, transfer,
};

/// The maximum length of a line in bytes. A client usually needs a few kilobytes; the maximum is as long as
/// the longest request and the longest statement together.
pub(super) const LINE: usize = 1 << 20;
/// The maximum number of clients stored as one change.
const LOT: usize = 100;
/// The maximum total length of their lines in bytes.
const LOT_BYTES: usize = 1 << 20;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Imported")]
pub(super) struct ImportTally {
    /// The number of new clients.
    pub(super) imported: usize,
    /// The number of existing clients that were kept.
    pub(super) skipped: usize,
    /// The number of existing clients that were replaced.
    pub(super) replaced: usize,
    /// The number of clients that violate rules of this server.
    #[serde(rename = "warnings", skip_serializing_if = "is_default")]
    pub(super) odd: usize,
}

/// Why an import ended before its last line.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportFault {
    /// A line is not a valid line of an export.
    #[error("line {number}: {reason}")]
    Line {
        /// The line, counted from 1.
        number: usize,
        /// The reason.
        reason: String,
    },
    /// A client already exists.
    #[error(
        "line {number}: a client with this client_id already exists; use existing=skip to keep it, \
         or existing=replace to replace it"
    )]
    Exists {
        /// The line, counted from 1.
        number: usize,
    },
    /// The last line is missing.
    #[error(
        "line {number}: the last line, with the number of clients, is missing; the export is truncated"
    )]
    Cut {
        /// The number that the missing line would have.
        number: usize,
    },
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An import in progress.
pub(super) struct Import<'a> {
    /// The context of the request.
    pub(super) cx: &'a Context<'a>,
    /// The administrator that requested the import.
    pub(super) by: &'a Administrator,
    /// The handling of clients that already exist.
    pub(super) existing: Existing,
    /// The result so far.
    pub(super) tally: ImportTally,
    lot: Vec<(usize, Client)>,
    lot_bytes: usize,
}

impl<'a> Import<'a> {
    /// Creates an import.
    pub(super) const fn new(
        cx: &'a Context<'a>,
        by: &'a Administrator,
        existing: Existing,
    ) -> Self {
        let tally = ImportTally {
            imported: 0,
            skipped: 0,
            replaced: 0,
            odd: 0,
        };
        Self {
            cx,
            by,
            existing,
            tally,
            lot: Vec::new(),
            lot_bytes: 0,
        }
    }

    /// Imports all of `lines`. Lines before an invalid line are imported.
    ///
    /// # Errors
    /// Returns the first invalid line, or another error that ended the import.
    pub(super) async fn run(&mut self, lines: &mut BodyLines) -> Result<(), ImportFault> {
        let outcome = self.read(lines).await;
        // An error here is about earlier lines, so it takes precedence.
        self.store().await?;
        outcome
    }

    async fn read(&mut self, lines: &mut BodyLines) -> Result<(), ImportFault> {
        let (mut number, mut clients, mut is_export) = (0, 0, false);
        loop {
            number += 1;
            let Some(line) = next(lines, number).await? else {
                // Whoever writes lines about clients of another product need not count them.
                let is_whole = clients > 0 && !is_export;
                return is_whole.then_some(()).ok_or(ImportFault::Cut { number });
            };
            let wrong = |reason| ImportFault::Line { number, reason };
            // The reason must not repeat the content of the line.
            let members = json::parse_object(&line)
                .map_err(|_| wrong("is not one JSON object".to_owned()))?;
            if let Some(told) = last_line(&members) {
                let reason = format!("states {told} clients, but {clients} precede it");
                return if told == clients {
                    end(lines, number).await
                } else {
                    Err(wrong(reason))
                };
            }
            let arrived = portable::read_client(self.cx, self.by, members).map_err(wrong)?;
            is_export |= !arrived.is_foreign;
            self.take(number, arrived, line.len()).await?;
            clients += 1;
        }
    }

    async fn take(
        &mut self,
        number: usize,
        arrived: Arrived,
        bytes: usize,
    ) -> Result<(), ImportFault> {
        let Arrived { client, odd, .. } = arrived;
        if !odd.is_empty() {
            self.tally.odd += 1;
            tracing::warn!(client_id = %client.id, members = ?odd, "imported client violates rules of this server");
        }
        let is_full = self.lot.len() >= LOT || self.lot_bytes.saturating_add(bytes) > LOT_BYTES;
        if is_full || self.lot.iter().any(|(_, other)| other.id == client.id) {
            self.store().await?;
        }
        self.lot_bytes += bytes;
        self.lot.push((number, client));
        Ok(())
    }

    /// Stores the current batch, each client with an audit event.
    async fn store(&mut self) -> Result<(), ImportFault> {
        let (numbers, clients): (Vec<usize>, Vec<Client>) = self.lot.drain(..).unzip();
        self.lot_bytes = 0;
        if clients.is_empty() {
            return Ok(());
        }
        let (by, now) = (self.by, self.cx.service.clock.now());
        let event = |client: &Client| {
            Ok(Along::audited(
                &imported_event(by, client, now),
                Reason::Import,
            ))
        };
        let store = &self.cx.service.store.clients;
        let stored = store.import(&clients, self.existing, event).await;
        let stored = stored.map_err(store_error)?;
        self.tally.imported += stored.created;
        self.tally.skipped += stored.skipped;
        self.tally.replaced += stored.replaced;
        match stored.refused.and_then(|at| numbers.get(at)) {
            Some(&number) => Err(self.refused(number)),
            None => Ok(()),
        }
    }

    /// Returns the fault of a line whose client the store did not import.
    fn refused(&self, number: usize) -> ImportFault {
        if self.existing != Existing::Replace {
            return ImportFault::Exists { number };
        }
        let reason = "client_id: belongs to a client of the operator, which cannot be replaced";
        ImportFault::Line {
            number,
            reason: reason.to_owned(),
        }
    }
}

/// Returns the next line, which has this number; none at the end.
async fn next(lines: &mut BodyLines, number: usize) -> Result<Option<Vec<u8>>, ImportFault> {
    match lines.next().await {
        Err(BodyError::TooLarge { limit }) => {
            let reason = format!("is longer than {limit} bytes");
            Err(ImportFault::Line { number, reason })
        }
        line => Ok(line?),
    }
}

fn store_error(error: ImportError) -> StoreError {
    match error {
        ImportError::Store(error) => error,
        // A batch is never too long and never has the same client twice.
        ImportError::TooMany | ImportError::Twice(_) => StoreError::Conflict,
    }
}

/// Returns the audit event of an imported client.
fn imported_event(by: &Administrator, client: &Client, now: Timestamp) -> AuditEvent {
    by.did(Action::ClientImported, client.id.as_str(), now)
        .with("trust_level", client.provenance.trust_level.as_str())
        .with("revision", client.revision)
}

/// Returns the number of clients that the last line states, or `None` for any other line.
fn last_line(members: &Map<String, Value>) -> Option<u64> {
    members
        .get(transfer::CLIENTS)
        .filter(|_| members.len() == 1)?
        .as_u64()
}

/// Checks that nothing follows the last line.
async fn end(lines: &mut BodyLines, number: usize) -> Result<(), ImportFault> {
    if lines.next().await?.is_none() {
        return Ok(());
    }
    let reason = "follows the last line of an export".to_owned();
    Err(ImportFault::Line {
        number: number + 1,
        reason,
    })
}

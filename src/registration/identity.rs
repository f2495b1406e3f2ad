//! The one client of a signer that is identified by its certificates (`softwareStatementIdentity`).
//!
//! A registration with the same name, under the same authorities, updates the existing client: the new
//! metadata replaces the previous metadata, and an empty `grant_types` ends the registration. Names are
//! compared only within one entry of the configuration, so no community can change the clients of another.

use super::attempt::{Attempt, Offered};
use super::proof::statement::{Statement, unapproved};
use super::proof::udap;
use super::{ClientInformation, RegisterError, Registered, create, put_back, remove, single_use};
use crate::base::Violation;
use crate::config::trust::StatementIdentity;
use crate::service::Context;
use crate::store::{Change, Indexed, Stored};

/// The maximum number of attempts when other requests change the client at the same time.
const TRIES: usize = 8;

/// The maximum number of clients of one name that are read. Several can only exist from a time before names
/// were compared.
const MOST: usize = 8;

/// The name that identifies a client.
pub(super) struct Identity {
    entry: String,
    subject: String,
}

impl Identity {
    /// Returns the name of the signer of `statement`, if names are compared and the certificates of the
    /// statement establish it.
    pub(super) fn of(cx: &Context<'_>, statement: Option<&Statement>) -> Option<Self> {
        let statement = statement
            .filter(|_| cx.settings().software_statement_identity == StatementIdentity::Subject)?;
        let entry = statement.certified_by()?.id.clone();
        Some(Self {
            entry,
            subject: statement.claims.get("iss")?.as_str()?.to_owned(),
        })
    }

    fn indexed(&self) -> Indexed<'_> {
        Indexed::Certified {
            entry: &self.entry,
            subject: &self.subject,
        }
    }

    /// Finds the existing client, and the number of clients with its name.
    async fn find(&self, cx: &Context<'_>) -> Result<(Option<Stored>, u64), RegisterError> {
        let (clients, now) = (&cx.service.store.clients, cx.service.clock.now());
        let seen = clients.count(self.indexed()).await?;
        let found = if seen == 0 {
            Vec::new()
        } else {
            clients.having(self.indexed(), MOST).await?
        };
        let mut usable = found.into_iter();
        let first = usable.find(|stored| !stored.client().is_expired(now));
        Ok((first, seen))
    }

    /// Creates, changes or deletes the client. Of several simultaneous requests, one creates it.
    pub(super) async fn register(
        &self,
        attempt: Attempt<'_>,
        offered: Offered,
    ) -> Result<Registered, RegisterError> {
        for _ in 0..TRIES {
            match self.try_once(attempt, offered.clone()).await {
                Err(RegisterError::Conflict) => {}
                outcome => return outcome,
            }
        }
        Err(RegisterError::Conflict)
    }

    async fn try_once(
        &self,
        attempt: Attempt<'_>,
        mut offered: Offered,
    ) -> Result<Registered, RegisterError> {
        let (cx, caller) = (attempt.cx, attempt.caller);
        let (existing, seen) = self.find(cx).await?;
        let statement = offered.statement.as_ref();
        let ends = statement.is_some_and(udap::is_cancellation);
        let Some(stored) = existing else {
            if ends {
                return Err(refused("must not be empty: this client is not registered"));
            }
            let alone = self.indexed().no_more_than(seen);
            let made = Box::pin(create(attempt, offered, alone)).await?;
            return Ok(Registered::New(made));
        };
        // Another registration must not undo what an operator did.
        if !stored.client().is_usable(cx.service.clock.now()) {
            return Err(unapproved(
                "belongs to a client that was disabled; ask the operator of this server",
            ));
        }
        let attempt = Attempt::replace(cx, caller, &stored);
        let changed = if ends {
            cancel(attempt, statement, &stored).await?
        } else {
            let id = stored.client().id.as_str();
            let members = &mut offered.parsed.members;
            // The statement identifies the client, as the `client_id` does in an update (RFC 7592).
            members.entry("client_id").or_insert_with(|| id.into());
            Box::pin(put_back(attempt, offered, &stored, None)).await?
        };
        Ok(Registered::There(changed))
    }
}

/// Ends the registration of `stored`, whose signer signed `statement`.
async fn cancel(
    attempt: Attempt<'_>,
    statement: Option<&Statement>,
    stored: &Stored,
) -> Result<ClientInformation, RegisterError> {
    let cx = attempt.cx;
    if !cx.settings().client_deletion_enabled {
        return Err(refused(
            "must not be empty: clients cannot end their registration on this server",
        ));
    }
    let uses = match statement {
        Some(statement) => {
            let one = single_use::of_statement(cx, statement);
            single_use::spend(cx, &one).await?
        }
        None => Change::default(),
    };
    remove::remove(cx, attempt.caller, stored, uses).await?;
    Ok(ClientInformation::ended(stored.client()))
}

fn refused(rule: &str) -> RegisterError {
    RegisterError::Unproven(Violation::metadata("grant_types", rule))
}

//! The one client of a signer that is identified by its certificates (`softwareStatementIdentity`).
//!
//! A registration with the same name, under the same authorities, updates the existing client: the new
//! metadata replaces the previous metadata, and an empty `grant_types` ends the registration. Names are
//! compared only within one entry of the configuration, so no community can change the clients of another.

use crate::base::Violation;
use crate::client::Client;
use crate::config::StatementIdentity;
use crate::registration::{
    Attempt, ClientInformation, Offered, RegisterError, Registered, Statement, create, put_back,
    remove, single_use, statement, udap,
};
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
        if cx.settings().software_statement_identity != StatementIdentity::Subject {
            return None;
        }
        let statement = statement?;
        let entry = statement.certified_by()?.id.clone();
        let subject = statement.claims.get("iss")?.as_str()?.to_owned();
        Some(Self { entry, subject })
    }

    /// Returns the condition that no other client has the name of `client`, which has waited; none if there is one.
    pub(super) async fn alone(
        cx: &Context<'_>,
        client: &Client,
    ) -> Result<Option<Change>, RegisterError> {
        let statement = client.provenance.statement.as_ref();
        let entry = statement.and_then(|statement| statement.certified_by.clone());
        let is_compared = cx.settings().software_statement_identity == StatementIdentity::Subject;
        let (Some(statement), Some(entry), true) = (statement, entry, is_compared) else {
            return Ok(Some(Change::default()));
        };
        let subject = statement.iss.clone();
        let identity = Self { entry, subject };
        let (existing, seen) = identity.find(cx).await?;
        Ok(match existing {
            None => Some(identity.indexed().no_more_than(seen)),
            Some(_) => None,
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
        if seen == 0 {
            return Ok((None, seen));
        }
        let mut found = clients.having(self.indexed(), MOST).await?.into_iter();
        let first = found.find(|stored| !stored.client().is_expired(now));
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
        offered: Offered,
    ) -> Result<Registered, RegisterError> {
        let (existing, seen) = self.find(attempt.cx).await?;
        match existing {
            None => {
                let alone = self.indexed().no_more_than(seen);
                create_first(attempt, offered, alone).await
            }
            Some(stored) => {
                let attempt = Attempt::replace(attempt.cx, attempt.caller, &stored);
                change_existing(attempt, offered, &stored).await
            }
        }
    }
}

/// Creates the client of a name that no client has; `alone` is the condition that this is still the case.
async fn create_first(
    attempt: Attempt<'_>,
    offered: Offered,
    alone: Change,
) -> Result<Registered, RegisterError> {
    match &offered.statement {
        Some(statement) if udap::is_cancellation(statement) => {
            Err(refused("must not be empty: this client is not registered"))
        }
        _ => Box::pin(create(attempt, offered, alone)).await,
    }
}

/// Replaces the metadata of `stored`, or ends its registration.
async fn change_existing(
    attempt: Attempt<'_>,
    mut offered: Offered,
    stored: &Stored,
) -> Result<Registered, RegisterError> {
    let client = stored.client();
    // Another registration must not undo what an operator did.
    if !client.is_usable(attempt.cx.service.clock.now()) {
        return Err(statement::unapproved(
            "belongs to a client that was disabled; ask the operator of this server",
        ));
    }
    if let Some(statement) = &offered.statement
        && udap::is_cancellation(statement)
    {
        let ended = cancel(attempt, statement, stored).await?;
        return Ok(Registered::There(ended));
    }
    // The statement identifies the client, as the `client_id` does in an update (RFC 7592).
    let client_id = offered.parsed.members.entry("client_id");
    client_id.or_insert_with(|| client.id.as_str().into());
    Box::pin(put_back(attempt, offered, stored, None)).await
}

/// Ends the registration of `stored`, whose signer signed `statement`.
async fn cancel(
    attempt: Attempt<'_>,
    statement: &Statement,
    stored: &Stored,
) -> Result<ClientInformation, RegisterError> {
    let cx = attempt.cx;
    if !cx.settings().client_deletion_enabled {
        return Err(refused(
            "must not be empty: clients cannot end their registration on this server",
        ));
    }
    let statement_use = single_use::of_statement(cx, statement);
    let uses = single_use::spend(cx, &statement_use).await?;
    remove(cx, attempt.caller, stored, uses).await?;
    Ok(ClientInformation::ended(stored.client()))
}

fn refused(rule: &str) -> RegisterError {
    RegisterError::Unproven(Violation::metadata("grant_types", rule))
}

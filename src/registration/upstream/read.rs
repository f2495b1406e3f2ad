//! Reads a client at the upstream server, and follows the credentials that it changes.

use std::sync::Arc;

use crate::base::ClientId;
use crate::client::Client;
use crate::registration::RegisterError;
use crate::service::{Context, UpstreamAnswer, UpstreamFault};
use crate::store::{Change, StoreError, Stored};

use super::adopt::{self, management};
use super::{Front, FrontError, continued};

/// Reads the client at the upstream server. Returns it as it is registered there now, with its current secret. If that
/// server is not available, it is returned as it is stored here.
///
/// # Errors
/// When the upstream server no longer knows the client, or the store fails.
pub(crate) async fn read(cx: &Context<'_>, client: Client) -> Result<Client, RegisterError> {
    let (Some(front), true) = (Front::of(cx.service), client.upstream.is_some()) else {
        return Ok(client);
    };
    let id = client.id.clone();
    let registrar = Arc::clone(&front.registrar);
    let read = registrar.run(async move { front.read(&id).await }).await;
    match read.map_err(|_| FrontError::Lost)?? {
        Some((current, registration)) => adopt::overlaid(cx, current.into_client(), &registration),
        None => Ok(client),
    }
}

impl Front {
    /// Reads the client `id`, and stores its credentials if the upstream server has changed them. Returns none if that
    /// server is not available.
    async fn read(&self, id: &ClientId) -> Result<Option<(Stored, UpstreamAnswer)>, RegisterError> {
        let _turn = self.registrar.turn(id.as_str()).await;
        let mut denied = None;
        loop {
            let stored = self.find(id).await?;
            let upstream = &stored.client().upstream;
            // Another reader may have been given another token.
            if denied.as_ref() == Some(upstream) {
                return self.is_gone(id).await.map(|()| None);
            }
            let Some(managed) = management(&self.store.sealing_keys, stored.client())? else {
                return Ok(None);
            };
            match self.registrar.read(&managed).await {
                Ok(registration) => {
                    let registration = continued(registration, &managed);
                    let stored = self.keep_credentials(id, &registration).await?;
                    return Ok(Some((stored, registration)));
                }
                Err(UpstreamFault::Denied(401 | 404 | 410)) => denied = Some(upstream.clone()),
                Err(fault) => {
                    report_unread(id, &fault);
                    return Ok(None);
                }
            }
        }
    }

    /// Returns an error, because the upstream server no longer accepts the token of the client `id`, unless an update that is
    /// not finished knows a newer one.
    async fn is_gone(&self, id: &ClientId) -> Result<(), RegisterError> {
        let update = self.store.upstream_calls.update_of(id).await?;
        update.map(drop).ok_or_else(|| FrontError::Gone.into())
    }

    /// Returns the client `id`. If it was deleted in the meantime, that is a conflict.
    pub(super) async fn find(&self, id: &ClientId) -> Result<Stored, StoreError> {
        let found = self.store.clients.find(id).await?;
        found.ok_or(StoreError::Conflict)
    }

    /// Stores the credentials of the client `id` that the upstream server has returned.
    pub(super) async fn keep_credentials(
        &self,
        id: &ClientId,
        registration: &UpstreamAnswer,
    ) -> Result<Stored, RegisterError> {
        loop {
            let stored = self.find(id).await?;
            let key = &self.store.sealing_keys;
            let Some(client) = adopt::with_credentials(key, stored.client(), registration)? else {
                return Ok(stored);
            };
            match self
                .store
                .clients
                .replace(&stored, &client, Change::default())
                .await
            {
                Err(StoreError::Conflict) => (),
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(self.find(id).await?),
            }
        }
    }
}

fn report_unread(id: &ClientId, fault: &UpstreamFault) {
    let (client_id, cause) = (id.as_str(), fault.to_string());
    tracing::warn!(
        client_id,
        cause,
        "cannot read the client at the upstream server"
    );
}

//! What scripts reserve for a client with `kv::reserve`. It is counted together with the client, so a rejected request
//! counts nothing.

use crate::registration::RegisterError;
use crate::script::Reservation;
use crate::service::{Context, key_values};
use crate::store::{Change, KeyValueError, StoreError};

/// Returns the change that counts everything that is `reserved`.
///
/// # Errors
/// When another request has used the last of it.
pub(super) async fn change(
    cx: &Context<'_>,
    reserved: &[Reservation],
) -> Result<Change, RegisterError> {
    let mut change = Change::default();
    for one in reserved {
        change = change.and(one_use(cx, one).await?);
    }
    Ok(change)
}

async fn one_use(cx: &Context<'_>, one: &Reservation) -> Result<Change, RegisterError> {
    let (service, now) = (cx.service, cx.service.clock.now());
    let limits = key_values(&service.settings.scripts.limits);
    let values = service.store.key_values.of(&one.script, limits);
    match values.one_use(&one.key, one.most, now).await {
        Ok(Some(Ok(change))) => Ok(change),
        Ok(Some(Err(expires_at))) => {
            tracing::info!(
                script = one.script,
                "another request has used what the script reserved"
            );
            let retry_after = expires_at.unix().saturating_sub(now.unix()).max(1);
            Err(RegisterError::NothingLeft { retry_after })
        }
        // The counter has expired since it was reserved.
        Ok(None) => Err(RegisterError::NothingLeft { retry_after: 1 }),
        Err(KeyValueError::Store(error)) => Err(error.into()),
        Err(error) => Err(StoreError::Unavailable(error.to_string()).into()),
    }
}

//! Reads the secrets of scripts again when their files change.

use std::sync::Arc;

use crate::server::reload::Reloader;
use crate::service::{published_keys, reloads::Reloadable};
use crate::telemetry::Reloaded;

impl Reloader {
    /// Reads the secrets of scripts again. They apply to the next call of a script.
    pub(super) async fn secrets(&self) {
        if self.service.settings.scripts.secrets.is_empty() {
            return;
        }
        let snapshot = self.service.snapshot();
        let runtime = Arc::clone(snapshot.scripts.runtime());
        let failure = match tokio::task::spawn_blocking(move || runtime.read_secrets_again()).await
        {
            Ok(Ok(changed)) => {
                let keys = published_keys::public_keys(&snapshot.scripts.runtime().secrets());
                self.service.jwks.store(Arc::new(keys));
                for name in changed {
                    tracing::info!(name, "script secret reloaded");
                }
                None
            }
            Ok(Err(fault)) => Some(fault.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(cause) = &failure {
            tracing::error!(
                cause,
                "script secret reload failed; keeping the previous secrets"
            );
        }
        self.count(Reloaded::Secrets, failure.is_none());
        self.service.reloads.note(Reloadable::Secrets, failure);
    }
}

//! Notifies scripts of what has happened to a client.

use std::sync::Arc;

use crate::client::Metadata;
use crate::script::{Facts, Hook, HookError, ScriptSet};

/// A script that could not be notified.
#[derive(Debug)]
pub(crate) struct NotNotified {
    /// Its file name.
    pub(crate) script: String,
    /// Why.
    pub(crate) error: HookError,
}

impl ScriptSet {
    /// Calls `hook` of every script that has it, in order, beginning with the script named `from`, if it is still
    /// there. What the scripts return is ignored.
    ///
    /// # Errors
    /// When a script fails or cannot be called. The scripts after it are not called.
    pub(crate) async fn notify(
        self: &Arc<Self>,
        hook: Hook,
        facts: Arc<Facts>,
        client: &Metadata,
        from: Option<&str>,
    ) -> Result<(), NotNotified> {
        let first = from.and_then(|name| self.position(name));
        for index in first.unwrap_or_default()..self.len() {
            let called = self.tell_one(index, hook, &facts, client).await;
            if let Err(error @ (HookError::Fault(_) | HookError::Busy)) = called {
                let script = self.name_at(index).unwrap_or_default().to_owned();
                return Err(NotNotified { script, error });
            }
        }
        Ok(())
    }
}

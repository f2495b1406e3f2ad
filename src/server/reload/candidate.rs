//! Loads the candidate: scripts beside the ones in force.

use std::sync::Arc;

use crate::config::ScriptSettings;
use crate::script::ScriptSet;
use crate::server::reload::{Reloader, note};
use crate::service::Candidate;

impl Reloader {
    /// Loads the candidate again. If that fails, there is none: an old candidate would be taken for the new one.
    pub(super) async fn load_candidate(&self) {
        let (candidate, failure) = match self.candidate().await {
            Ok(candidate) => (candidate, None),
            Err(cause) => {
                tracing::error!(
                    cause,
                    "the candidate cannot be loaded; there is none until it is corrected"
                );
                (None, Some(cause))
            }
        };
        note(&self.reloads.candidate, failure);
        let present = self.service.snapshot();
        if present.candidate.is_none() && candidate.is_none() {
            return;
        }
        if let Some(candidate) = &candidate {
            tracing::info!(revision = candidate.scripts.revision(), "candidate loaded");
        }
        self.put_in_force(present.with_candidate(candidate)).await;
    }

    /// Returns the candidate in its folder, if one is configured. An unchanged candidate keeps its counts.
    async fn candidate(&self) -> Result<Option<Arc<Candidate>>, String> {
        let settings = &self.service.settings.scripts;
        let Some(directory) = settings.candidate.clone() else {
            return Ok(None);
        };
        let present = self.service.snapshot();
        let runtime = match &present.candidate {
            Some(candidate) => Arc::clone(candidate.scripts.runtime()),
            None => present.scripts.runtime().beside(),
        };
        let settings = ScriptSettings {
            directory,
            ..settings.clone()
        };
        let loaded = tokio::task::spawn_blocking(move || ScriptSet::load(&settings, &runtime));
        let loaded = loaded.await.map_err(|error| error.to_string())?;
        let scripts = loaded.map_err(|errors| errors.to_string())?;
        match &present.candidate {
            Some(candidate) if candidate.scripts.revision() == scripts.revision() => {
                Ok(Some(Arc::clone(candidate)))
            }
            _ => Ok(Some(Arc::new(Candidate::new(Arc::new(scripts))))),
        }
    }
}

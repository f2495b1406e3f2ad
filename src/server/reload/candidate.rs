//! Loads the candidate: scripts beside the ones in force.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::ScriptSettings;
use crate::script::ScriptSet;
use crate::server::reload::Reloader;
use crate::server::reload::versions::{Compiler, without_mistakes};
use crate::service::{Candidate, reloads::Reloadable};

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
        self.service.reloads.note(Reloadable::Candidate, failure);
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
        let Some(directory) = self.service.settings.scripts.candidate.clone() else {
            return Ok(None);
        };
        let present = self.service.snapshot().candidate.clone();
        let scripts = self
            .compile_candidate(directory, present.as_deref())
            .await?;
        match present {
            Some(present) if present.scripts.revision() == scripts.revision() => Ok(Some(present)),
            _ => Ok(Some(Arc::new(Candidate::new(scripts)))),
        }
    }

    /// Compiles the scripts in `directory`, to be called beside the scripts in force, and rejects mistakes as in these.
    async fn compile_candidate(
        &self,
        directory: PathBuf,
        present: Option<&Candidate>,
    ) -> Result<Arc<ScriptSet>, String> {
        let runtime = match present {
            Some(candidate) => Arc::clone(candidate.scripts.runtime()),
            None => self.service.snapshot().scripts.runtime().beside(),
        };
        let world = self.world();
        let settings = ScriptSettings {
            directory,
            ..world.settings
        };
        let compiler = Compiler {
            settings: &settings,
            custom: &world.custom,
            runtime: &runtime,
        };
        without_mistakes(compiler.compile(None).await?)
    }
}

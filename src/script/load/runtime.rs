//! The state that all sets of scripts of one server share: the host, the clock, the secrets, the slots,
//! and the statistics.

use std::sync::Arc;

use serde_json::Value;

use crate::base::{Clock, Secret};
use crate::config::ScriptSettings;
use crate::script::{
    CallCounters, Host, NoHost, Permits, ScriptObserver, SecretError, Secrets, Threads,
};

/// The state that all sets of scripts of one server share. It outlives every reload, so that limits apply
/// across the previous and the current set.
pub(crate) struct Runtime {
    pub(in crate::script) settings: ScriptSettings,
    pub(in crate::script) clock: Arc<dyn Clock>,
    pub(in crate::script) host: Arc<dyn Host>,
    pub(in crate::script) secrets: Arc<Secrets>,
    pub(in crate::script) permits: Permits,
    pub(in crate::script) threads: Threads,
    pub(in crate::script) statistics: CallCounters,
    pub(in crate::script) observer: Option<Arc<ScriptObserver>>,
}

impl Runtime {
    /// Reads the secrets of `settings`, and creates the runtime.
    ///
    /// # Errors
    /// When a secret cannot be read or is invalid.
    pub(crate) fn new(
        settings: &ScriptSettings,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
    ) -> Result<Arc<Self>, SecretError> {
        let secrets = Arc::new(Secrets::read(&settings.secrets)?);
        Ok(Arc::new(Self::with(settings, clock, host, secrets, None)))
    }

    /// Creates the same with secrets that were read before, observed by `observer`.
    pub(in crate::script) fn with(
        settings: &ScriptSettings,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
        secrets: Arc<Secrets>,
        observer: Option<Arc<ScriptObserver>>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            clock,
            host,
            secrets,
            permits: Permits::new(&settings.limits),
            threads: Threads::default(),
            statistics: CallCounters::default(),
            observer,
        }
    }

    /// Creates a runtime for another set of scripts that is called beside the scripts of this one. It has limits and
    /// statistics of its own.
    pub(crate) fn beside(&self) -> Arc<Self> {
        self.beside_with(Arc::clone(&self.secrets))
    }

    /// Creates the same as [`beside`](Self::beside), with a made-up secret for each of `[scripts.secrets]`.
    pub(crate) fn with_made_up_secrets(&self) -> Arc<Self> {
        self.beside_with(Arc::new(self.secrets.made_up()))
    }

    fn beside_with(&self, secrets: Arc<Secrets>) -> Arc<Self> {
        let (clock, host) = (Arc::clone(&self.clock), Arc::clone(&self.host));
        Arc::new(Self::with(&self.settings, clock, host, secrets, None))
    }

    /// Replaces every secret of `[scripts.secrets]` in the texts of `value` by its name.
    pub(crate) fn redact(&self, value: &mut Value) {
        self.secrets.redact_value(value);
    }

    /// Creates a runtime without a host, for scripts that are loaded and not called.
    ///
    /// # Errors
    /// When a secret cannot be read or is invalid.
    pub(crate) fn without_host(
        settings: &ScriptSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, SecretError> {
        Self::new(settings, clock, Arc::new(NoHost))
    }

    /// Creates the same for a check on a machine that may lack the secrets: one that cannot be read has a placeholder.
    /// Returns also why.
    pub(crate) fn for_check(
        settings: &ScriptSettings,
        clock: Arc<dyn Clock>,
    ) -> (Arc<Self>, Option<SecretError>) {
        let (secrets, error) = match Secrets::read(&settings.secrets) {
            Ok(secrets) => (secrets, None),
            Err(error) => (Secrets::placeholders(settings.secrets.keys()), Some(error)),
        };
        let runtime = Self::with(settings, clock, Arc::new(NoHost), Arc::new(secrets), None);
        (Arc::new(runtime), error)
    }

    /// Reads the secrets of `[scripts.secrets]` again, for all sets of scripts. Returns the names of those that have
    /// changed.
    ///
    /// # Errors
    /// When one of them cannot be read or is invalid. Then all of them stay as they are.
    pub(crate) fn read_secrets_again(&self) -> Result<Vec<String>, SecretError> {
        self.secrets.read_again(&self.settings.secrets)
    }

    /// Returns the secrets of `[scripts.secrets]`, which include signing keys.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.secrets.all()
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

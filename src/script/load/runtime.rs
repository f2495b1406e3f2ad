//! The state that all sets of scripts of one server share: the host, the clock, the secrets, the slots, the
//! statistics, and the queue of notifications.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::{Clock, Secret};
use crate::config::ScriptSettings;
use crate::script::{
    CallCounters, Host, NoHost, Notifications, Permits, ScriptObserver, SecretError, Secrets,
    Threads,
};

/// The state that all sets of scripts of one server share. It outlives every reload, so that limits apply
/// across the previous and the current set.
pub struct Runtime {
    pub(in crate::script) settings: ScriptSettings,
    pub(in crate::script) clock: Arc<dyn Clock>,
    pub(in crate::script) host: Arc<dyn Host>,
    pub(in crate::script) secrets: Arc<Secrets>,
    pub(in crate::script) permits: Permits,
    pub(in crate::script) threads: Threads,
    pub(in crate::script) statistics: CallCounters,
    pub(in crate::script) notifications: Notifications,
    pub(in crate::script) observer: Option<Arc<ScriptObserver>>,
}

impl Runtime {
    /// Reads the secrets of `settings`, and creates the runtime.
    ///
    /// # Errors
    /// When a secret cannot be read or is invalid.
    pub fn new(
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
            notifications: Notifications::new(settings.limits.waiting_notifications),
            observer,
        }
    }

    /// Creates a runtime without a host, for scripts that are loaded and not called.
    ///
    /// # Errors
    /// When a secret cannot be read or is invalid.
    pub fn without_host(
        settings: &ScriptSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, SecretError> {
        Self::new(settings, clock, Arc::new(NoHost))
    }

    /// Delivers notifications to scripts until `finish`. Then it delivers the queued notifications without
    /// pauses, for at most `patience`. One task runs this.
    pub fn notify(
        self: &Arc<Self>,
        finish: CancellationToken,
        patience: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let runtime = Arc::clone(self);
        async move { runtime.notifications.work(finish, patience).await }
    }

    /// Returns the secrets of `[scripts.secrets]`, which include signing keys.
    pub fn secrets(&self) -> Vec<Secret> {
        self.secrets.all()
    }

    /// Returns the number of events that are queued or being delivered.
    pub fn notifications_waiting(&self) -> u64 {
        self.notifications.waiting()
    }

    /// Returns the number of lost notifications: the queue was full, the server stopped, or a hook failed
    /// at its last retry.
    pub fn notifications_lost(&self) -> u64 {
        self.notifications.lost()
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

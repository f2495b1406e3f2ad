//! What all sets of scripts of one server share: the outside, the clock, the secrets, the places
//! to run in, the statistics, and what waits to be told.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::after::Notifications;
use super::host::{Host, NoHost};
use super::observer::Observer;
use super::secrets::{SecretError, Secrets};
use super::statistics::Statistics;
use super::threads::Threads;
use super::turn::Turns;
use crate::clock::Clock;
use crate::config::ScriptSettings;
use crate::secret::Secret;

/// What all sets of scripts of one server share. It outlives every reload, so that bounds hold
/// over the sets before and after.
pub struct Runtime {
    pub(super) settings: ScriptSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) host: Arc<dyn Host>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) turns: Turns,
    pub(super) threads: Threads,
    pub(super) statistics: Statistics,
    pub(super) notifications: Notifications,
    pub(super) observer: Option<Arc<Observer>>,
}

impl Runtime {
    /// Reads the secrets of `settings`.
    ///
    /// # Errors
    /// When a secret is not there.
    pub fn new(
        settings: &ScriptSettings,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
    ) -> Result<Arc<Self>, SecretError> {
        let secrets = Arc::new(Secrets::read(&settings.secrets)?);
        Ok(Arc::new(Self::with(settings, clock, host, secrets, None)))
    }

    /// The same with secrets that were read before, and watched by `observer`.
    pub(super) fn with(
        settings: &ScriptSettings,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
        secrets: Arc<Secrets>,
        observer: Option<Arc<Observer>>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            clock,
            host,
            secrets,
            turns: Turns::new(&settings.limits),
            threads: Threads::default(),
            statistics: Statistics::default(),
            notifications: Notifications::new(settings.limits.waiting_notifications),
            observer,
        }
    }

    /// A runtime for scripts that are loaded and not asked: they reach nothing.
    ///
    /// # Errors
    /// When a secret is not there.
    pub fn without_host(settings: &ScriptSettings, clock: Arc<dyn Clock>) -> Result<Arc<Self>, SecretError> {
        Self::new(settings, clock, Arc::new(NoHost))
    }

    /// Tells scripts what happened, until `finish`; what waits then is told without a pause, for
    /// as long as `patience`. One task runs this.
    pub fn notify(
        self: &Arc<Self>,
        finish: CancellationToken,
        patience: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let runtime = Arc::clone(self);
        async move { runtime.notifications.work(finish, patience).await }
    }

    /// The secrets of `[scripts.secrets]`: what the server signs with is among them.
    pub fn secrets(&self) -> Vec<Secret> {
        self.secrets.all()
    }

    /// Events that wait to be told, or are being told.
    pub fn notifications_waiting(&self) -> u64 {
        self.notifications.waiting()
    }

    /// Events that were not told because too many waited, or the server stopped, and hooks that
    /// were given up after their last try.
    pub fn notifications_lost(&self) -> u64 {
        self.notifications.lost()
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("settings", &self.settings).finish_non_exhaustive()
    }
}

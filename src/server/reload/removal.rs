//! A script file that disappears for a moment, as while a folder is copied, must not open the gate: scripts in which
//! one that is in force is missing come into force only when it has been missing for `scripts.removalQuietMs`.

use std::time::Duration;

use tokio::time::Instant;

use crate::script::ScriptSet;
use crate::server::reload::{Reloader, versions::WantedScripts};

/// Scripts in force that are missing in the folder.
pub(super) struct Removal {
    scripts: Vec<String>,
    /// When the scripts without them may come into force.
    due: Instant,
}

impl Reloader {
    /// Returns why `wanted` must not come into force yet, if so. What an administrator pins or unpins comes into
    /// force at once.
    pub(super) fn awaits_removal(&mut self, wanted: &WantedScripts) -> Option<String> {
        let present = self.service.snapshot();
        let missing = if wanted.pin.is_none() && present.pin.is_none() {
            missing(&present.scripts, &wanted.scripts)
        } else {
            Vec::new()
        };
        let quiet = self.service.settings.scripts.removal_quiet_ms;
        let known = self.removal.take().filter(|known| known.scripts == missing);
        if missing.is_empty() {
            return None;
        }
        let names = missing.join(", ");
        let removal = known.unwrap_or_else(|| {
            tracing::warn!(
                scripts = names,
                "scripts in force are missing in the script folder; keeping the previous scripts until they have \
                 been missing for {quiet} ms (scripts.removalQuietMs)"
            );
            Removal {
                scripts: missing,
                due: Instant::now() + Duration::from_millis(quiet),
            }
        });
        if removal.due <= Instant::now() {
            tracing::warn!(scripts = names, "scripts removed; they no longer decide");
            return None;
        }
        self.removal = Some(removal);
        Some(format!(
            "{names}: missing in the script folder; the previous scripts stay in force until it has been missing \
             for {quiet} ms (scripts.removalQuietMs)"
        ))
    }
}

/// Returns the names of the scripts of `present` that `next` does not have.
fn missing(present: &ScriptSet, next: &ScriptSet) -> Vec<String> {
    let mut missing = Vec::new();
    for script in present.scripts() {
        if !next.scripts().iter().any(|other| other.name == script.name) {
            missing.push(script.name.clone());
        }
    }
    missing
}

/// Waits until the scripts without the missing ones may come into force; forever if none is missing.
pub(super) async fn is_over(removal: Option<&Removal>) {
    match removal {
        Some(removal) => tokio::time::sleep_until(removal.due).await,
        None => std::future::pending().await,
    }
}

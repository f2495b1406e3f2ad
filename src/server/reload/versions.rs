//! Which scripts are in force: the pinned version of the store, or else the script folder. Every set that comes into
//! force is kept as a version.

use std::sync::Arc;

use serde_json::json;

use crate::config::ScriptSettings;
use crate::live::{ChangeRequest, Operations, PatchError};
use crate::script::{LoadErrors, Runtime, ScriptSet, testing, testing::WorldSettings};
use crate::server::reload::Reloader;
use crate::service::script_orders::QueuedOrder;
use crate::service::{ScriptOrder, ScriptOrderError, ScriptsInForce, reloads::Reloadable};
use crate::store::{Action, Author, Pin, ScriptFiles, Store, VersionError, VersionSource};

/// Scripts that can be in force, with the pin that puts them in force, if any.
pub(crate) struct WantedScripts {
    pub(crate) scripts: Arc<ScriptSet>,
    pub(crate) pin: Option<Pin>,
}

/// Loads the scripts that should be in force.
///
/// # Errors
/// Why they cannot be loaded. A pinned version that cannot be loaded does not give way to the folder: it was pinned
/// because the folder has the wrong scripts.
pub(crate) async fn load_wanted(
    store: &Store,
    settings: &ScriptSettings,
    custom: &[String],
    runtime: &Arc<Runtime>,
) -> Result<WantedScripts, String> {
    let pin = if settings.ignore_pin {
        None
    } else {
        let pin = store.script_versions.pin().await;
        pin.map_err(|error| format!("cannot read which version is pinned: {error}"))?
    };
    let compiler = Compiler {
        settings,
        custom,
        runtime,
    };
    let scripts = match &pin {
        None => compiler.compile(None).await?,
        Some(pin) => load_pinned(store, compiler, &pin.version).await?,
    };
    Ok(WantedScripts { scripts, pin })
}

async fn load_pinned(
    store: &Store,
    compiler: Compiler<'_>,
    version: &str,
) -> Result<Arc<ScriptSet>, String> {
    let loaded = match store.script_versions.files(version).await {
        Ok(Some(files)) => compiler.compile(Some(files)).await,
        Ok(None) => Err("the store does not have it".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    loaded.map_err(|cause| {
        format!(
            "version {version} of the scripts is pinned and cannot be loaded: {cause}\nunpin it on another server \
             (registrar script unpin), or set scripts.ignorePin to start with the script folder"
        )
    })
}

/// What scripts are compiled with.
#[derive(Clone, Copy)]
pub(super) struct Compiler<'a> {
    pub(super) settings: &'a ScriptSettings,
    /// The names of custom members of clients.
    pub(super) custom: &'a [String],
    pub(super) runtime: &'a Arc<Runtime>,
}

impl Compiler<'_> {
    /// Compiles `files`, or the script folder, and finds their mistakes.
    pub(super) async fn compile(
        self,
        files: Option<ScriptFiles>,
    ) -> Result<Arc<ScriptSet>, String> {
        let (settings, custom) = (self.settings.clone(), self.custom.to_vec());
        let runtime = Arc::clone(self.runtime);
        let compiled = tokio::task::spawn_blocking(move || {
            let mut scripts = match files {
                Some(files) => ScriptSet::of_files(files, &settings, &runtime)?,
                None => ScriptSet::load(&settings, &runtime)?,
            };
            scripts.check(&custom);
            Ok::<_, LoadErrors>(scripts)
        });
        match compiled.await {
            Ok(Ok(scripts)) => Ok(Arc::new(scripts)),
            Ok(Err(errors)) => Err(errors.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Rejects scripts that have mistakes.
pub(super) fn without_mistakes(scripts: Arc<ScriptSet>) -> Result<Arc<ScriptSet>, String> {
    match scripts.mistakes() {
        None => Ok(scripts),
        Some(mistakes) => Err(mistakes.to_string()),
    }
}

/// Keeps `scripts`, which come into force now, as a version. A version that cannot be kept is still in force.
pub(crate) async fn keep(
    store: &Store,
    scripts: &ScriptSet,
    source: VersionSource,
) -> Result<(), VersionError> {
    let versions = &store.script_versions;
    let (version, files) = (scripts.revision(), scripts.files());
    versions
        .keep(version, &files, source, scripts.since())
        .await
}

/// As [`keep`] for the script folder. A failure is logged.
pub(crate) async fn keep_folder(store: &Store, scripts: &ScriptSet) {
    if let Err(error) = keep(store, scripts, VersionSource::Folder).await {
        tracing::warn!(
            %error,
            version = scripts.revision(),
            "these scripts are not kept as a version; they cannot be rolled back to"
        );
    }
}

impl Reloader {
    /// Loads the scripts that should be in force. A folder with mistakes is rejected, and if that is configured
    /// also one whose tests fail. A pinned version is not: it was in force or was checked when it was pushed.
    pub(super) async fn load_wanted(&self) -> Result<WantedScripts, String> {
        let present = self.service.snapshot();
        let (store, world) = (&self.service.store, self.world());
        let runtime = present.scripts.runtime();
        let wanted = load_wanted(store, &world.settings, &world.custom, runtime).await?;
        if wanted.pin.is_some() {
            return Ok(wanted);
        }
        let scripts = without_mistakes(wanted.scripts)?;
        let is_new = present.scripts.revision() != scripts.revision();
        if is_new && world.settings.tests_before_reload {
            testing::pass(world).await?;
        }
        Ok(WantedScripts { scripts, pin: None })
    }

    /// Returns what scripts are compiled and tested with.
    pub(super) fn world(&self) -> WorldSettings {
        let live = &self.service.snapshot().live;
        WorldSettings {
            settings: self.service.settings.scripts.clone(),
            custom: live
                .registration
                .dynamic_registration_custom_attributes
                .clone(),
        }
    }

    /// Adopts a pin that another server may have set or removed.
    pub(super) async fn adopt_pin(&mut self) {
        if self.service.settings.scripts.ignore_pin {
            return;
        }
        match self.service.store.script_versions.pin().await {
            Ok(pin) if pin == self.service.snapshot().pin => {}
            Ok(_) => self.scripts().await,
            Err(error) => {
                tracing::error!(%error, "cannot read which version of the scripts is pinned");
            }
        }
    }

    /// Carries out an order and answers it.
    pub(super) async fn order(&mut self, queued: QueuedOrder) {
        let (order, author, answer) = queued.split();
        let outcome = self.carry_out(order, &author).await;
        if let Err(error) = &outcome {
            tracing::info!(%error, "order for the scripts rejected");
        }
        answer.send(outcome);
    }

    async fn carry_out(
        &mut self,
        order: ScriptOrder,
        author: &Author,
    ) -> Result<ScriptsInForce, ScriptOrderError> {
        match order {
            ScriptOrder::Pin(version) => {
                let files = self.service.store.script_versions.files(&version).await?;
                let files = files.ok_or(VersionError::Unknown)?;
                self.check(files).await?;
                self.pin(version, author).await?;
            }
            ScriptOrder::Push {
                files,
                is_empty_meant,
            } => self.push(files, is_empty_meant, author).await?,
            ScriptOrder::Promote => self.promote(author).await?,
            ScriptOrder::Unpin => self.unpin(author).await?,
            ScriptOrder::EndCanary => return self.end_canary(author).await,
        }
        self.put_wanted_in_force().await
    }

    /// Sets the share of requests that the candidate decides to 0, on all servers.
    async fn end_canary(&mut self, author: &Author) -> Result<ScriptsInForce, ScriptOrderError> {
        let path = "/registration/scriptsCanary";
        let operation = json!([{"op": "add", "path": path, "value": 0.0}]);
        let operations = Operations::parse(operation.to_string().as_bytes());
        let invalid = |error: PatchError| ScriptOrderError::Invalid(error.to_string());
        let change = ChangeRequest::unanswered(operations.map_err(invalid)?, author.clone());
        self.change(change).await;
        Ok(self.in_force())
    }

    /// Keeps `files` as a version, and pins it.
    async fn push(
        &self,
        files: ScriptFiles,
        is_empty_meant: bool,
        author: &Author,
    ) -> Result<(), ScriptOrderError> {
        let scripts = self.check(files).await?;
        let scripts = without_mistakes(scripts).map_err(ScriptOrderError::Invalid)?;
        if scripts.scripts().is_empty() && !is_empty_meant {
            return Err(ScriptOrderError::Empty);
        }
        keep(&self.service.store, &scripts, VersionSource::Push).await?;
        self.pin(scripts.revision().to_owned(), author).await
    }

    /// Pins the candidate.
    async fn promote(&self, author: &Author) -> Result<(), ScriptOrderError> {
        let Some(candidate) = self.service.snapshot().candidate.clone() else {
            return Err(ScriptOrderError::NoCandidate);
        };
        let scripts = &candidate.scripts;
        if scripts.scripts().is_empty() {
            return Err(ScriptOrderError::Empty);
        }
        self.check(scripts.files()).await?;
        let store = &self.service.store;
        keep(store, scripts, VersionSource::Candidate).await?;
        self.pin(scripts.revision().to_owned(), author).await
    }

    /// Compiles `files`, without putting them in force.
    async fn check(&self, files: ScriptFiles) -> Result<Arc<ScriptSet>, ScriptOrderError> {
        let (present, world) = (self.service.snapshot(), self.world());
        let compiler = Compiler {
            settings: &world.settings,
            custom: &world.custom,
            runtime: present.scripts.runtime(),
        };
        let scripts = compiler.compile(Some(files)).await;
        scripts.map_err(ScriptOrderError::Invalid)
    }

    async fn pin(&self, version: String, author: &Author) -> Result<(), ScriptOrderError> {
        let now = self.service.clock.now();
        let event = author.did(Action::ScriptsPinned, version.as_str(), now);
        let pin = Pin {
            version,
            since: now,
            by: author.actor.clone(),
        };
        let versions = &self.service.store.script_versions;
        versions.set_pin(&pin, event.change()?).await?;
        tracing::info!(version = pin.version, "version of the scripts pinned");
        Ok(())
    }

    async fn unpin(&self, author: &Author) -> Result<(), ScriptOrderError> {
        let versions = &self.service.store.script_versions;
        let Some(pin) = versions.pin().await? else {
            return Ok(());
        };
        let now = self.service.clock.now();
        let event = author.did(Action::ScriptsUnpinned, pin.version.as_str(), now);
        versions.remove_pin(event.change()?).await?;
        tracing::info!(version = pin.version, "version of the scripts unpinned");
        Ok(())
    }

    /// Puts the scripts in force that should be.
    async fn put_wanted_in_force(&mut self) -> Result<ScriptsInForce, ScriptOrderError> {
        self.scripts().await;
        if let Some(cause) = self.service.reloads.failure(Reloadable::Scripts) {
            return Err(ScriptOrderError::Invalid(cause));
        }
        Ok(self.in_force())
    }

    fn in_force(&self) -> ScriptsInForce {
        let snapshot = self.service.snapshot();
        ScriptsInForce {
            version: snapshot.scripts.revision().to_owned(),
            pin: snapshot.pin.clone(),
        }
    }
}

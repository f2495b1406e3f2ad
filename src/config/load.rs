//! Where a configuration comes from, its layers, and the loaded configuration. The layers are the defaults,
//! the file, the patch, the environment and the flags; later layers override earlier ones. Loading reports all
//! errors at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{
    ConfigErrors, DEFAULTS, File, Live, Patch, Setting, Settings, merged::MergedLayers, setting,
    tree, upstream, variables,
};

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration that an embedding program uses instead of the defaults.
    pub embedded: Option<Box<Configuration>>,
    /// The configuration file. `None`: only the defaults.
    pub file: Option<PathBuf>,
    /// Live options that were changed while the server ran.
    pub patch: Patch,
    /// Environment variables. Only variables that begin with `REGISTRAR_` and contain `__` set options.
    pub environment: Vec<(String, String)>,
    /// Values of flags by option key, such as `server.listen` and `127.0.0.1:0`.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// Returns the same sources. If there are none, `configuration` becomes the source, so that a program
    /// that built its own configuration keeps it when the configuration is reloaded.
    #[must_use]
    pub(crate) fn or_embedded(self, configuration: &Configuration) -> Self {
        let is_none = self.embedded.is_none()
            && self.file.is_none()
            && self.environment.is_empty()
            && self.overrides.is_empty();
        let embedded = is_none.then(|| Box::new(configuration.clone()));
        Self {
            embedded: self.embedded.or(embedded),
            ..self
        }
    }
}

/// The source of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The default.
    Default,
    /// The configuration file.
    File,
    /// A change made while the server was running.
    Patch,
    /// An environment variable.
    Environment,
    /// A flag, or the program that embeds the server.
    Flag,
}

/// The origins of values by key. A key that is missing has its default.
pub type Origins = BTreeMap<String, Origin>;

/// Returns the origin of every option, including options with their default.
pub(crate) fn all_origins(known: &Origins) -> Origins {
    let mut all = Origins::new();
    for key in tree::leaves(&DEFAULTS) {
        all.insert(key, Origin::Default);
    }
    for (key, origin) in known {
        all.insert(key.clone(), *origin);
    }
    all
}

/// A valid configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The part that needs a restart to change.
    pub settings: Settings,
    /// The part that can change while the server runs.
    pub live: Live,
    /// The live part without patch, environment and flags.
    pub base: Box<Live>,
    /// The origin of each value that is not the default.
    pub origins: Origins,
    /// Warnings about values that are allowed but probably mistakes.
    pub warnings: Vec<String>,
}

impl Configuration {
    /// Returns advice for an operator who runs a server with this configuration, in addition to its
    /// warnings.
    pub(crate) fn advice(&self) -> Option<String> {
        upstream::advice(&self.settings, &self.live)
    }
}

/// Prefix of the environment variables that set options.
pub(super) const PREFIX: &str = "REGISTRAR_";

/// Loads the configuration.
///
/// # Errors
/// Returns all errors in the configuration.
pub fn load(sources: &Sources) -> Result<Configuration, ConfigErrors> {
    Layers::read(sources).configuration(&sources.patch)
}

/// Returns the part of the configuration that needs a restart, without the values that are wrong, and what is wrong.
/// For a command that only has to find the server, which keeps running when its file gets mistakes.
pub(crate) fn settings_despite_errors(sources: &Sources) -> (Settings, Option<ConfigErrors>) {
    let merged = Layers::read(sources).merged(&sources.patch);
    let settings = merged.settings().clone();
    let live = merged.live.clone();
    (settings, merged.finish(live).err())
}

/// The layers below and above the patch. They are read once, and the patch between them can be replaced.
pub(crate) struct Layers {
    /// The defaults and the file.
    base: MergedLayers,
    environment: Vec<(String, String)>,
    variables: Vec<Setting>,
    flags: Vec<Setting>,
}

impl Layers {
    /// Reads the layers of `sources`, except the patch. [`configuration`](Self::configuration) reports what is
    /// wrong with them.
    pub(crate) fn read(sources: &Sources) -> Self {
        let embedded = sources.embedded.as_deref();
        let mut base = embedded.map_or_else(MergedLayers::default, MergedLayers::on);
        match sources.file.as_deref().map(File::read) {
            Some(Ok(file)) => {
                let values = setting::of_file(&file);
                base.file = Some(Arc::new(file));
                base.add(&values);
            }
            Some(Err(error)) => base.errors.push(error),
            None => {}
        }
        Self {
            base,
            environment: sources.environment.clone(),
            variables: setting::of_environment(&sources.environment),
            flags: setting::of_flags(&sources.overrides),
        }
    }

    /// Returns the configuration with `patch`. Nothing is read again.
    ///
    /// # Errors
    /// Returns all errors in all layers.
    pub(crate) fn configuration(&self, patch: &Patch) -> Result<Configuration, ConfigErrors> {
        let merged = self.merged(patch);
        let mut configuration = merged.finish(self.base.live.clone())?;
        let strays = variables::strays(&self.environment, &configuration.settings.scripts);
        configuration.warnings.extend(strays);
        Ok(configuration)
    }

    fn merged(&self, patch: &Patch) -> MergedLayers {
        let mut merged = self.base.clone();
        merged.add(&setting::of_patch(patch));
        merged.add(&self.variables);
        merged.add(&self.flags);
        merged
    }
}

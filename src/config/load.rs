//! Layers: the defaults, then the file, then what was patched, then the environment, then flags.
//! Everything that is wrong is found in one go.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::File;
use super::patch::Patch;
use super::reader::Reader;
use super::{ConfigErrors, Live, Settings, tree, variables};

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What an embedding program starts with, in the place of the defaults.
    pub embedded: Option<Box<Configuration>>,
    /// The file; none: the defaults alone.
    pub file: Option<PathBuf>,
    /// Live options that were changed while the server ran.
    pub patch: Patch,
    /// Environment variables; those that begin with `REGISTRAR_` and have a `__` count.
    pub environment: Vec<(String, String)>,
    /// Keys with their values, as in `server.listen` and `127.0.0.1:0`.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The same sources; when they are none at all, `configuration` itself is one, so that a
    /// program which made it in its own way keeps it when it is read again.
    #[must_use]
    pub fn or_embedded(self, configuration: &Configuration) -> Self {
        let is_none = self.embedded.is_none()
            && self.file.is_none()
            && self.environment.is_empty()
            && self.overrides.is_empty();
        let embedded = is_none.then(|| Box::new(configuration.clone()));
        Self { embedded: self.embedded.or(embedded), ..self }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It is the default.
    Default,
    /// The file.
    File,
    /// A change while the server ran.
    Patch,
    /// An environment variable.
    Environment,
    /// A flag, or the program that embeds the server.
    Flag,
}

/// Where values came from, by their keys; those that are not here are defaults.
pub type Origins = BTreeMap<String, Origin>;

/// The origin of every option, the defaults too.
pub fn all_origins(known: &Origins) -> Origins {
    let options = [serde_json::to_value(Settings::default()), serde_json::to_value(Live::default())];
    let options = options.into_iter().flatten().filter_map(|value| match value {
        Value::Object(members) => Some(members),
        _ => None,
    });
    let leaves = options.flat_map(|options: Map<String, Value>| tree::leaves(&options, ""));
    let mut all: Origins = leaves.map(|key| (key, Origin::Default)).collect();
    all.extend(known.iter().map(|(key, origin)| (key.clone(), *origin)));
    all
}

/// A configuration that is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// What needs a restart.
    pub settings: Settings,
    /// What does not.
    pub live: Live,
    /// What the live part would be with no patch, environment or flag.
    pub base: Box<Live>,
    /// Where each value came from that is not the default.
    pub origins: Origins,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

impl Configuration {
    /// What an operator should know who serves with it, beside its warnings.
    pub fn advice(&self) -> Option<String> {
        super::upstream::advice(&self.settings, &self.live)
    }
}

/// How the environment variables of options begin.
pub(super) const PREFIX: &str = "REGISTRAR_";

/// Reads the configuration.
///
/// # Errors
/// All that is wrong with it.
pub fn load(sources: &Sources) -> Result<Configuration, ConfigErrors> {
    let mut reader = sources.embedded.as_ref().map_or_else(Reader::new, |first| Reader::on(first));
    if let Some(path) = &sources.file {
        match File::read(path) {
            Ok(file) => reader.file(&file),
            Err(error) => reader.errors.push(error),
        }
    }
    reader.patch(&sources.patch);
    for (name, text) in &sources.environment {
        if let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) {
            reader.variable(name, rest, text);
        }
    }
    for (key, text) in &sources.overrides {
        reader.flag(key, text);
    }
    let mut configuration = reader.finish()?;
    let strays = variables::strays(&sources.environment, &configuration.settings.scripts);
    configuration.warnings.extend(strays);
    Ok(configuration)
}

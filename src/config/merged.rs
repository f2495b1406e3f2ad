//! Merges layers into one configuration. The type that holds a value checks it, so there is no second list
//! of options. The origin of each value is recorded, and so is what set it, for messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::base::typed;
use crate::config::{
    ConfigError, ConfigErrors, Configuration, DEFAULTS, File, Live, Origins, Setting, Settings,
    ValueSource, check, patch::is_live_section, tree::lookup, tree::members, tree::put,
};

/// Maximum length in bytes of a default in an error message; config/registrar.toml shows longer ones.
const LONGEST_HINT: usize = 200;

/// The layers so far, as one configuration.
#[derive(Clone, Default)]
pub(super) struct MergedLayers {
    /// The file, which has the locations of its values.
    pub(super) file: Option<Arc<File>>,
    /// The values that are not the default.
    values: Map<String, Value>,
    settings: Settings,
    pub(super) live: Live,
    origins: Origins,
    set_by: BTreeMap<String, ValueSource>,
    pub(super) errors: Vec<ConfigError>,
}

impl MergedLayers {
    /// Returns a base for layers on top of `first`.
    pub(super) fn on(first: &Configuration) -> Self {
        let mut values = members(&first.settings);
        values.extend(first.live.exposed());
        Self {
            values,
            settings: first.settings.clone(),
            live: first.live.clone(),
            origins: first.origins.clone(),
            ..Self::default()
        }
    }

    /// Adds a layer. Its wrong values are recorded as errors and left out.
    pub(super) fn add(&mut self, layer: &[Setting]) {
        if layer.is_empty() {
            return;
        }
        let mut errors = BTreeMap::new();
        for (at, setting) in layer.iter().enumerate() {
            if let Some(reason) = setting.misplaced() {
                errors.insert(at, self.error(setting, setting.key.clone(), reason));
            }
        }
        // Each attempt finds at most one wrong value, and the next attempt leaves it out.
        while let Err(error) = self.set(layer, &errors) {
            let Some((at, setting)) = culprit(layer, &errors, error.path()) else {
                // The configuration of an embedding program is wrong, not this layer.
                self.errors.push(ConfigError {
                    place: String::new(),
                    key: String::new(),
                    reason: error.to_string(),
                });
                break;
            };
            errors.insert(at, self.type_error(setting, &error));
        }
        self.errors.extend(errors.into_values());
    }

    /// Sets the values of `layer` that are not in `errors`, all of them or none.
    fn set(
        &mut self,
        layer: &[Setting],
        errors: &BTreeMap<usize, ConfigError>,
    ) -> Result<(), TypeError> {
        let mut valid = Vec::new();
        let mut values = self.values.clone();
        for (at, setting) in layer.iter().enumerate() {
            if !errors.contains_key(&at) {
                put(&mut values, &setting.key, setting.value.clone());
                valid.push(setting);
            }
        }
        (self.settings, self.live) = parts(&values)?;
        self.values = values;
        for setting in valid {
            let key = &setting.key;
            self.origins.insert(key.clone(), setting.set_by.origin());
            self.set_by.insert(key.clone(), setting.set_by.clone());
        }
        Ok(())
    }

    /// Returns an error in `setting`. `key` is its key, or a part of its value.
    fn error(&self, setting: &Setting, key: String, reason: String) -> ConfigError {
        ConfigError {
            place: self.location(&setting.set_by, &key),
            key,
            reason,
        }
    }

    /// Returns an error in the type of the value of `setting`, with the default of the option. An entry of a
    /// list of tables has a location of its own.
    fn type_error(&self, setting: &Setting, error: &TypeError) -> ConfigError {
        let default = lookup(&DEFAULTS, &setting.key);
        let is_entry = matches!(default, Some(Value::Array(_)))
            && matches!(&setting.value, Value::Array(items) if items.iter().any(Value::is_object));
        let depth = setting.key.split('.').count();
        let key = match error.path().iter().nth(depth) {
            Some(Segment::Seq { index }) if is_entry => format!("{}[{index}]", setting.key),
            _ => setting.key.clone(),
        };
        let mut reason = told(error, depth + usize::from(is_entry));
        if let Some(default) = default.filter(|value| !value.is_null()) {
            let hint = format!("; the default is {default}");
            if hint.len() <= LONGEST_HINT {
                reason.push_str(&hint);
            }
        }
        self.error(setting, key, reason)
    }

    /// Returns the part that needs a restart, without the values that are wrong.
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the configuration, checked as a whole. `base` is its live part without the layers that can
    /// change while the server runs.
    pub(super) fn finish(self, base: Live) -> Result<Configuration, ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let verdict = check::check(&self.settings, &self.live);
        if !verdict.errors.is_empty() {
            return Err(ConfigErrors(self.located(verdict.errors)));
        }
        let mut warnings = Vec::new();
        for warning in self.located(verdict.warnings) {
            warnings.push(warning.to_string());
        }
        Ok(Configuration {
            settings: self.settings,
            live: self.live,
            base: Box::new(base),
            origins: self.origins,
            warnings,
        })
    }

    /// Adds its location to each key and reason.
    fn located(&self, reasons: Vec<(String, String)>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (key, reason) in reasons {
            errors.push(ConfigError {
                place: self.location_of(&key),
                key,
                reason,
            });
        }
        errors
    }

    /// Returns the location of the option that `key` (for example `scopes[1].id`) belongs to.
    fn location_of(&self, key: &str) -> String {
        let option = key.split('[').next().unwrap_or(key);
        // A table that can have any keys has one location, and so has a list.
        let table = match key.rsplit_once('.') {
            Some((table, _)) => table,
            None => key,
        };
        for place in [key, table, option] {
            if let Some(set_by) = self.set_by.get(place) {
                return self.location(set_by, place);
            }
        }
        String::new()
    }

    /// Returns where `set_by` sets the value with the key `key`.
    fn location(&self, set_by: &ValueSource, key: &str) -> String {
        match set_by {
            ValueSource::File => match &self.file {
                Some(file) => file.place(key),
                None => String::new(),
            },
            ValueSource::Patch => "patch".to_owned(),
            ValueSource::Variable(name) => name.clone(),
            ValueSource::Flag => format!("flag for {key}"),
        }
    }
}

/// A value of a wrong type, with its path.
type TypeError = serde_path_to_error::Error<serde_json::Error>;

/// Says what is wrong, and where in the value of the option, whose path has `depth` segments. A value of a wrong type is not
/// repeated: it may be a secret, and errors are logged. Options that check their own texts repeat them; none of these is secret.
fn told(error: &TypeError, depth: usize) -> String {
    let message = error.inner().to_string();
    let Some(reason) = typed::without_value(&message) else {
        return message;
    };
    match typed::shown(error.path().iter().skip(depth)) {
        within if within.is_empty() => reason,
        within => format!("{within}: {reason}"),
    }
}

/// Converts `values` to the two parts of the configuration.
fn parts(values: &Map<String, Value>) -> Result<(Settings, Live), TypeError> {
    Ok((part(values, false)?, part(values, true)?))
}

/// Converts the sections of one part of the configuration.
fn part<'de, T: Deserialize<'de>>(
    values: &'de Map<String, Value>,
    is_live: bool,
) -> Result<T, TypeError> {
    let mut sections = Vec::new();
    for (key, value) in values {
        if is_live_section(key) == is_live {
            sections.push((key.as_str(), value));
        }
    }
    serde_path_to_error::deserialize(MapDeserializer::new(sections.into_iter()))
}

/// Returns the setting of `layer` that sets the value at `path`, or a part of it, and is not in `errors`.
fn culprit<'a>(
    layer: &'a [Setting],
    errors: &BTreeMap<usize, ConfigError>,
    path: &Path,
) -> Option<(usize, &'a Setting)> {
    let mut nearest = None;
    let mut most = 0;
    for (at, setting) in layer.iter().enumerate() {
        let count = shared(&setting.key, path);
        if count > 0 && count >= most && !errors.contains_key(&at) {
            nearest = Some((at, setting));
            most = count;
        }
    }
    nearest
}

/// Returns how many names `key` and `path` share from the start. 0: neither is within the other.
fn shared(key: &str, path: &Path) -> usize {
    let mut count = 0;
    for (name, segment) in key.split('.').zip(path) {
        match segment {
            Segment::Map { key } if key == name => count += 1,
            Segment::Map { .. } => return 0,
            Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => break,
        }
    }
    count
}

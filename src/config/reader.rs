//! Builds one configuration out of layers. Each value is checked when it is set, and its location is
//! recorded.
//!
//! The known keys are the keys of the serialised defaults. Each value is checked by the type that holds
//! it, so there is no second list of options.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::file::{File, loose_value};
use super::patch::{Patch, is_live};
use super::tree::{is_free, join, lookup, put, unknown};
use super::{ConfigError, ConfigErrors, Configuration, Live, Origin, Origins, Settings, check};

/// Maximum length in bytes of a default in an error message; config/registrar.toml shows longer ones.
const LONGEST_HINT: usize = 200;

pub(super) struct Reader {
    defaults: Value,
    values: Map<String, Value>,
    /// The values before the patch and the layers above it.
    base: Option<Map<String, Value>>,
    origins: Origins,
    /// The location of each value that is not the default, for later messages.
    places: BTreeMap<String, String>,
    pub(super) errors: Vec<ConfigError>,
}

impl Reader {
    /// Returns a reader for layers on top of the defaults.
    pub(super) fn new() -> Self {
        let values = object(&Settings::default())
            .chain(object(&Live::default()))
            .collect::<Map<_, _>>();
        Self {
            defaults: Value::Object(values.clone()),
            values,
            base: None,
            origins: Origins::new(),
            places: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    /// Returns a reader for layers on top of `first`.
    pub(super) fn on(first: &Configuration) -> Self {
        let live = first.live.exposed();
        let values = object(&first.settings).chain(live).collect();
        Self {
            values,
            origins: first.origins.clone(),
            ..Self::new()
        }
    }

    /// Reads the layer of the file.
    pub(super) fn file(&mut self, file: &File) {
        self.walk(file, &file.values, "");
    }

    /// Sets every value of the table at `path`.
    fn walk(&mut self, file: &File, table: &Map<String, Value>, path: &str) {
        for (key, value) in table {
            let path = join(path, key);
            match (lookup(&self.defaults, &path), value) {
                // A table that is empty by default can have any keys.
                (Some(Value::Object(known)), Value::Object(inner)) if !known.is_empty() => {
                    self.walk(file, inner, &path);
                }
                _ => self.set(
                    &path,
                    value.clone(),
                    &|path: &str| file.place(path),
                    Origin::File,
                ),
            }
        }
    }

    /// Reads the layer of changes made while the server was running. The values set so far are the base
    /// of the patch.
    pub(super) fn patch(&mut self, patch: &Patch) {
        self.base = Some(self.values.clone());
        for (key, value) in &patch.0 {
            if is_live(key) {
                self.set(key, value.clone(), &|_| "patch".to_owned(), Origin::Patch);
            } else {
                let reason = "cannot be patched: it needs a restart; set it in the file".to_owned();
                self.errors.push(ConfigError {
                    place: "patch".to_owned(),
                    key: key.clone(),
                    reason,
                });
            }
        }
    }

    /// Sets the option named by `rest` to the value of the environment variable `name`.
    pub(super) fn variable(&mut self, name: &str, rest: &str, text: &str) {
        let mut path = String::new();
        for part in rest.split("__") {
            let plain = |text: &str| text.replace('_', "").to_lowercase();
            let known = lookup(&self.defaults, &path).and_then(Value::as_object);
            let key = known.and_then(|known| known.keys().find(|key| plain(key) == plain(part)));
            // The members of metadata documents are not known here. All of them are in lower case.
            let own = if path == "discovery" {
                part.to_lowercase()
            } else {
                part.to_owned()
            };
            path = join(&path, key.unwrap_or(&own));
        }
        self.set(
            &path,
            self.typed(&path, text),
            &|_| name.to_owned(),
            Origin::Environment,
        );
    }

    /// Sets `key` to the value of a flag.
    pub(super) fn flag(&mut self, key: &str, text: &str) {
        self.set(
            key,
            self.typed(key, text),
            &|_| format!("flag for {key}"),
            Origin::Flag,
        );
    }

    /// Converts `text` to a value for `path`. It stays a string if the option is a string.
    fn typed(&self, path: &str, text: &str) -> Value {
        match lookup(&self.defaults, path) {
            Some(Value::String(_)) => text.into(),
            _ => loose_value(text),
        }
    }

    /// Sets the value at `path` if the option is known and the value is valid, and records an error
    /// otherwise. `place` returns the location of a path.
    fn set(&mut self, path: &str, value: Value, place: &dyn Fn(&str) -> String, origin: Origin) {
        if let Err((key, reason)) = self.judge(path, &value) {
            self.errors.push(ConfigError {
                place: place(&key),
                key,
                reason,
            });
            return;
        }
        put(&mut self.values, path, value);
        self.origins.insert(path.to_owned(), origin);
        self.places.insert(path.to_owned(), place(path));
    }

    /// Checks that `path` is known and that `value` is valid for it. The tables of a list are checked one
    /// by one.
    ///
    /// # Errors
    /// Returns the key and the reason.
    fn judge(&self, path: &str, value: &Value) -> Result<(), (String, String)> {
        match (lookup(&self.defaults, path), value) {
            (None, _) if !is_free(&self.defaults, path) => {
                Err((path.to_owned(), unknown(&self.defaults, path)))
            }
            (Some(Value::Array(_)), Value::Array(items)) if items.iter().any(Value::is_object) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(at, item)| {
                    let fits = self.fits(path, Value::Array(vec![item.clone()]));
                    fits.map_err(|reason| (format!("{path}[{at}]"), reason))
                })
            }
            _ => self
                .fits(path, value.clone())
                .map_err(|reason| (path.to_owned(), reason)),
        }
    }

    /// Checks the type of `value` at `path`, with the defaults for everything else.
    ///
    /// # Errors
    /// Returns the reason, with the default of the option.
    pub(super) fn fits(&self, path: &str, value: Value) -> Result<(), String> {
        let mut values = self.defaults.as_object().cloned().unwrap_or_default();
        put(&mut values, path, value);
        whole(values).map(drop).map_err(|error| {
            let default = lookup(&self.defaults, path).filter(|value| !value.is_null());
            let default = default.map(|value| format!("; the default is {value}"));
            let hint = default
                .filter(|hint| hint.len() <= LONGEST_HINT)
                .unwrap_or_default();
            format!("{error}{hint}")
        })
    }

    /// Returns the configuration that results from the layers, checked as a whole.
    pub(super) fn finish(mut self) -> Result<Configuration, ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let typed = |values| whole(values).map_err(|error| unplaced(&error));
        let (_, base) = typed(self.base.take().unwrap_or_else(|| self.values.clone()))?;
        let (settings, live) = typed(std::mem::take(&mut self.values))?;
        let verdict = check::check(&settings, &live);
        let place = |(key, reason): (String, String)| ConfigError {
            place: self.place_of(&key),
            key,
            reason,
        };
        if !verdict.errors.is_empty() {
            return Err(ConfigErrors(
                verdict.errors.into_iter().map(place).collect(),
            ));
        }
        let warnings = verdict
            .warnings
            .into_iter()
            .map(|warning| place(warning).to_string())
            .collect();
        Ok(Configuration {
            settings,
            live,
            base: Box::new(base),
            origins: self.origins,
            warnings,
        })
    }

    /// Returns the location of the option that `key` (for example `scopes[1].id`) belongs to.
    fn place_of(&self, key: &str) -> String {
        let option = key.split('[').next().unwrap_or(key);
        let exact = self.places.get(key);
        let patched = self
            .places
            .get(option)
            .filter(|_| self.origins.get(option) == Some(&Origin::Patch));
        // A table that can have any keys has one location.
        let table = key
            .rsplit_once('.')
            .and_then(|(table, _)| self.places.get(table));
        // So has a list that is written on one line.
        let list = self.places.get(option);
        exact
            .or(patched)
            .or(table)
            .or(list)
            .cloned()
            .unwrap_or_default()
    }
}

/// Returns the members of `value`, which must serialise to an object.
fn object(value: &impl serde::Serialize) -> impl Iterator<Item = (String, Value)> {
    let members = match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.into_iter()
}

/// Splits `values` into the two parts of the configuration.
fn whole(values: Map<String, Value>) -> Result<(Settings, Live), serde_json::Error> {
    let mut settings = values;
    let live: Map<String, Value> = ["registration", "scopes"]
        .iter()
        .filter_map(|key| settings.remove_entry(*key))
        .collect();
    Ok((
        serde_json::from_value(settings.into())?,
        serde_json::from_value(live.into())?,
    ))
}

fn unplaced(error: &serde_json::Error) -> ConfigErrors {
    let (place, key) = (String::new(), String::new());
    ConfigErrors(vec![ConfigError {
        place,
        key,
        reason: error.to_string(),
    }])
}

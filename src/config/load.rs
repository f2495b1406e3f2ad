//! Layers: the defaults, then the file, then the environment, then flags. Everything that is
//! wrong is found in one go.
//!
//! The known keys are those of the serialised defaults, and each value is judged by the type
//! that will hold it, so there is no second list of options.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::{File, join, loose_value};
use super::{ConfigError, ConfigErrors, Live, Settings, check, nearest};

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file; none: the defaults alone.
    pub file: Option<PathBuf>,
    /// Environment variables; those that begin with `REGISTRAR_` and have a `__` count.
    pub environment: Vec<(String, String)>,
    /// Keys with their values, as in `server.listen` and `127.0.0.1:0`.
    pub overrides: Vec<(String, String)>,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The file.
    File,
    /// An environment variable.
    Environment,
    /// A flag, or the program that embeds the server.
    Flag,
}

/// A configuration that is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// What needs a restart.
    pub settings: Settings,
    /// What does not.
    pub live: Live,
    /// Where each value came from that is not the default.
    pub origins: BTreeMap<String, Origin>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

const PREFIX: &str = "REGISTRAR_";

/// Reads the configuration.
///
/// # Errors
/// All that is wrong with it.
pub fn load(sources: &Sources) -> Result<Configuration, ConfigErrors> {
    let mut reader = Reader::new();
    if let Some(path) = &sources.file {
        match File::read(path) {
            Ok(file) => reader.file(&file),
            Err(error) => reader.errors.push(error),
        }
    }
    for (name, text) in &sources.environment {
        if let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) {
            reader.variable(name, rest, text);
        }
    }
    for (key, text) in &sources.overrides {
        reader.set(key, typed(&reader.defaults, key, text), &format!("flag for {key}"), Origin::Flag);
    }
    reader.finish()
}

/// The whole file as one type.
fn whole(values: Map<String, Value>) -> Result<(Settings, Live), serde_json::Error> {
    let mut settings = values;
    let live: Map<String, Value> =
        ["registration", "scopes"].iter().filter_map(|key| settings.remove_entry(*key)).collect();
    Ok((serde_json::from_value(settings.into())?, serde_json::from_value(live.into())?))
}

struct Reader {
    defaults: Value,
    values: Map<String, Value>,
    origins: BTreeMap<String, Origin>,
    /// Where each value stands that is not the default, for later messages.
    places: BTreeMap<String, String>,
    errors: Vec<ConfigError>,
}

impl Reader {
    fn new() -> Self {
        let part = |value: Result<Value, serde_json::Error>| match value {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        let mut defaults = part(serde_json::to_value(Settings::default()));
        defaults.extend(part(serde_json::to_value(Live::default())));
        let values = defaults.clone();
        let defaults = Value::Object(defaults);
        Self { defaults, values, origins: BTreeMap::new(), places: BTreeMap::new(), errors: Vec::new() }
    }

    fn file(&mut self, file: &File) {
        self.walk(file, &file.values, "");
    }

    /// Sets every value of the table at `path`.
    fn walk(&mut self, file: &File, table: &Map<String, Value>, path: &str) {
        for (key, value) in table {
            let path = join(path, key);
            let place = file.place(&path);
            match (lookup(&self.defaults, &path), value) {
                // An empty table among the defaults may hold any keys.
                (Some(Value::Object(known)), Value::Object(inner)) if !known.is_empty() => {
                    self.walk(file, inner, &path);
                }
                (Some(Value::Array(_)), Value::Array(items)) if items.iter().any(Value::is_object) => {
                    self.items(file, items, &path);
                }
                _ => self.set(&path, value.clone(), &place, Origin::File),
            }
        }
    }

    /// Sets an array of tables, each judged by itself.
    fn items(&mut self, file: &File, items: &[Value], path: &str) {
        for (at, item) in items.iter().enumerate() {
            if let Err(reason) = self.fits(path, Value::Array(vec![item.clone()])) {
                let item = format!("{path}[{at}]");
                self.errors.push(ConfigError { place: file.place(&item), key: item, reason });
                return;
            }
        }
        self.set(path, items.into(), &file.place(path), Origin::File);
    }

    /// Sets the value that the environment variable `name` gives; `rest` names the key.
    fn variable(&mut self, name: &str, rest: &str, text: &str) {
        let mut path = String::new();
        for part in rest.split("__") {
            let plain = |text: &str| text.replace('_', "").to_lowercase();
            let known = lookup(&self.defaults, &path).and_then(Value::as_object);
            let key = known.and_then(|known| known.keys().find(|key| plain(key) == plain(part)));
            path = join(&path, key.map_or(part, String::as_str));
        }
        self.set(&path, typed(&self.defaults, &path, text), name, Origin::Environment);
    }

    /// Sets the value at `path`, which stands at `place`, when it is known and fits.
    fn set(&mut self, path: &str, value: Value, place: &str, origin: Origin) {
        let known = lookup(&self.defaults, path).is_some() || is_free(&self.defaults, path);
        let outcome = if known { self.fits(path, value.clone()) } else { Err(unknown(&self.defaults, path)) };
        if let Err(reason) = outcome {
            self.errors.push(ConfigError { place: place.to_owned(), key: path.to_owned(), reason });
            return;
        }
        put(&mut self.values, path, value);
        self.origins.insert(path.to_owned(), origin);
        self.places.insert(path.to_owned(), place.to_owned());
    }

    /// Whether the configuration would be of the right type with `value` at `path` alone.
    fn fits(&self, path: &str, value: Value) -> Result<(), String> {
        let mut values = self.defaults.as_object().cloned().unwrap_or_default();
        put(&mut values, path, value);
        whole(values).map(drop).map_err(|error| {
            let default = lookup(&self.defaults, path).filter(|value| !value.is_null());
            let hint = default.map(|value| format!("; the default is {value}")).unwrap_or_default();
            format!("{error}{hint}")
        })
    }

    fn finish(mut self) -> Result<Configuration, ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let whole = whole(std::mem::take(&mut self.values)).map_err(|error| {
            ConfigErrors(vec![ConfigError {
                place: String::new(),
                key: String::new(),
                reason: error.to_string(),
            }])
        });
        let (settings, live) = whole?;
        let verdict = check::check(&settings, &live);
        let place = |(key, reason): (String, String)| {
            let place = self.places.get(&key).cloned().unwrap_or_default();
            ConfigError { place, key, reason }
        };
        if !verdict.errors.is_empty() {
            return Err(ConfigErrors(verdict.errors.into_iter().map(place).collect()));
        }
        let warnings = verdict.warnings.into_iter().map(|warning| place(warning).to_string()).collect();
        Ok(Configuration { settings, live, origins: self.origins, warnings })
    }
}

/// The value that `text` gives to `path`: a text stays one where a text is due.
fn typed(defaults: &Value, path: &str, text: &str) -> Value {
    match lookup(defaults, path) {
        Some(Value::String(_)) => text.into(),
        _ => loose_value(text),
    }
}

fn lookup<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(values);
    }
    path.split('.').try_fold(values, |value, key| value.as_object()?.get(key))
}

/// Whether `path` leads into a table that may hold any keys.
fn is_free(defaults: &Value, path: &str) -> bool {
    let parents = path.match_indices('.').filter_map(|(at, _)| path.get(..at));
    parents
        .into_iter()
        .any(|parent| lookup(defaults, parent).and_then(Value::as_object).is_some_and(Map::is_empty))
}

fn unknown(defaults: &Value, path: &str) -> String {
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
    let known = lookup(defaults, parent).and_then(Value::as_object);
    match known.and_then(|known| nearest(key, known.keys().map(String::as_str))) {
        Some(name) => format!("unknown key; did you mean `{name}`?"),
        None => "unknown key; config/registrar.toml lists all keys".to_owned(),
    }
}

fn put(values: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(values.insert(path.to_owned(), value)),
        Some((key, rest)) => {
            let inner = values.entry(key).or_insert_with(|| Map::new().into());
            if !inner.is_object() {
                *inner = Map::new().into();
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

//! The values of one layer: the file, the patch, environment variables, or flags.

use serde_json::{Map, Value};

use crate::config::{
    DEFAULTS, File, Origin, PREFIX, Patch, file::loose_value, patch::is_live, tree::is_free,
    tree::join, tree::lookup, tree::unknown,
};

/// A value that a layer sets.
#[derive(Clone)]
pub(super) struct Setting {
    /// The key of the option, such as `server.listen`.
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) set_by: ValueSource,
}

/// What sets a value.
#[derive(Clone)]
pub(super) enum ValueSource {
    /// The configuration file.
    File,
    /// A change made while the server was running.
    Patch,
    /// The environment variable with this name.
    Variable(String),
    /// A flag.
    Flag,
}

impl ValueSource {
    pub(super) const fn origin(&self) -> Origin {
        match self {
            Self::File => Origin::File,
            Self::Patch => Origin::Patch,
            Self::Variable(_) => Origin::Environment,
            Self::Flag => Origin::Flag,
        }
    }
}

impl Setting {
    /// Returns the reason why this layer cannot set the key, if it cannot.
    pub(super) fn misplaced(&self) -> Option<String> {
        if matches!(self.set_by, ValueSource::Patch) && !is_live(&self.key) {
            return Some("cannot be patched: it needs a restart; set it in the file".to_owned());
        }
        if lookup(&DEFAULTS, &self.key).is_some() || is_free(&self.key) {
            return None;
        }
        Some(unknown(&self.key))
    }
}

/// Returns the values of the file.
pub(super) fn of_file(file: &File) -> Vec<Setting> {
    let mut settings = Vec::new();
    walk(&file.values, "", &mut settings);
    settings
}

/// Adds every value of the table at `path`.
fn walk(table: &Map<String, Value>, path: &str, settings: &mut Vec<Setting>) {
    for (key, value) in table {
        let key = join(path, key);
        match (lookup(&DEFAULTS, &key), value) {
            // A table that is empty by default can have any keys.
            (Some(Value::Object(known)), Value::Object(inner)) if !known.is_empty() => {
                walk(inner, &key, settings);
            }
            _ => settings.push(Setting {
                key,
                value: value.clone(),
                set_by: ValueSource::File,
            }),
        }
    }
}

/// Returns the changes made while the server was running.
pub(super) fn of_patch(patch: &Patch) -> Vec<Setting> {
    let setting = |(key, value): (&String, &Value)| Setting {
        key: key.clone(),
        value: value.clone(),
        set_by: ValueSource::Patch,
    };
    patch.0.iter().map(setting).collect()
}

/// Returns the values of the environment variables that name options.
pub(super) fn of_environment(environment: &[(String, String)]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, text) in environment {
        if let Some(option) = name.strip_prefix(PREFIX)
            && option.contains("__")
        {
            let key = key_of_variable(option);
            settings.push(Setting {
                value: typed(&key, text),
                key,
                set_by: ValueSource::Variable(name.clone()),
            });
        }
    }
    settings
}

/// Returns the key that `SERVER__LISTEN` stands for.
fn key_of_variable(option: &str) -> String {
    let plain = |text: &str| text.replace('_', "").to_lowercase();
    let mut path = String::new();
    for part in option.split("__") {
        let known = match lookup(&DEFAULTS, &path) {
            Some(Value::Object(table)) => table.keys().find(|key| plain(key) == plain(part)),
            _ => None,
        };
        path = match known {
            Some(key) => join(&path, key),
            // The members of metadata documents are not known here. All of them are in lower case.
            None if path == "discovery" => join(&path, &part.to_lowercase()),
            None => join(&path, part),
        };
    }
    path
}

/// Returns the values of flags.
pub(super) fn of_flags(flags: &[(String, String)]) -> Vec<Setting> {
    let setting = |(key, text): &(String, String)| Setting {
        key: key.clone(),
        value: typed(key, text),
        set_by: ValueSource::Flag,
    };
    flags.iter().map(setting).collect()
}

/// Converts `text` to a value for the option `key`. It stays a string if the option is a string.
fn typed(key: &str, text: &str) -> Value {
    match lookup(&DEFAULTS, key) {
        Some(Value::String(_)) => text.into(),
        _ => loose_value(text),
    }
}

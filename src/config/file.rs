//! A configuration file as JSON values, each with its location in the file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

use crate::config::{ConfigError, tree::join};

/// The values of a file, and the locations of their keys.
pub(super) struct File {
    /// The name of the file, for messages.
    name: String,
    text: String,
    /// The file as one object.
    pub(super) values: Map<String, Value>,
    /// The location of each key, by its path.
    spans: BTreeMap<String, Range<usize>>,
}

impl File {
    /// Reads and parses the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            place: name.clone(),
            key: String::new(),
            reason: format!("cannot read the file: {error}; use --config to name another file"),
        })?;
        Self::parse(name, text)
    }

    /// Parses `text`. Messages refer to it as `name`.
    pub(super) fn parse(name: String, text: String) -> Result<Self, ConfigError> {
        let mut file = Self {
            name,
            text,
            values: Map::new(),
            spans: BTreeMap::new(),
        };
        let document = Document::parse(file.text.clone()).map_err(|error| ConfigError {
            place: file.place_of(error.span().as_ref()),
            key: String::new(),
            reason: error.message().to_owned(),
        })?;
        file.values = file.table(document.as_table(), "");
        Ok(file)
    }

    /// Returns the `FILE:LINE:COLUMN` of the key with this path.
    pub(super) fn place(&self, path: &str) -> String {
        self.place_of(self.spans.get(path))
    }

    fn place_of(&self, span: Option<&Range<usize>>) -> String {
        let Some(before) = span.and_then(|span| self.text.get(..span.start)) else {
            return self.name.clone();
        };
        let line = before.matches('\n').count() + 1;
        let in_line = match before.rsplit_once('\n') {
            Some((_, in_line)) => in_line,
            None => before,
        };
        let column = in_line.chars().count() + 1;
        format!("{}:{line}:{column}", self.name)
    }

    fn table(&mut self, table: &dyn TableLike, path: &str) -> Map<String, Value> {
        let mut members = Map::new();
        for (key, item) in table.iter() {
            let path = join(path, key);
            let of_key = table.key(key).and_then(toml_edit::Key::span);
            if let Some(span) = of_key.or_else(|| item.span()) {
                self.spans.insert(path.clone(), span);
            }
            let value = self.item(item, &path);
            members.insert(key.to_owned(), value);
        }
        members
    }

    fn item(&mut self, item: &Item, path: &str) -> Value {
        if let Some(table) = item.as_table_like() {
            return Value::Object(self.table(table, path));
        }
        if let Some(tables) = item.as_array_of_tables() {
            let mut values = Vec::new();
            for (at, table) in tables.iter().enumerate() {
                let path = format!("{path}[{at}]");
                if let Some(span) = table.span() {
                    self.spans.insert(path.clone(), span);
                }
                values.push(Value::Object(self.table(table, &path)));
            }
            return Value::Array(values);
        }
        match item.as_value() {
            Some(value) => self.value(value, path),
            None => Value::Null,
        }
    }

    fn value(&mut self, value: &toml_edit::Value, path: &str) -> Value {
        match value {
            toml_edit::Value::Array(items) => {
                items.iter().map(|item| self.value(item, path)).collect()
            }
            toml_edit::Value::InlineTable(table) => Value::Object(self.table(table, path)),
            scalar => self::scalar(scalar),
        }
    }
}

/// Converts a TOML value that is neither an array nor a table. A date becomes its text.
fn scalar(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => text.value().as_str().into(),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => (*number.value()).into(),
        toml_edit::Value::Boolean(flag) => (*flag.value()).into(),
        toml_edit::Value::Datetime(date) => date.value().to_string().into(),
        toml_edit::Value::Array(_) | toml_edit::Value::InlineTable(_) => Value::Null,
    }
}

/// Parses the value of an environment variable or a flag as TOML, or treats it as a string if it is not
/// valid TOML.
pub(super) fn loose_value(text: &str) -> Value {
    if let Ok(mut file) = File::parse(String::new(), format!("value = {text}\n"))
        && let Some(value) = file.values.remove("value")
    {
        return value;
    }
    text.into()
}

/// Returns the location of `key` in the file at `path`, as `FILE:LINE:COLUMN`. Used for errors that are
/// found when the configuration is applied.
pub(crate) fn place(path: &Path, key: &str) -> String {
    match File::read(path) {
        Ok(file) => file.place(key),
        Err(error) => error.place,
    }
}

//! The configuration document for administrators.

use serde_json::{Map, Value};
use url::Url;

use crate::config::{Live, MASK, Origins, Settings, all_origins};

/// The configuration in force: `registration`, `scopes`, `webhooks` and `exports`, which can be patched; `settings`,
/// which need a restart; `origins` of all options; and `revision`. It contains no secrets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    /// Identifies this state of the configuration.
    pub(crate) revision: String,
    /// The members.
    pub(crate) members: Map<String, Value>,
}

impl Document {
    /// Creates the document for `settings` and `live`, which came from `origins`.
    pub(crate) fn new(
        settings: &Settings,
        live: &Live,
        origins: &Origins,
        revision: String,
    ) -> Self {
        let mut members = live.masked();
        let mut settings = serde_json::to_value(settings).unwrap_or_default();
        hide_passwords(&mut settings);
        members.insert("settings".to_owned(), settings);
        let origins = serde_json::to_value(all_origins(origins)).unwrap_or_default();
        members.insert("origins".to_owned(), origins);
        members.insert("revision".to_owned(), revision.as_str().into());
        Self { revision, members }
    }
}

/// Replaces each password in a URL with a mask.
fn hide_passwords(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(hidden) = without_password(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_passwords),
        Value::Object(members) => members.values_mut().for_each(hide_passwords),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns `text` with a mask for its password, or `None` if it is not a URL or has no password.
fn without_password(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let is_password = |name: &str| name.to_ascii_lowercase().contains("password");
    let in_query = url.query_pairs().any(|(name, _)| is_password(&name));
    if url.password().is_none() && !in_query {
        return None;
    }
    if url.password().is_some() {
        url.set_password(Some(MASK)).ok()?;
    }
    if in_query {
        let mut pairs = Vec::new();
        for (name, value) in url.query_pairs() {
            let is_hidden = is_password(&name);
            let value = if is_hidden { MASK } else { &*value };
            pairs.push((name.into_owned(), value.to_owned()));
        }
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        let mut value = serde_json::json!({"url": [
            "postgres://u:secret@db.example.org/r?sslmode=require",
            "postgres://db.example.org/r?user=u&password=secret",
            "sled:data",
            "https://register.example.org",
        ]});
        hide_passwords(&mut value);
        let expected = serde_json::json!({"url": [
            "postgres://u:********@db.example.org/r?sslmode=require",
            "postgres://db.example.org/r?user=u&password=********",
            "sled:data",
            "https://register.example.org",
        ]});
        assert_eq!(value, expected);
    }
}

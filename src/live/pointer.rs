//! Where an operation points: a JSON Pointer (RFC 6901), or the name of a property alone, as the
//! operators of Janssen servers write it.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::config::{Live, Settings, nearest, patch};

/// A place in the live configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its JSON Pointer.
    pub(super) pointer: String,
    /// The key of the option, when the place was named by its property alone.
    pub(super) flat: Option<String>,
}

/// What may be named, by its first segment.
struct Names {
    properties: Map<String, Value>,
    sections: Map<String, Value>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let members = |value: Result<Value, serde_json::Error>| match value {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    Names {
        properties: members(serde_json::to_value(Live::default().registration)),
        sections: members(serde_json::to_value(Settings::default())),
    }
});

impl Place {
    /// The place that `text` names.
    ///
    /// # Errors
    /// When there is no such option, or it can not change while the server runs.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self { pointer: String::new(), flat: None });
        }
        let path = text.strip_prefix('/').unwrap_or(text);
        let mut segments = path.split('/').map(unescape);
        let first = segments.next().unwrap_or_default();
        let second = segments.next();
        match (first.as_str(), second) {
            ("registration", Some(name)) if !NAMES.properties.contains_key(&name) => {
                Err(patch::unknown_live(&shown(&format!("registration.{name}"))))
            }
            ("registration" | "scopes", _) => Ok(Self { pointer: format!("/{path}"), flat: None }),
            ("origins" | "revision", _) => Err("is made by the server and can not be set".to_owned()),
            ("settings", second) => Err(start_only(second.as_deref())),
            (section, _) if NAMES.sections.contains_key(section) => Err(start_only(Some(section))),
            (name, second) if NAMES.properties.contains_key(name) => {
                let flat = second.is_none().then(|| format!("registration.{name}"));
                Ok(Self { pointer: format!("/registration/{path}"), flat })
            }
            (name, _) => Err(unknown(name)),
        }
    }
}

fn start_only(section: Option<&str>) -> String {
    let section = section.map(|section| format!("[{}] ", shown(section))).unwrap_or_default();
    format!("{section}needs a restart: change it in the file")
}

fn unknown(name: &str) -> String {
    let name = shown(name);
    match nearest(&name, NAMES.properties.keys().map(String::as_str)) {
        Some(known) => format!("unknown key; did you mean /registration/{known}?"),
        None => "unknown key; the document of GET shows all keys".to_owned(),
    }
}

/// A segment of a pointer in clear (RFC 6901 section 4).
fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// As much of `text` as a message repeats.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

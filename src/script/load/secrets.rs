//! Secrets that scripts may use. They are read at the start and when their files change, and never appear in the log.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value;

use crate::base::Secret;
use crate::config::{SecretSource, nearest};
use crate::script::Hidden;

/// A shorter secret could be guessed, and would match texts that are not secret.
const LEAST_BYTES: usize = 8;
const MOST_BYTES: usize = 65_536;

/// A secret of `[scripts.secrets]` cannot be read or is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scripts.secrets.{name}: {reason}")]
pub(crate) struct SecretError {
    /// The name of the secret.
    pub(crate) name: String,
    /// What is wrong, and what would be valid.
    pub(crate) reason: String,
}

/// The secrets by name. Only tests define more than the configuration.
#[derive(Debug, Default)]
pub(in crate::script) struct Secrets(ArcSwap<NamedSecrets>);

/// The secrets by name, and the filter that hides them in the log.
#[derive(Debug, Default)]
struct NamedSecrets {
    named: BTreeMap<String, Secret>,
    /// The secrets before the last change.
    retired: BTreeMap<String, Secret>,
    hidden: Hidden,
}

impl NamedSecrets {
    fn new(named: BTreeMap<String, Secret>) -> Self {
        let texts = named.iter();
        let texts = texts.map(|(name, secret)| (name.as_str(), secret.expose()));
        let hidden = Hidden::of_secrets(texts);
        let retired = BTreeMap::new();
        Self {
            named,
            retired,
            hidden,
        }
    }
}

impl Secrets {
    /// Reads every secret.
    ///
    /// # Errors
    /// The first secret that cannot be read, or is too short or too long.
    pub(in crate::script) fn read(
        sources: &BTreeMap<String, SecretSource>,
    ) -> Result<Self, SecretError> {
        let named = NamedSecrets::new(read_all(sources)?);
        Ok(Self(ArcSwap::from_pointee(named)))
    }

    /// Defines secrets of these names, which are only good for loading scripts.
    pub(in crate::script) fn placeholders<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let placeholder = |name: &String| Secret::new(format!("placeholder of {name}"));
        let secrets = names.map(|name| (name.clone(), placeholder(name)));
        Self(ArcSwap::from_pointee(NamedSecrets::new(secrets.collect())))
    }

    /// Reads every secret again. Returns the names of those that have changed. The previous ones stay hidden in the log.
    ///
    /// # Errors
    /// As [`Secrets::read`]. Then every secret stays as it is.
    pub(in crate::script) fn read_again(
        &self,
        sources: &BTreeMap<String, SecretSource>,
    ) -> Result<Vec<String>, SecretError> {
        let named = read_all(sources)?;
        let present = self.0.load();
        let mut changed = Vec::new();
        for (name, secret) in &named {
            let before = present.named.get(name);
            if before.is_none_or(|before| !before.matches(secret.expose())) {
                changed.push(name.clone());
            }
        }
        if !changed.is_empty() {
            let texts = named.iter().chain(&present.named).chain(&present.retired);
            let hidden =
                Hidden::of_secrets(texts.map(|(name, text)| (name.as_str(), text.expose())));
            let retired = present.named.clone();
            self.0.store(Arc::new(NamedSecrets {
                named,
                retired,
                hidden,
            }));
        }
        Ok(changed)
    }

    /// Defines the secret called `name`.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub(in crate::script) fn define(&self, name: &str, text: &str) -> Result<(), String> {
        let secret = bounded(text.to_owned())?;
        let mut named = self.0.load().named.clone();
        named.insert(name.to_owned(), secret);
        self.0.store(Arc::new(NamedSecrets::new(named)));
        Ok(())
    }

    /// Returns the secret called `name`.
    ///
    /// # Errors
    /// When no secret has that name; the error lists the names.
    pub(in crate::script) fn get(&self, name: &str) -> Result<Secret, String> {
        let secrets = self.0.load();
        if let Some(secret) = secrets.named.get(name) {
            return Ok(secret.clone());
        }
        let known: Vec<&str> = secrets.named.keys().map(String::as_str).collect();
        let advice = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None if known.is_empty() => "[scripts.secrets] is empty".to_owned(),
            None => format!("[scripts.secrets] defines {}", known.join(", ")),
        };
        Err(format!("unknown secret '{name}'; {advice}"))
    }

    /// Returns a made-up secret for each name.
    pub(in crate::script) fn made_up(&self) -> Self {
        let secrets = self.0.load();
        let made_up = |name: &String| (name.clone(), Secret::new(format!("made-up {name}")));
        let named = secrets.named.keys().map(made_up).collect();
        Self(ArcSwap::from_pointee(NamedSecrets::new(named)))
    }

    /// Redacts every text in `value`.
    pub(in crate::script) fn redact_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.redact(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(members) => members
                .values_mut()
                .for_each(|member| self.redact_value(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Returns all secrets.
    pub(in crate::script) fn all(&self) -> Vec<Secret> {
        self.0.load().named.values().cloned().collect()
    }

    /// Returns `text` with each secret replaced by its name, in whatever form it is written there.
    pub(in crate::script) fn redact(&self, text: &str) -> String {
        self.0.load().hidden.conceal(text)
    }
}

fn read_all(
    sources: &BTreeMap<String, SecretSource>,
) -> Result<BTreeMap<String, Secret>, SecretError> {
    let mut named = BTreeMap::new();
    for (name, source) in sources {
        let name = name.clone();
        match read(source) {
            Ok(secret) => drop(named.insert(name, secret)),
            Err(reason) => return Err(SecretError { name, reason }),
        }
    }
    Ok(named)
}

fn read(source: &SecretSource) -> Result<Secret, String> {
    let text = match source {
        SecretSource::Env(name) => std::env::var(name)
            .map_err(|_| format!("the environment variable {name} is not set, or not UTF-8"))?,
        SecretSource::File(path) => {
            let text = text_of(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        }
    };
    bounded(text)
}

/// Reads a file, and no more of it than a secret and its line end can have.
fn text_of(path: &Path) -> std::io::Result<String> {
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(most.saturating_add(3))
        .read_to_string(&mut text)?;
    Ok(text)
}

fn bounded(text: String) -> Result<Secret, String> {
    match text.len() {
        LEAST_BYTES..=MOST_BYTES => Ok(Secret::new(text)),
        bytes => Err(format!(
            "it has {bytes} bytes; a secret must have {LEAST_BYTES} to {MOST_BYTES} bytes"
        )),
    }
}

//! Secrets that scripts may use: read once, and never in a log line.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::hide::Hidden;
use crate::config::{SecretSource, nearest};
use crate::secret::Secret;

/// Fewer can be guessed, and would be found in texts that are no secret.
const LEAST_BYTES: usize = 8;
const MOST_BYTES: usize = 65_536;

/// A secret of `[scripts.secrets]` can not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scripts.secrets.{name}: {reason}")]
pub struct SecretError {
    /// The name of the secret.
    pub name: String,
    /// Why, and what would be right.
    pub reason: String,
}

/// The secrets by name. They are read once; only a test says further ones.
#[derive(Debug, Default)]
pub(super) struct Secrets(ArcSwap<Known>);

/// The secrets by name, and what hides them in the log.
#[derive(Debug, Default)]
struct Known {
    named: BTreeMap<String, Secret>,
    hidden: Hidden,
}

impl Known {
    fn new(named: BTreeMap<String, Secret>) -> Self {
        let hidden = Hidden::of_secrets(named.iter().map(|(name, secret)| (name.as_str(), secret.expose())));
        Self { named, hidden }
    }
}

impl Secrets {
    /// Reads every secret.
    ///
    /// # Errors
    /// The first that is not there or too short.
    pub(super) fn read(sources: &BTreeMap<String, SecretSource>) -> Result<Self, SecretError> {
        let read = sources.iter().map(|(name, source)| match read(source) {
            Ok(secret) => Ok((name.clone(), secret)),
            Err(reason) => Err(SecretError { name: name.clone(), reason }),
        });
        Ok(Self(ArcSwap::from_pointee(Known::new(read.collect::<Result<_, _>>()?))))
    }

    /// Says what the secret called `name` is.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub(super) fn say(&self, name: &str, text: &str) -> Result<(), String> {
        let secret = bounded(text.to_owned())?;
        let mut named = self.0.load().named.clone();
        named.insert(name.to_owned(), secret);
        self.0.store(Arc::new(Known::new(named)));
        Ok(())
    }

    /// The secret called `name`.
    ///
    /// # Errors
    /// When there is none, saying which there are.
    pub(super) fn get(&self, name: &str) -> Result<Secret, String> {
        let known = self.0.load();
        let secrets = &known.named;
        secrets.get(name).cloned().ok_or_else(|| {
            let known = secrets.keys().map(String::as_str);
            match nearest(name, known.clone()) {
                Some(near) => format!("no secret is called '{name}'; did you mean '{near}'?"),
                None if secrets.is_empty() => {
                    format!("no secret is called '{name}': [scripts.secrets] is empty")
                }
                None => {
                    let known: Vec<&str> = known.collect();
                    format!("no secret is called '{name}'; [scripts.secrets] has {}", known.join(", "))
                }
            }
        })
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Secret> {
        self.0.load().named.values().cloned().collect()
    }

    /// `text` with the name of each secret in its place, in whatever form it is written there.
    pub(super) fn redact(&self, text: &str) -> String {
        self.0.load().hidden.conceal(text)
    }
}

fn read(source: &SecretSource) -> Result<Secret, String> {
    let text = match source {
        SecretSource::Env(name) => std::env::var(name)
            .map_err(|_| format!("the environment variable {name} is not set, or not UTF-8"))?,
        SecretSource::File(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        }
    };
    bounded(text)
}

fn bounded(text: String) -> Result<Secret, String> {
    match text.len() {
        LEAST_BYTES..=MOST_BYTES => Ok(Secret::new(text)),
        bytes => Err(format!("it has {bytes} bytes; a secret has {LEAST_BYTES} to {MOST_BYTES}")),
    }
}

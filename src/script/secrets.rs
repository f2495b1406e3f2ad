//! Secrets that scripts may use: read once, and never in a log line.

use std::collections::BTreeMap;

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

/// The secrets by name.
#[derive(Debug, Default)]
pub(super) struct Secrets(BTreeMap<String, Secret>);

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
        Ok(Self(read.collect::<Result<_, _>>()?))
    }

    /// The secret called `name`.
    ///
    /// # Errors
    /// When there is none, saying which there are.
    pub(super) fn get(&self, name: &str) -> Result<&Secret, String> {
        self.0.get(name).ok_or_else(|| {
            let known = self.0.keys().map(String::as_str);
            match nearest(name, known.clone()) {
                Some(near) => format!("no secret is called '{name}'; did you mean '{near}'?"),
                None if self.0.is_empty() => {
                    format!("no secret is called '{name}': [scripts.secrets] is empty")
                }
                None => {
                    let known: Vec<&str> = known.collect();
                    format!("no secret is called '{name}'; [scripts.secrets] has {}", known.join(", "))
                }
            }
        })
    }

    /// `text` with the name of each secret in its place.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut secrets: Vec<(&String, &Secret)> = self.0.iter().collect();
        // A secret may be a part of another one.
        secrets.sort_by_key(|(_, secret)| std::cmp::Reverse(secret.expose().len()));
        secrets
            .into_iter()
            .fold(text.to_owned(), |text, (name, secret)| text.replace(secret.expose(), &format!("[{name}]")))
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
    match text.len() {
        LEAST_BYTES..=MOST_BYTES => Ok(Secret::new(text)),
        bytes => Err(format!("it has {bytes} bytes; a secret has {LEAST_BYTES} to {MOST_BYTES}")),
    }
}

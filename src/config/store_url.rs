//! The URL of the store, which can contain a password.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

const MASK: &str = "********";

/// A database that runs within the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmbeddedDatabase {
    /// sled.
    Sled,
    /// fjall.
    Fjall,
}

impl EmbeddedDatabase {
    /// Its name, which is the scheme of its URLs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
        }
    }
}

/// `store.url`. It is never displayed, logged or serialised with its password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Returns the URL with its password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the embedded database and its folder, if the URL names one.
    pub(crate) fn embedded(&self) -> Option<(EmbeddedDatabase, &Path)> {
        let (scheme, folder) = self.0.split_once(':')?;
        let known = [EmbeddedDatabase::Sled, EmbeddedDatabase::Fjall];
        let database = known.into_iter().find(|one| one.name() == scheme)?;
        (!folder.is_empty()).then(|| (database, Path::new(folder)))
    }

    /// Returns the folder of the embedded database, if the URL names one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.embedded().map(|(_, folder)| folder)
    }

    /// Whether the URL names a store in memory.
    pub(crate) fn is_memory(&self) -> bool {
        self.0 == "memory:"
    }

    /// Whether the URL names a PostgreSQL database.
    pub(crate) fn is_postgres(&self) -> bool {
        self.0.starts_with("postgres://") || self.0.starts_with("postgresql://")
    }

    /// Returns the type of the store in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            url if url.is_postgres() => "postgres",
            url if url.is_memory() => "memory",
            url => match url.embedded() {
                Some((database, _)) => database.name(),
                None => EmbeddedDatabase::Sled.name(),
            },
        }
    }

    /// Returns the URL without its password. A password with unescaped characters is hidden too: everything
    /// between the first colon after the scheme and the last `@` is masked.
    fn shown(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return self.0.clone();
        };
        let rest = match (rest.split_once(':'), rest.rsplit_once('@')) {
            (Some((user, _)), Some((_, host))) if user.len() < rest.len() - host.len() => {
                format!("{user}:{MASK}@{host}")
            }
            _ => rest.to_owned(),
        };
        let mut parts = rest.split_inclusive(['?', '&']);
        let mut shown = format!("{scheme}://{}", parts.next().unwrap_or_default());
        for part in parts {
            shown.push_str(&hide_password(part));
        }
        shown
    }
}

/// Returns a parameter of the query, with a mask for its value if it is the password.
fn hide_password(part: &str) -> String {
    let end = if part.ends_with('&') { "&" } else { "" };
    match part.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => {
            format!("{name}={MASK}{end}")
        }
        _ => part.to_owned(),
    }
}

impl From<String> for StoreUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for StoreUrl {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({})", self.shown())
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let all = [
            "postgres://user:hid-den@db:5432/registrar?sslmode=require",
            "postgres://user:hid/d-en@db/registrar",
            "postgres://user:a@hid-den@db/registrar",
            "postgres://user:hid?d-en@db",
            "postgres://user:hid-den@db?options=a@b",
            "postgres://db/registrar?user=user&password=hid-den&sslmode=require",
            "postgres://db/registrar?PASSWORD=hid-den",
        ];
        for text in all {
            let url = StoreUrl::from(text);
            let shown = format!("{url} {url:?} {}", serde_json::to_string(&url).unwrap());
            assert!(!shown.contains("hid") && !shown.contains("den"), "{shown}");
            assert_eq!(url.expose(), text);
        }
        let url = StoreUrl::from(all[0]).to_string();
        assert_eq!(
            url,
            "postgres://user:********@db:5432/registrar?sslmode=require"
        );
    }

    #[test]
    fn the_rest_of_the_url_is_shown() {
        for text in [
            "sled:data",
            "fjall:data",
            "memory:",
            "postgres://user@db:5432/r?sslmode=require",
            "postgres:///r",
        ] {
            assert_eq!(StoreUrl::from(text).to_string(), text);
        }
    }
}

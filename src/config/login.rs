//! `[admin.login]`: people sign in to the console at an OpenID Provider.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::config::{
    AdminScopes, AdminSettings, ConsoleUse, Verdict, refuse_other_readers, upstream::is_plain,
};

/// Stands for every scope of `[admin.scopes]`.
const EVERY: &str = "*";

/// `[admin.login]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LoginSettings {
    /// The issuer identifier of the provider. `None`: only administrators sign in.
    pub issuer: Option<String>,
    /// The identifier of this server at the provider.
    pub client_id: Option<String>,
    /// The file with the secret of this server at the provider. `None`: the provider knows it as a public client.
    pub client_secret_file: Option<PathBuf>,
    /// `[admin.login.scopesFrom]`
    pub scopes_from: ScopesFrom,
}

/// `[admin.login.scopesFrom]`: the scopes that a person gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScopesFrom {
    /// The claim that decides: a text, or a list of texts.
    pub claim: String,
    /// The scopes of `[admin.scopes]` that each value of the claim gives. `*` is every scope.
    pub values: BTreeMap<String, Vec<String>>,
}

impl Default for ScopesFrom {
    fn default() -> Self {
        Self {
            claim: "groups".to_owned(),
            values: BTreeMap::new(),
        }
    }
}

impl ScopesFrom {
    /// Returns the scopes that `values` of the claim give together, without duplicates and in the order of `all`.
    pub(crate) fn scopes<'a>(&self, all: &'a AdminScopes, values: &[String]) -> Vec<&'a str> {
        let given = values.iter().filter_map(|value| self.values.get(value));
        let given: Vec<&str> = given.flatten().map(String::as_str).collect();
        let mut scopes = all.all();
        scopes.retain(|scope| given.contains(scope) || given.contains(&EVERY));
        scopes
    }
}

/// Checks the provider, the file of the secret, and that each value gives scopes that exist.
pub(super) fn check(settings: &AdminSettings, verdict: &mut Verdict) {
    let login = &settings.login;
    let Some(issuer) = &login.issuer else {
        let unset = LoginSettings::default();
        if *login != unset {
            let reason = "is missing, so the other options of this section have no effect";
            verdict.warn("admin.login.issuer", reason);
        }
        return;
    };
    if !is_issuer(issuer) {
        let reason = "must be the https URL of an OpenID Provider, such as https://id.example.org; http is possible for \
                      loopback addresses only";
        verdict.refuse("admin.login.issuer", reason);
    }
    if login.client_id.as_ref().is_none_or(String::is_empty) {
        let reason = "is missing; it is the identifier of this server at the provider";
        verdict.refuse("admin.login.clientId", reason);
    }
    if let Some(file) = &login.client_secret_file
        && let Err(reason) = readable(file)
    {
        let reason = format!("{}: {reason}", file.display());
        verdict.refuse("admin.login.clientSecretFile", reason);
    }
    if settings.console == ConsoleUse::Off {
        let reason = "has no effect, because admin.console is off";
        verdict.warn("admin.login.issuer", reason);
    }
    check_scopes(&login.scopes_from, &settings.scopes, verdict);
}

fn check_scopes(from: &ScopesFrom, scopes: &AdminScopes, verdict: &mut Verdict) {
    if from.claim.is_empty() {
        verdict.refuse("admin.login.scopesFrom.claim", "must name a claim");
    }
    let key = "admin.login.scopesFrom.values";
    if from.values.is_empty() {
        let reason = "is empty, so nobody could sign in; map a value of the claim to scopes, as in admins = [\"*\"]";
        verdict.refuse(key, reason);
    }
    let all = scopes.all();
    for (value, given) in &from.values {
        if given.is_empty() {
            verdict.refuse(key, format!("'{value}' must have at least one scope"));
        }
        let is_known = |name: &&String| *name == EVERY || all.contains(&name.as_str());
        if let Some(unknown) = given.iter().find(|name| !is_known(name)) {
            let known = all.join(", ");
            let reason = format!(
                "'{unknown}' of '{value}' is not a scope of [admin.scopes]; use * for all, or {known}"
            );
            verdict.refuse(key, reason);
        }
    }
}

/// Whether `text` can be the issuer of a provider. Over http, anyone on the network could sign in as anyone.
fn is_issuer(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let is_near = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    is_plain(&url) && (url.scheme() == "https" || is_near)
}

fn readable(file: &Path) -> Result<(), String> {
    refuse_other_readers(file)?;
    File::open(file)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(issuer: &str, values: &[(&str, &[&str])]) -> LoginSettings {
        let values = values.iter().map(|(value, scopes)| {
            let scopes = scopes.iter().map(|&scope| scope.to_owned());
            ((*value).to_owned(), scopes.collect())
        });
        LoginSettings {
            issuer: Some(issuer.to_owned()),
            client_id: Some("registrar".to_owned()),
            client_secret_file: None,
            scopes_from: ScopesFrom {
                values: values.collect(),
                ..ScopesFrom::default()
            },
        }
    }

    fn said(login: LoginSettings) -> String {
        let settings = AdminSettings {
            login,
            ..AdminSettings::default()
        };
        let mut verdict = Verdict::default();
        check(&settings, &mut verdict);
        let lines = verdict.errors.iter().chain(&verdict.warnings);
        let lines: Vec<String> = lines.map(|(key, why)| format!("{key}: {why}")).collect();
        lines.join("\n")
    }

    #[test]
    fn a_provider_is_reached_by_https_or_on_this_machine() {
        let good: &[(&str, &[&str])] = &[("admins", &["*"])];
        for issuer in [
            "https://id.example.org",
            "https://id.example.org/realms/a",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "http://localhost:3000",
        ] {
            assert_eq!(said(login(issuer, good)), "", "{issuer}");
        }
        for issuer in [
            "http://id.example.org",
            "http://10.0.0.1",
            "http://localhost.example.org",
            "https://id.example.org?x",
            "https://id.example.org/#x",
            "https://a:b@id.example.org",
            "id.example.org",
            "",
        ] {
            let said = said(login(issuer, good));
            assert!(said.starts_with("admin.login.issuer: must be"), "{issuer}");
        }
    }

    #[test]
    fn each_value_gives_scopes_that_exist() {
        let issuer = "https://id.example.org";
        for (values, expected) in [
            (&[][..], "values: is empty"),
            (&[("a", &[][..])], "'a' must have at least one scope"),
            (
                &[("a", &["audit.read", "sudo"])],
                "'sudo' of 'a' is not a scope",
            ),
        ] {
            let said = said(login(issuer, values));
            assert!(said.contains(expected), "{said}");
        }
        let mut settings = login(issuer, &[("a", &["*"])]);
        settings.client_id = None;
        settings.client_secret_file = Some("/does/not/exist".into());
        let lines = said(settings);
        assert!(lines.contains("clientId: is missing"), "{lines}");
        assert!(
            lines.contains("clientSecretFile: /does/not/exist: "),
            "{lines}"
        );
        let mut settings = login(issuer, &[("a", &["*"])]);
        settings.issuer = None;
        assert!(said(settings).contains("admin.login.issuer: is missing"));
    }

    #[test]
    fn several_values_give_the_union_of_their_scopes() {
        let login = login(
            "https://id.example.org",
            &[
                ("a", &["audit.read", "clients.read"]),
                ("b", &["clients.read", "clients.write"]),
                ("c", &["*"]),
            ],
        );
        let all = AdminScopes::default();
        let scopes = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            login.scopes_from.scopes(&all, &values)
        };
        assert_eq!(
            scopes(&["b", "a", "other"]),
            ["clients.read", "clients.write", "audit.read"]
        );
        assert_eq!(scopes(&["a", "c"]), all.all());
        assert!(scopes(&["other", "*", "A"]).is_empty());
    }
}

//! The requests of the calls about administrators.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AdministratorFault, data};
use crate::client::{AdministratorData, Approved, Client};
use crate::service::Context;
use crate::token::administrator::record::{self, AdministratorChange, AdministratorDraft};
use crate::token::administrator::{CLIENT_ID, registered_keys};

/// The maximum number of characters of a name.
const NAME: usize = 64;
/// The maximum number of characters of a note.
const NOTE: usize = 256;
/// The maximum number of scopes in a request.
const SCOPES: usize = 64;
/// The maximum number of seconds for which a previous secret stays valid: 30 days.
const OVERLAP: u64 = 2_592_000;

/// A new administrator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdministratorRequest {
    /// Its name in the audit log and the log.
    #[schemars(length(min = 1, max = NAME))]
    name: String,
    /// A description.
    #[serde(default)]
    #[schemars(length(max = NOTE))]
    note: Option<String>,
    /// Its scopes, of `[admin.scopes]`.
    #[serde(default)]
    #[schemars(length(max = SCOPES))]
    scopes: Option<Vec<String>>,
    /// Whether it gets every scope, including those that a later version of the server adds. Default: false.
    #[serde(default)]
    all_scopes: Option<bool>,
    /// Its public keys, if it authenticates with `private_key_jwt` instead of a secret.
    #[serde(default)]
    jwks: Option<Map<String, Value>>,
    /// The URL of its public keys, if it authenticates with `private_key_jwt` instead of a secret.
    #[serde(default)]
    jwks_uri: Option<String>,
}

/// A change of an administrator (RFC 7396). Absent members stay as they are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AdministratorPatch {
    /// Its name in the audit log and the log.
    #[schemars(length(min = 1, max = NAME))]
    name: Option<String>,
    /// A description. Empty or null: it has none any longer.
    #[schemars(length(max = NOTE))]
    pub(crate) note: Option<String>,
    /// Its scopes, of `[admin.scopes]`.
    #[schemars(length(max = SCOPES))]
    scopes: Option<Vec<String>>,
    /// Whether it gets every scope, including those that a later version of the server adds. False: it keeps those that
    /// it has, or gets `scopes`, and none that a later version adds. So it is if only `scopes` is there.
    all_scopes: Option<bool>,
    /// Whether it is disabled: it gets no access token, and those that it has are invalid.
    pub(crate) disabled: Option<bool>,
    /// Its public keys, if it authenticates with a key.
    jwks: Option<Map<String, Value>>,
    /// The URL of its public keys, if it authenticates with a key.
    jwks_uri: Option<String>,
}

/// The rotation of a secret.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RotationRequest {
    /// For how many seconds the previous secret stays valid. Default: 0.
    #[schemars(range(max = OVERLAP))]
    overlap: u64,
}

impl RotationRequest {
    /// Returns the seconds for which the previous secret stays valid.
    ///
    /// # Errors
    /// When they are too many.
    pub(super) fn overlap(&self) -> Result<u64, AdministratorFault> {
        if self.overlap <= OVERLAP {
            Ok(self.overlap)
        } else {
            Err(wrong(&format!("overlap must be at most {OVERLAP} seconds")))
        }
    }
}

fn wrong(reason: &str) -> AdministratorFault {
    AdministratorFault::Request(reason.to_owned())
}

impl AdministratorRequest {
    /// Returns the scopes that the administrator gets.
    ///
    /// # Errors
    /// When there is none, or one is not a scope of administrators.
    pub(super) fn scopes<'a>(&self, cx: &Context<'a>) -> Result<Vec<&'a str>, AdministratorFault> {
        match granted(cx, self.scopes.as_deref(), self.all_scopes)? {
            Some(scopes) => Ok(scopes),
            None => Err(wrong(
                "scopes is missing; list the scopes, or set all_scopes",
            )),
        }
    }

    /// Whether the administrator also gets the scopes of later versions.
    pub(super) fn has_all_scopes(&self) -> bool {
        self.all_scopes.unwrap_or(false)
    }

    /// Whether the administrator authenticates with a key.
    pub(super) const fn has_keys(&self) -> bool {
        self.jwks.is_some() || self.jwks_uri.is_some()
    }

    /// Returns the description.
    ///
    /// # Errors
    /// When it is too long.
    pub(super) fn note(&self) -> Result<Option<String>, AdministratorFault> {
        note(self.note.as_deref().unwrap_or_default())
    }

    /// Returns the metadata of the administrator.
    ///
    /// # Errors
    /// When the name is invalid, or the keys are not public keys.
    pub(super) fn metadata(
        &self,
        cx: &Context<'_>,
        scopes: &[&str],
    ) -> Result<Approved, AdministratorFault> {
        let draft = AdministratorDraft {
            name: name(&self.name)?,
            scopes,
            keys: keys(self.jwks.as_ref(), self.jwks_uri.as_deref())?,
            is_disabled: false,
        };
        Ok(draft.metadata(&cx.service.settings)?)
    }
}

impl AdministratorPatch {
    /// Returns the names of the members that the patch has.
    pub(super) fn changed(&self) -> Vec<&'static str> {
        let members = [
            ("name", self.name.is_some()),
            ("note", self.note.is_some()),
            ("scopes", self.has_all_scopes().is_some()),
            ("disabled", self.disabled.is_some()),
            ("jwks", self.jwks.is_some()),
            ("jwks_uri", self.jwks_uri.is_some()),
        ];
        let present = members.into_iter().filter(|(_, is_present)| *is_present);
        present.map(|(name, _)| name).collect()
    }

    /// Whether the administrator then also gets the scopes of later versions; none if the patch leaves that as it is. Who
    /// lists scopes means these.
    pub(super) fn has_all_scopes(&self) -> Option<bool> {
        self.all_scopes.or(self.scopes.as_ref().map(|_| false))
    }

    /// Returns `before` with the changes.
    ///
    /// # Errors
    /// When the patch is empty or invalid, or changes what is fixed.
    pub(super) fn apply(
        &self,
        cx: &Context<'_>,
        before: &Client,
    ) -> Result<Client, AdministratorFault> {
        let changed = self.changed();
        if changed.is_empty() {
            return Err(wrong("the patch changes nothing"));
        }
        if changed.contains(&"scopes") && before.id.as_str() == CLIENT_ID {
            return Err(AdministratorFault::First(
                "the scopes of the first administrator follow [admin.scopes]; create another administrator",
            ));
        }
        let metadata = self.metadata(cx, before)?;
        let keeps_tokens = changed.iter().all(|name| ["name", "note"].contains(name));
        let now = cx.service.clock.now();
        let issued_at = if keeps_tokens {
            before.issued_at
        } else {
            record::later(before, now)
        };
        Ok(Client {
            metadata,
            issued_at,
            administrator: Some(self.data(before)?),
            revision: before.revision.saturating_add(1),
            ..before.clone()
        })
    }

    fn metadata(&self, cx: &Context<'_>, before: &Client) -> Result<Approved, AdministratorFault> {
        let keys = keys(self.jwks.as_ref(), self.jwks_uri.as_deref())?;
        if keys.is_some() && registered_keys(before.metadata.metadata()).is_none() {
            let reason =
                "this administrator authenticates with a secret; create another one for the key";
            return Err(wrong(reason));
        }
        let scopes = granted(cx, self.scopes.as_deref(), self.all_scopes)?;
        let change = AdministratorChange {
            name: self.name.as_deref().map(name).transpose()?,
            scopes: scopes.as_deref(),
            keys,
            is_disabled: self.disabled,
        };
        Ok(change.of(&before.metadata, &cx.service.settings)?)
    }

    fn data(&self, before: &Client) -> Result<AdministratorData, AdministratorFault> {
        let mut data = data(before);
        if let Some(text) = &self.note {
            data.note = note(text)?;
        }
        if let Some(has_all_scopes) = self.has_all_scopes() {
            data.has_all_scopes = has_all_scopes;
        }
        Ok(data)
    }
}

/// Returns the requested scopes in the order of `[admin.scopes]`; none if none are requested.
fn granted<'a>(
    cx: &Context<'a>,
    scopes: Option<&[String]>,
    all_scopes: Option<bool>,
) -> Result<Option<Vec<&'a str>>, AdministratorFault> {
    let all = cx.service.settings.admin.scopes.all();
    let wanted = match (scopes, all_scopes) {
        (None, Some(true)) => return Ok(Some(all)),
        (None, Some(false) | None) => return Ok(None),
        (Some(_), Some(true)) => return Err(wrong("give either scopes or all_scopes")),
        (Some(wanted), Some(false) | None) => wanted,
    };
    check_wanted(wanted, &all)?;
    let is_wanted = |name: &&str| wanted.iter().any(|wanted| wanted == name);
    Ok(Some(all.into_iter().filter(is_wanted).collect()))
}

/// Checks that each of the `wanted` scopes is one of `all`.
fn check_wanted(wanted: &[String], all: &[&str]) -> Result<(), AdministratorFault> {
    if wanted.is_empty() || wanted.len() > SCOPES {
        return Err(wrong(&format!("scopes must have 1 to {SCOPES} scopes")));
    }
    if !wanted.iter().all(|name| all.contains(&name.as_str())) {
        let known = all.join(", ");
        return Err(wrong(&format!(
            "scopes must be scopes of administrators: {known}"
        )));
    }
    Ok(())
}

fn name(text: &str) -> Result<&str, AdministratorFault> {
    let length = text.chars().count();
    if (1..=NAME).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(wrong(&format!(
            "name must have 1 to {NAME} characters, and no control characters"
        )))
    }
}

fn note(text: &str) -> Result<Option<String>, AdministratorFault> {
    if text.chars().count() > NOTE {
        return Err(wrong(&format!("note must have at most {NOTE} characters")));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn keys(
    jwks: Option<&Map<String, Value>>,
    jwks_uri: Option<&str>,
) -> Result<Option<(&'static str, Value)>, AdministratorFault> {
    match (jwks, jwks_uri) {
        (Some(_), Some(_)) => Err(wrong("give either jwks or jwks_uri")),
        (Some(jwks), None) => Ok(Some(("jwks", jwks.clone().into()))),
        (None, Some(url)) => Ok(Some(("jwks_uri", url.into()))),
        (None, None) => Ok(None),
    }
}

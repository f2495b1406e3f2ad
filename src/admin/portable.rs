//! Reads a client from a [line](crate::store::transfer::line) of an export. Error messages never contain values of the
//! line.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::base::clock::Timestamp;
use crate::base::model::{ClientId, scope};
use crate::base::secret::Secret;
use crate::client::{Client, ClientSecret, Metadata, Provenance, RegistrationTokens, TrustLevel};
use crate::config::AdminScopes;
use crate::service::Context;
use crate::token::administrator;

/// A client that was read from a line.
pub(super) struct Arrived {
    /// The client. Its secret is encrypted for this store.
    pub(super) client: Client,
    /// The members that violate rules of this server. They are kept nevertheless.
    pub(super) odd: Vec<String>,
}

/// Reads the client of a line.
///
/// # Errors
/// Returns the reason why the line is invalid, without its values.
pub(super) fn read(cx: &Context<'_>, members: Map<String, Value>) -> Result<Arrived, String> {
    let mut members = Members(members);
    let id: ClientId = members.take("client_id", "a text of 1 to 128 visible ASCII characters")?;
    let issued_at = members.take("client_id_issued_at", SECONDS)?;
    let expires_at = members.take_if_there("expires_at", SECONDS)?;
    let last_used_at = members.take_if_there("last_used_at", SECONDS)?;
    let shared_as = members.take_if_there("shared_as", "the SHA-256 of the metadata in hex")?;
    let secret = secret(&mut members)?;
    let tokens: RegistrationTokens = members.take("registration_access_token_sha256", DIGESTS)?;
    if !tokens.current.is_whole()
        || tokens
            .previous
            .as_ref()
            .is_some_and(|digest| !digest.is_whole())
    {
        return Err(format!(
            "registration_access_token_sha256: must be {DIGESTS}"
        ));
    }
    let revision = members.take("revision", "a non-negative integer")?;
    let metadata: Metadata = members.take("metadata", "an object")?;
    let provenance: Provenance =
        members.take("provenance", "an object in the form of an export")?;
    members.end()?;
    refuse_administrators(
        &cx.service.settings.admin.scopes,
        &id,
        &metadata,
        &provenance,
    )?;
    let (metadata, odd) = cx.rules().take_over(metadata).map_err(|violations| {
        let texts: Vec<String> = violations
            .into_iter()
            .map(|one| format!("metadata.{one}"))
            .collect();
        texts.join("; ")
    })?;
    let secret = match secret {
        None => None,
        Some((text, expires_at)) => {
            let sealed = cx.service.store.sealing_key.seal(&text, id.as_str());
            let sealed = sealed.map_err(|error| format!("client_secret: {error}"))?;
            Some(ClientSecret { sealed, expires_at })
        }
    };
    let client = Client {
        id,
        metadata,
        shared_as,
        issued_at,
        expires_at,
        last_used_at,
        secret,
        tokens,
        revision,
        provenance,
    };
    Ok(Arrived {
        client,
        odd: odd.into_iter().map(|violation| violation.member).collect(),
    })
}

const SECONDS: &str = "seconds since 1970-01-01T00:00:00Z";
const DIGESTS: &str = "an object with the SHA-256 of the token in base64, in the form of an export";

/// Reads the secret and its expiry time; 0 means never (RFC 7591 section 3.2.1).
fn secret(members: &mut Members) -> Result<Option<(Secret, Option<Timestamp>)>, String> {
    let text: Option<String> = members.take_if_there("client_secret", "a text")?;
    let end: Option<u64> = members.take_if_there("client_secret_expires_at", SECONDS)?;
    match (text, end) {
        (Some(text), Some(end)) if !text.is_empty() => {
            let end = Some(end).filter(|end| *end != 0).map(Timestamp::from_unix);
            Ok(Some((Secret::new(text), end)))
        }
        (None, None) => Ok(None),
        _ => Err(
            "client_secret and client_secret_expires_at: must be both present or both absent"
                .to_owned(),
        ),
    }
}

/// Rejects administrators: otherwise every caller with the scopes for an import could become one.
fn refuse_administrators(
    scopes: &AdminScopes,
    id: &ClientId,
    metadata: &Metadata,
    provenance: &Provenance,
) -> Result<(), String> {
    // The identifier is reserved even if there is no administrator: the next start would give it all scopes.
    if id.as_str() == administrator::CLIENT_ID {
        return Err(
            "client_id: is reserved for the administrator, which cannot be imported".to_owned(),
        );
    }
    if provenance.trust_level == TrustLevel::Operator {
        return Err(
            "provenance.trust_level: clients of the operator cannot be imported".to_owned(),
        );
    }
    let asked = metadata.text("scope").unwrap_or_default();
    match scope::words(asked).find(|scope| scopes.all().contains(scope)) {
        Some(_) => Err(
            "metadata.scope: must not contain a scope of administrators ([admin.scopes])"
                .to_owned(),
        ),
        None => Ok(()),
    }
}

/// The members of a line that have not been read yet.
struct Members(Map<String, Value>);

impl Members {
    fn take<T: DeserializeOwned>(&mut self, name: &str, due: &str) -> Result<T, String> {
        self.take_if_there(name, due)?
            .ok_or_else(|| format!("{name}: is missing; it must be {due}"))
    }

    fn take_if_there<T: DeserializeOwned>(
        &mut self,
        name: &str,
        due: &str,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.0.shift_remove(name) else {
            return Ok(None);
        };
        // The message of serde would repeat the value.
        serde_json::from_value(value)
            .map(Some)
            .map_err(|_| format!("{name}: must be {due}"))
    }

    fn end(self) -> Result<(), String> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err("has an unknown member; was the export written by a newer registrar?".to_owned())
        }
    }
}

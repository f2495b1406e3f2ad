//! Reads a client from a [line](crate::store::transfer::ClientLine) of an export, or from a line that somebody wrote about a
//! client of another product, which has no provenance. Error messages never contain values of the line.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::admin::Administrator;
use crate::base::{ClientId, SealingKeys, Secret, Timestamp, TokenDigest, Violation, scope};
use crate::client::hosted_document::is_plain_id;
use crate::client::rules::needs_secret;
use crate::client::{
    Approved, Client, ClientSecret, DocumentOrigin, HostedDocument, MemberOrigins, Metadata,
    Provenance, RegistrationTokens, TrustLevel, UpstreamClient,
};
use crate::config::AdminScopes;
use crate::service::Context;
use crate::token::administrator;

/// A client that was read from a line.
pub(super) struct Arrived {
    /// The client. Its secret is encrypted for this store.
    pub(super) client: Client,
    /// The members that violate rules of this server. They are kept nevertheless.
    pub(super) odd: Vec<String>,
    /// Whether the line is not from an export.
    pub(super) is_foreign: bool,
}

/// Reads the client of a line.
///
/// # Errors
/// Returns the reason why the line is invalid, without its values.
pub(super) fn read_client(
    cx: &Context<'_>,
    by: &Administrator,
    members: Map<String, Value>,
) -> Result<Arrived, String> {
    let line = PortableClient::read(cx, by, members)?;
    refuse_administrators(&cx.service.settings.admin.scopes, &line)?;
    check_identifier(&line)?;
    let (metadata, violations) = line.approved(cx)?;
    let secret = sealed(cx, line.secret, &line.id)?;
    let client = Client {
        id: line.id,
        metadata,
        shared_as: line.shared_as,
        issued_at: line.issued_at,
        expires_at: line.expires_at,
        last_used_at: line.last_used_at,
        secret,
        tokens: line.tokens,
        revision: line.revision,
        provenance: line.provenance,
        origins: line.origins,
        hosted_document: line.hosted_document,
        document: line.document,
        upstream: line.upstream,
        administrator: None,
    };
    Ok(Arrived {
        client,
        odd: members_of(violations),
        is_foreign: line.is_foreign,
    })
}

fn members_of(violations: Vec<Violation>) -> Vec<String> {
    let members = violations.into_iter().map(|violation| violation.member);
    members.collect()
}

/// Checks that the identifier of the client is one that a registered client can have.
fn check_identifier(line: &PortableClient) -> Result<(), String> {
    if line.id.is_url() != line.document.is_some() {
        let reason =
            "client_id: must begin with https:// if, and only if, the client has a client document";
        return Err(reason.to_owned());
    }
    if line.hosted_document.is_some() && !is_plain_id(line.id.as_str()) {
        let reason = "hosted_document: the client_id cannot be a part of the URL of a document";
        return Err(reason.to_owned());
    }
    Ok(())
}

/// The members of a line. They have the form of an export, and no rule was applied to them.
struct PortableClient {
    id: ClientId,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    shared_as: Option<String>,
    secret: Option<ImportedSecret>,
    tokens: RegistrationTokens,
    revision: u64,
    metadata: Metadata,
    provenance: Provenance,
    origins: Option<MemberOrigins>,
    hosted_document: Option<HostedDocument>,
    document: Option<DocumentOrigin>,
    /// How it is managed at the upstream server. The token is encrypted for this store.
    upstream: Option<UpstreamClient>,
    /// Whether the line is not from an export, which has a provenance.
    is_foreign: bool,
}

/// How the client is managed at the upstream server, with the token in clear text.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportedUpstream {
    registration_client_uri: Option<String>,
    registration_access_token: Option<String>,
}

impl PortableClient {
    /// Returns the metadata, and the rules of this server that it breaks.
    fn approved(&self, cx: &Context<'_>) -> Result<(Approved, Vec<Violation>), String> {
        let (rules, metadata) = (cx.rules(), self.metadata.clone());
        if !self.is_foreign {
            return rules.take_over(metadata).map_err(|faults| listed(&faults));
        }
        let (metadata, violations) = rules.adopt(metadata).map_err(|faults| listed(&faults))?;
        if self.secret.is_none() && needs_secret(metadata.metadata()) {
            let reason = "client_secret: is missing, although token_endpoint_auth_method or an algorithm needs it";
            return Err(reason.to_owned());
        }
        Ok((metadata, violations))
    }

    fn read(
        cx: &Context<'_>,
        by: &Administrator,
        members: Map<String, Value>,
    ) -> Result<Self, String> {
        let mut members = UnreadMembers(members);
        let provenance = members.take_if_there("provenance", OBJECT)?;
        let line = Self {
            id: members.take("client_id", CLIENT_ID)?,
            issued_at: members
                .take_if_there("client_id_issued_at", SECONDS)?
                .unwrap_or(cx.service.clock.now()),
            expires_at: members.take_if_there("expires_at", SECONDS)?,
            last_used_at: members.take_if_there("last_used_at", SECONDS)?,
            shared_as: members.take_if_there("shared_as", "the SHA-256 of the metadata in hex")?,
            secret: secret(&mut members)?,
            tokens: registration_tokens(&mut members)?,
            revision: members
                .take_if_there("revision", "a non-negative integer")?
                .unwrap_or(1),
            origins: None,
            document: members.take_if_there("document", OBJECT)?,
            upstream: None,
            metadata: members.take("metadata", "an object")?,
            is_foreign: provenance.is_none(),
            provenance: provenance.unwrap_or_else(|| foreign(cx, by)),
            hosted_document: members.take_if_there("hosted_document", "published or withdrawn")?,
        };
        line.with_the_rest(cx, members)
    }

    /// Reads what depends on other members.
    fn with_the_rest(self, cx: &Context<'_>, mut members: UnreadMembers) -> Result<Self, String> {
        let origins = origins(&mut members, &self.metadata)?;
        let upstream = upstream(&cx.service.store.sealing_keys, &mut members, &self.id)?;
        members.end()?;
        Ok(Self {
            origins,
            upstream,
            ..self
        })
    }
}

/// Returns the provenance of a client of another product: the administrator vouches for it, and nothing else is known.
fn foreign(cx: &Context<'_>, by: &Administrator) -> Provenance {
    Provenance {
        administrator: Some(by.client_id.clone()),
        ..Provenance::of(TrustLevel::Open, cx.snapshot.revision.clone())
    }
}

/// Reads the origins of the members of the metadata. An older export has none.
fn origins(
    members: &mut UnreadMembers,
    metadata: &Metadata,
) -> Result<Option<MemberOrigins>, String> {
    let due = "an object with the origin of each member, in the form of an export";
    let Some(shown) = members.take_if_there::<Map<String, Value>>("origins", due)? else {
        return Ok(None);
    };
    match MemberOrigins::read(&shown, metadata) {
        Some(origins) => Ok(Some(origins)),
        None => Err(format!("origins: must be {due}")),
    }
}

/// Reads the digests of the registration access tokens. A client that has none gets one when an administrator gives it one.
fn registration_tokens(members: &mut UnreadMembers) -> Result<RegistrationTokens, String> {
    let name = "registration_access_token_sha256";
    let Some(tokens) = members.take_if_there::<RegistrationTokens>(name, DIGESTS)? else {
        return RegistrationTokens::never_issued().map_err(|error| error.to_string());
    };
    let previous = tokens.previous.as_ref();
    if tokens.current.is_whole() && previous.is_none_or(TokenDigest::is_whole) {
        Ok(tokens)
    } else {
        Err(format!("{name}: must be {DIGESTS}"))
    }
}

/// Returns the reason why metadata is rejected.
fn listed(violations: &[Violation]) -> String {
    let texts: Vec<String> = violations
        .iter()
        .map(|violation| format!("metadata.{violation}"))
        .collect();
    texts.join("; ")
}

/// A secret in clear text, and when it expires.
struct ImportedSecret {
    text: Secret,
    expires_at: Option<Timestamp>,
}

/// Encrypts the secret of the client `id`, if it has one, for this store.
fn sealed(
    cx: &Context<'_>,
    secret: Option<ImportedSecret>,
    id: &ClientId,
) -> Result<Option<ClientSecret>, String> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    let key = &cx.service.store.sealing_keys;
    let sealed = key.seal(&secret.text, id.as_str());
    Ok(Some(ClientSecret {
        sealed: sealed.map_err(|error| format!("client_secret: {error}"))?,
        expires_at: secret.expires_at,
    }))
}

/// Reads how the client `id` is managed at the upstream server. The token is encrypted with `key`.
fn upstream(
    key: &SealingKeys,
    members: &mut UnreadMembers,
    id: &ClientId,
) -> Result<Option<UpstreamClient>, String> {
    let Some(upstream) = members.take_if_there::<ImportedUpstream>("upstream", OBJECT)? else {
        return Ok(None);
    };
    let seal = |token: String| key.seal(&Secret::new(token), &UpstreamClient::token_owner(id));
    let token = upstream.registration_access_token.map(seal).transpose();
    Ok(Some(UpstreamClient {
        uri: upstream.registration_client_uri,
        token: token.map_err(|error| format!("upstream: {error}"))?,
    }))
}

const CLIENT_ID: &str =
    "a text of 1 to 128 visible ASCII characters, or at most 512 if it begins with https://";
const OBJECT: &str = "an object in the form of an export";
const SECONDS: &str = "seconds since 1970-01-01T00:00:00Z";
const DIGESTS: &str = "an object with the SHA-256 of the token in base64, in the form of an export";

/// Reads the secret and its expiry time; 0 means never (RFC 7591 section 3.2.1), and so does none.
fn secret(members: &mut UnreadMembers) -> Result<Option<ImportedSecret>, String> {
    let text: Option<String> = members.take_if_there("client_secret", "a text")?;
    let end: Option<u64> = members.take_if_there("client_secret_expires_at", SECONDS)?;
    match (text, end) {
        (Some(text), end) if !text.is_empty() => {
            let end = end.filter(|end| *end != 0);
            Ok(Some(ImportedSecret {
                text: Secret::new(text),
                expires_at: end.map(Timestamp::from_unix),
            }))
        }
        (Some(_), _) => Err("client_secret: must not be empty".to_owned()),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err("client_secret: is missing, but client_secret_expires_at is there".to_owned())
        }
    }
}

/// Rejects administrators: otherwise every caller with the scopes for an import could become one.
fn refuse_administrators(scopes: &AdminScopes, line: &PortableClient) -> Result<(), String> {
    // The identifier is reserved even if there is no administrator: the next start would give it all scopes.
    if line.id.as_str() == administrator::CLIENT_ID {
        return Err(
            "client_id: is reserved for the administrator, which cannot be imported".to_owned(),
        );
    }
    if line.provenance.trust_level == TrustLevel::Operator {
        return Err(
            "provenance.trust_level: clients of the operator cannot be imported".to_owned(),
        );
    }
    let mut asked = scope::words(line.metadata.text("scope").unwrap_or_default());
    if asked.any(|scope| scopes.all().contains(&scope)) {
        let reason = "metadata.scope: must not contain a scope of administrators ([admin.scopes])";
        return Err(reason.to_owned());
    }
    Ok(())
}

/// The members of a line that have not been read yet.
struct UnreadMembers(Map<String, Value>);

impl UnreadMembers {
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

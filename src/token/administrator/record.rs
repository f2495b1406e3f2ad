//! What the record of an administrator is made of: a client of the operator, with scopes of `[admin.scopes]` instead
//! of `[[scopes]]`.

use serde_json::{Map, Value, json};

use crate::base::{ClientId, NoRandomness, Timestamp, Violation};
use crate::client::{
    AdministratorData, Approved, Client, ClientSecret, MemberOrigin, MemberOrigins, Metadata,
    Provenance, RegistrationTokens, Requested, Rules, TrustLevel,
};
use crate::config::{Registration, Scope, Settings};

/// What an administrator is by its metadata.
#[derive(Debug)]
pub(crate) struct AdministratorDraft<'a> {
    /// `client_name`
    pub(crate) name: &'a str,
    /// The scopes, which must be scopes of `[admin.scopes]`.
    pub(crate) scopes: &'a [&'a str],
    /// `jwks` or `jwks_uri` with its value, if the administrator authenticates with a key.
    pub(crate) keys: Option<(&'static str, Value)>,
    /// Whether it is disabled.
    pub(crate) is_disabled: bool,
}

impl AdministratorDraft<'_> {
    /// Returns the metadata, which is valid by the general rules.
    ///
    /// # Errors
    /// The violated rules.
    pub(crate) fn metadata(self, settings: &Settings) -> Result<Approved, Vec<Violation>> {
        let scopes: Vec<Scope> = self.scopes.iter().map(|name| scope(name)).collect();
        let registration = Registration::default();
        let rules = rules(&registration, settings, &scopes);
        let valid = rules.validate(Requested::read_as_operator(self.members(), &[]))?;
        Ok(valid.approve())
    }

    fn members(self) -> Map<String, Value> {
        let method = match &self.keys {
            Some(_) => "private_key_jwt",
            None => "client_secret_basic",
        };
        let mut members = Map::from_iter([
            ("client_name".to_owned(), self.name.into()),
            ("grant_types".to_owned(), json!(["client_credentials"])),
            ("token_endpoint_auth_method".to_owned(), method.into()),
            ("scope".to_owned(), self.scopes.join(" ").into()),
        ]);
        if let Some((member, keys)) = self.keys {
            members.insert(member.to_owned(), keys);
        }
        if self.is_disabled {
            members.insert("disabled".to_owned(), true.into());
        }
        members
    }
}

/// What a change makes of the metadata of an administrator. What it leaves out stays as it is and is not judged: the
/// rules may have changed since, and an administrator whose keys they would reject today must still be disabled, and
/// get the scopes of a new version.
#[derive(Debug, Default)]
pub(crate) struct AdministratorChange<'a> {
    /// `client_name`
    pub(crate) name: Option<&'a str>,
    /// The scopes, which must be scopes of `[admin.scopes]`.
    pub(crate) scopes: Option<&'a [&'a str]>,
    /// `jwks` or `jwks_uri` with its value.
    pub(crate) keys: Option<(&'static str, Value)>,
    /// Whether it is disabled.
    pub(crate) is_disabled: Option<bool>,
}

impl AdministratorChange<'_> {
    /// Returns `before` with the change.
    ///
    /// # Errors
    /// The rules that the changed members violate.
    pub(crate) fn of(
        self,
        before: &Approved,
        settings: &Settings,
    ) -> Result<Approved, Vec<Violation>> {
        let scopes = self.scopes.unwrap_or_default();
        let scopes: Vec<Scope> = scopes.iter().map(|name| scope(name)).collect();
        let registration = Registration::default();
        let rules = rules(&registration, settings, &scopes);
        rules.change_approved(before, self.made_of(before.metadata()))
    }

    fn made_of(self, before: &Metadata) -> Metadata {
        let mut next = before.clone();
        if let Some(name) = self.name {
            next.set("client_name", name);
        }
        if let Some(scopes) = self.scopes {
            next.set("scope", scopes.join(" "));
        }
        if let Some((member, keys)) = self.keys {
            next.remove("jwks");
            next.remove("jwks_uri");
            next.set(member, keys);
        }
        match self.is_disabled {
            Some(true) => next.set("disabled", true),
            Some(false) => drop(next.remove("disabled")),
            None => {}
        }
        next
    }
}

/// Returns the rules for an administrator with these `scopes`: those for everyone, without `[registration]`.
const fn rules<'a>(
    registration: &'a Registration,
    settings: &'a Settings,
    scopes: &'a [Scope],
) -> Rules<'a> {
    Rules {
        settings: registration,
        scopes,
        limits: &settings.limits,
        fetch: &settings.fetch,
        initial_access: None,
        registered: None,
        is_certified: false,
        document: None,
    }
}

/// Returns the definition of a scope of administrators.
fn scope(name: &str) -> Scope {
    Scope {
        id: name.to_owned(),
        pattern: None,
        description: None,
        default: false,
        claims: Vec::new(),
    }
}

/// What distinguishes a version of an administrator from the version before it.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(super) issued_at: Timestamp,
    pub(super) configuration: String,
    pub(super) revision: u64,
}

impl Issue {
    /// Returns the first version, with the revision of the live configuration.
    pub(crate) const fn first(now: Timestamp, configuration: String) -> Self {
        Self {
            issued_at: now,
            configuration,
            revision: 1,
        }
    }

    /// The version that replaces `before` now.
    pub(super) fn after(before: Option<&Client>, now: Timestamp) -> Self {
        match before {
            Some(before) => Self {
                issued_at: later(before, now),
                configuration: before.provenance.configuration.clone(),
                revision: before.revision.saturating_add(1),
            },
            None => Self::first(now, String::new()),
        }
    }
}

/// Returns the `issued_at` with which a new version of `before` invalidates its access tokens. A token is valid only
/// as long as its client has the same `issued_at`.
pub(crate) fn later(before: &Client, now: Timestamp) -> Timestamp {
    now.max(before.issued_at.plus(1))
}

/// Builds the record of an administrator.
///
/// # Errors
/// When no random bytes are available.
pub(crate) fn client(
    id: ClientId,
    metadata: Approved,
    secret: Option<ClientSecret>,
    administrator: Option<AdministratorData>,
    issue: Issue,
) -> Result<Client, NoRandomness> {
    Ok(Client {
        id,
        origins: Some(MemberOrigins::all_from(
            &MemberOrigin::Server,
            metadata.metadata(),
        )),
        metadata,
        issued_at: issue.issued_at,
        document: None,
        expires_at: None,
        last_used_at: None,
        shared_as: None,
        hosted_document: None,
        upstream: None,
        administrator,
        secret,
        // Only the operator manages this client.
        tokens: RegistrationTokens::never_issued()?,
        revision: issue.revision,
        provenance: Provenance::of(TrustLevel::Operator, issue.configuration),
    })
}

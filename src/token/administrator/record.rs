//! What the record of an administrator is made of: a client of the operator, with scopes of `[admin.scopes]` instead
//! of `[[scopes]]`.

use serde_json::{Map, Value, json};

use crate::base::{ClientId, NoRandomness, Timestamp, TokenDigest, Violation, random};
use crate::client::{
    AdministratorData, Approved, Client, ClientSecret, MemberOrigin, MemberOrigins, Provenance,
    RegistrationTokens, Requested, Rules, TrustLevel,
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
        let rules = Rules {
            settings: &Registration::default(),
            scopes: &scopes,
            limits: &settings.limits,
            fetch: &settings.fetch,
            initial_access: None,
            registered: None,
            is_certified: false,
            document: None,
        };
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
        // A token that is never issued: only the operator manages this client.
        tokens: RegistrationTokens {
            current: TokenDigest::of(random::token()?.expose()),
            previous: None,
        },
        revision: issue.revision,
        provenance: provenance(issue.configuration),
    })
}

fn provenance(configuration: String) -> Provenance {
    Provenance {
        trust_level: TrustLevel::Operator,
        address: None,
        initial_access_token: None,
        initial_access_note: None,
        administrator: None,
        script_version: None,
        initial_access_policy: None,
        statement: None,
        certificate: None,
        attestation_digest: None,
        attestation_verifier: None,
        attestation_policy: None,
        approval: None,
        scripts: Vec::new(),
        configuration,
    }
}

//! Client documents (Client ID Metadata Documents): a registration that nobody sends. A document runs the steps of a registration or an update that
//! need no credentials, and then becomes a client whose identifier is its URL.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::{ClientId, Secret, TokenDigest, Violation, random};
use crate::client::{
    Client, DocumentOrigin, MemberOrigin, MemberOrigins, Metadata, Provenance, RegistrationTokens,
    ScriptRef, SetBy, TrustLevel, Valid, member, rules,
    rules::client_document::change::DocumentChange,
};
use crate::config::StatementValidation;
use crate::registration::{
    Attempt, Caller, MemberSources, Parsed, Proven, RegisterError, Sanctioned, SelfMade, Statement,
    check, hooks, issue, merge, metadata, origins, reservations, statement,
};
use crate::script::{ChangedMember, Decision, Hook, HookError, Proofs};
use crate::service::Context;
use crate::store::{Along, AuditEvent, Change, Denial, StoreError, Stored};

/// A document that complies with every rule and that every script has accepted. It is not stored yet.
pub(crate) struct JudgedDocument<'a> {
    attempt: Attempt<'a>,
    proven: Proven,
    sanctioned: Sanctioned,
    /// The members that an administrator set, which no document changes.
    kept: Vec<(String, Value)>,
}

/// Returns the change that denies the URL of a client that an administrator deletes: a fetch would create it again.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn denial_of_deleted(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    client: &Client,
) -> Result<Change, StoreError> {
    if client.document.is_none() {
        return Ok(Change::default());
    }
    let denial = Denial {
        client_id: client.id.to_string(),
        by: caller.author(None).actor.unwrap_or_default(),
        at: cx.service.clock.now(),
        note: None,
        until: None,
    };
    cx.service
        .store
        .client_documents
        .denial_change(denial)
        .await
}

/// Asks the scripts whether the document of `caller` may be fetched.
///
/// # Errors
/// When a script denies it or fails.
pub(crate) async fn may_fetch(cx: &Context<'_>, caller: &Caller<'_>) -> Result<(), RegisterError> {
    let (scripts, hook) = (&cx.snapshot.scripts, Hook::MayFetchDocument);
    if !scripts.has(hook) {
        return Ok(());
    }
    let proofs = Arc::new(Proofs::none(TrustLevel::Document));
    let facts = Arc::new(caller.facts(cx, &proofs, Metadata::default()));
    match scripts.ask(hook, facts, Metadata::default()).await? {
        Some(answered) if answered.value == Value::Bool(false) => {
            let script = answered.by.name;
            Err(HookError::Refused { script }.into())
        }
        _ => Ok(()),
    }
}

/// Judges the request `members`, which was made from the document of `caller`, by the rules and the scripts. `stored`
/// is the client of the version in force.
///
/// # Errors
/// The error of the first step that rejects the document.
pub(crate) async fn judge<'a>(
    cx: &'a Context<'_>,
    caller: &'a Caller<'_>,
    members: Map<String, Value>,
    stored: Option<&'a Stored>,
) -> Result<JudgedDocument<'a>, RegisterError> {
    let attempt = match stored {
        Some(stored) => Attempt::replace(cx, caller, stored),
        None => Attempt::create(cx, caller),
    };
    let proven = prove(attempt, members).await?;
    let valid = check(cx, &proven).await?;
    let kept = attempt.existing().map(administrators).unwrap_or_default();
    let decided = decide(attempt, &proven, &valid, &kept).await?;
    let sanctioned = hooks::approve(cx, &proven, valid, decided).await?;
    if rules::needs_secret(sanctioned.metadata.metadata()) {
        return Err(spoiled(sanctioned));
    }
    Ok(JudgedDocument {
        attempt,
        proven,
        sanctioned,
        kept,
    })
}

/// Lets the scripts decide, but not about the members `kept` that an administrator set.
async fn decide(
    attempt: Attempt<'_>,
    proven: &Proven,
    valid: &Valid,
    kept: &[(String, Value)],
) -> Result<Decision, RegisterError> {
    note_change(attempt, &keeping(valid.metadata().clone(), kept));
    let mut decided = hooks::decide(attempt, proven, valid).await?;
    decided.client = keeping(decided.client, kept);
    Ok(decided)
}

/// Returns the members that only an administrator or a trusted party may set, and that an administrator did set, such as
/// `disabled`. A document says nothing about them, so no version of it ends them.
fn administrators(client: &Client) -> Vec<(String, Value)> {
    let mut kept = Vec::new();
    for (name, value) in client.metadata.metadata().iter() {
        let set_by = member::find(name).map(|member| member.set_by);
        let is_kept = match (&client.origins, set_by) {
            (Some(origins), Some(SetBy::Operator | SetBy::Privileged)) => {
                origins.origin_of(name) == MemberOrigin::Administrator
            }
            // Nobody knows who set it.
            (None, Some(SetBy::Operator)) => true,
            _ => false,
        };
        if is_kept {
            kept.push((name.to_owned(), value.clone()));
        }
    }
    kept
}

/// Returns `metadata` with the members that an administrator set.
fn keeping(mut metadata: Metadata, kept: &[(String, Value)]) -> Metadata {
    for (name, value) in kept {
        metadata.set(name, value.clone());
    }
    metadata
}

/// Lets the scripts see how the document differs from the version in force.
fn note_change(attempt: Attempt<'_>, after: &Metadata) {
    let (Some(document), Some(existing)) = (&attempt.caller.document, attempt.existing()) else {
        return;
    };
    let before = existing.metadata.metadata();
    let Some(mut change) = DocumentChange::between(before, after) else {
        return;
    };
    // The scripts decide about these again.
    change.members.retain(|name| !is_of_script(existing, name));
    if change.members.is_empty() {
        return;
    }
    let values = |metadata: &Metadata| {
        let mut values = Map::new();
        for name in &change.members {
            let value = metadata.get(name).cloned().unwrap_or_default();
            values.insert(name.clone(), value);
        }
        values
    };
    document.set_change(json!({
        "members": change.members,
        "before": values(before),
        "after": values(after),
        "downgrades": change.downgrades,
    }));
}

/// Whether a script gave the member its value.
fn is_of_script(client: &Client, name: &str) -> bool {
    let origins = client.origins.as_ref();
    origins.is_some_and(|origins| matches!(origins.origin_of(name), MemberOrigin::Script(_)))
}

/// Scripts made the client one that needs a secret, which nobody could tell it.
fn spoiled(sanctioned: Sanctioned) -> RegisterError {
    let scripts = sanctioned.scripts.into_iter().map(|script| script.name);
    let rule = "must not need a secret: a client with a client document has none";
    RegisterError::SpoiledByScript {
        scripts: scripts.collect(),
        violations: vec![Violation::metadata("token_endpoint_auth_method", rule)],
    }
}

/// Returns the members of a document that are heard.
fn heard(cx: &Context<'_>, mut members: Map<String, Value>) -> Parsed {
    if !is_heard(cx) {
        members.shift_remove("software_statement");
    }
    Parsed {
        members,
        signed: None,
    }
}

/// Returns the scripts that gave the keys of the statement, and those that adapted the request.
fn scripts(statement: Option<&Statement>, adapted_by: Vec<ScriptRef>) -> Vec<ScriptRef> {
    let mut scripts: Vec<ScriptRef> = keys_by(statement).into_iter().collect();
    scripts.extend(adapted_by);
    scripts
}

/// Verifies the statement of a document, if it has one. Nobody makes a statement for one document alone.
async fn verified(
    attempt: Attempt<'_>,
    parsed: &Parsed,
) -> Result<Option<Statement>, RegisterError> {
    let statement = statement::verify(attempt, parsed).await?;
    Ok(statement.map(|statement| Statement {
        self_made: SelfMade::No,
        ..statement
    }))
}

/// Runs the steps that find out what the members are worth: a software statement in the document, and the scripts
/// that adapt requests.
async fn prove(attempt: Attempt<'_>, members: Map<String, Value>) -> Result<Proven, RegisterError> {
    let parsed = heard(attempt.cx, members);
    let statement = verified(attempt, &parsed).await?;
    let by_statement = statement.as_ref();
    let merged = merge::merge(attempt.cx, parsed.members, by_statement)?;
    let stated = merged.stated.clone();
    let proofs = Arc::new(proofs(by_statement));
    let adapted = metadata::adapt(attempt, &proofs, merged).await?;
    let requested = merge::requested(attempt, adapted.members, by_statement, None);
    let registered = attempt.existing().map(|client| client.metadata.metadata());
    Ok(Proven {
        document: attempt.document(&requested),
        requested,
        proofs,
        initial_access: None,
        registered: registered.cloned(),
        is_certified: by_statement.is_some_and(|statement| statement.is_certified),
        is_evidence_owed: false,
        sources: sources(stated, adapted.changed),
        scripts: scripts(by_statement, adapted.by),
        uses: Vec::new(),
        statement,
    })
}

/// Whether a software statement in a document is verified. A statement with its own keys, or without any, says no more
/// than the document itself.
fn is_heard(cx: &Context<'_>) -> bool {
    let settings = cx.settings();
    let is_verified = matches!(
        settings.software_statement_validation_type,
        StatementValidation::Builtin | StatementValidation::Script
    );
    is_verified || settings.software_statement_required
}

fn keys_by(statement: Option<&Statement>) -> Option<ScriptRef> {
    statement?.keys_by.clone()
}

/// Returns who gave the members their values.
fn sources(stated: Vec<String>, changed: Vec<ChangedMember>) -> MemberSources {
    let mut sources = MemberSources::all_from(MemberOrigin::Request);
    for name in stated {
        sources.set(name, MemberOrigin::SoftwareStatement);
    }
    sources.set_by_scripts(changed);
    sources
}

fn proofs(statement: Option<&Statement>) -> Proofs {
    let mut trust_level = TrustLevel::Document;
    if statement.is_some_and(|statement| statement.is_vouched) {
        trust_level = trust_level.max(TrustLevel::Statement);
    }
    Proofs {
        software_statement: statement.map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        ..Proofs::none(trust_level)
    }
}

impl JudgedDocument<'_> {
    /// Returns the metadata that would be registered.
    pub(crate) const fn metadata(&self) -> &Metadata {
        self.sanctioned.metadata.metadata()
    }

    /// Returns the trust level that the client would have.
    pub(crate) fn trust_level(&self) -> TrustLevel {
        self.proven.proofs.trust_level
    }

    /// Returns why a script lets the document wait for an administrator.
    pub(crate) fn held(&self) -> Option<String> {
        self.attempt.caller.document.as_ref()?.held()
    }

    /// Returns what the scripts see of the document that are notified that it waits; none if no script wants to be.
    pub(crate) fn remembered(&self) -> Option<Box<Value>> {
        hooks::remembered_for(self.attempt, &self.proven, Hook::RegistrationPending)
    }

    /// Returns what is stored with the change of `client` that `event` of the audit log reports.
    ///
    /// # Errors
    /// When another request has used what a script reserved, or the store cannot be read.
    pub(crate) async fn along(
        &self,
        client: &Client,
        event: &AuditEvent,
    ) -> Result<Along, RegisterError> {
        let along = issue::along(self.attempt, &self.proven, client, event)?;
        let reserved = reservations::change(self.attempt.cx, &self.sanctioned.reserved);
        Ok(along.and(reserved.await?))
    }

    /// Returns who gave each member its value.
    fn origins(&self) -> Option<MemberOrigins> {
        let settled = origins::settle(self.attempt, &self.proven, &self.sanctioned)?;
        let origin = |name: &str| {
            if self.kept.iter().any(|(kept, _)| kept == name) {
                return MemberOrigin::Administrator;
            }
            settled.origin_of(name)
        };
        let members = self.metadata().iter();
        Some(MemberOrigins::collect(
            members.map(|(name, _)| (name, origin(name))),
        ))
    }

    /// Returns the client with the identifier `id`, as the document makes it. Its registration access token is known to
    /// nobody: whoever controls the URL manages the client.
    ///
    /// # Errors
    /// When no token can be created.
    pub(crate) fn client(
        &self,
        id: ClientId,
        document: DocumentOrigin,
    ) -> Result<Client, RegisterError> {
        let (attempt, proven) = (self.attempt, &self.proven);
        let (before, now) = (attempt.existing(), attempt.cx.service.clock.now());
        let origins = self.origins();
        let provenance = Provenance {
            // The address of the user for whom an authorization server asked.
            address: None,
            ..issue::provenance(attempt, proven, &self.sanctioned)
        };
        let tokens = match before {
            Some(before) => before.tokens.clone(),
            None => unknown_token(&random::token()?),
        };
        Ok(Client {
            id,
            metadata: self.sanctioned.metadata.clone(),
            shared_as: None,
            issued_at: before.map_or(now, |before| before.issued_at),
            expires_at: None,
            last_used_at: before.and_then(|before| before.last_used_at),
            secret: None,
            tokens,
            // A URL that is admitted again does not repeat the revisions of the client before.
            revision: before.map_or(now.unix(), |before| before.revision.saturating_add(1)),
            provenance,
            origins,
            document: Some(document),
            hosted_document: None,
            upstream: None,
            administrator: None,
        })
    }
}

fn unknown_token(token: &Secret) -> RegistrationTokens {
    RegistrationTokens {
        current: TokenDigest::of(token.expose()),
        previous: None,
    }
}

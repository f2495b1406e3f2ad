//! What becomes of a document that has arrived: the client in force, a change that waits, or a candidate.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::base::{ClientId, ClientUrl, Timestamp, absent, json as strict};
use crate::client::rules::client_document::admission::is_approved;
use crate::client::rules::client_document::change::DocumentChange;
use crate::client::{Client, DocumentApproval, Metadata};
use crate::config::{ClientDocumentApproval, ClientDocumentHold, Registration};
use crate::registration::client_document::{self, JudgedDocument};
use crate::registration::{Caller, RegisterError};
use crate::resolution::request::Parts;
use crate::resolution::{ResolveError, Resolver, UnusableAnswer, in_force, request, waiting};
use crate::script::DocumentFacts;
use crate::service::Context;
use crate::store::{Action, Along, Author, FetchState, Reason, Stored};
use crate::telemetry::ClientChange;

/// A document that has arrived.
pub(super) struct Arrival<'a> {
    pub(super) url: &'a ClientUrl,
    pub(super) id: &'a ClientId,
    pub(super) octets: &'a [u8],
    pub(super) digest: &'a str,
    /// How the fetches of the document went, with this one; none if it was not fetched.
    pub(super) state: Option<&'a FetchState>,
    /// The address of the user for whom it was fetched.
    pub(super) address: Option<IpAddr>,
    pub(super) consent: Consent<'a>,
}

/// Who has agreed to a document.
#[derive(Clone, Copy)]
pub(super) enum Consent<'a> {
    /// Nobody yet.
    None,
    /// An administrator, to these octets.
    Given {
        author: &'a Author,
        note: Option<&'a str>,
        /// Whether the administrator brought the document.
        is_pinned: bool,
    },
}

impl Consent<'_> {
    /// Whether an administrator brought the document.
    pub(super) const fn is_pin(self) -> bool {
        matches!(
            self,
            Self::Given {
                is_pinned: true,
                ..
            }
        )
    }
}

/// What becomes of a document.
#[derive(Debug, PartialEq, Eq)]
enum AdmissionVerdict {
    /// It is in force.
    Admit(Option<DocumentApproval>),
    /// It waits for an administrator.
    Wait,
}

/// Judges a document, and stores what becomes of it. `stored` is the client of the version in force.
pub(super) async fn admit(
    resolver: &Resolver,
    cx: &Context<'_>,
    stored: Option<&Stored>,
    arrival: &Arrival<'_>,
) -> Result<(), ResolveError> {
    let head = request::head(arrival.address);
    let caller = caller(cx, &head, stored, arrival);
    let judged = Box::pin(judge(cx, &caller, stored, arrival)).await?;
    let before = stored.map(Stored::client);
    let change = change(before, &judged);
    let decision = WaitCriteria::about(cx, before, change.as_ref(), &judged);
    match (decision.verdict(arrival), stored) {
        (AdmissionVerdict::Admit(approval), _) => {
            in_force::enforce(cx, stored, arrival, &judged, approval).await
        }
        (AdmissionVerdict::Wait, Some(stored)) => {
            let change = change.unwrap_or_default();
            waiting::hold(resolver, cx, arrival, &judged, (stored, &change)).await
        }
        (AdmissionVerdict::Wait, None) => waiting::wait(resolver, cx, arrival, &judged).await,
    }
}

/// What would become of a document.
pub(super) struct Preview {
    /// The metadata that would be registered.
    pub(super) metadata: Metadata,
    /// Whether it would wait for an administrator.
    pub(super) waits: bool,
}

/// Judges a document as [`admit`] does, and stores nothing.
pub(super) async fn preview(
    cx: &Context<'_>,
    stored: Option<&Stored>,
    arrival: &Arrival<'_>,
) -> Result<Preview, ResolveError> {
    let head = request::head(arrival.address);
    let caller = caller(cx, &head, stored, arrival);
    let judged = Box::pin(judge(cx, &caller, stored, arrival)).await?;
    let before = stored.map(Stored::client);
    let change = change(before, &judged);
    let decision = WaitCriteria::about(cx, before, change.as_ref(), &judged);
    Ok(Preview {
        metadata: judged.metadata().clone(),
        waits: decision.verdict(arrival) == AdmissionVerdict::Wait,
    })
}

/// Returns how the document differs from the version in force.
fn change(before: Option<&Client>, judged: &JudgedDocument<'_>) -> Option<DocumentChange> {
    DocumentChange::between(&waiting::unnarrowed(before?), judged.metadata())
}

fn caller<'a>(
    cx: &Context<'_>,
    head: &'a Parts,
    stored: Option<&Stored>,
    arrival: &Arrival<'_>,
) -> Caller<'a> {
    let (url, now) = (arrival.url, cx.service.clock.now());
    let document = stored.and_then(|stored| stored.client().document.as_ref());
    let first_seen_at = document.map_or(now, |document| document.first_seen_at);
    let is_pinned = arrival.consent.is_pin();
    let shown = json!({
        "url": url.as_str(),
        "host": url.host(),
        "digest": arrival.digest,
        "first_seen": first_seen_at.unix(),
        "fetched_at": now.unix(),
        "pinned": is_pinned,
        "change": null,
    });
    let caller = Caller::of(head).with_document(DocumentFacts::new(shown));
    match arrival.consent {
        Consent::Given {
            author:
                Author {
                    actor: Some(actor),
                    actor_name,
                    ..
                },
            ..
        } => caller.with_administrator(actor, actor_name.as_deref()),
        _ => caller,
    }
}

/// Judges the document by the rules and the scripts.
async fn judge<'a>(
    cx: &'a Context<'_>,
    caller: &'a Caller<'_>,
    stored: Option<&'a Stored>,
    arrival: &Arrival<'_>,
) -> Result<JudgedDocument<'a>, ResolveError> {
    let unusable = |description: String| ResolveError::Unusable {
        description,
        answer: UnusableAnswer {
            status: Some(200),
            ..UnusableAnswer::default()
        },
    };
    let parsed = strict::parse_object(arrival.octets);
    let members = parsed.map_err(|error| unusable(format!("the document {error}")))?;
    if let Some(Value::String(id)) = members.get("client_id")
        && id != arrival.url.as_str()
    {
        let rule = "the client_id in the document must be exactly the URL of the document";
        return Err(unusable(rule.to_owned()));
    }
    let request = cx.rules().read_document(arrival.url, members);
    let request = request.map_err(RegisterError::from)?;
    let judged = client_document::judge(cx, caller, absent::present(request), stored).await?;
    Ok(judged)
}

/// What decides whether a document waits.
struct WaitCriteria<'a> {
    settings: &'a Registration,
    /// The version in force.
    before: Option<&'a Client>,
    /// How the document differs from it.
    change: Option<&'a DocumentChange>,
    is_held_by_script: bool,
    now: Timestamp,
}

impl<'a> WaitCriteria<'a> {
    /// What decides about a document that was judged.
    fn about(
        cx: &'a Context<'_>,
        before: Option<&'a Client>,
        change: Option<&'a DocumentChange>,
        judged: &JudgedDocument,
    ) -> Self {
        Self {
            settings: cx.settings(),
            before,
            change,
            is_held_by_script: judged.held().is_some(),
            now: cx.service.clock.now(),
        }
    }
}

impl WaitCriteria<'_> {
    fn verdict(&self, arrival: &Arrival<'_>) -> AdmissionVerdict {
        if let Consent::Given { author, note, .. } = arrival.consent {
            return AdmissionVerdict::Admit(Some(DocumentApproval {
                digest: arrival.digest.to_owned(),
                by: author.actor.clone().unwrap_or_default(),
                at: self.now,
                note: note.map(str::to_owned),
            }));
        }
        let approval = self
            .before
            .and_then(|it| it.document.as_ref()?.approved.as_ref());
        let is_waiting = match self.before {
            None => self.is_held_by_script || self.is_new_held(arrival.url),
            Some(_) => self.is_change_held(),
        };
        if is_waiting {
            return AdmissionVerdict::Wait;
        }
        AdmissionVerdict::Admit(self.moved(approval, arrival.digest))
    }

    fn is_new_held(&self, url: &ClientUrl) -> bool {
        match self.settings.client_document_approval {
            ClientDocumentApproval::Never => false,
            ClientDocumentApproval::First => !is_approved(self.settings, url),
            ClientDocumentApproval::Always => true,
        }
    }

    fn is_change_held(&self) -> bool {
        let Some(change) = self.change else {
            return self.is_held_by_script;
        };
        let is_sensitive = !change.sensitive(self.settings).is_empty();
        self.is_held_by_script
            || !change.downgrades.is_empty()
            || self.settings.client_document_approval == ClientDocumentApproval::Always
            || (is_sensitive && self.settings.client_document_hold != ClientDocumentHold::None)
    }

    /// Returns the approval of octets in which no sensitive member differs from those that an administrator approved.
    fn moved(&self, approval: Option<&DocumentApproval>, digest: &str) -> Option<DocumentApproval> {
        let approval = approval?;
        let in_force = self.before?.document.as_ref()?;
        let is_sensitive = self
            .change
            .is_some_and(|change| !change.sensitive(self.settings).is_empty());
        // A sensitive change that took effect without an administrator has left the approval behind.
        if is_sensitive || approval.digest != in_force.digest {
            return Some(approval.clone());
        }
        Some(DocumentApproval {
            digest: digest.to_owned(),
            by: DocumentApproval::UNCHANGED.to_owned(),
            at: self.now,
            note: approval.note.clone(),
        })
    }
}

/// Removes the client of a URL that had no document for a long time.
pub(super) async fn forget(cx: &Context<'_>, stored: &Stored) -> Result<(), ResolveError> {
    let (service, id) = (cx.service, stored.client().id.as_str());
    let event = Author::default().did(Action::DocumentGone, id, service.clock.now());
    let along = Along::audited(&event.with("reason", "absent"), Reason::Document);
    service.store.clients.remove(stored, along).await?;
    let trust_level = stored.client().provenance.trust_level.as_str();
    cx.count(ClientChange::Deleted, trust_level);
    Ok(())
}

/// Writes the first failure in a row to the log, and to the audit log that a client is suspended.
pub(super) fn report_failure(cx: &Context<'_>, id: &ClientId, is_gone: bool) {
    if is_gone {
        let event = Author::default();
        let event = event.did(Action::DocumentGone, id.as_str(), cx.service.clock.now());
        cx.service
            .refusals
            .leave(event.refused("document_unusable"));
    }
    tracing::warn!(client_id = %id, is_gone, "a client document could not be fetched again");
}

//! Registrations and updates that wait for the approval of an administrator
//! (draft-dellaert-oauth-approval-based-dcr): which of them wait, and what their clients get.

use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::base::{NoRandomness, Secret, Timestamp, Violation, hex, random, sha256};
use crate::client::rules::{APPROVAL, IMMEDIATE};
use crate::client::{Client, Metadata};
use crate::config::{Registration, RegistrationApproval};
use crate::http::peer;
use crate::registration::{
    Attempt, Issued, Proven, Purpose, RegisterError, hooks, initial_access, issue,
};
use crate::script::{Decision, Hook};
use crate::service::Context;
use crate::store::{
    Action, Along, Change, EventType, PendingError, PendingKind, PendingRequest, PendingRequests,
    PendingState, StoreError,
};
use crate::telemetry::PendingChange;

/// The member with which a client says whether it can wait.
const MODE: &str = "registration_mode";

/// Seconds for which a disabled client waits. Its client does not ask, so the time is not the one of the setting.
const DISABLED_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The characters of a code that people enter: consonants that cannot be confused and form no words
/// (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// The number of these characters in a code.
const CODE_LENGTH: usize = 8;

/// What becomes of a request that every step has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    /// It takes effect at once.
    Immediate,
    /// It waits, and its client asks for the decision.
    Deferred(Option<String>),
    /// The client exists at once, but it is disabled.
    Disabled(Option<String>),
}

/// Decides whether the request waits, and disables its client if the client exists meanwhile.
///
/// # Errors
/// When it must wait and its client cannot.
pub(super) fn settle(
    attempt: Attempt<'_>,
    proven: &Proven,
    decided: &mut Decision,
) -> Result<Course, RegisterError> {
    let course = course(attempt, proven.requested.metadata(), decided.held.take())?;
    if let Course::Disabled(_) = course {
        decided.client.set("disabled", true);
    }
    Ok(course)
}

/// Decides whether the request waits. `held` is the reason of a script that holds it.
///
/// # Errors
/// When it must wait and its client cannot.
fn course(
    attempt: Attempt<'_>,
    requested: &Metadata,
    held: Option<String>,
) -> Result<Course, RegisterError> {
    let settings = attempt.cx.settings();
    let is_new = matches!(attempt.purpose, Purpose::Create);
    if settings.registration_approval == RegistrationApproval::Off {
        return without_approval(held.is_some());
    }
    let modes = Modes::of(requested, is_new);
    let is_required = is_new && settings.registration_approval == RegistrationApproval::Required;
    let must_wait = is_required || held.is_some();
    if !must_wait && !modes.wants_to_wait {
        Ok(Course::Immediate)
    } else if modes.can_wait {
        Ok(Course::Deferred(held))
    } else if is_new && settings.registration_approval_silent {
        Ok(Course::Disabled(held))
    } else {
        Err(rejected(
            "must contain approval, because an administrator must approve this request; the answer is then 202 \
             with a code to ask for the decision",
        ))
    }
}

/// What the client says about waiting.
struct Modes {
    can_wait: bool,
    wants_to_wait: bool,
}

impl Modes {
    /// Reads the `registration_mode`. Modes that are not known are ignored, and every client accepts to be registered
    /// immediately, whether it says so or not. An update waits only if it must: otherwise a client could let as many
    /// wait as it likes.
    fn of(requested: &Metadata, is_new: bool) -> Self {
        let (mut can_wait, mut is_immediate) = (false, false);
        for mode in requested.texts(MODE) {
            can_wait |= mode == APPROVAL;
            is_immediate |= mode == IMMEDIATE;
        }
        Self {
            can_wait,
            wants_to_wait: is_new && can_wait && !is_immediate,
        }
    }
}

/// Decides where nothing waits. The client detects from the answer that this server does not let it wait.
const fn without_approval(is_held: bool) -> Result<Course, RegisterError> {
    if is_held {
        return Err(RegisterError::NotApproved);
    }
    Ok(Course::Immediate)
}

fn rejected(rule: &str) -> RegisterError {
    vec![Violation::metadata(MODE, rule)].into()
}

/// The answer to a request that waits (HTTP 202).
#[derive(Serialize)]
pub(crate) struct DeferredAnswer {
    registration_code: String,
    verification_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

/// Stores the request with what it uses up, and returns the codes of its client.
pub(super) async fn defer(
    attempt: Attempt<'_>,
    proven: &Proven,
    issued: Issued,
    reason: Option<String>,
) -> Result<DeferredAnswer, RegisterError> {
    let (cx, settings) = (attempt.cx, attempt.cx.settings());
    let kind = match attempt.purpose {
        Purpose::Create => PendingKind::Registration,
        Purpose::Replace(_) => PendingKind::Update,
    };
    if kind == PendingKind::Update && is_waiting(cx, &issued.client).await? {
        return Err(RegisterError::UpdateWaits);
    }
    let (code, verification) = (random::token()?, verification_code()?);
    let waits = PendingTerms {
        kind,
        reason,
        seconds: settings.registration_approval_seconds,
        verification: Some(&verification),
    };
    let change = waits.change(attempt, proven, &issued.client, &code).await?;
    store(attempt, proven, &issued, change).await?;
    cx.count_pending(kind.into(), PendingChange::Pending);
    tracing::info!("registration waits for approval");
    Ok(DeferredAnswer::new(settings, &code, verification))
}

/// Makes the change with what the request uses up.
async fn store(
    attempt: Attempt<'_>,
    proven: &Proven,
    issued: &Issued,
    change: Change,
) -> Result<(), RegisterError> {
    let change = change.and(issue::used_up(attempt, proven, issued).await?);
    if attempt.cx.service.store.pending.apply(change).await? {
        return Ok(());
    }
    // Another request may have used up the same before, or was faster in another way.
    initial_access::check_left(attempt.cx, attempt.caller).await?;
    issue::used_up(attempt, proven, issued).await?;
    Err(RegisterError::Conflict)
}

/// Whether an update of `client` waits already.
async fn is_waiting(cx: &Context<'_>, client: &Client) -> Result<bool, RegisterError> {
    let (pending, now) = (&cx.service.store.pending, cx.service.clock.now());
    let all = pending.page(None, usize::MAX).await?;
    Ok(all.iter().any(|found| {
        let request = found.request();
        let is_open = request.state != PendingState::Denied && now < request.ends_at;
        is_open && request.kind == PendingKind::Update && request.client.id == client.id
    }))
}

impl DeferredAnswer {
    fn new(settings: &Registration, code: &Secret, verification: String) -> Self {
        let uri = settings.registration_approval_uri.clone();
        let uri = uri.unwrap_or_default();
        Self {
            registration_code: code.expose().to_owned(),
            verification_uri_complete: complete(&uri, &verification),
            verification_code: verification,
            verification_uri: uri,
            expires_in: settings.registration_approval_seconds,
            interval: settings.registration_approval_interval_seconds,
        }
    }
}

/// Returns what is stored with the disabled `client`, so that it waits.
pub(super) async fn disabled(
    attempt: Attempt<'_>,
    proven: &Proven,
    client: &Client,
    reason: Option<String>,
) -> Result<Change, RegisterError> {
    let waits = PendingTerms {
        kind: PendingKind::DisabledClient,
        reason,
        seconds: DISABLED_SECONDS,
        verification: None,
    };
    // Nobody gets this code.
    let code = random::token()?;
    waits.change(attempt, proven, client, &code).await
}

/// How a request waits.
struct PendingTerms<'a> {
    kind: PendingKind,
    reason: Option<String>,
    seconds: u64,
    verification: Option<&'a str>,
}

impl PendingTerms<'_> {
    /// Returns the change that stores the request under `code`, with its events.
    async fn change(
        self,
        attempt: Attempt<'_>,
        proven: &Proven,
        client: &Client,
        code: &Secret,
    ) -> Result<Change, RegisterError> {
        let (service, now) = (attempt.cx.service, attempt.cx.service.clock.now());
        let request = self.request(attempt, proven, client, now);
        let context = hooks::remembered_for(attempt, proven, Hook::RegistrationPending);
        let recorded = recorded(attempt, &request, code, context)?;
        let most = service.settings.limits.pending_registrations;
        let origin = peer::prefix(attempt.caller.address);
        let insertion = service
            .store
            .pending
            .insertion(code, request, (origin, most));
        let insertion = insertion.await.map_err(|error| match error {
            PendingError::Full => RegisterError::TooManyPending,
            PendingError::Store(error) => error.into(),
        })?;
        Ok(insertion.and(recorded))
    }

    fn request(
        self,
        attempt: Attempt<'_>,
        proven: &Proven,
        client: &Client,
        now: Timestamp,
    ) -> PendingRequest {
        let settings = attempt.cx.settings();
        PendingRequest {
            kind: self.kind,
            state: PendingState::Waiting,
            digest: digest(client.metadata.metadata()),
            client: Box::new(client.clone()),
            reason: self.reason,
            requested_at: now,
            ends_at: now.plus(self.seconds),
            interval: settings.registration_approval_interval_seconds,
            asked_at: None,
            asked: 0,
            verification: self.verification.map(verification_digest),
            decision: None,
            context: hooks::remembered(attempt, proven),
        }
    }
}

/// Returns the change that records in the audit log and the event log that the request waits.
fn recorded(
    attempt: Attempt<'_>,
    request: &PendingRequest,
    code: &Secret,
    context: Option<Box<Value>>,
) -> Result<Change, StoreError> {
    let (caller, now) = (attempt.caller, attempt.cx.service.clock.now());
    let (id, client) = (PendingRequests::id_of(code), &request.client);
    let subject = request.subject(&id);
    let author = caller.author(attempt.existing());
    let event = author.did(Action::RegistrationPending, id.as_str(), now);
    let event = event
        .with("type", subject.kind.as_str())
        .with("client_id", client.id.as_str())
        .with("trust_level", client.provenance.trust_level.as_str());
    let along = Along::audited(&event, caller.reason());
    let announced = along.cause.pending(EventType::Pending, &subject, context)?;
    Ok(along.alone()?.and(announced))
}

/// Returns SHA-256 of the metadata, in hex.
fn digest(metadata: &Metadata) -> String {
    let bytes = serde_json::to_vec(metadata).unwrap_or_default();
    hex(&sha256(&bytes))
}

/// Returns the digest under which a code that people enter is stored, however they write it.
pub(crate) fn verification_digest(code: &str) -> String {
    let letters = code.bytes().filter(u8::is_ascii_alphanumeric);
    let plain: Vec<u8> = letters.map(|byte| byte.to_ascii_uppercase()).collect();
    hex(&sha256(&plain))
}

/// Creates a code that people enter, in two groups of four.
fn verification_code() -> Result<String, NoRandomness> {
    let mut code = String::new();
    let letters = LETTERS.len();
    // Bytes from 240 up would make some letters more likely than others.
    let fair = u8::try_from(letters * (256 / letters)).unwrap_or(u8::MAX);
    while code.len() < CODE_LENGTH + 1 {
        for byte in random::bytes::<16>()? {
            if code.len() == CODE_LENGTH / 2 {
                code.push('-');
            }
            let letter = LETTERS.get(usize::from(byte) % letters);
            if let Some(letter) = letter
                && byte < fair
                && code.len() <= CODE_LENGTH
            {
                code.push(char::from(*letter));
            }
        }
    }
    Ok(code)
}

/// Returns the page for the approver with the code in its query.
fn complete(uri: &str, code: &str) -> String {
    match Url::parse(uri) {
        Ok(mut url) => {
            url.query_pairs_mut().append_pair("verification_code", code);
            url.into()
        }
        Err(_) => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_for_people_has_two_groups_of_letters() {
        for _ in 0..200 {
            let code = verification_code().unwrap();
            let (one, two) = code.split_once('-').unwrap();
            assert_eq!((one.len(), two.len()), (4, 4), "{code}");
            let letters = one.bytes().chain(two.bytes());
            assert!(
                letters.into_iter().all(|byte| LETTERS.contains(&byte)),
                "{code}"
            );
        }
    }

    #[test]
    fn a_code_is_the_same_however_it_is_written() {
        let digest = verification_digest("WDJB-MJHT");
        for written in ["wdjb-mjht", "WDJBMJHT", " wdjb mjht "] {
            assert_eq!(verification_digest(written), digest);
        }
        assert_ne!(verification_digest("WDJB-MJHX"), digest);
    }

    #[test]
    fn the_code_is_added_to_the_query() {
        assert_eq!(
            complete("https://a.example/b?c=d", "WDJB-MJHT"),
            "https://a.example/b?c=d&verification_code=WDJB-MJHT"
        );
    }
}

//! `context`: the argument that every hook has.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Dynamic, ImmutableString, Module};
use serde_json::{Map, Value, json};

use crate::jose;
use crate::script::{
    DocumentFacts, Facts, Frame, Hidden, HookRecorder, HostResult, MemberAccess, Members, Permit,
    Reservation, ScriptAnswer, failure, json_size, result_too_large, shown_unverified, to_json,
    to_script,
};

/// One call of one hook of one script. A clone is another handle on the same call.
#[derive(Clone)]
pub(in crate::script) struct HookContext(Arc<HookCall>);

struct HookCall {
    script: String,
    facts: Arc<Facts>,
    frame: Arc<Frame>,
    attributes: Arc<Dynamic>,
    permit: Arc<Permit>,
    register_request: Members,
    client: Members,
    answer: Mutex<Option<ScriptAnswer>>,
    attestation: Arc<Attestation>,
    reservations: Arc<Reservations>,
    held: Arc<HeldReason>,
    /// The response that the script may change; it contains credentials.
    response: Option<Members>,
    spent: Spent,
}

/// What the call has used of its limits.
#[derive(Default)]
pub(in crate::script) struct Spent {
    pub(in crate::script) lines: AtomicU32,
    pub(in crate::script) http_calls: AtomicU32,
    pub(in crate::script) store_calls: AtomicU32,
}

/// Counts one more use, and returns whether it is one of the first `most`.
pub(in crate::script) fn count_use(counter: &AtomicU32, most: u32) -> bool {
    counter.fetch_add(1, Ordering::Relaxed) < most
}

/// The data that all calls about one request share.
pub(in crate::script) struct Round {
    pub(in crate::script) facts: Arc<Facts>,
    pub(in crate::script) frame: Arc<Frame>,
    pub(in crate::script) attributes: Arc<Dynamic>,
    pub(in crate::script) permit: Arc<Permit>,
    pub(in crate::script) attestation: Arc<Attestation>,
    pub(in crate::script) reservations: Arc<Reservations>,
    pub(in crate::script) held: Arc<HeldReason>,
}

/// Why a script lets the registration or update wait for an administrator.
#[derive(Default)]
pub(in crate::script) struct HeldReason(Mutex<Option<String>>);

impl HeldReason {
    /// Takes the reason; none if no script holds the request.
    pub(in crate::script) fn take(&self) -> Option<String> {
        self.reason().take()
    }

    fn reason(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the scripts of a deciding hook have reserved for the client.
#[derive(Default)]
pub(in crate::script) struct Reservations(Mutex<Vec<Reservation>>);

/// The maximum number of reservations for one client.
const MOST_RESERVATIONS: usize = 16;

impl Reservations {
    /// Takes them.
    pub(in crate::script) fn take(&self) -> Vec<Reservation> {
        std::mem::take(&mut *self.all())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Reservation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result with which `createClient` or `updateClient` has accepted the evidence.
#[derive(Default)]
pub(in crate::script) struct Attestation(Mutex<Option<Value>>);

impl Attestation {
    pub(in crate::script) fn said(&self) -> Option<Value> {
        self.value().clone()
    }

    fn value(&self) -> MutexGuard<'_, Option<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HookContext {
    /// Creates the context of a call of `script` about `client`, and about a response if the hook has one.
    pub(in crate::script) fn new(
        script: &str,
        round: &Round,
        client: Members,
        response: Option<Members>,
    ) -> Self {
        let request = round.facts.register_request.clone();
        Self(Arc::new(HookCall {
            script: script.to_owned(),
            facts: Arc::clone(&round.facts),
            frame: Arc::clone(&round.frame),
            attributes: Arc::clone(&round.attributes),
            permit: Arc::clone(&round.permit),
            register_request: Members::new(request, MemberAccess::ReadOnly, &round.frame),
            client,
            answer: Mutex::new(None),
            attestation: Arc::clone(&round.attestation),
            reservations: Arc::clone(&round.reservations),
            held: Arc::clone(&round.held),
            response,
            spent: Spent::default(),
        }))
    }

    /// Returns the file name of the script.
    pub(in crate::script) fn script(&self) -> &str {
        &self.0.script
    }

    /// Returns the time budget of the call.
    pub(in crate::script) fn permit(&self) -> &Arc<Permit> {
        &self.0.permit
    }

    /// Returns the recorder of the request, if it has one.
    pub(in crate::script) fn recorder(&self) -> Option<&Arc<HookRecorder>> {
        self.0.facts.request.recorder.as_ref()
    }

    /// Returns whether the hook runs after the response, for an event.
    pub(in crate::script) fn is_for_an_event(&self) -> bool {
        self.0.facts.event.is_some()
    }

    /// Returns what the call has used of its limits.
    pub(in crate::script) fn spent(&self) -> &Spent {
        &self.0.spent
    }

    /// Takes the response that the script has set, if any.
    pub(in crate::script) fn take_answer(&self) -> Option<ScriptAnswer> {
        self.answer().take()
    }

    fn answer(&self) -> MutexGuard<'_, Option<ScriptAnswer>> {
        let answer = &self.0.answer;
        answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, answer: ScriptAnswer) -> HostResult<()> {
        let bytes = json_size(&answer.entity);
        if bytes > self.0.frame.bytes {
            return Err(result_too_large(bytes));
        }
        *self.answer() = Some(answer);
        Ok(())
    }

    /// Removes the evidence of the request and the credentials of the client from `text`, in whatever form
    /// they are written there, so that they never appear in the log.
    pub(in crate::script) fn conceal(&self, text: &str) -> String {
        let mut credentials = self.0.client.credentials();
        if let Some(response) = &self.0.response {
            credentials.extend(response.credentials());
        }
        let mut hidden: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &credentials {
            hidden.push((name, value));
        }
        if let Some(evidence) = self.sent_evidence() {
            hidden.push(("evidence", evidence));
        }
        // A value that is longer than the text cannot be in it, and evidence may be long.
        hidden.retain(|(_, value)| value.len() <= text.len());
        Hidden::new(hidden).conceal(text)
    }

    fn sent_evidence(&self) -> Option<&str> {
        let request = &self.0.facts.register_request;
        let evidence = request.get("evidence")?.as_str()?;
        (!evidence.is_empty()).then_some(evidence)
    }

    /// Returns the result of appraising the evidence, by a previous script or by this one.
    fn attestation(&self) -> Option<Value> {
        match self.0.attestation.said() {
            Some(said) => Some(said),
            None => self.0.facts.proofs.attestation.clone(),
        }
    }

    /// Stores the result with which a deciding script accepts the evidence.
    fn attest(&self, value: &Dynamic) -> HostResult<()> {
        let value = to_json(value)?;
        // Rhai writes the value back unchanged after a method call.
        if value == self.attestation().unwrap_or_default() {
            return Ok(());
        }
        if !self.0.client.is_writable() {
            return Err(failure("'attestation' is read-only here"));
        }
        if self.sent_evidence().is_none() {
            return Err(failure(
                "'attestation' cannot be set: the request has no evidence",
            ));
        }
        let bytes = value.as_object().map_or(0, json_size);
        if bytes > self.0.frame.bytes {
            return Err(result_too_large(bytes));
        }
        if !value.is_object() && value != Value::Bool(true) {
            return Err(failure(
                "'attestation' must be true, or a map with the appraisal of the evidence",
            ));
        }
        *self.0.attestation.value() = Some(value);
        Ok(())
    }

    /// Rejects a reservation in a hook that stores no client.
    pub(in crate::script) fn may_reserve(&self) -> HostResult<()> {
        if self.0.client.is_writable() {
            return Ok(());
        }
        Err(failure(
            "kv::reserve can be called in createClient and updateClient only",
        ))
    }

    /// Reserves one use of the counter `key` of this script, of which there are `most`. A counter can be reserved
    /// once for a client.
    pub(in crate::script) fn reserve(&self, key: &str, most: u64) -> HostResult<()> {
        let reservation = Reservation {
            script: self.0.script.clone(),
            key: key.to_owned(),
            most,
        };
        let mut all = self.0.reservations.all();
        if all
            .iter()
            .any(|one| one.key == reservation.key && one.script == reservation.script)
        {
            return Err(failure("this key is already reserved for the client"));
        }
        if all.len() >= MOST_RESERVATIONS {
            return Err(failure(format!(
                "more than {MOST_RESERVATIONS} reservations for one client"
            )));
        }
        all.push(reservation);
        Ok(())
    }

    /// Returns the evidence as a JWT, not verified; `()` when it is absent or not a JWT.
    fn evidence(&self) -> HostResult<Dynamic> {
        let Some(evidence) = self.sent_evidence() else {
            return Ok(Dynamic::UNIT);
        };
        match jose::decode_unverified(evidence) {
            Ok(token) => shown_unverified(token),
            Err(_) => Ok(Dynamic::UNIT),
        }
    }

    /// Returns the client as it is stored, or `()`.
    fn stored(&self) -> Dynamic {
        match &self.0.facts.stored {
            Some(stored) => {
                let frame = &self.0.frame;
                Dynamic::from(Members::new(stored.clone(), MemberAccess::ReadOnly, frame))
            }
            None => Dynamic::UNIT,
        }
    }

    /// Returns the values that the scripts of the request share.
    fn shared(&self) -> Dynamic {
        Dynamic::from(Members::shared(&self.0.facts.shared, &self.0.frame))
    }

    /// Returns when the server began to process the request, in seconds since 1970.
    fn time(&self) -> i64 {
        let seconds = self.0.facts.request.received_at.unix();
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    fn text(value: Option<&String>) -> Dynamic {
        value.map_or(Dynamic::UNIT, |text| text.clone().into())
    }

    fn optional(value: Option<&Value>) -> HostResult<Dynamic> {
        match value {
            Some(value) => to_script(value),
            None => Ok(Dynamic::UNIT),
        }
    }

    fn http_request(&self) -> HostResult<Dynamic> {
        let request = &self.0.facts.request.http_request;
        let headers = joined_headers(request.header_texts().iter());
        let address = request.ip_address.map(|address| address.to_string());
        to_script(&json!({
            "method": request.method, "path": request.path, "headers": headers, "ipAddress": address,
        }))
    }
}

/// The maximum number of characters of the reason for which a script holds a request.
const REASON_CHARACTERS: usize = 500;

impl HookContext {
    /// Lets the request, or the client document, wait for an administrator. The first reason counts.
    fn hold(&self, reason: &str) -> HostResult<()> {
        if !self.0.client.is_writable() {
            return Err(failure(
                "'holdForApproval' can only be called in createClient and updateClient",
            ));
        }
        if reason.is_empty() || reason.chars().count() > REASON_CHARACTERS {
            return Err(failure(
                "the reason of 'holdForApproval' must have 1 to 500 characters",
            ));
        }
        match &self.0.facts.document {
            Some(document) => document.hold(reason),
            None => {
                self.0
                    .held
                    .reason()
                    .get_or_insert_with(|| reason.to_owned());
            }
        }
        Ok(())
    }
}

/// Returns headers as one object. Several fields of one name become one list (RFC 9110 section 5.3).
pub(in crate::script) fn joined_headers<'a>(
    fields: impl Iterator<Item = &'a (String, String)>,
) -> Map<String, Value> {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in fields {
        match headers.get_mut(name) {
            Some(Value::String(present)) => present.extend([", ", value]),
            _ => drop(headers.insert(name.clone(), value.clone().into())),
        }
    }
    headers
}

/// The getter of a member of `context`.
type Getter = fn(&HookContext) -> HostResult<Dynamic>;

/// All members of `context`, with Janssen's spelling of each.
const MEMBERS: &[(&str, &[&str], Getter)] = &[
    ("client", &["getClient"], |context| {
        Ok(Dynamic::from(context.0.client.clone()))
    }),
    ("stored", &["getStored"], |context| Ok(context.stored())),
    ("registerRequest", &["getRegisterRequest"], |context| {
        Ok(Dynamic::from(context.0.register_request.clone()))
    }),
    (
        "configurationAttributes",
        &["getConfigurationAttibutes", "getConfigurationAttributes"],
        |context| Ok((*context.0.attributes).clone()),
    ),
    ("softwareStatement", &["getSoftwareStatement"], |context| {
        HookContext::optional(context.0.facts.proofs.software_statement.as_ref())
    }),
    ("dcr", &["getDcr"], |context| {
        HookContext::optional(context.0.facts.proofs.dcr.as_ref())
    }),
    ("evidence", &["getEvidence"], HookContext::evidence),
    ("attestation", &["getAttestation"], |context| {
        HookContext::optional(context.attestation().as_ref())
    }),
    ("certificate", &["getCertificate"], |context| {
        HookContext::optional(context.0.facts.request.certificate.as_ref())
    }),
    (
        "initialAccessToken",
        &["getInitialAccessToken"],
        |context| HookContext::optional(context.0.facts.proofs.initial_access_token.as_ref()),
    ),
    (
        "initialAccessTokenId",
        &["getInitialAccessTokenId"],
        |context| {
            let id = context.0.facts.proofs.initial_access_token_id.as_ref();
            Ok(HookContext::text(id))
        },
    ),
    (
        "initialAccessTokenNote",
        &["getInitialAccessTokenNote"],
        |context| {
            let note = context.0.facts.proofs.initial_access_token_note.as_ref();
            Ok(HookContext::text(note))
        },
    ),
    ("time", &["getTime"], |context| Ok(context.time().into())),
    ("shared", &["getShared"], |context| Ok(context.shared())),
    ("document", &["getDocument"], |context| {
        let document = context.0.facts.document.as_ref();
        let shown = document.map(DocumentFacts::value);
        HookContext::optional(shown.as_ref())
    }),
    ("event", &["getEvent"], |context| {
        HookContext::optional(context.0.facts.event.as_ref())
    }),
    (
        "httpRequest",
        &["getHttpRequest"],
        HookContext::http_request,
    ),
    ("trustLevel", &["getTrustLevel"], |context| {
        Ok(context.0.facts.proofs.trust_level.as_str().into())
    }),
];

/// Registers the type of `context`.
pub(in crate::script) fn register_context(module: &mut Module) {
    module.set_custom_type::<HookContext>("Context");
    for &(name, spellings, read) in MEMBERS {
        module.set_getter_fn(name, move |context: &mut HookContext| read(context));
        for &spelling in spellings {
            module.set_native_fn(spelling, move |context: &mut HookContext| read(context));
        }
    }
    module.set_setter_fn(
        "attestation",
        |context: &mut HookContext, value: Dynamic| context.attest(&value),
    );
    module.set_native_fn("getIpAddress", |context: &mut HookContext| {
        let address = context.0.facts.request.http_request.ip_address;
        Ok(address.map_or(Dynamic::UNIT, |address| address.to_string().into()))
    });
    module.set_native_fn(
        "holdForApproval",
        |context: &mut HookContext, reason: ImmutableString| context.hold(&reason),
    );
    register_answers(module);
}

/// Registers the functions with which a hook answers by itself.
fn register_answers(module: &mut Module) {
    module.set_native_fn(
        "createWebApplicationException",
        |context: &mut HookContext, status: i64, entity: Dynamic| {
            context.give(ScriptAnswer::new(status, &entity)?)
        },
    );
    module.set_native_fn(
        "createStaleEvidenceWebApplicationException",
        |context: &mut HookContext, nonce: ImmutableString| {
            context.give(ScriptAnswer::stale_evidence(&nonce))
        },
    );
}

//! One registration or update on its way through the pipeline: who attempts what, and what each step makes of
//! it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, PROXY_AUTHORIZATION};
use hyper::http::request::Parts;
use serde_json::Value;

use crate::base::Secret;
use crate::client::{
    Approval, Approved, Client, DocumentRequest, Metadata, Requested, Rules, ScriptRef,
    hosted_document, rules,
};
use crate::http::{BodyError, ClientCertificate, RequestForm, media_type, peer};
use crate::registration::{
    ATTESTATION_HEADER, AttestedClient, ClientInformation, Course, DeferredAnswer, MemberSources,
    NamedToken, PROOF_HEADER, Parsed, PollAnswer, Statement, TokenPolicy, Use,
};
use crate::script::{
    ChangedMember, DocumentFacts, Facts, Hook, HttpRequest, Proofs, RequestFacts, Reservation,
    SharedByScripts,
};
use crate::service::{Context, refusal};
use crate::store::{Author, InitialAccessToken, Reason, Stored};

/// A registration or an update, with the caller that attempts it.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) caller: &'a Caller<'a>,
    pub(super) purpose: Purpose<'a>,
}

impl<'a> Attempt<'a> {
    /// The registration of a new client.
    pub(super) const fn create(cx: &'a Context<'a>, caller: &'a Caller<'a>) -> Self {
        Self {
            cx,
            caller,
            purpose: Purpose::Create,
        }
    }

    /// The replacement of the metadata of `stored`.
    pub(super) const fn replace(
        cx: &'a Context<'a>,
        caller: &'a Caller<'a>,
        stored: &'a Stored,
    ) -> Self {
        Self {
            cx,
            caller,
            purpose: Purpose::Replace(stored),
        }
    }

    /// Returns the client that is replaced.
    pub(super) fn existing(self) -> Option<&'a Client> {
        match self.purpose {
            Purpose::Create => None,
            Purpose::Replace(stored) => Some(stored.client()),
        }
    }

    /// Returns what the request with these `requested` members asks about the document of the client.
    pub(super) fn document(self, requested: &Requested) -> DocumentRequest {
        let existing = self.existing();
        let wish = requested.metadata().get("client_document");
        DocumentRequest {
            wish: wish.and_then(Value::as_bool),
            before: existing.and_then(|client| client.hosted_document),
            is_administrators: self.caller.administrator.is_some(),
            has_plain_id: existing
                .is_none_or(|client| hosted_document::is_plain_id(client.id.as_str())),
        }
    }

    /// Returns what a hook sees of the request `register_request` with these `proofs`.
    pub(super) fn facts(self, proofs: &Arc<Proofs>, register_request: Metadata) -> Arc<Facts> {
        let facts = self.caller.facts(self.cx, proofs, register_request);
        let stored = self.existing().map(|client| client.shown(None));
        Arc::new(Facts { stored, ..facts })
    }
}

/// The purpose of an attempt.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// The registration of a new client.
    Create,
    /// The replacement of the metadata of this client.
    Replace(&'a Stored),
}

impl Purpose<'_> {
    pub(super) const fn decision_hook(self) -> Hook {
        match self {
            Self::Create => Hook::CreateClient,
            Self::Replace(_) => Hook::UpdateClient,
        }
    }

    pub(super) const fn response_hook(self) -> Hook {
        match self {
            Self::Create => Hook::ModifyPostResponse,
            Self::Replace(_) => Hook::ModifyPutResponse,
        }
    }

    pub(super) const fn notification_hook(self) -> Hook {
        match self {
            Self::Create => Hook::ClientCreated,
            Self::Replace(_) => Hook::ClientUpdated,
        }
    }
}

/// Notes whether a request reached the hooks of scripts, and the identifier of its initial access token. It travels with
/// the request; a clone is another handle on the same mark.
#[derive(Debug, Clone, Default)]
pub(crate) struct HookMark(Arc<OnceLock<ReachedHooks>>);

/// A request reached the hooks of scripts.
#[derive(Debug, Clone)]
pub(crate) struct ReachedHooks {
    /// The identifier of its initial access token.
    pub(crate) initial_access_token: Option<String>,
}

impl HookMark {
    /// Returns `None` if the request did not reach the hooks.
    pub(crate) fn reached(&self) -> Option<ReachedHooks> {
        self.0.get().cloned()
    }
}

/// The caller of a request, as the head of the request describes it.
pub(crate) struct Caller<'a> {
    /// The address that the request came from.
    pub(crate) address: IpAddr,
    /// The client certificate whose key the caller holds.
    pub(crate) certificate: Option<&'a ClientCertificate>,
    /// The initial access token of the request, if it is valid.
    pub(super) initial_access: Option<InitialAccessToken>,
    /// The attestation of the client, which has proved that it holds the attested key.
    pub(super) attested: Option<AttestedClient>,
    /// The administrator who sent the request; none if it came from anyone else.
    administrator: Option<AdministratorName>,
    /// The client document that the request is made from, which nobody sent.
    pub(super) document: Option<DocumentFacts>,
    /// The decision that the administrator makes about the client, if any.
    pub(super) approval: Option<Approval>,
    /// The head of the request.
    head: &'a Parts,
    /// What scripts see of it, once the first of them is called.
    seen: OnceLock<Arc<RequestFacts>>,
    /// The values that the scripts of the request share.
    shared: SharedByScripts,
}

/// The administrator who sent a request.
struct AdministratorName {
    client_id: String,
    name: Option<String>,
}

impl<'a> Caller<'a> {
    /// Describes the caller from the head of a request.
    pub(crate) fn of(head: &'a Parts) -> Self {
        Self {
            address: peer::client_address(head),
            certificate: head.extensions.get(),
            initial_access: None,
            attested: None,
            administrator: None,
            approval: None,
            document: None,
            head,
            seen: OnceLock::new(),
            shared: SharedByScripts::default(),
        }
    }

    /// Notes that the request reaches the hooks of scripts.
    pub(super) fn reach_hooks(&self) {
        if let Some(HookMark(mark)) = self.head.extensions.get() {
            let token = self.initial_access.as_ref();
            mark.get_or_init(|| ReachedHooks {
                initial_access_token: token.map(InitialAccessToken::id),
            });
        }
    }

    /// Returns the same caller as an administrator.
    #[must_use]
    pub(crate) fn with_administrator(self, client_id: &str, name: Option<&str>) -> Self {
        let administrator = AdministratorName {
            client_id: client_id.to_owned(),
            name: name.map(str::to_owned),
        };
        Self {
            administrator: Some(administrator),
            ..self
        }
    }

    /// Returns the same caller with the client document that its request is made from.
    #[must_use]
    pub(crate) fn with_document(self, document: DocumentFacts) -> Self {
        Self {
            document: Some(document),
            ..self
        }
    }

    /// Returns the same caller, who approves the client.
    #[must_use]
    pub(crate) fn with_approval(self, approval: &Approval) -> Self {
        Self {
            approval: Some(approval.clone()),
            ..self
        }
    }

    /// Returns the author of the requested change: the administrator, or the client itself.
    pub(crate) fn author(&self, client: Option<&Client>) -> Author {
        let actor = match (&self.administrator, client) {
            (Some(administrator), _) => Some(administrator.client_id.clone()),
            (None, Some(client)) => Some(client.id.to_string()),
            (None, None) => None,
        };
        let administrator = self.administrator.as_ref();
        Author {
            actor,
            actor_name: administrator.and_then(|by| by.name.clone()),
            ..refusal::stranger(self.head)
        }
    }

    /// Returns the reason of the requested change.
    pub(super) const fn reason(&self) -> Reason {
        match self.administrator {
            Some(_) => Reason::Administrator,
            None if self.document.is_some() => Reason::Document,
            None => Reason::Request,
        }
    }

    /// Returns the initial access token that a request names, if it is judged and not served.
    pub(super) fn named_token(&self) -> Option<&'a NamedToken> {
        self.head.extensions.get()
    }

    /// Returns the headers of the request.
    pub(super) const fn headers(&self) -> &'a HeaderMap {
        &self.head.headers
    }

    /// Returns what a hook sees of the request `register_request` with these `proofs`.
    pub(super) fn facts(
        &self,
        cx: &Context<'_>,
        proofs: &Arc<Proofs>,
        register_request: Metadata,
    ) -> Facts {
        let request = self.seen.get_or_init(|| Arc::new(self.request_facts(cx)));
        let facts = Facts::new(Arc::clone(request), Arc::clone(proofs), register_request);
        Facts {
            shared: self.shared.clone(),
            document: self.document.clone(),
            ..facts
        }
    }

    fn request_facts(&self, cx: &Context<'_>) -> RequestFacts {
        let mut headers = self.head.headers.clone();
        for name in CREDENTIALS {
            headers.remove(name);
        }
        RequestFacts {
            http_request: HttpRequest {
                method: self.head.method.to_string(),
                path: self.head.uri.path().to_owned(),
                headers,
                ip_address: Some(self.address),
            },
            received_at: cx.begun_at,
            certificate: self.certificate.map(certificate_facts),
            custom_attributes: cx.settings().dynamic_registration_custom_attributes.clone(),
            recorder: cx.recorder(),
        }
    }
}

/// Returns what scripts see of a client certificate.
fn certificate_facts(presented: &ClientCertificate) -> Value {
    let mut members = presented.certificate.to_json();
    members.insert("trusted".to_owned(), presented.is_trusted.into());
    members.into()
}

/// Headers that carry credentials. Scripts do not see them.
const CREDENTIALS: [HeaderName; 5] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    ATTESTATION_HEADER,
    PROOF_HEADER,
];

/// A body with the form that its sender declared.
pub(crate) struct Received {
    /// The declared form.
    pub(super) form: RequestForm,
    /// The bytes.
    pub(super) bytes: Bytes,
}

impl Received {
    /// The body of a registration request, in the form that its headers state.
    ///
    /// # Errors
    /// When the media type is not one of a registration request, or the body was not received.
    pub(crate) fn new(
        headers: &HeaderMap,
        body: Result<Bytes, BodyError>,
    ) -> Result<Self, BodyError> {
        let form = media_type::request_form(headers)?;
        Ok(Self { form, bytes: body? })
    }
}

/// A request that was read, with its statement verified.
#[derive(Clone)]
pub(super) struct Offered {
    pub(super) parsed: Parsed,
    pub(super) statement: Option<Statement>,
}

/// A request whose proofs were verified. The remaining members are metadata.
pub(super) struct Proven {
    pub(super) requested: Requested,
    pub(super) proofs: Arc<Proofs>,
    pub(super) statement: Option<Statement>,
    pub(super) initial_access: Option<TokenPolicy>,
    /// The metadata that is already registered, if this is an update.
    pub(super) registered: Option<Metadata>,
    /// Whether the client is authenticated by the certificates of its statement.
    pub(super) is_certified: bool,
    /// What the request asks about the document of the client.
    pub(super) document: DocumentRequest,
    /// Whether evidence is required that no script has appraised yet.
    pub(super) is_evidence_owed: bool,
    /// Who gave the members of the request their values.
    pub(super) sources: MemberSources,
    /// The scripts that returned keys, adapted the request, or appraised evidence.
    pub(super) scripts: Vec<ScriptRef>,
    /// What this request uses up.
    pub(super) uses: Vec<Use>,
}

impl Proven {
    /// Returns the rules for this request.
    pub(super) fn rules<'a>(&'a self, cx: &'a Context<'_>) -> Rules<'a> {
        Rules {
            initial_access: self.initial_access.as_ref().map(|shown| &shown.policy),
            registered: self.registered.as_ref(),
            is_certified: self.is_certified,
            document: Some(self.document_rules(cx)),
            ..cx.rules()
        }
    }
}

impl Proven {
    /// Returns what applies to the document of the client.
    fn document_rules<'a>(&self, cx: &'a Context<'_>) -> rules::DocumentRules<'a> {
        let service = cx.service;
        let is_https = |url: &str| url.starts_with("https:");
        rules::DocumentRules {
            request: self.document,
            base: &service.document_base,
            is_https: is_https(&service.issuer) && is_https(&service.document_base),
            trust_level: self.proofs.trust_level,
        }
    }
}

/// The metadata that the scripts decided on, ready to be stored.
pub(super) struct Sanctioned {
    pub(super) metadata: Approved,
    pub(super) scripts: Vec<ScriptRef>,
    /// The members that the scripts changed.
    pub(super) changed: Vec<ChangedMember>,
    /// What the scripts reserved for the client.
    pub(super) reserved: Vec<Reservation>,
    /// Whether it takes effect at once.
    pub(super) course: Course,
}

impl Sanctioned {
    /// Returns the same with this course.
    pub(super) fn with(self, course: Course) -> Self {
        Self { course, ..self }
    }
}

/// A client with its credentials, which only the client itself may see.
pub(super) struct Issued {
    pub(super) client: Client,
    /// The registration access token of the answer; none if the client presented another token, or if the
    /// client is shared.
    pub(super) token: Option<Secret>,
    pub(super) secret: Option<Secret>,
    /// What the scripts reserved for it.
    pub(super) reserved: Vec<Reservation>,
}

/// The result of a registration or an update.
pub(crate) enum Registered {
    /// A new client, or a shared one.
    New(ClientInformation),
    /// An existing client: the client itself or its statement has identified it.
    There(ClientInformation),
    /// The request waits for the approval of an administrator.
    Deferred(DeferredAnswer),
    /// The client has asked for the decision about a request that waits.
    Polled(PollAnswer),
}

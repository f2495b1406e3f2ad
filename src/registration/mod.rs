//! Registration: RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, and the part of RFC 7592 that
//! replaces a registration, which runs the same steps on the same code.
//!
//! [`register`] and [`replace`] follow the table of steps in `src/ARCHITECTURE.md`. Nothing here depends on
//! how a request is routed; only [`endpoint`] answers in HTTP.

mod answer;
pub mod endpoint;
mod error;
pub mod hooks;
mod identity;
mod issue;
mod metadata;
mod operator;
pub mod proof;
mod remove;
mod shared_client;
mod single_use;
mod update;

pub use crate::registration::proof::client_attestation::{
    AttestedClient, ClientAttestationError, Headers as AttestationHeaders,
    verify as verify_attestation,
};
pub use answer::ClientInformation;
pub use error::RegisterError;
pub use operator::replace_as_operator;
pub use remove::remove;
pub use update::forbidden_members;

use std::net::IpAddr;

use axum::body::Bytes;
use tracing::Instrument as _;

use crate::base::secret::Secret;
use crate::client::{Client, Metadata, Valid};
use crate::http::ClientCertificate;
use crate::http::media_type::RequestForm;
use crate::script::{Hook, HttpRequest};
use crate::service::Context;
use crate::store::audit::Author;
use crate::store::expiring::initial_access_tokens::InitialAccessToken;
use crate::store::{Change, Stored};
use crate::telemetry;
use crate::telemetry::meter::{self, ClientChange};
use crate::telemetry::traces::step;

use crate::registration::metadata::parse::Parsed;
use crate::registration::proof::statement::Statement;
use crate::registration::proof::{Proven, prove};
use identity::Identity;

/// The caller of a request, as the head of the request describes it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address that the request came from.
    pub address: IpAddr,
    /// The client certificate whose key the caller holds.
    pub certificate: Option<ClientCertificate>,
    /// The initial access token of the request, if it is valid.
    pub initial_access: Option<InitialAccessToken>,
    /// The attestation of the client, which has proved that it holds the attested key.
    pub attested: Option<AttestedClient>,
    /// The part of the request that scripts may see.
    pub request: HttpRequest,
    /// The identifier of the request in its answer and in the log.
    pub correlation_id: Option<String>,
    /// The administrator who sent the request; none if it came from anyone else.
    pub administrator: Option<String>,
}

impl Caller {
    /// Returns the author of the requested change: the administrator, or the client itself.
    pub fn author(&self, client: Option<&Client>) -> Author {
        let holder = || client.map(|client| client.id.to_string());
        Author {
            actor: self.administrator.clone().or_else(holder),
            address: Some(self.address),
            correlation_id: self.correlation_id.clone(),
        }
    }
}

/// The purpose of a request.
#[derive(Clone, Copy)]
pub enum Purpose<'a> {
    /// The registration of a new client.
    Create,
    /// The replacement of the metadata of this client.
    Replace(&'a Stored),
}

impl Purpose<'_> {
    const fn decision_hook(self) -> Hook {
        match self {
            Self::Create => Hook::CreateClient,
            Self::Replace(_) => Hook::UpdateClient,
        }
    }

    fn registered(self) -> Option<Metadata> {
        match self {
            Self::Create => None,
            Self::Replace(stored) => Some(stored.client().metadata.metadata().clone()),
        }
    }

    const fn notification_hook(self) -> Hook {
        match self {
            Self::Create => Hook::ClientCreated,
            Self::Replace(_) => Hook::ClientUpdated,
        }
    }
}

/// A body with the form that its sender declared.
pub struct Received {
    /// The declared form.
    pub form: RequestForm,
    /// The bytes.
    pub bytes: Bytes,
}

/// A request that was read, with its statement verified.
#[derive(Clone)]
struct Offered {
    parsed: Parsed,
    statement: Option<Statement>,
}

impl Offered {
    /// Runs steps 5 and 6.
    async fn read(
        cx: &Context<'_>,
        caller: &Caller,
        received: &Received,
    ) -> Result<Self, RegisterError> {
        let parsed =
            step("parse").in_scope(|| crate::registration::metadata::parse::body(received))?;
        let statement = crate::registration::proof::statement::verify(cx, caller, &parsed)
            .instrument(step("statement"))
            .await?;
        Ok(Self { parsed, statement })
    }
}

/// The result of a registration.
pub enum Registered {
    /// A new client, or a shared one.
    New(ClientInformation),
    /// An existing client: the statement identifies it.
    There(ClientInformation),
}

/// Runs steps 5 to 16 of a registration.
///
/// # Errors
/// The error of the first step that rejects the request. Nothing of a rejected request is stored.
pub async fn register(
    cx: &Context<'_>,
    caller: &Caller,
    received: Received,
) -> Result<Registered, RegisterError> {
    let offered = Offered::read(cx, caller, &received).await?;
    match Identity::of(cx, offered.statement.as_ref()) {
        None => create(cx, caller, offered, Change::default())
            .await
            .map(Registered::New),
        Some(identity) => Box::pin(identity.register(cx, caller, offered)).await,
    }
}

/// Runs steps 7 to 16 of a registration that creates a client, with `also` in the same change.
async fn create(
    cx: &Context<'_>,
    caller: &Caller,
    offered: Offered,
    also: Change,
) -> Result<ClientInformation, RegisterError> {
    let proven = prove(cx, caller, Purpose::Create, offered).await?;
    let valid = check(cx, &proven).instrument(step("rules")).await?;
    crate::registration::proof::certificate::bind(cx, caller, valid.metadata())?;
    let decided = hooks::decide(cx, caller, Purpose::Create, &proven, &valid).await?;
    let proven = crate::registration::proof::evidence::settle(proven, &decided)?;
    let sanctioned = hooks::approve(cx, &proven, valid, decided).await?;
    let mut shared =
        crate::registration::shared_client::Shared::of(cx, &proven, sanctioned.metadata.metadata());
    if let Some(there) = shared.find(cx).await? {
        return crate::registration::shared_client::answer(cx, caller, there).await;
    }
    let issued = issue::create(cx, caller, &proven, sanctioned, shared.digest.clone())?;
    let answer = answer::build(cx, &issued, Purpose::Create);
    let answer = hooks::modify(cx, caller, Hook::ModifyPostResponse, answer).await?;
    let inserted = issue::insert(cx, caller, &issued, &proven, shared.alone().and(also));
    if let Err(error) = inserted.instrument(step("store")).await {
        // Another request may have registered the same metadata at the same time. After any other failure, a
        // client found now may be a part of this one.
        if !matches!(error, RegisterError::Conflict) {
            return Err(error);
        }
        let there = shared.find(cx).await?.ok_or(error)?;
        return crate::registration::shared_client::answer(cx, caller, there).await;
    }
    let trust_level = proven.shown.trust_level.as_str();
    telemetry::concerns(issued.client.id.as_str(), trust_level);
    meter::client(ClientChange::Registered, trust_level);
    tracing::debug!(revision = issued.client.revision, "client registered");
    Ok(answer)
}

/// Runs steps 5 to 16 of an update. `stored` is the client, and `token` the registration access token, if the
/// client presented one.
///
/// # Errors
/// The error of the first step that rejects the request. The client is then unchanged.
pub async fn replace(
    cx: &Context<'_>,
    caller: &Caller,
    received: Received,
    stored: &Stored,
    token: Option<&Secret>,
) -> Result<ClientInformation, RegisterError> {
    let offered = Offered::read(cx, caller, &received).await?;
    replace_with(cx, caller, offered, stored, token).await
}

/// Runs steps 7 to 16 of an update.
async fn replace_with(
    cx: &Context<'_>,
    caller: &Caller,
    offered: Offered,
    stored: &Stored,
    token: Option<&Secret>,
) -> Result<ClientInformation, RegisterError> {
    let purpose = Purpose::Replace(stored);
    let proven = prove(cx, caller, purpose, offered).await?;
    let valid = check(cx, &proven).instrument(step("rules")).await?;
    crate::registration::proof::certificate::bind(cx, caller, valid.metadata())?;
    let decided = hooks::decide(cx, caller, purpose, &proven, &valid).await?;
    let proven = crate::registration::proof::evidence::settle(proven, &decided)?;
    let sanctioned = hooks::approve(cx, &proven, valid, decided).await?;
    let issued = issue::update(cx, caller, stored, token, (&proven, sanctioned))?;
    let answer = answer::build(cx, &issued, purpose);
    let answer = hooks::modify(cx, caller, Hook::ModifyPutResponse, answer).await?;
    let put_back = issue::put_back(cx, caller, stored, &issued, &proven);
    put_back.instrument(step("store")).await?;
    meter::client(ClientChange::Updated, proven.shown.trust_level.as_str());
    tracing::debug!(revision = issued.client.revision, "client updated");
    Ok(answer)
}

/// Runs steps 10 and 11: every rule, and the file at the `sector_identifier_uri`.
async fn check(cx: &Context<'_>, proven: &Proven) -> Result<Valid, RegisterError> {
    let valid = proven.rules(cx).validate(proven.requested.clone())?;
    if let Some(claim) = crate::registration::metadata::sector::Claim::of(valid.metadata()) {
        claim.check(cx).await?;
    }
    Ok(valid)
}

/// A client with its credentials, which only the client itself may see.
struct Issued {
    client: Client,
    /// The registration access token of the answer; none if the client presented another token, or if the
    /// client is shared.
    token: Option<Secret>,
    secret: Option<Secret>,
}

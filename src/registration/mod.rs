//! Registration: RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, and the part of
//! RFC 7592 that replaces a registration, which runs the same steps on the same code.
//!
//! [`register`] and [`replace`] read like the table of steps in `src/ARCHITECTURE.md`. Nothing
//! here knows how a request is routed; [`endpoint`] is the only file that answers in HTTP.

mod answer;
pub mod endpoint;
mod error;
mod evidence;
pub mod hooks;
mod issue;
mod parse;
mod sector;
mod signed_request;
mod statement;
mod update;

pub use answer::ClientInformation;
pub use error::RegisterError;
pub use update::forbidden_members;

use std::net::IpAddr;

use axum::body::Bytes;

use crate::client::{Client, Requested, TrustLevel, Valid};
use crate::http::body::MediaType;
use crate::script::{Hook, HttpRequest};
use crate::secret::Secret;
use crate::service::Context;
use crate::store::Stored;
use crate::telemetry;
use crate::telemetry::meter::{self, ClientChange};

/// Who asks, and how: what the head of the request says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address that the request came from.
    pub address: IpAddr,
    /// What scripts may know of the request.
    pub request: HttpRequest,
}

/// What a request is for.
#[derive(Clone, Copy)]
pub enum Purpose<'a> {
    /// A client that is not there yet.
    Create,
    /// Other metadata for one that is.
    Replace(&'a Stored),
}

impl Purpose<'_> {
    const fn decision_hook(self) -> Hook {
        match self {
            Self::Create => Hook::CreateClient,
            Self::Replace(_) => Hook::UpdateClient,
        }
    }
}

/// A body with the media type that its sender gave it.
pub struct Received {
    /// What it is said to be.
    pub media_type: MediaType,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A request that passed the steps which look at its proofs: what is left is metadata.
struct Proven {
    requested: Requested,
    trust_level: TrustLevel,
}

/// Steps 5 to 15 of a registration.
///
/// # Errors
/// The first step that refuses; nothing of a refused request is stored.
pub async fn register(
    cx: &Context<'_>,
    caller: &Caller,
    received: Received,
) -> Result<ClientInformation, RegisterError> {
    let parsed = parse::body(&received)?;
    let proven = prove(cx, parsed)?;
    let valid = check(cx, &proven)?;
    let decided = hooks::decide(cx, caller, Purpose::Create, &proven, &valid).await?;
    let sanctioned = hooks::approve(cx, valid, decided)?;
    let issued = issue::create(cx, caller, &proven, sanctioned)?;
    let answer = answer::build(cx, &issued, Purpose::Create);
    let answer = hooks::modify(cx, caller, Hook::ModifyPostResponse, answer).await?;
    issue::insert(cx, &issued.client).await?;
    let trust_level = proven.trust_level.as_str();
    telemetry::concerns(issued.client.id.as_str(), trust_level);
    meter::client(ClientChange::Registered, trust_level);
    tracing::info!(revision = issued.client.revision, "client registered");
    Ok(answer)
}

/// Steps 5 to 15 of an update: `stored` is the client, `token` what its holder presented.
///
/// # Errors
/// The first step that refuses; the client is as it was.
pub async fn replace(
    cx: &Context<'_>,
    caller: &Caller,
    received: Received,
    stored: &Stored,
    token: &str,
) -> Result<ClientInformation, RegisterError> {
    let purpose = Purpose::Replace(stored);
    let parsed = parse::body(&received)?;
    let parsed = update::screen(cx, stored, parsed)?;
    let proven = prove(cx, parsed)?;
    let valid = check(cx, &proven)?;
    let decided = hooks::decide(cx, caller, purpose, &proven, &valid).await?;
    let sanctioned = hooks::approve(cx, valid, decided)?;
    let issued = issue::update(cx, caller, stored, &Secret::new(token.to_owned()), (&proven, sanctioned))?;
    let answer = answer::build(cx, &issued, purpose);
    let answer = hooks::modify(cx, caller, Hook::ModifyPutResponse, answer).await?;
    issue::put_back(cx, stored, &issued.client).await?;
    meter::client(ClientChange::Updated, proven.trust_level.as_str());
    tracing::info!(revision = issued.client.revision, "client updated");
    Ok(answer)
}

/// Steps 6 to 9: whatever the request offers as a proof is verified or refused, never ignored.
fn prove(cx: &Context<'_>, parsed: parse::Parsed) -> Result<Proven, RegisterError> {
    statement::verify(cx, &parsed)?;
    signed_request::verify(cx, &parsed)?;
    evidence::appraise(cx, &parsed)?;
    let custom = &cx.settings().dynamic_registration_custom_attributes;
    Ok(Proven { requested: Requested::read(parsed.members, custom), trust_level: TrustLevel::Open })
}

/// Steps 10 and 11: every rule, and the file that a pairwise client points to.
fn check(cx: &Context<'_>, proven: &Proven) -> Result<Valid, RegisterError> {
    let valid = cx.rules().validate(proven.requested.clone())?;
    sector::check(valid.metadata())?;
    Ok(valid)
}

/// A client with what only its holder may see.
struct Issued {
    client: Client,
    /// The registration access token of the answer.
    token: Secret,
    secret: Option<Secret>,
}

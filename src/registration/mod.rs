//! Registration: RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, and the part of
//! RFC 7592 that replaces a registration, which runs the same steps on the same code.
//!
//! [`register`] and [`replace`] read like the table of steps in `src/ARCHITECTURE.md`. Nothing
//! here knows how a request is routed; [`endpoint`] is the only file that answers in HTTP.

mod answer;
pub mod certificate;
pub mod endpoint;
mod error;
mod evidence;
pub mod hooks;
mod issue;
mod keys;
mod merge;
mod once;
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

use crate::client::{Client, Requested, ScriptRef, TrustLevel, Valid};
use crate::http::ClientCertificate;
use crate::http::body::MediaType;
use crate::script::{Hook, HttpRequest};
use crate::secret::Secret;
use crate::service::Context;
use crate::store::Stored;
use crate::telemetry;
use crate::telemetry::meter::{self, ClientChange};

use hooks::Shown;
use statement::Statement;

/// Who asks, and how: what the head of the request says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address that the request came from.
    pub address: IpAddr,
    /// The certificate whose key it holds.
    pub certificate: Option<ClientCertificate>,
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

    const fn notification_hook(self) -> Hook {
        match self {
            Self::Create => Hook::ClientCreated,
            Self::Replace(_) => Hook::ClientUpdated,
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
    shown: Shown,
    statement: Option<Statement>,
    /// The scripts that gave keys, or judged evidence.
    scripts: Vec<ScriptRef>,
    /// What this request uses up.
    uses: Vec<once::Use>,
}

/// Steps 5 to 16 of a registration.
///
/// # Errors
/// The first step that refuses; nothing of a refused request is stored.
pub async fn register(
    cx: &Context<'_>,
    caller: &Caller,
    received: Received,
) -> Result<ClientInformation, RegisterError> {
    let parsed = parse::body(&received)?;
    let proven = prove(cx, caller, Purpose::Create, parsed).await?;
    let valid = check(cx, &proven).await?;
    certificate::bind(cx, caller, valid.metadata())?;
    let decided = hooks::decide(cx, caller, Purpose::Create, &proven, &valid).await?;
    let sanctioned = hooks::approve(cx, valid, decided).await?;
    let issued = issue::create(cx, caller, &proven, sanctioned)?;
    let answer = answer::build(cx, &issued, Purpose::Create);
    let answer = hooks::modify(cx, caller, Hook::ModifyPostResponse, answer).await?;
    issue::insert(cx, &issued.client, &proven.uses).await?;
    let trust_level = proven.shown.trust_level.as_str();
    telemetry::concerns(issued.client.id.as_str(), trust_level);
    meter::client(ClientChange::Registered, trust_level);
    tracing::info!(revision = issued.client.revision, "client registered");
    hooks::tell(cx, caller, Purpose::Create, &proven, &issued);
    Ok(answer)
}

/// Steps 5 to 16 of an update: `stored` is the client, `token` what its holder presented.
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
    let proven = prove(cx, caller, purpose, parsed).await?;
    let valid = check(cx, &proven).await?;
    certificate::bind(cx, caller, valid.metadata())?;
    let decided = hooks::decide(cx, caller, purpose, &proven, &valid).await?;
    let sanctioned = hooks::approve(cx, valid, decided).await?;
    let issued = issue::update(cx, caller, stored, &Secret::new(token.to_owned()), (&proven, sanctioned))?;
    let answer = answer::build(cx, &issued, purpose);
    let answer = hooks::modify(cx, caller, Hook::ModifyPutResponse, answer).await?;
    issue::put_back(cx, stored, &issued.client, &proven.uses).await?;
    meter::client(ClientChange::Updated, proven.shown.trust_level.as_str());
    tracing::info!(revision = issued.client.revision, "client updated");
    hooks::tell(cx, caller, purpose, &proven, &issued);
    Ok(answer)
}

/// Steps 6 to 9: whatever the request offers as a proof is verified or refused, never ignored.
async fn prove(
    cx: &Context<'_>,
    caller: &Caller,
    purpose: Purpose<'_>,
    parsed: parse::Parsed,
) -> Result<Proven, RegisterError> {
    let statement = statement::verify(cx, caller, &parsed).await?;
    let signed = signed_request::verify(cx, caller, &parsed, statement.as_ref()).await?;
    let members = merge::said(parsed.members, signed.as_ref());
    if let Purpose::Replace(stored) = purpose {
        update::screen(cx, stored, &members)?;
    }
    let members = merge::merge(cx, members, statement.as_ref());
    evidence::appraise(cx, &members)?;
    let vouched = statement.as_ref().is_some_and(|statement| statement.is_vouched);
    let trust_level = certificate::trust_level(cx, caller);
    let shown = Shown {
        trust_level: if vouched { TrustLevel::Statement } else { trust_level },
        software_statement: statement.as_ref().map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        dcr: signed.as_ref().map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        attestation: None,
    };
    let keys_by = statement.iter().filter_map(|shown| shown.keys_by.clone());
    let scripts = keys_by.chain(signed.iter().filter_map(|shown| shown.keys_by.clone())).collect();
    let uses = once::uses(cx, purpose, statement.as_ref(), signed.as_ref());
    let requested = Requested::read(members, &cx.settings().dynamic_registration_custom_attributes);
    Ok(Proven { requested, shown, statement, scripts, uses })
}

/// Steps 10 and 11: every rule, and the file that a pairwise client points to.
async fn check(cx: &Context<'_>, proven: &Proven) -> Result<Valid, RegisterError> {
    let valid = cx.rules().validate(proven.requested.clone())?;
    if let Some(claim) = sector::Claim::of(valid.metadata()) {
        claim.check(cx).await?;
    }
    Ok(valid)
}

/// A client with what only its holder may see.
struct Issued {
    client: Client,
    /// The registration access token of the answer.
    token: Secret,
    secret: Option<Secret>,
}

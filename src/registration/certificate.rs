//! Client certificates under `dcrAuthorizationWithMTLS`: who may register, and whose client it is.

use serde_json::Value;

use super::hooks::{self, Shown};
use super::{Caller, RegisterError};
use crate::client::certificate::{has_key, other_subject};
use crate::client::{CertificateOrigin, Client, Metadata, TrustLevel};
use crate::http::ClientCertificate;
use crate::script::Hook;
use crate::service::Context;
use crate::x509::dn;

/// Step 4: a registration needs a certificate that somebody vouches for.
pub(super) fn demand(cx: &Context<'_>, caller: &Caller) -> Result<(), RegisterError> {
    match &caller.certificate {
        _ if !is_on(cx) => Ok(()),
        Some(certificate) if certificate.is_trusted => Ok(()),
        Some(_) => Err(RegisterError::UntrustedCertificate),
        None => Err(RegisterError::NoCertificate),
    }
}

/// A request to a client needs a certificate; whose it must be is not known before the client is.
///
/// # Errors
/// When there is none.
pub fn demand_any(cx: &Context<'_>, caller: &Caller) -> Result<(), RegisterError> {
    let is_missing = is_on(cx) && caller.certificate.is_none();
    if is_missing { Err(RegisterError::NoCertificate) } else { Ok(()) }
}

/// Nobody registers the subject of somebody else: when `metadata` names one, it is that of the
/// certificate, and somebody vouches for that.
pub(super) fn bind(cx: &Context<'_>, caller: &Caller, metadata: &Metadata) -> Result<(), RegisterError> {
    let Some(presented) = caller.certificate.as_ref().filter(|_| is_on(cx)) else { return Ok(()) };
    match other_subject(metadata, &presented.certificate) {
        Some(Err(member)) => {
            let subject = presented.certificate.subject.to_string();
            Err(RegisterError::OtherCertificate { member, subject })
        }
        Some(Ok(())) if !presented.is_trusted => Err(RegisterError::UntrustedCertificate),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Whether the certificate of `caller` is that of `client`.
///
/// # Errors
/// When it is not, or nothing says that it is.
pub async fn hold(cx: &Context<'_>, caller: &Caller, client: &Client) -> Result<(), RegisterError> {
    if !is_on(cx) {
        return Ok(());
    }
    let presented = caller.certificate.as_ref().ok_or(RegisterError::NoCertificate)?;
    match settle(client, presented) {
        Settled::Own => Ok(()),
        Settled::Other => Err(RegisterError::ForeignCertificate),
        Settled::Open => ask(cx, caller, client).await,
    }
}

/// What the registered facts say of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// It is the client's.
    Own,
    /// It is somebody else's.
    Other,
    /// Neither.
    Open,
}

/// A registered key is the client's own whoever signed the certificate; a name counts only when
/// somebody vouches for it. Where neither is registered, it is the name by which the client was
/// registered.
fn settle(client: &Client, presented: &ClientCertificate) -> Settled {
    let (metadata, certificate) = (client.metadata.metadata(), &presented.certificate);
    let origin = client.provenance.certificate.as_ref();
    match other_subject(metadata, certificate) {
        Some(Ok(())) if presented.is_trusted => Settled::Own,
        Some(_) => Settled::Other,
        None if has_key(metadata, certificate) => Settled::Own,
        None if !presented.is_trusted => Settled::Open,
        None if origin.is_some_and(|origin| dn::matches(&origin.subject, &certificate.subject)) => {
            Settled::Own
        }
        None => Settled::Open,
    }
}

/// What is registered settles nothing, so scripts are asked. When none says that the certificate
/// is the client's, it is not.
async fn ask(cx: &Context<'_>, caller: &Caller, client: &Client) -> Result<(), RegisterError> {
    let shown = Shown::of(client.provenance.trust_level);
    let facts = hooks::facts(cx, caller, &shown, Metadata::default());
    let known = hooks::shown(client, None);
    let said = cx.snapshot.scripts.ask(Hook::IsCertValidForClient, facts, known).await?;
    let is_own = said.is_some_and(|answer| answer.value == Value::Bool(true));
    if is_own { Ok(()) } else { Err(RegisterError::ForeignCertificate) }
}

/// How far a registration with this certificate can be trusted.
pub(super) fn trust_level(cx: &Context<'_>, caller: &Caller) -> TrustLevel {
    let is_trusted = caller.certificate.as_ref().is_some_and(|certificate| certificate.is_trusted);
    if is_on(cx) && is_trusted { TrustLevel::Mtls } else { TrustLevel::Open }
}

/// What is remembered of a certificate that somebody vouches for.
pub(super) fn origin(caller: &Caller) -> Option<CertificateOrigin> {
    let presented = caller.certificate.as_ref().filter(|presented| presented.is_trusted)?;
    let certificate = &presented.certificate;
    Some(CertificateOrigin { subject: certificate.subject.to_string(), sha256: certificate.sha256() })
}

fn is_on(cx: &Context<'_>) -> bool {
    cx.settings().dcr_authorization_with_mtls
}

//! Client certificates under `dcrAuthorizationWithMTLS`: which caller may register, and which client a
//! certificate belongs to.

use std::sync::Arc;

use serde_json::Value;

use crate::client::{CertificateOrigin, Client, Metadata, TrustLevel, certificate};
use crate::http::ClientCertificate;
use crate::registration::{Attempt, Caller, RegisterError, hooks};
use crate::script::Hook;
use crate::service::Context;
use crate::x509::dn;

/// Step 4: requires a trusted certificate for a registration.
pub(in crate::registration) fn demand(
    cx: &Context<'_>,
    caller: &Caller<'_>,
) -> Result<(), RegisterError> {
    match caller.certificate {
        _ if !is_on(cx) => Ok(()),
        Some(certificate) if certificate.is_trusted => Ok(()),
        Some(_) => Err(RegisterError::UntrustedCertificate),
        None => Err(RegisterError::NoCertificate),
    }
}

/// Requires a certificate for a management request. Whose certificate it must be is checked once the client
/// is known.
///
/// # Errors
/// When there is no certificate.
pub(crate) fn demand_any(cx: &Context<'_>, caller: &Caller<'_>) -> Result<(), RegisterError> {
    let is_missing = is_on(cx) && caller.certificate.is_none();
    if is_missing {
        Err(RegisterError::NoCertificate)
    } else {
        Ok(())
    }
}

/// Rejects metadata that names the subject of another party: a subject in `metadata` must be the subject of a
/// trusted certificate.
pub(in crate::registration) fn bind(
    attempt: Attempt<'_>,
    metadata: &Metadata,
) -> Result<(), RegisterError> {
    let Some(presented) = attempt.caller.certificate else {
        return Ok(());
    };
    if !is_on(attempt.cx) {
        return Ok(());
    }
    match certificate::other_subject(metadata, &presented.certificate) {
        Some(Err(member)) => {
            let subject = presented.certificate.subject.to_string();
            Err(RegisterError::OtherCertificate { member, subject })
        }
        Some(Ok(())) if !presented.is_trusted => Err(RegisterError::UntrustedCertificate),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Checks that the certificate of `caller` belongs to `client`.
///
/// # Errors
/// When the certificate belongs to another client, or nothing shows that it belongs to this one.
pub(crate) async fn hold(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    client: &Client,
) -> Result<(), RegisterError> {
    if !is_on(cx) {
        return Ok(());
    }
    let presented = caller.certificate.ok_or(RegisterError::NoCertificate)?;
    match settle(client, presented) {
        Settled::Own => Ok(()),
        Settled::Other => Err(RegisterError::ForeignCertificate),
        Settled::Open => ask(cx, caller, client).await,
    }
}

/// What the registered facts establish about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// It belongs to the client.
    Own,
    /// It belongs to another party.
    Other,
    /// Neither is established.
    Open,
}

/// A registered key belongs to the client, whoever signed the certificate. A name counts only when a trusted
/// authority signed the certificate. If neither is registered, the name in the certificate that registered
/// the client counts.
fn settle(client: &Client, presented: &ClientCertificate) -> Settled {
    let (metadata, certificate) = (client.metadata.metadata(), &presented.certificate);
    let origin = client.provenance.certificate.as_ref();
    match certificate::other_subject(metadata, certificate) {
        Some(Ok(())) if presented.is_trusted => Settled::Own,
        Some(_) => Settled::Other,
        None if certificate::has_key(metadata, certificate) => Settled::Own,
        None if !presented.is_trusted => Settled::Open,
        None if origin.is_some_and(|origin| dn::matches(&origin.subject, &certificate.subject)) => {
            Settled::Own
        }
        None => Settled::Open,
    }
}

/// Calls the scripts, since the registered facts establish nothing. If no script confirms that the
/// certificate belongs to the client, it is rejected.
async fn ask(cx: &Context<'_>, caller: &Caller<'_>, client: &Client) -> Result<(), RegisterError> {
    let hook = Hook::IsCertValidForClient;
    if !cx.snapshot.scripts.has(hook) {
        return Err(RegisterError::ForeignCertificate);
    }
    let facts = Arc::new(hooks::facts_about(cx, caller, client));
    let known = client.shown(None);
    match cx.snapshot.scripts.ask(hook, facts, known).await? {
        Some(answer) if answer.value == Value::Bool(true) => Ok(()),
        _ => Err(RegisterError::ForeignCertificate),
    }
}

/// Returns the trust level of a registration with this certificate.
pub(in crate::registration) fn trust_level(cx: &Context<'_>, caller: &Caller<'_>) -> TrustLevel {
    match caller.certificate {
        Some(certificate) if certificate.is_trusted && is_on(cx) => TrustLevel::Mtls,
        _ => TrustLevel::Open,
    }
}

/// Returns what the server records of a trusted certificate.
pub(in crate::registration) fn origin(caller: &Caller<'_>) -> Option<CertificateOrigin> {
    let presented = caller.certificate?;
    if !presented.is_trusted {
        return None;
    }
    let certificate = &presented.certificate;
    Some(CertificateOrigin {
        subject: certificate.subject.to_string(),
        sha256: certificate.sha256(),
    })
}

fn is_on(cx: &Context<'_>) -> bool {
    cx.settings().dcr_authorization_with_mtls
}

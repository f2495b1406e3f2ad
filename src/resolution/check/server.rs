//! The check of a document on a server, which judges it by its lists, its scripts and everything else that judges a
//! document that has arrived.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{DocumentReport, SERVER_STEPS, check_octets, check_url};
use crate::base::{ClientId, ClientUrl};
use crate::client::rules::client_document::admission::{UrlAdmission, admission as admission_of};
use crate::client::rules::client_document::change::digest;
use crate::client::rules::client_document::redirects::redirects;
use crate::resolution::admission::{self, Arrival, Consent, Preview};
use crate::resolution::{ResolveError, flight, is_fetched, own};
use crate::service::{Conditions, Context, ScriptHttp, Service};
use crate::store::StoreError;
use crate::telemetry;

/// The time between two fetches of a document.
const PAUSE: Duration = Duration::from_secs(1);

/// Checks the document at the URL `client_id`, or `document`, which is to be published there, by everything that judges
/// documents on this server. Nothing of it is stored, and scripts reach other systems by `GET` only.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn check_on_server(
    service: &Service,
    client_id: &str,
    document: Option<Map<String, Value>>,
) -> Result<DocumentReport, StoreError> {
    let cx = Context::new(service);
    let mut report = by_rules(&cx, client_id, document).await?;
    if let Ok(url) = cx.rules().client_url(client_id) {
        report.unchecked = SERVER_STEPS.get(1..).unwrap_or_default();
        note_lists(&cx, &url, &mut report).await?;
        if report.valid && !own::is_own(service, &url) {
            judge(service, &url, &mut report).await;
            report = report.concluded();
        }
    }
    Ok(report)
}

/// Checks the document by the rules alone. A document of this server is not fetched.
async fn by_rules(
    cx: &Context<'_>,
    client_id: &str,
    document: Option<Map<String, Value>>,
) -> Result<DocumentReport, StoreError> {
    let (rules, fetcher) = (cx.rules(), &cx.service.fetcher);
    let given = match document {
        Some(document) => Some(Value::Object(document).to_string().into_bytes()),
        None => own_octets(cx, client_id).await?,
    };
    let Some(octets) = given else {
        return Ok(Box::pin(check_url(&rules, fetcher, client_id, PAUSE)).await);
    };
    let report = check_octets(&rules, Some(client_id), &octets);
    Ok(DocumentReport { octets, ..report })
}

/// Returns the document that this server itself publishes at the URL; none if it is the URL of another server.
async fn own_octets(cx: &Context<'_>, client_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
    match cx.rules().client_url(client_id) {
        Ok(url) if own::is_own(cx.service, &url) => {
            let published = own::published(cx, &url).await?;
            let octets = published.map(|published| published.octets);
            Ok(Some(octets.unwrap_or_default()))
        }
        _ => Ok(None),
    }
}

/// Warns of lists and decisions by which the document is not asked for at all, whatever it says.
async fn note_lists(
    cx: &Context<'_>,
    url: &ClientUrl,
    report: &mut DocumentReport,
) -> Result<(), StoreError> {
    let member = "client_id";
    match admission_of(cx.settings(), url) {
        UrlAdmission::Off => {
            report.warn(
                member,
                "is not resolved by this server: clientDocuments is off",
            );
        }
        UrlAdmission::Denied => {
            let text = "is not resolved by this server: clientDocumentAllowList or clientDocumentDenyList excludes it";
            report.warn(member, text);
        }
        UrlAdmission::Listed | UrlAdmission::Unlisted => {}
    }
    if own::is_own(cx.service, url) {
        let text = "is the URL of a document that this server itself publishes";
        report.warn(member, text);
    }
    let documents = &cx.service.store.client_documents;
    let denial = documents.denial(url.as_str(), cx.service.clock.now());
    if denial.await?.is_some() {
        report.warn(
            member,
            "is not resolved by this server: an administrator has denied it",
        );
    }
    Ok(())
}

/// Adds what the pipeline says about a document that the rules accept.
async fn judge(service: &Service, url: &ClientUrl, report: &mut DocumentReport) {
    let judging = service.judging(&Conditions {
        http: ScriptHttp::LiveReads,
        ..Conditions::default()
    });
    let octets = std::mem::take(&mut report.octets);
    // What is logged about a document concerns clients that exist.
    let judged = telemetry::silently(preview(&judging, url, &octets));
    report.unchecked = &[];
    match judged.await {
        Ok(preview) => {
            if preview.waits {
                let text = "an administrator of this server must approve it before it is in force";
                report.warn("", text);
            }
            report.redirects = Some(redirects(&preview.metadata, url));
            report.metadata = Some(preview.metadata.into_object());
        }
        Err(ResolveError::Stopped(problem)) => report.reject(format!(
            "a script or a step of this server stopped it: {}: {}",
            problem.code(),
            problem.description()
        )),
        Err(error) => report.reject(error.to_string()),
    }
}

/// Judges the document as if it had just arrived at `judging`, which stores nothing.
async fn preview(
    judging: &Service,
    url: &ClientUrl,
    octets: &[u8],
) -> Result<Preview, ResolveError> {
    let cx = Context::new(judging);
    let id = ClientId::parse(url.as_str());
    let id = id.map_err(|error| ResolveError::BadUrl(error.to_string()))?;
    flight::ask_scripts(&cx, url, None).await?;
    let stored = judging.store.clients.find(&id).await?;
    let stored = stored.filter(|stored| is_fetched(stored.client()));
    let arrival = Arrival {
        url,
        id: &id,
        octets,
        digest: &digest(octets),
        state: None,
        address: None,
        consent: Consent::None,
    };
    admission::preview(&cx, stored.as_ref(), &arrival).await
}

//! `POST` on the check of client documents: what is wrong with one, and what causes trouble at other servers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::admin::endpoint::refusal::call_refused;
use crate::admin::endpoint::{admit, read_typed};
use crate::http::{Problem, answer};
use crate::resolution::check::{DocumentFinding, DocumentReport, check_on_server};
use crate::service::{Context, Service};

/// A client document to be checked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DocumentCheckRequest")]
pub(in crate::admin) struct DocumentCheckRequest {
    /// The URL of the document. It is fetched, twice, unless `document` is present.
    client_id: String,
    /// A document that is not published yet.
    document: Option<Map<String, Value>>,
}

/// What is wrong with a client document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DocumentCheck")]
pub(in crate::admin) struct DocumentCheck {
    /// The URL of the document.
    client_id: String,
    /// Whether the rules and the scripts of this server accept the document.
    valid: bool,
    /// Why they do not.
    errors: Vec<CheckFinding>,
    /// What is allowed and still causes trouble.
    warnings: Vec<CheckFinding>,
    /// SHA-256 of the bytes of the document, in base64url. Missing if it could not be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// What is registered for the document. Missing if it is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
    /// Whether all redirect URIs are on loopback: every program on the user's device can claim to be this client.
    loopback_only: bool,
    /// The redirect URIs on other hosts than that of the document.
    cross_host_redirects: Vec<String>,
    /// The steps of this server that have not judged the document, because an earlier one has rejected it.
    unchecked: &'static [&'static str],
}

/// One error or warning about a client document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DocumentFinding")]
struct CheckFinding {
    /// The member, with an index if needed. Empty for the document as a whole.
    member: String,
    /// What is wrong.
    text: String,
}

impl CheckFinding {
    fn all(findings: Vec<DocumentFinding>) -> Vec<Self> {
        let mut all = Vec::new();
        for DocumentFinding { member, text } in findings {
            all.push(Self { member, text });
        }
        all
    }
}

impl DocumentCheck {
    fn of(client_id: String, report: DocumentReport) -> Self {
        let redirects = report.redirects.unwrap_or_default();
        Self {
            client_id,
            valid: report.valid,
            errors: CheckFinding::all(report.errors),
            warnings: CheckFinding::all(report.warnings),
            digest: report.digest,
            metadata: report.metadata,
            loopback_only: redirects.loopback_only,
            cross_host_redirects: redirects.cross_host,
            unchecked: report.unchecked,
        }
    }
}

/// Checks a client document by everything that judges documents on this server: its rules, software statement, sector file
/// and scripts. Nothing of it is stored, and scripts reach other systems by `GET` only.
///
/// # Errors
/// 400 for an invalid body; 401 without a valid token; 403 without the required scope; 408, 413 and 415 for a body that
/// cannot be read.
pub(crate) async fn post(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.documents_read).await?;
    match check(&cx, &mut parts).await {
        Ok(checked) => Ok(answer::json(StatusCode::OK, &checked)),
        Err(problem) => Err(call_refused(&cx, &parts, &by.author(), problem)),
    }
}

async fn check(cx: &Context<'_>, parts: &mut Parts) -> Result<DocumentCheck, Problem> {
    let wanted: DocumentCheckRequest = read_typed(parts)?;
    let url = wanted.client_id;
    let report = check_on_server(cx.service, &url, wanted.document).await?;
    Ok(DocumentCheck::of(url, report))
}

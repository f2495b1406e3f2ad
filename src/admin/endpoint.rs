//! Who may call the admin API: the holder of an access token of the token endpoint that has the
//! scope of the call (RFC 6750). And what its endpoints have in common.

use std::str::FromStr;

use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};

use super::Administrator;
use crate::config::AdminScopes;
use crate::http::answer::{Presented, Problem};
use crate::http::{ClientCertificate, credentials, peer};
use crate::service::Context;
use crate::store::StoreError;
use crate::{telemetry, token};

/// The code of a call that can not be understood (RFC 6750 section 3.1).
pub(super) const INVALID_REQUEST: &str = "invalid_request";

/// Finds out who calls, and whether that is allowed.
///
/// # Errors
/// 401 without a good token, 403 when it has not the scope that `needed` picks.
pub async fn admit(
    cx: &Context<'_>,
    parts: &Parts,
    needed: fn(&AdminScopes) -> &String,
) -> Result<Administrator, Problem> {
    let text = credentials::bearer(&parts.headers).map_err(Problem::unauthorised)?;
    let certificate = parts.extensions.get::<ClientCertificate>();
    let bearer = token::bearer::find(cx, text, certificate).await.map_err(|error| store_problem(&error))?;
    let bearer = bearer.ok_or_else(|| Problem::unauthorised(Presented::Invalid))?;
    let settings = &cx.service.settings;
    let scope = needed(&settings.admin.scopes);
    if !token::has_scope(&bearer.token.scope, scope) {
        return Err(insufficient_scope(scope));
    }
    telemetry::acts(bearer.token.client_id.as_str());
    Ok(Administrator {
        client_id: bearer.token.client_id.to_string(),
        address: peer::of(parts, &settings.server.trusted_proxies),
    })
}

/// RFC 6750 section 3.1.
fn insufficient_scope(scope: &str) -> Problem {
    let description = format!("the access token has not the scope {scope}");
    let problem = Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", &description);
    let challenge = format!(r#"Bearer realm="registrar", error="insufficient_scope", scope="{scope}""#);
    match HeaderValue::from_str(&challenge) {
        Ok(value) => problem.header(WWW_AUTHENTICATE, value),
        Err(_) => problem,
    }
}

/// What a failure of the store is in HTTP.
pub(super) fn store_problem(error: &StoreError) -> Problem {
    if matches!(error, StoreError::Conflict) {
        return Problem::new(StatusCode::CONFLICT, "conflict", &error.to_string());
    }
    tracing::error!(%error, "the store failed");
    Problem::unavailable("the store can not take the request at present", 5)
}

/// 404: nothing is called so.
pub(super) fn unknown(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", &format!("there is no such {what}"))
}

pub(super) fn bad_request(description: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, description)
}

/// The parameters of a query, each at most once and each known.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of `uri`.
    ///
    /// # Errors
    /// When a parameter is not among `known`, or is there twice: a filter that is not heard would
    /// widen what is asked for.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let known = known.join(", ");
                return Err(bad_request(&format!("a parameter is not known; there are {known}")));
            }
            if pairs.iter().any(|(seen, _)| *seen == name) {
                return Err(bad_request(&format!("{name} is there twice")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name` in another form, which `due` says in words.
    ///
    /// # Errors
    /// When it is there and not in that form.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, due: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad_request(&format!("{name} must be {due}")))
    }

    /// How much of a list is wanted: at most `most`, and 50 when nothing is said.
    ///
    /// # Errors
    /// When it is no number from 1 to `most`.
    pub(super) fn limit(&self, most: usize) -> Result<usize, Problem> {
        let limit = self.parsed("limit", "a number")?.unwrap_or(50);
        if (1..=most).contains(&limit) {
            Ok(limit)
        } else {
            Err(bad_request(&format!("limit must be from 1 to {most}")))
        }
    }
}

//! Access control for the admin API, and the parts that its endpoints share. A call requires an access token
//! of the token endpoint with the scope of the call (RFC 6750).

pub mod audit;
pub mod clients;
pub mod config;
pub mod initial_access;
pub(in crate::admin) mod refusal;
pub mod scripts;
pub mod transfer;
pub mod used;

use std::str::FromStr;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path};
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};
use serde_json::{Map, Value};

use super::Administrator;
use crate::base::model::json;
use crate::config::AdminScopes;
use crate::http::answer::{Presented, Problem};
use crate::http::body::{self, BodyError, MediaType};
use crate::http::observe::CorrelationId;
use crate::http::{ClientCertificate, credentials, peer};
use crate::service::Context;
use crate::store::audit::Author;
use crate::store::{StoreError, outage};
use crate::token::bearer::Bearer;
use crate::{telemetry, token};

/// The error code for a malformed call (RFC 6750 section 3.1).
pub(super) const INVALID_REQUEST: &str = "invalid_request";

/// Authenticates the caller and checks that the call is allowed. Records a rejection in the audit log.
///
/// # Errors
/// 401 without a valid token; 403 without the scope that `needed` picks.
pub async fn admit(
    cx: &Context<'_>,
    parts: &Parts,
    needed: fn(&AdminScopes) -> &String,
) -> Result<Administrator, Problem> {
    let settings = &cx.service.settings;
    let address = peer::of(parts, &settings.server.trusted_proxies);
    let correlation_id = parts
        .extensions
        .get::<CorrelationId>()
        .map(|id| id.0.to_string());
    let bearer = match bearer(cx, parts).await {
        Ok(bearer) => bearer,
        Err(problem) => {
            let nobody = Author {
                actor: None,
                address: Some(address),
                correlation_id,
            };
            return Err(refusal::stranger_refused(cx, parts, &nobody, problem));
        }
    };
    let by = Administrator {
        client_id: bearer.token.client_id.to_string(),
        address,
        correlation_id,
    };
    let scope = needed(&settings.admin.scopes);
    if !token::administers(bearer.client.client(), &bearer.token.scope, scope) {
        let description = format!("the access token lacks the scope {scope}");
        let problem = Problem::insufficient_scope(Some(scope), &description);
        return Err(refusal::stranger_refused(cx, parts, &by.author(), problem));
    }
    telemetry::acts(&by.client_id);
    Ok(by)
}

async fn bearer(cx: &Context<'_>, parts: &Parts) -> Result<Bearer, Problem> {
    let text = credentials::bearer(&parts.headers).map_err(Problem::unauthorised)?;
    let certificate = parts.extensions.get::<ClientCertificate>();
    let bearer = token::bearer::find(cx, text, certificate)
        .await
        .map_err(|error| store_problem(&error))?;
    bearer.ok_or_else(|| Problem::unauthorised(Presented::Invalid))
}

/// Reads the body of a call, within `limits.bodyBytes` and `limits.bodyTimeoutMs`.
///
/// # Errors
/// 413 if the body is too large, 408 if it is too slow, 400 if it is incomplete.
pub(super) async fn read_body(cx: &Context<'_>, body: Body) -> Result<Bytes, Problem> {
    let limits = &cx.service.settings.limits;
    let read = body::read(body, limits.body_bytes, limits.body_timeout_ms).await;
    read.map_err(|error| unreadable(&error))
}

/// Reads a body that is one JSON object. An empty body counts as an empty object.
///
/// # Errors
/// As [`read_body`], also 415 for another media type and 400 if the body is not a JSON object.
pub(super) async fn read_object(
    cx: &Context<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Map<String, Value>, Problem> {
    let bytes = read_body(cx, body).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match body::media_type(headers) {
        Ok(MediaType::Json) => {}
        Ok(MediaType::Signed) | Err(_) => return Err(unsupported("application/json")),
    }
    let mut members =
        json::parse_object(&bytes).map_err(|error| bad_request(&error.to_string()))?;
    members.values_mut().for_each(json::integral);
    Ok(members)
}

/// Returns 415: only `accepted` is supported.
pub(super) fn unsupported(accepted: &str) -> Problem {
    let description = format!("send {accepted} in UTF-8, without Content-Encoding");
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        INVALID_REQUEST,
        &description,
    )
}

/// Returns the HTTP error for a body that cannot be read.
pub(super) fn unreadable(error: &BodyError) -> Problem {
    let status = match error {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken => StatusCode::BAD_REQUEST,
        BodyError::GaveWay => return Problem::unavailable(&error.to_string(), 1),
        BodyError::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    Problem::new(status, INVALID_REQUEST, &error.to_string())
}

/// Returns the HTTP error for a failure of the store.
pub(super) fn store_problem(error: &StoreError) -> Problem {
    if matches!(error, StoreError::Conflict) {
        return Problem::new(StatusCode::CONFLICT, "conflict", &error.to_string());
    }
    outage::tell(error);
    Problem::unavailable("the store is currently unavailable; retry later", 5)
}

/// Returns 404: `what` was not found.
pub(super) fn unknown(what: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        &format!("{what} not found"),
    )
}

pub(super) fn bad_request(description: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, description)
}

/// The last segment of a path, which is the identifier of a resource.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    /// Rejects an identifier that is not UTF-8 with 404: no resource has such an identifier.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        segment
            .map(|Path(name)| Self(name))
            .map_err(|_| Problem::not_found())
    }
}

/// Returns the reason why the parameter `name` is rejected. The reason repeats the name only if it looks like
/// a parameter name: it could be a token that is there by mistake.
fn unknown_parameter(name: &str, known: &[&str]) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_name = name.len() <= 32 && !name.is_empty() && name.bytes().all(is_word);
    let named = if is_name {
        format!("unknown parameter {name}")
    } else {
        "unknown parameter".to_owned()
    };
    match known {
        [] => format!("{named}; this call accepts no parameters"),
        known => format!("{named}; the parameters are {}", known.join(", ")),
    }
}

/// The parameters of a query. All are known, and none is repeated.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of `uri`.
    ///
    /// # Errors
    /// When a parameter is not in `known` or is repeated. Ignoring a filter would widen the selection.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        {
            if !known.contains(&name.as_ref()) {
                return Err(bad_request(&unknown_parameter(&name, known)));
            }
            if pairs.iter().any(|(seen, _)| *seen == name) {
                return Err(bad_request(&format!("{name} must not be repeated")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the parsed value of `name`. `due` describes the expected form.
    ///
    /// # Errors
    /// When the parameter is present but not in that form.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, due: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| bad_request(&format!("{name} must be {due}")))
    }

    /// Returns the requested page size: at most `most`, and 50 by default.
    ///
    /// # Errors
    /// When it is not a number from 1 to `most`.
    pub(super) fn limit(&self, most: usize) -> Result<usize, Problem> {
        let limit = self.parsed("limit", "a number")?.unwrap_or(50);
        if (1..=most).contains(&limit) {
            Ok(limit)
        } else {
            Err(bad_request(&format!("limit must be from 1 to {most}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_named_with_the_known_ones() {
        let said = unknown_parameter("foo", &["after", "limit"]);
        assert_eq!(
            said,
            "unknown parameter foo; the parameters are after, limit"
        );
        assert_eq!(
            unknown_parameter("foo", &[]),
            "unknown parameter foo; this call accepts no parameters"
        );
        for odd in ["", "a b", "\u{1b}", &"x".repeat(33)] {
            assert!(
                unknown_parameter(odd, &[]).starts_with("unknown parameter; "),
                "{odd}"
            );
        }
    }
}

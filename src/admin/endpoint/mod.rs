//! Access control for the admin API, and the parts that its endpoints share. A call requires an access token
//! of the token endpoint with the scope of the call (RFC 6750).

pub(crate) mod administrators;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod candidate;
pub(crate) mod clients;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod document_check;
pub(crate) mod document_orders;
pub(crate) mod documents;
pub(crate) mod events;
pub(crate) mod initial_access;
pub(crate) mod key;
pub(crate) mod pending;
pub(in crate::admin) mod refusal;
pub(crate) mod resolve;
pub(crate) mod script_replay;
pub(crate) mod script_versions;
pub(crate) mod scripts;
pub(crate) mod transfer;
pub(crate) mod trial;
pub(crate) mod upstream_calls;
pub(crate) mod used;

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path};
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::admin::Administrator;
use crate::base::{Timestamp, absent, json, moment, scope, typed};
use crate::client::Client;
use crate::config::AdminScopes;
use crate::http::{
    BadCredentials, BodyError, ClientCertificate, Problem, RequestForm, body, credentials,
    media_type, observe, peer,
};
pub(super) use crate::service::refusal::store_problem;
use crate::service::{self, Context};
use crate::telemetry;
use crate::token;

/// The error code for a malformed call (RFC 6750 section 3.1).
pub(super) const INVALID_REQUEST: &str = "invalid_request";

/// Names the accepted media types of a patch (RFC 5789 section 3.1).
pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// The media type of a JSON Merge Patch (RFC 7396 section 3).
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

/// Somebody who may call the admin API: an administrator, or a person who signed in at an OpenID Provider.
#[derive(Debug, Clone)]
pub(crate) struct AdminIdentity {
    /// The identifier of the administrator, or the actor that stands for the person.
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// The scopes.
    scope: String,
}

impl AdminIdentity {
    /// The holder of an access token of `client` with `scope`. A client that is no administrator has none of the scopes:
    /// it may have one of that name from a time when it was an ordinary scope.
    pub(crate) fn client(client: &Client, scope: &str) -> Self {
        let scope = if client.is_operators() { scope } else { "" };
        let name = client.metadata.metadata().text("client_name");
        Self {
            id: client.id.to_string(),
            name: name.map(str::to_owned),
            scope: scope.to_owned(),
        }
    }

    /// A person with scopes of `[admin.scopes]`.
    pub(crate) fn person(actor: String, name: String, scope: &str) -> Self {
        Self {
            id: actor,
            name: Some(name),
            scope: scope.to_owned(),
        }
    }

    /// Whether the caller has a scope of `[admin.scopes]`.
    pub(crate) fn has(&self, wanted: &str) -> bool {
        scope::has(&self.scope, wanted)
    }

    /// Returns the caller as the sender of the request with the head `parts`.
    pub(crate) fn at(&self, parts: &Parts) -> Administrator {
        Administrator {
            client_id: self.id.clone(),
            name: self.name.clone(),
            scope: self.scope.clone(),
            address: peer::client_address(parts),
            correlation_id: observe::correlation_id(parts),
        }
    }
}

/// Somebody who is signed in to the console, instead of an access token. It travels with a call that the console makes; no
/// request that arrived over a connection has it.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn(pub(crate) Arc<AdminIdentity>);

/// Authenticates the caller and checks that the call is allowed. Records a rejection in the audit log.
///
/// # Errors
/// 401 without a valid token; 403 without the scope that `needed` picks.
pub(crate) async fn admit(
    cx: &Context<'_>,
    parts: &Parts,
    needed: fn(&AdminScopes) -> &String,
) -> Result<Administrator, Problem> {
    let settings = &cx.service.settings;
    let caller = match caller(cx, parts).await {
        Ok(caller) => caller,
        Err(problem) => {
            let stranger = service::refusal::stranger(parts);
            return Err(refusal::stranger_refused(cx, parts, &stranger, problem));
        }
    };
    let by = caller.at(parts);
    check_scope(&caller, needed(&settings.admin.scopes))
        .map_err(|problem| refusal::stranger_refused(cx, parts, &by.author(), problem))?;
    telemetry::acts(&by.client_id, by.name.as_deref());
    Ok(by)
}

/// Whether a caller that was admitted would be admitted still. A rejection is not recorded: a caller that stays
/// connected does not call again.
pub(super) async fn is_admitted(
    cx: &Context<'_>,
    parts: &Parts,
    needed: fn(&AdminScopes) -> &String,
) -> bool {
    match caller(cx, parts).await {
        Ok(caller) => check_scope(&caller, needed(&cx.service.settings.admin.scopes)).is_ok(),
        Err(_) => false,
    }
}

fn check_scope(caller: &AdminIdentity, scope: &str) -> Result<(), Problem> {
    if caller.has(scope) {
        return Ok(());
    }
    let description = format!("the access token lacks the scope {scope}");
    Err(Problem::insufficient_scope(Some(scope), &description))
}

async fn caller(cx: &Context<'_>, parts: &Parts) -> Result<Arc<AdminIdentity>, Problem> {
    if let Some(SignedIn(caller)) = parts.extensions.get() {
        return Ok(Arc::clone(caller));
    }
    let text = credentials::bearer(&parts.headers).map_err(Problem::unauthorised)?;
    let certificate = parts.extensions.get::<ClientCertificate>();
    let bearer = token::find_bearer(cx, text, certificate).await?;
    let bearer = bearer.ok_or_else(|| Problem::unauthorised(BadCredentials::Invalid))?;
    Ok(Arc::new(AdminIdentity::client(
        bearer.client.client(),
        &bearer.token.scope,
    )))
}

/// Takes the body of a call.
///
/// # Errors
/// 413 if the body is too large, 408 if it is too slow, 400 if it is incomplete.
pub(super) fn read_body(parts: &mut Parts) -> Result<Bytes, Problem> {
    body::take(parts).map_err(|error| unreadable(&error))
}

/// Takes a body that is one JSON object. An empty body counts as an empty object.
///
/// # Errors
/// As [`read_body`], also 415 for another media type and 400 if the body is not a JSON object.
pub(super) fn read_object(parts: &mut Parts) -> Result<Map<String, Value>, Problem> {
    let bytes = read_body(parts)?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    require_json(&parts.headers)?;
    members_of(&bytes)
}

/// Takes a body that is a JSON Merge Patch, or JSON to be read as one.
///
/// # Errors
/// As [`read_body`], also 415 for another media type and 400 if the body is not a JSON object.
pub(super) fn read_merge_patch(parts: &mut Parts) -> Result<Map<String, Value>, Problem> {
    let bytes = read_body(parts)?;
    let is_declared = media_type::is_one_of(&parts.headers, &[MERGE_PATCH]);
    if !is_declared && require_json(&parts.headers).is_err() {
        return Err(unsupported(MERGE_PATCH));
    }
    members_of(&bytes)
}

fn members_of(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let members = json::parse_object(bytes);
    let mut members = members.map_err(|error| bad_request(&error.to_string()))?;
    members.values_mut().for_each(json::integral);
    Ok(members)
}

/// Takes a body that is a `T`.
///
/// # Errors
/// As [`read_object`], also 400 if it is not a `T`.
pub(in crate::admin) fn read_typed<T: DeserializeOwned>(parts: &mut Parts) -> Result<T, Problem> {
    let mut members = read_object(parts)?;
    absent::without_null(&mut members);
    members_as(members)
}

/// Reads the members of a body as a `T`.
///
/// # Errors
/// 400 with the member that is wrong, without its value, which may be a secret.
pub(in crate::admin) fn members_as<T: DeserializeOwned>(
    members: Map<String, Value>,
) -> Result<T, Problem> {
    typed::read(members.into()).map_err(|reason| bad_request(&reason))
}

/// Rejects a body that is not declared as JSON.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media_type::request_form(headers) {
        Ok(RequestForm::Json) => Ok(()),
        Ok(RequestForm::Signed) | Err(_) => Err(unsupported("application/json")),
    }
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
    service::refusal::unreadable(error, INVALID_REQUEST)
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

/// The same for a reason of several lines, such as the errors in scripts, which `details` has unchanged.
pub(super) fn bad_request_because(reason: &str) -> Problem {
    if !reason.contains('\n') {
        return bad_request(reason);
    }
    bad_request(&reason.replace('\n', "; ")).member("details", reason)
}

/// The last segment of a path, which is the identifier of a resource.
pub(crate) struct Named(pub(crate) String);

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

    /// Returns the time that `name` has at the time `now`.
    ///
    /// # Errors
    /// When the parameter is present, and not a time.
    pub(super) fn time(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let time = moment::time(text, now);
        match time {
            Some(time) => Ok(Some(time)),
            None => Err(bad_request(&format!("{name} must be {}", moment::TIME))),
        }
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

/// The page of a list that a caller asks for. The list is in the order of identifiers.
pub(super) struct PageRequest<'a> {
    /// The identifier after which the page starts.
    pub(super) after: Option<&'a str>,
    /// The maximum number of items.
    pub(super) limit: usize,
}

impl Query {
    /// Returns the page that `after` and `limit` ask for, which has at most `most` items.
    ///
    /// # Errors
    /// As [`Self::limit`].
    pub(super) fn page(&self, most: usize) -> Result<PageRequest<'_>, Problem> {
        Ok(PageRequest {
            after: self.text("after"),
            limit: self.limit(most)?,
        })
    }
}

impl PageRequest<'_> {
    /// Returns the value of `after` for the page after the one with the items `found`; none if there is none.
    pub(super) fn next<T>(&self, found: &[T], id: impl FnOnce(&T) -> String) -> Option<String> {
        found.last().filter(|_| found.len() == self.limit).map(id)
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

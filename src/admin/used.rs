//! Uses of clients that another system reports, usually the upstream authorization server.

use serde_json::{Map, Value};

use crate::base::clock::Timestamp;
use crate::base::model::ClientId;
use crate::service::Context;

/// The maximum number of uses per call.
const MOST: usize = 1_000;

/// A use of a client.
pub struct Use {
    /// The client.
    pub id: ClientId,
    /// The time of the use; `None` for now.
    pub at: Option<Timestamp>,
}

/// Records `uses`. A time in the future counts as now.
pub fn note(cx: &Context<'_>, uses: &[Use]) {
    let now = cx.service.clock.now();
    for one in uses {
        cx.service
            .store
            .uses
            .note(&one.id, one.at.map_or(now, |at| at.min(now)));
    }
}

/// Reads the time of one use: the member `at` of an object without other members.
///
/// # Errors
/// Returns a description of the expected form.
pub fn moment(said: &Value) -> Result<Option<Timestamp>, &'static str> {
    const DUE: &str =
        "the body must be empty or {\"at\": SECONDS}, in seconds since 1970-01-01T00:00:00Z";
    let members = said.as_object().ok_or(DUE)?;
    at(members, &["at"]).map_err(|Unreadable| DUE)
}

/// Reads a list of uses.
///
/// # Errors
/// Returns a description of the expected form.
pub fn list(said: &Value) -> Result<Vec<Use>, &'static str> {
    const DUE: &str =
        "the body must be a list of client identifiers or of {\"client_id\": ID, \"at\": SECONDS}";
    let items = said.as_array().ok_or(DUE)?;
    if items.len() > MOST {
        return Err("the list must have at most 1000 items");
    }
    items.iter().map(|item| one(item).ok_or(DUE)).collect()
}

fn one(item: &Value) -> Option<Use> {
    let id = |value: &Value| ClientId::parse(value.as_str()?).ok();
    match item {
        Value::Object(members) => {
            let at = at(members, &["client_id", "at"]).ok()?;
            Some(Use {
                id: id(members.get("client_id")?)?,
                at,
            })
        }
        text => Some(Use {
            id: id(text)?,
            at: None,
        }),
    }
}

/// The value does not have the expected form.
struct Unreadable;

/// Reads the member `at` of `members`, which must not have other members than `known`.
fn at(members: &Map<String, Value>, known: &[&str]) -> Result<Option<Timestamp>, Unreadable> {
    if members.keys().any(|name| !known.contains(&name.as_str())) {
        return Err(Unreadable);
    }
    match members.get("at") {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .map(|at| Some(Timestamp::from_unix(at)))
            .ok_or(Unreadable),
    }
}

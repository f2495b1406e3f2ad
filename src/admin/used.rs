//! Uses of clients that somebody else saw: usually the authorization server beside us.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::model::ClientId;
use crate::service::Context;

/// Uses that are told at a time.
const MOST: usize = 1_000;

/// A use of a client.
pub struct Use {
    /// Whose.
    pub id: ClientId,
    /// When; none: now.
    pub at: Option<Timestamp>,
}

/// Notes `uses`. None was in the future.
pub fn note(cx: &Context<'_>, uses: &[Use]) {
    let now = cx.service.clock.now();
    for one in uses {
        cx.service.store.uses.note(&one.id, one.at.map_or(now, |at| at.min(now)));
    }
}

/// When one use was: the member `at` of an object that has no other.
///
/// # Errors
/// What it should be.
pub fn moment(said: &Value) -> Result<Option<Timestamp>, &'static str> {
    const DUE: &str = "the body must be empty or {\"at\": SECONDS}, in seconds since 1970-01-01T00:00:00Z";
    let members = said.as_object().ok_or(DUE)?;
    at(members, &["at"]).map_err(|Unreadable| DUE)
}

/// Several uses.
///
/// # Errors
/// What they should be.
pub fn list(said: &Value) -> Result<Vec<Use>, &'static str> {
    const DUE: &str =
        "the body must be a list of client identifiers or of {\"client_id\": ID, \"at\": SECONDS}";
    let items = said.as_array().ok_or(DUE)?;
    if items.len() > MOST {
        return Err("the list must have 1000 items or less");
    }
    items.iter().map(|item| one(item).ok_or(DUE)).collect()
}

fn one(item: &Value) -> Option<Use> {
    let id = |value: &Value| ClientId::parse(value.as_str()?).ok();
    match item {
        Value::Object(members) => {
            let at = at(members, &["client_id", "at"]).ok()?;
            Some(Use { id: id(members.get("client_id")?)?, at })
        }
        text => Some(Use { id: id(text)?, at: None }),
    }
}

/// It is not what it should be.
struct Unreadable;

/// The member `at` of `members`, which have no others than `known`.
fn at(members: &Map<String, Value>, known: &[&str]) -> Result<Option<Timestamp>, Unreadable> {
    if members.keys().any(|name| !known.contains(&name.as_str())) {
        return Err(Unreadable);
    }
    match members.get("at") {
        None => Ok(None),
        Some(value) => value.as_u64().map(|at| Some(Timestamp::from_unix(at))).ok_or(Unreadable),
    }
}

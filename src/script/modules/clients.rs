//! `clients::count(members)`, `clients::exists(members)`: read-only queries.

use std::sync::Arc;

use rhai::Dynamic;
use serde_json::{Map, Value};

use crate::config::ScriptLimits;
use crate::script::{
    Host, HostResult, failure, modules::Functions, modules::HostFunction, modules::function,
    modules::members, modules::store,
};

/// The maximum number of members in one query.
const MEMBERS: usize = 8;

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "clients",
        "count(members: map) -> int",
        "Returns how many clients have this value of `software_id` or `org_id`; pass exactly one of the two. \
         Counts towards `storeCalls`. Fails for a member that is not indexed, and lists the indexed members.",
        "clients::count(#{ software_id: \"known\" }) == 1",
    ),
    function(
        "clients",
        "exists(members: map) -> bool",
        "Returns whether such a client exists. The same limits apply.",
        "!clients::exists(#{ software_id: \"unknown\" })",
    ),
];

pub(super) fn module(host: &Arc<dyn Host>, limits: &ScriptLimits) -> Functions {
    let mut module = Functions::default();
    let (outside, most) = (Arc::clone(host), limits.store_calls);
    module.add1("count", move |cx, wanted: Dynamic| {
        let wanted = question(&wanted)?;
        let count = store(cx, most, |by| outside.count_clients(by, &wanted))?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    });
    let outside = Arc::clone(host);
    module.add1("exists", move |cx, wanted: Dynamic| {
        let wanted = question(&wanted)?;
        Ok(store(cx, most, |by| outside.count_clients(by, &wanted))? > 0)
    });
    module
}

fn question(wanted: &Dynamic) -> HostResult<Map<String, Value>> {
    let wanted = members(wanted, "the query")?;
    if (1..=MEMBERS).contains(&wanted.len()) {
        return Ok(wanted);
    }
    Err(failure(format!(
        "the query must have 1 to {MEMBERS} members, such as #{{ software_id: \"a\" }}"
    )))
}

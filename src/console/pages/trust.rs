//! Who is trusted: the configured issuers and attesters, and how the fetches of their keys went on this server.

use serde_json::Value;

use crate::base::Timestamp;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{items, text, words};
use crate::console::view::{Block, Cell};
use crate::console::visit::PageVisit;

use super::configuration::location;

/// The options that name trusted parties, each with a title.
const PARTIES: [(&str, &str, &str); 2] = [
    (
        "dcrSsaValidationConfigs",
        "Issuers of software statements and signed requests",
        "No issuer is trusted.",
    ),
    (
        "trustedClientAttesters",
        "Attesters of clients",
        "No attester is trusted.",
    ),
];

/// Shows the trusted parties, and their keys that were fetched.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let document = visit.get(&location(visit)).await?;
    let registration = document.get("registration").unwrap_or(&Value::Null);
    let mut blocks = Vec::new();
    for (option, title, empty) in PARTIES {
        let rows = items(registration, option).iter().map(party).collect();
        blocks.push(Block::table(title, &["Issuer", "Settings"], rows, empty));
    }
    blocks.push(keys(visit));
    Ok(PageContent::page("Trust", blocks))
}

/// Returns the name of a trusted party, and its settings. Those that have no value are left out.
fn party(party: &Value) -> Vec<Cell> {
    let name = match text(party, "id") {
        "" => text(party, "issuer"),
        id => id,
    };
    let mut settings = Vec::new();
    for (option, value) in party.as_object().into_iter().flatten() {
        let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !is_empty && value != name {
            settings.push(Cell::Text(format!("{option}: {}", setting(option, value))));
        }
    }
    vec![Cell::code(name), Cell::Many(settings)]
}

/// Returns a setting in one line. Of keys, their number is shown.
fn setting(option: &str, value: &Value) -> String {
    if option == "jwks" && value.get("keys").is_some() {
        return format!("{} keys", items(value, "keys").len());
    }
    words(value)
}

/// Returns the key sets at configured URLs that this server has needed.
fn keys(visit: &PageVisit<'_>) -> Block {
    let mut rows = Vec::new();
    for set in visit.cx.service.verifier.named_key_sets() {
        let time = |moment: Option<Timestamp>| Cell::time(moment.map(Timestamp::unix));
        rows.push(vec![
            Cell::code(set.url),
            time(set.fetched_at),
            time(set.fresh_until),
            time(set.stale_until),
            Cell::text(set.error.unwrap_or_default()),
        ]);
    }
    Block::table(
        "Keys that this server has fetched since it started",
        &[
            "URL",
            "Fetched",
            "Fetched again after",
            "Used at most until",
            "Last error",
        ],
        rows,
        "No keys were fetched: none were needed, or all are in the configuration.",
    )
}

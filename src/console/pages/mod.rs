//! The pages. Each calls the admin API, and makes parts of a page of its answers.

mod audit;
mod bulk;
mod client;
mod clients;
mod configuration;
mod events;
mod overview;
mod pending;
mod scripts;
mod sessions;
mod tokens;
mod trust;

use serde_json::Value;

use crate::config::AdminScopes;
use crate::console::respond::{Content, Failure};
use crate::console::value::shown;
use crate::console::view::{Block, Notice, Tone, href};
use crate::console::visit::Visit;
use crate::console::{login, sign_in};
use crate::http::Form;

/// An entry of the menu.
pub(super) struct Entry {
    /// The page; empty for the first one.
    pub(super) page: &'static str,
    pub(super) text: &'static str,
    /// The scope without which it shows nothing; none if everybody has something to see.
    pub(super) needed: Option<fn(&AdminScopes) -> &String>,
    /// The pages that belong to it.
    pub(super) below: &'static [&'static str],
}

/// The menu.
pub(super) const MENU: &[Entry] = &[
    Entry {
        page: "",
        text: "Overview",
        needed: None,
        below: &[],
    },
    Entry {
        page: "clients",
        text: "Clients",
        needed: Some(|scopes| &scopes.clients_read),
        below: &["client", "bulk"],
    },
    Entry {
        page: "tokens",
        text: "Tokens",
        needed: Some(|scopes| &scopes.tokens_write),
        below: &[],
    },
    Entry {
        page: "pending",
        text: "Approvals",
        needed: Some(|scopes| &scopes.pending_read),
        below: &["request"],
    },
    Entry {
        page: "events",
        text: "Events",
        needed: Some(|scopes| &scopes.clients_read),
        below: &[],
    },
    Entry {
        page: "scripts",
        text: "Scripts",
        needed: Some(|scopes| &scopes.scripts_read),
        below: &["version"],
    },
    Entry {
        page: "configuration",
        text: "Configuration",
        needed: Some(|scopes| &scopes.config_read),
        below: &["option"],
    },
    Entry {
        page: "trust",
        text: "Trust",
        needed: Some(|scopes| &scopes.config_read),
        below: &[],
    },
    Entry {
        page: "audit",
        text: "Audit log",
        needed: Some(|scopes| &scopes.audit_read),
        below: &[],
    },
    Entry {
        page: "sessions",
        text: "Sessions",
        needed: None,
        below: &[],
    },
];

/// Shows a page.
///
/// # Errors
/// Why it is not shown.
pub(super) async fn show(visit: &Visit<'_>, page: &str) -> Result<Content, Failure> {
    match page {
        "" => overview::show(visit).await,
        "audit" => audit::show(visit).await,
        "clients" => clients::show(visit).await,
        "client" => client::show(visit).await,
        "bulk" => bulk::show(visit).await,
        "tokens" => tokens::show(visit).await,
        "pending" => pending::show(visit).await,
        "request" => pending::show_one(visit).await,
        "events" => events::show(visit).await,
        "scripts" => scripts::show(visit).await,
        "version" => scripts::show_version(visit).await,
        "configuration" => configuration::show(visit).await,
        "option" => configuration::show_option(visit).await,
        "trust" => trust::show(visit).await,
        "sessions" => sessions::show(visit).await,
        // The pages that have signed in.
        sign_in::PAGE | login::BEGIN => Ok(Content::Redirect("./".to_owned())),
        _ => Err(Failure::no_page()),
    }
}

/// Does what a form asks for.
///
/// # Errors
/// Why it was not done.
pub(super) async fn submit(visit: &Visit<'_>, page: &str, form: &Form) -> Result<Content, Failure> {
    match page {
        "client" => client::submit(visit, form).await,
        "bulk" => bulk::submit(visit, form).await,
        "tokens" => tokens::submit(visit, form).await,
        "request" => pending::submit(visit, form).await,
        "events" => events::submit(visit, form).await,
        "scripts" => scripts::submit(visit, form).await,
        "option" => configuration::submit(visit, form).await,
        "sessions" => sessions::submit(visit, form).await,
        "sign-out" => sessions::sign_out(visit).await,
        _ => Err(Failure::no_page()),
    }
}

/// Returns the value of a field that a form must have.
///
/// # Errors
/// When it is missing.
fn required<'a>(form: &'a Form, name: &str, label: &str) -> Result<&'a str, Failure> {
    let value = form.get(name);
    value.ok_or_else(|| Failure::invalid(&format!("Enter a value for {label}.")))
}

/// Returns what the page before did, as `done` in the address names it. Only these texts are shown: anybody can write an
/// address.
fn done(visit: &Visit<'_>, texts: &[(&str, &str)]) -> Option<Block> {
    let done = visit.query("done")?;
    let (_, text) = texts.iter().find(|(name, _)| *name == done)?;
    Some(good(*text))
}

/// Returns the link to the page of a list after `page`, if there is one: the same address with `parameter`.
fn next(
    page: &Value,
    (list, parameter): (&str, &str),
    parameters: &[(&str, &str)],
) -> Option<Block> {
    let next = shown(page.get("next")?);
    let parameters = [parameters, &[(parameter, &next)]].concat();
    Some(Block::Next(href(list, &parameters)))
}

fn good(text: impl Into<String>) -> Block {
    Block::Notice(Notice {
        tone: Tone::Good,
        text: text.into(),
    })
}

fn bad(text: impl Into<String>) -> Block {
    Block::Notice(Notice {
        tone: Tone::Bad,
        text: text.into(),
    })
}

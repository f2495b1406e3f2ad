//! The pages. Each calls the admin API, and makes parts of a page of its answers.

mod audit;
mod bulk;
mod client;
mod clients;
mod configuration;
mod documents;
mod events;
mod overview;
mod pending;
mod scripts;
mod sessions;
mod tokens;
mod trial;
mod trust;

use std::pin::Pin;

use serde_json::{Map, Value};

use crate::base::{JsonError, json};
use crate::config::AdminScopes;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::session::FORM_TOKEN;
use crate::console::value::shown;
use crate::console::view::{Block, Notice, PageForm, Tone, href};
use crate::console::visit::PageVisit;
use crate::http::Form;

/// An entry of the menu.
pub(super) struct MenuItem {
    /// The page; empty for the first one.
    pub(super) page: &'static str,
    pub(super) text: &'static str,
    /// The scope without which it shows nothing; none if everybody has something to see.
    pub(super) needed: Option<fn(&AdminScopes) -> &String>,
    /// The pages that belong to it.
    pub(super) below: &'static [&'static str],
}

/// The menu.
pub(super) const MENU: &[MenuItem] = &[
    MenuItem {
        page: "",
        text: "Overview",
        needed: None,
        below: &[],
    },
    MenuItem {
        page: "clients",
        text: "Clients",
        needed: Some(|scopes| &scopes.clients_read),
        below: &["client", "bulk"],
    },
    MenuItem {
        page: "tokens",
        text: "Tokens",
        needed: Some(|scopes| &scopes.tokens_write),
        below: &[],
    },
    MenuItem {
        page: "pending",
        text: "Approvals",
        needed: Some(|scopes| &scopes.pending_read),
        below: &["request", "documents"],
    },
    MenuItem {
        page: "events",
        text: "Events",
        needed: Some(|scopes| &scopes.clients_read),
        below: &[],
    },
    MenuItem {
        page: "scripts",
        text: "Scripts",
        needed: Some(|scopes| &scopes.scripts_read),
        below: &["version", "try"],
    },
    MenuItem {
        page: "configuration",
        text: "Configuration",
        needed: Some(|scopes| &scopes.config_read),
        below: &["option"],
    },
    MenuItem {
        page: "trust",
        text: "Trust",
        needed: Some(|scopes| &scopes.config_read),
        below: &[],
    },
    MenuItem {
        page: "audit",
        text: "Audit log",
        needed: Some(|scopes| &scopes.audit_read),
        below: &[],
    },
    MenuItem {
        page: "sessions",
        text: "Sessions",
        needed: None,
        below: &[],
    },
];

type PageOutcome<'v> = Pin<Box<dyn Future<Output = Result<PageContent, PageFailure>> + Send + 'v>>;

/// Shows a page.
type Show = for<'v> fn(&'v PageVisit<'v>) -> PageOutcome<'v>;

/// Does what a form asks for.
type Submit = for<'v> fn(&'v PageVisit<'v>, &'v Form) -> PageOutcome<'v>;

/// A page, or what a form is sent to.
struct Route {
    page: &'static str,
    show: Option<Show>,
    submit: Option<Submit>,
}

/// Makes the routes of pages: `name: show, submit`.
macro_rules! routes {
    ($($page:literal: $($show:path)?, $($submit:path)?;)+) => {
        &[$(Route {
            page: $page,
            show: routes!(@show $($show)?),
            submit: routes!(@submit $($submit)?),
        }),+]
    };
    (@show $show:path) => { Some(|visit| Box::pin($show(visit))) };
    (@show) => { None };
    (@submit $submit:path) => { Some(|visit, form| Box::pin($submit(visit, form))) };
    (@submit) => { None };
}

/// Everything that can be opened, and sent a form to, with a session.
const ROUTES: &[Route] = routes! {
    "": overview::show,;
    "audit": audit::show,;
    "clients": clients::show,;
    "client": client::show, client::submit;
    "bulk": bulk::show, bulk::submit;
    "tokens": tokens::show, tokens::submit;
    "pending": pending::show,;
    "request": pending::show_one, pending::submit;
    "documents": documents::show, documents::submit;
    "events": events::show, events::submit;
    "scripts": scripts::show, scripts::submit;
    "version": scripts::show_version,;
    "try": trial::show, trial::submit;
    "configuration": configuration::show,;
    "option": configuration::show_option, configuration::submit;
    "trust": trust::show,;
    "sessions": sessions::show, sessions::submit;
    "sign-out": , sessions::sign_out;
    // The pages that have signed in.
    "sign-in": go_to_overview,;
    "login": go_to_overview,;
};

/// Returns the names of all pages, and whether each can be opened and be sent a form.
pub(crate) fn routes() -> Vec<(&'static str, bool, bool)> {
    let routes = ROUTES.iter();
    let routes = routes.map(|it| (it.page, it.show.is_some(), it.submit.is_some()));
    routes.collect()
}

/// Shows a page.
///
/// # Errors
/// Why it is not shown.
pub(super) async fn show(visit: &PageVisit<'_>, page: &str) -> Result<PageContent, PageFailure> {
    let route = ROUTES.iter().find(|route| route.page == page);
    match route.and_then(|route| route.show) {
        Some(show) => show(visit).await,
        None => Err(PageFailure::no_page()),
    }
}

/// Does what a form asks for.
///
/// # Errors
/// Why it was not done.
pub(super) async fn submit(
    visit: &PageVisit<'_>,
    page: &str,
    form: &Form,
) -> Result<PageContent, PageFailure> {
    let route = ROUTES.iter().find(|route| route.page == page);
    match route.and_then(|route| route.submit) {
        Some(submit) => submit(visit, form).await,
        None => Err(PageFailure::no_page()),
    }
}

async fn go_to_overview(_: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    Ok(PageContent::Redirect("./".to_owned()))
}

/// The field of a form that was confirmed.
const CONFIRMED: &str = "confirmed";

/// Returns the page that asks whether a form is meant, unless it is confirmed: what it does, and the same form again.
fn unconfirmed(
    form: &Form,
    again: PageForm,
    title: &'static str,
    mut blocks: Vec<Block>,
) -> Option<PageContent> {
    if form.get(CONFIRMED).is_some() {
        return None;
    }
    let mut again = again.dangerous().with(CONFIRMED, "true");
    for (name, value) in form.fields() {
        if name != FORM_TOKEN && !again.hidden.iter().any(|(known, _)| known == name) {
            again = again.with(name, value);
        }
    }
    blocks.push(Block::Form(again));
    Some(PageContent::page(title, blocks))
}

/// Returns the value of a field that a form must have.
///
/// # Errors
/// When it is missing.
fn required<'a>(form: &'a Form, name: &str, label: &str) -> Result<&'a str, PageFailure> {
    let value = form.get(name);
    value.ok_or_else(|| PageFailure::invalid(&format!("Enter a value for {label}.")))
}

/// Reads a field as one JSON object, as strictly as the API.
///
/// # Errors
/// What is wrong, with `label` as the name of the text.
fn json_object(text: &str, label: &str) -> Result<Map<String, Value>, PageFailure> {
    json::parse_object(text.as_bytes()).map_err(|error| not_json(&error, label))
}

/// Returns the failure for a text that is not the JSON that it should be. An error of the parser speaks of a body.
fn not_json(error: &JsonError, label: &str) -> PageFailure {
    let reason = error.to_string();
    let reason = reason.strip_prefix("the body").unwrap_or(&reason);
    PageFailure::invalid(&format!("{label}{reason}."))
}

/// Returns what the page before did, as `done` in the address names it. Only these texts are shown: anybody can write an
/// address.
fn done(visit: &PageVisit<'_>, texts: &[(&str, &str)]) -> Option<Block> {
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

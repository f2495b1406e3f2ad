//! Tries a request: the decision, the steps to it, and what each script did. Nothing of it is stored.

use serde_json::{Map, Value, json};

use crate::console::api::{ApiCall, path};
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{cell, items, members, number, pretty, shown, text, time};
use crate::console::view::{Block, Cell, FieldKind, FormField, LongText, PageForm, Tone, fact};
use crate::console::visit::PageVisit;
use crate::http::Form;

/// What the form begins with.
const EXAMPLE: &str = "{\n  \"redirect_uris\": [\"https://client.example.org/cb\"],\n  \"client_name\": \"Example\"\n}";

/// Shows the form.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    visit.require(|scopes| &scopes.scripts_try)?;
    let form = entry(visit, &|name| visit.query(name)).await?;
    Ok(PageContent::page("Try a request", vec![Block::Form(form)]))
}

/// Tries the request of a form, which is shown again with it.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let wanted = wanted(visit, form).await?;
    let call = ApiCall::post(&path(&["try"], &[]), &wanted.into());
    let judged = visit.call(call).await?.body;
    let mut blocks = vec![answer(&judged), calls(&judged)];
    blocks.extend(metadata(&judged));
    blocks.push(steps(&judged));
    blocks.push(Block::Form(entry(visit, &|name| form.get(name)).await?));
    Ok(PageContent::page("Try a request", blocks))
}

/// Returns the form with these values.
async fn entry<'a>(
    visit: &PageVisit<'_>,
    value: &(dyn Fn(&str) -> Option<&'a str> + Sync),
) -> Result<PageForm, PageFailure> {
    let value = |name| value(name).unwrap_or_default();
    let body = match value("body") {
        "" => EXAMPLE,
        body => body,
    };
    let body = FormField::text("body", "Request", body).of_kind(FieldKind::Area);
    let scripts = scripts(visit, value("scripts")).await?;
    let mut form = PageForm::to("try", "Try").titled("Request", EXPLANATION);
    form = form
        .field(
            body.required()
                .hint("The metadata as a JSON object, or a signed request."),
        )
        .field(scripts.hint("By which scripts it is judged."));
    for (name, label, hint) in TEXTS {
        form = form.field(FormField::text(name, label, value(name)).hint(hint));
    }
    let http = FormField::choice("http", "Calls of http in scripts", value("http"), &HTTP);
    Ok(form.field(http.hint("Live calls reach the other systems.")))
}

const EXPLANATION: &str = "The request is judged by the whole pipeline, as if the client sent it. Nothing is stored or used up.";

/// The fields for texts.
const TEXTS: [(&str, &str, &str); 3] = [
    (
        "client_id",
        "Update of the client",
        "Its client ID. Empty: a registration.",
    ),
    (
        "initial_access_token",
        "Initial access token",
        "Its identifier, not the token itself.",
    ),
    ("address", "Address of the client", "Empty: yours."),
];

const HTTP: [(&str, &str); 2] = [("", "fail"), ("live", "are made")];

/// Returns the field for the scripts: those in force, the candidate, and the versions that are kept.
async fn scripts(visit: &PageVisit<'_>, value: &str) -> Result<FormField, PageFailure> {
    let mut choices = vec![(String::new(), "in force".to_owned())];
    if visit.may(|scopes| &scopes.scripts_read) {
        let candidate = visit.find(&path(&["scripts", "candidate"], &[])).await?;
        choices.extend(candidate.map(|candidate| {
            let version = text(&candidate, "version");
            (version.to_owned(), format!("the candidate, {version}"))
        }));
        let kept = visit.get(&path(&["scripts", "versions"], &[])).await?;
        choices.extend(items(&kept, "versions").iter().map(version));
    }
    let field = FormField::text("scripts", "Scripts", value);
    Ok(field.of_kind(FieldKind::Choice(choices)))
}

/// Returns the choice of a version that is kept.
fn version(version: &Value) -> (String, String) {
    let id = text(version, "version");
    let label = match time(version, "in_force_at") {
        Cell::Time { shown, .. } => format!("{id}, last in force {shown}"),
        _ => id.to_owned(),
    };
    (id.to_owned(), label)
}

/// Returns the description of the trial that the form stands for.
async fn wanted(visit: &PageVisit<'_>, form: &Form) -> Result<Map<String, Value>, PageFailure> {
    let body = super::required(form, "body", "the request")?.trim();
    let mut wanted = Map::new();
    // As a text, so that it is read as a body is: a duplicate member would be lost here.
    wanted.insert("body".to_owned(), body.into());
    for name in ["client_id", "initial_access_token", "address", "http"] {
        if let Some(value) = form.get(name) {
            wanted.insert(name.to_owned(), value.trim().into());
        }
    }
    if let Some(version) = form.get("scripts") {
        let kept = path(&["scripts", "versions", version], &[]);
        let files = visit.get(&kept).await?.get("files").cloned();
        wanted.insert("scripts".to_owned(), files.unwrap_or_else(|| json!({})));
        wanted.insert("replace_scripts".to_owned(), true.into());
    }
    Ok(wanted)
}

/// Returns what the client would get.
fn answer(judged: &Value) -> Block {
    let answer = judged.get("answer").unwrap_or(&Value::Null);
    let status = number(answer, "status").unwrap_or(0);
    let body = answer.get("body").unwrap_or(&Value::Null);
    let (tone, verdict) = match status {
        0..400 => (Tone::Good, "accepted"),
        400..500 => (Tone::Bad, "rejected"),
        _ => (Tone::Bad, "failed"),
    };
    let mut rows = vec![
        fact("Decision", Cell::badge(tone, verdict)),
        fact("Status", Cell::number(status)),
    ];
    for (name, label) in [("error", "Error"), ("error_description", "Description")] {
        let value = text(body, name);
        if !value.is_empty() {
            rows.push(fact(label, Cell::text(value)));
        }
    }
    Block::facts("What the client would get", rows)
}

/// Returns the seconds of a number of microseconds, as people read them.
fn duration(value: &Value) -> Cell {
    let micros = number(value, "microseconds").unwrap_or(0);
    let whole = micros / 1_000;
    Cell::Text(format!("{whole}.{:03} ms", micros % 1_000))
}

fn steps(judged: &Value) -> Block {
    let row = |step: &Value| {
        let verdict = text(step, "verdict");
        let tone = if verdict == "passed" {
            Tone::Good
        } else {
            Tone::Bad
        };
        vec![
            Cell::text(text(step, "step").replace('_', " ")),
            Cell::badge(tone, verdict),
            Cell::text(text(step, "reason")),
            duration(step),
        ]
    };
    Block::table(
        "Steps",
        &["Step", "Verdict", "Reason", "Time"],
        items(judged, "steps").iter().map(row).collect(),
        "No step was reached.",
    )
}

fn calls(judged: &Value) -> Block {
    Block::table(
        "What each script did",
        &[
            "Script",
            "Hook",
            "Result",
            "Changes",
            "Log and calls",
            "Time",
        ],
        items(judged, "hooks").iter().map(call).collect(),
        "No script was called.",
    )
}

fn call(call: &Value) -> Vec<Cell> {
    vec![
        Cell::code(text(call, "script")),
        Cell::code(text(call, "hook")),
        Cell::Many(result(call)),
        Cell::Many(items(call, "changed").iter().map(change).collect()),
        Cell::Many(said(call)),
        duration(call),
    ]
}

/// Returns how a call ended.
fn result(call: &Value) -> Vec<Cell> {
    let (result, error) = (text(call, "result"), text(call, "error"));
    let tone = if result == "passed" {
        Tone::Good
    } else {
        Tone::Bad
    };
    let mut results = vec![Cell::badge(tone, result)];
    if !error.is_empty() {
        results.push(Cell::code(error));
    }
    results
}

fn change(change: &Value) -> Cell {
    let after = change.get("after");
    let after = after.map_or_else(|| "removed".to_owned(), shown);
    Cell::code(format!("{}: {after}", text(change, "member")))
}

/// Returns what a script logged, and the calls of `http` that it made.
fn said(call: &Value) -> Vec<Cell> {
    let logged = items(call, "log").iter();
    let mut lines: Vec<Cell> = logged.map(|line| Cell::text(shown(line))).collect();
    for http in items(call, "http") {
        let outcome = match number(http, "status") {
            Some(status) => status.to_string(),
            None => text(http, "error").to_owned(),
        };
        let (method, url) = (text(http, "method"), text(http, "url"));
        lines.push(Cell::Text(format!("{method} {url}: {outcome}")));
    }
    lines
}

/// Returns the members of the answer with their origins, or the whole body of another answer.
fn metadata(judged: &Value) -> Option<Block> {
    let answer = judged.get("answer")?;
    let origins = judged.get("origins")?;
    if origins.as_object().is_none_or(Map::is_empty) {
        let text = pretty(answer.get("body").filter(|body| !body.is_null())?);
        let title = "Body of the answer".to_owned();
        return Some(Block::Source(LongText { title, text }));
    }
    let row = |(name, value): (&str, &Value)| {
        let origin = text(origins, name).replace('_', " ");
        vec![Cell::code(name), cell(value), Cell::text(origin)]
    };
    let rows = members(answer, "body").map(row).collect();
    let empty = "It has no members.";
    let title = "The client that would be registered (its identifier and its secrets are made up)";
    Some(Block::table(
        title,
        &["Member", "Value", "Origin"],
        rows,
        empty,
    ))
}

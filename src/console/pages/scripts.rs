//! The scripts: those in force with their faults, the versions that are kept, and the candidate.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::console::api::{ApiCall, path};
use crate::console::difference::LineDifference;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{cell, flag, items, members, number, shown, text, time};
use crate::console::view::{Block, Cell, LongText, PageForm, Tone, fact, href};
use crate::console::visit::PageVisit;
use crate::http::Form;

use super::{bad, done, required};

/// The differences of the candidate that are shown.
const DIFFERENCES: usize = 20;

/// Shows the scripts in force, the versions and the candidate.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let loaded = visit.get(&path(&["scripts"], &[])).await?;
    let versions = visit.get(&path(&["scripts", "versions"], &[])).await?;
    let versions = items(&versions, "versions");
    let may_change = visit.may(|scopes| &scopes.scripts_write);
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &DONE));
    blocks.extend(faults(&loaded));
    blocks.extend(link_to_try(visit));
    blocks.push(in_force(&loaded));
    blocks.push(calls(&loaded));
    blocks.push(kept(versions));
    blocks.extend(unpin(versions).filter(|_| may_change));
    if let Some(candidate) = candidate(visit).await? {
        blocks.extend(shown_candidate(&candidate, may_change));
    }
    Ok(PageContent::page("Scripts", blocks))
}

/// Returns the candidate, if there is one.
async fn candidate(visit: &PageVisit<'_>) -> Result<Option<Value>, PageFailure> {
    visit.find(&path(&["scripts", "candidate"], &[])).await
}

fn link_to_try(visit: &PageVisit<'_>) -> Option<Block> {
    let may_try = visit.may(|scopes| &scopes.scripts_try);
    may_try.then(|| Block::Links(vec![("try".to_owned(), "Try a request")]))
}

/// Returns why scripts were not loaded.
fn faults(loaded: &Value) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (member, told, title) in [
        (
            "error",
            "The scripts could not be loaded. The previous ones stay in force until the mistake is corrected.",
            "Mistake in the scripts",
        ),
        (
            "candidate_error",
            "The candidate could not be loaded. There is none until the mistake is corrected.",
            "Mistake in the candidate",
        ),
    ] {
        let cause = text(loaded, member);
        if !cause.is_empty() {
            blocks.push(bad(told));
            let (title, text) = (title.to_owned(), cause.to_owned());
            blocks.push(Block::Source(LongText { title, text }));
        }
    }
    blocks
}

/// Returns the button that unpins, if a version is pinned.
fn unpin(versions: &[Value]) -> Option<Block> {
    let is_pinned = versions.iter().any(|version| flag(version, "is_pinned"));
    let unpin = order("unpin", "Unpin").folded();
    let text = "Every server loads its script folder at once, and again whenever it changes.";
    is_pinned.then(|| Block::Form(unpin.titled("Unpin: use the script folder", text)))
}

/// What each order has done.
const DONE: [(&str, &str); 3] = [
    (
        "pin",
        "The version is in force on all servers until it is unpinned.",
    ),
    ("unpin", "Every server uses its script folder."),
    (
        "promote",
        "The candidate is in force on all servers until it is unpinned.",
    ),
];

fn order(order: &str, button: &'static str) -> PageForm {
    PageForm::to("scripts", button).with("order", order)
}

fn in_force(loaded: &Value) -> Block {
    let row = |script: &Value| {
        let texts = |name: &str| items(script, name).iter().map(cell).collect();
        vec![
            Cell::code(text(script, "name")),
            Cell::Many(texts("hooks")),
            Cell::Many(texts("warnings")),
        ]
    };
    let mut title = format!("In force: {}", text(loaded, "revision"));
    if let Cell::Time { shown, .. } = time(loaded, "since") {
        title = format!("{title}, loaded {shown}");
    }
    let rows = items(loaded, "scripts").iter().map(row).collect();
    Block::table(
        title,
        &["Script", "Hooks", "Warnings"],
        rows,
        "There are no scripts.",
    )
}

fn calls(loaded: &Value) -> Block {
    let row = |calls: &Value| {
        let faults = number(calls, "faults").unwrap_or(0);
        let tone = if faults > 0 { Tone::Bad } else { Tone::Plain };
        let seconds = calls.get("ran_seconds").and_then(Value::as_f64);
        vec![
            Cell::code(text(calls, "script")),
            Cell::code(text(calls, "hook")),
            Cell::number(number(calls, "calls").unwrap_or(0)),
            Cell::Text(format!("{:.3} s", seconds.unwrap_or(0.0))),
            Cell::badge(tone, faults.to_string()),
            Cell::code(text(calls, "last_fault")),
        ]
    };
    Block::table(
        "Calls since the server started",
        &["Script", "Hook", "Calls", "Time", "Faults", "Last fault"],
        items(loaded, "calls").iter().map(row).collect(),
        "No script was called.",
    )
}

fn kept(versions: &[Value]) -> Block {
    Block::table(
        "Versions",
        &["Version", "State", "From", "First kept", "Last in force"],
        versions.iter().map(version_row).collect(),
        "No version is kept.",
    )
}

fn version_row(version: &Value) -> Vec<Cell> {
    let (id, is_pinned) = (text(version, "version"), flag(version, "is_pinned"));
    let mut states = Vec::new();
    if flag(version, "is_in_force") {
        states.push(Cell::badge(Tone::Good, "in force"));
    }
    if is_pinned {
        states.push(Cell::badge(Tone::Plain, "pinned"));
    }
    vec![
        Cell::link(href("version", &[("id", id)]), id),
        Cell::Many(states),
        Cell::text(text(version, "source")),
        time(version, "kept_at"),
        time(version, "in_force_at"),
    ]
}

/// What is shown of a candidate: the part of the answer, the member, and the label.
const COUNTS: [(&str, &str, &str); 7] = [
    (
        "shadow",
        "share",
        "Share of requests that it judges without effect",
    ),
    ("shadow", "same", "Same answers"),
    ("shadow", "different", "Different answers"),
    ("shadow", "skipped", "Not judged"),
    ("canary", "share", "Share of requests that it decides"),
    ("canary", "decided", "Decided"),
    ("canary", "faults", "Faults"),
];

fn shown_candidate(candidate: &Value, may_change: bool) -> Vec<Block> {
    let mut rows = vec![
        fact("Version", Cell::code(text(candidate, "version"))),
        fact("Loaded", time(candidate, "since")),
    ];
    for (part, name, label) in COUNTS {
        let value = candidate.get(part).and_then(|part| part.get(name));
        rows.push(fact(
            label,
            Cell::text(value.map(shown).unwrap_or_default()),
        ));
    }
    let mut blocks = vec![Block::facts("Candidate", rows)];
    let canary = candidate.get("canary");
    if canary.is_some_and(|canary| flag(canary, "has_stopped")) {
        let text = "The candidate decides no more requests, because it had too many faults.";
        blocks.push(bad(text));
    }
    blocks.push(differences(candidate));
    let page = href("version", &[("id", text(candidate, "version"))]);
    let link = if may_change {
        "See how it differs, and promote it"
    } else {
        "See how it differs"
    };
    blocks.push(Block::Links(vec![(page, link)]));
    blocks
}

fn differences(candidate: &Value) -> Block {
    let verdict = |difference: &Value, side: &str| {
        let verdict = difference.get(side).unwrap_or(&Value::Null);
        let status = number(verdict, "status").unwrap_or(0);
        Cell::text(format!("{status} {}", text(verdict, "error")))
    };
    let row = |difference: &Value| {
        let members = items(difference, "members").iter();
        let members = members.map(|member| Cell::code(text(member, "member")));
        vec![
            time(difference, "at"),
            verdict(difference, "before"),
            verdict(difference, "after"),
            Cell::Many(members.collect()),
        ]
    };
    let shown = items(candidate, "differences").iter().take(DIFFERENCES);
    Block::table(
        "What the candidate answers differently",
        &["Time", "In force", "Candidate", "Members that differ"],
        shown.map(row).collect(),
        "It answers nothing differently.",
    )
}

/// Shows a version, or the candidate: how it differs from the scripts in force, and its files.
pub(super) async fn show_version(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let id = visit.query("id").ok_or_else(PageFailure::no_page)?;
    let version = visit.get(&path(&["scripts", "versions", id], &[])).await?;
    let loaded = visit.get(&path(&["scripts"], &[])).await?;
    let revision = text(&loaded, "revision");
    let mut blocks = compared(visit, (id, revision), &version).await?;
    if visit.may(|scopes| &scopes.scripts_write) {
        blocks.push(Block::Form(switch(visit, id, revision).await?));
    }
    for (name, text) in members(&version, "files") {
        let text = numbered(text.as_str().unwrap_or_default());
        let title = name.to_owned();
        blocks.push(Block::Source(LongText { title, text }));
    }
    Ok(PageContent::page(format!("Version {id}"), blocks))
}

/// Returns how a version differs from the scripts in force, if it is another one.
async fn compared(
    visit: &PageVisit<'_>,
    (id, revision): (&str, &str),
    version: &Value,
) -> Result<Vec<Block>, PageFailure> {
    if revision == id {
        let text = "This version is in force.".to_owned();
        return Ok(vec![Block::Text(text)]);
    }
    let in_force = path(&["scripts", "versions", revision], &[]);
    let in_force = visit.find(&in_force).await?.unwrap_or_default();
    Ok(changed_files(&in_force, version))
}

/// Returns the form that puts a version in force as it is shown, or the candidate.
async fn switch(visit: &PageVisit<'_>, id: &str, in_force: &str) -> Result<PageForm, PageFailure> {
    let candidate = candidate(visit).await?;
    let is_candidate = candidate.is_some_and(|it| text(&it, "version") == id);
    let form = if is_candidate {
        let text =
            "The candidate becomes a version, and is in force on all servers until it is unpinned.";
        order("promote", "Promote").titled("Promote the candidate", text)
    } else {
        let text = "The version is in force on all servers until it is unpinned, whatever their script folders have.";
        order("pin", "Pin").titled("Pin this version", text)
    };
    Ok(form.with("version", id).with("in_force", in_force))
}

/// Checks that the page of the form compared with the scripts that are still in force, and, for the candidate, that it
/// is the one that was shown.
async fn check_current(visit: &PageVisit<'_>, form: &Form, order: &str) -> Result<(), PageFailure> {
    let compared = required(form, "in_force", "the scripts in force")?;
    let loaded = visit.get(&path(&["scripts"], &[])).await?;
    let mut is_current = text(&loaded, "revision") == compared;
    if order == "promote" {
        let candidate = candidate(visit).await?;
        let shown = required(form, "version", "the version")?;
        is_current &= candidate.is_none_or(|it| text(&it, "version") == shown);
    }
    if is_current {
        return Ok(());
    }
    let text = "Other scripts were loaded in the meantime. Open the page again, and look at the differences.";
    Err(PageFailure::new(StatusCode::CONFLICT, text))
}

/// Returns the files by which a version differs from the scripts in force.
fn changed_files(in_force: &Value, version: &Value) -> Vec<Block> {
    let mut blocks = Vec::new();
    for name in names(version, in_force) {
        let (before, after) = (file(in_force, &name), file(version, &name));
        if before != after {
            let title = format!("{name}: from the scripts in force to this version");
            let difference = LineDifference::between(title, before, after);
            blocks.push(Block::Difference(difference));
        }
    }
    blocks
}

/// Returns the lines of a file with their numbers.
fn numbered(text: &str) -> String {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(at, line)| format!("{:>4}  {line}", at.saturating_add(1)));
    lines.collect::<Vec<String>>().join("\n")
}

/// Returns the names of all files of two versions.
fn names(one: &Value, other: &Value) -> Vec<String> {
    let all = members(one, "files").chain(members(other, "files"));
    let mut names: Vec<String> = all.map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn file<'a>(version: &'a Value, name: &str) -> &'a str {
    version.get("files").map_or("", |files| text(files, name))
}

/// Pins or unpins a version, or promotes the candidate.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let order = required(form, "order", "the order")?;
    let pin = path(&["scripts", "pin"], &[]);
    if matches!(order, "pin" | "promote") {
        check_current(visit, form, order).await?;
    }
    let call = match order {
        "pin" => {
            let version = required(form, "version", "the version")?;
            let body = json!({"version": version});
            ApiCall::new(Method::PUT, &pin).json("application/json", &body)
        }
        "unpin" => ApiCall::new(Method::DELETE, &pin),
        "promote" => ApiCall::new(Method::POST, &path(&["scripts", "promote"], &[])),
        _ => return Err(PageFailure::no_page()),
    };
    visit.call(call).await?;
    Ok(PageContent::Redirect(href("scripts", &[("done", order)])))
}

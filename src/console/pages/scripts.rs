//! The scripts: those in force with their faults, the versions that are kept, and the candidate.

use hyper::Method;
use serde_json::{Value, json};

use crate::console::api::{Call, path};
use crate::console::respond::{Content, Failure};
use crate::console::value::{flag, items, members, number, shown, text, time};
use crate::console::view::{
    Block, Cell, Difference, Facts, Form as Shown, Source, Table, Tone, href,
};
use crate::console::visit::Visit;
use crate::http::Form;

use super::{bad, done, required};

/// The differences of the candidate that are shown.
const DIFFERENCES: usize = 20;

/// Shows the scripts in force, the versions and the candidate.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let loaded = visit.get(&path(&["scripts"], &[])).await?;
    let versions = visit.get(&path(&["scripts", "versions"], &[])).await?;
    let candidate = visit.find(&path(&["scripts", "candidate"], &[])).await?;
    let may_change = visit.may(|scopes| &scopes.scripts_write);
    let mut blocks = Vec::new();
    let texts = [
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
    blocks.extend(done(visit, &texts));
    blocks.push(in_force(&loaded));
    blocks.push(calls(&loaded));
    blocks.push(kept(&versions, may_change));
    let is_pinned = items(&versions, "versions")
        .iter()
        .any(|version| flag(version, "is_pinned"));
    if may_change && is_pinned {
        blocks.push(Block::Buttons(vec![order(
            "unpin",
            "Unpin: use the script folder",
        )]));
    }
    if let Some(candidate) = candidate {
        blocks.extend(shown_candidate(&candidate, may_change));
    }
    Ok(Content::page("Scripts", blocks))
}

fn order(order: &str, button: &'static str) -> Shown {
    let form = Shown {
        action: "scripts".to_owned(),
        button,
        ..Shown::default()
    };
    form.with("order", order)
}

fn in_force(loaded: &Value) -> Block {
    let row = |script: &Value| {
        let texts = |name: &str| {
            items(script, name)
                .iter()
                .map(|it| Cell::Text(shown(it)))
                .collect()
        };
        vec![
            Cell::code(text(script, "name")),
            Cell::Many(texts("hooks")),
            Cell::Many(texts("warnings")),
        ]
    };
    let mut table = Table {
        title: format!("In force: {}", text(loaded, "revision")),
        heads: vec!["Script", "Hooks", "Warnings"],
        rows: items(loaded, "scripts").iter().map(row).collect(),
        empty: "There are no scripts.",
    };
    if let Cell::Time { shown, .. } = time(loaded, "since") {
        table.title = format!("{}, loaded {shown}", table.title);
    }
    Block::Table(table)
}

fn calls(loaded: &Value) -> Block {
    let row = |calls: &Value| {
        let faults = number(calls, "faults").unwrap_or(0);
        let tone = if faults > 0 { Tone::Bad } else { Tone::Plain };
        let seconds = calls
            .get("ran_seconds")
            .and_then(Value::as_f64)
            .unwrap_or(0.0);
        vec![
            Cell::code(text(calls, "script")),
            Cell::code(text(calls, "hook")),
            Cell::Text(number(calls, "calls").unwrap_or(0).to_string()),
            Cell::Text(format!("{seconds:.3} s")),
            Cell::badge(tone, faults.to_string()),
            Cell::code(text(calls, "last_fault")),
        ]
    };
    Block::Table(Table {
        title: "Calls since the server started".to_owned(),
        heads: vec!["Script", "Hook", "Calls", "Time", "Faults", "Last fault"],
        rows: items(loaded, "calls").iter().map(row).collect(),
        empty: "No script was called.",
    })
}

fn kept(versions: &Value, may_change: bool) -> Block {
    let row = |version: &Value| {
        let id = text(version, "version");
        let mut states = Vec::new();
        if flag(version, "is_in_force") {
            states.push(Cell::badge(Tone::Good, "in force"));
        }
        if flag(version, "is_pinned") {
            states.push(Cell::badge(Tone::Plain, "pinned"));
        }
        let pin = Shown {
            label: format!("Pin version {id}"),
            ..order("pin", "Pin")
        };
        let pin = if may_change && !flag(version, "is_pinned") {
            Cell::Button(Box::new(pin.with("version", id)))
        } else {
            Cell::Nothing
        };
        vec![
            Cell::Link {
                href: href("version", &[("id", id)]),
                text: id.to_owned(),
            },
            if states.is_empty() {
                Cell::Nothing
            } else {
                Cell::Many(states)
            },
            Cell::text(text(version, "source")),
            time(version, "kept_at"),
            time(version, "in_force_at"),
            pin,
        ]
    };
    Block::Table(Table {
        title: "Versions".to_owned(),
        heads: vec![
            "Version",
            "State",
            "From",
            "First kept",
            "Last in force",
            "Pin",
        ],
        rows: items(versions, "versions").iter().map(row).collect(),
        empty: "No version is kept.",
    })
}

fn shown_candidate(candidate: &Value, may_change: bool) -> Vec<Block> {
    let part = |part: &str, name: &str| {
        let value = candidate.get(part).and_then(|part| part.get(name));
        Cell::text(value.map(shown).unwrap_or_default())
    };
    let rows = vec![
        ("Version".to_owned(), Cell::code(text(candidate, "version"))),
        ("Loaded".to_owned(), time(candidate, "since")),
        (
            "Share of requests that it judges without effect".to_owned(),
            part("shadow", "share"),
        ),
        ("Same answers".to_owned(), part("shadow", "same")),
        ("Different answers".to_owned(), part("shadow", "different")),
        ("Not judged".to_owned(), part("shadow", "skipped")),
        (
            "Share of requests that it decides".to_owned(),
            part("canary", "share"),
        ),
        ("Decided".to_owned(), part("canary", "decided")),
        ("Faults".to_owned(), part("canary", "faults")),
    ];
    let mut blocks = vec![Block::Facts(Facts {
        title: "Candidate",
        rows,
    })];
    if candidate
        .get("canary")
        .is_some_and(|canary| flag(canary, "has_stopped"))
    {
        blocks.push(bad(
            "The candidate decides no more requests, because it had too many faults.",
        ));
    }
    blocks.push(Block::Table(differences(candidate)));
    if may_change {
        blocks.push(Block::Form(Shown {
            title: "Promote the candidate",
            text: "The candidate becomes a version, and is in force on all servers until it is unpinned.".to_owned(),
            is_folded: true,
            ..order("promote", "Promote")
        }));
    }
    blocks
}

fn differences(candidate: &Value) -> Table {
    let verdict = |difference: &Value, side: &str| {
        let Some(verdict) = difference.get(side) else {
            return Cell::Nothing;
        };
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
    Table {
        title: "What the candidate answers differently".to_owned(),
        heads: vec!["Time", "In force", "Candidate", "Members that differ"],
        rows: items(candidate, "differences")
            .iter()
            .take(DIFFERENCES)
            .map(row)
            .collect(),
        empty: "It answers nothing differently.",
    }
}

/// Shows a version: how it differs from the scripts in force, and its files.
pub(super) async fn show_version(visit: &Visit<'_>) -> Result<Content, Failure> {
    let id = visit.query("id").ok_or_else(Failure::no_page)?;
    let version = visit.get(&path(&["scripts", "versions", id], &[])).await?;
    let loaded = visit.get(&path(&["scripts"], &[])).await?;
    let revision = text(&loaded, "revision");
    let mut blocks = Vec::new();
    let in_force = match revision {
        revision if revision == id => None,
        revision => {
            visit
                .find(&path(&["scripts", "versions", revision], &[]))
                .await?
        }
    };
    if let Some(in_force) = in_force {
        for name in names(&version, &in_force) {
            let (before, after) = (file(&in_force, &name), file(&version, &name));
            if before != after {
                let title = format!("{name}: from the scripts in force to this version");
                blocks.push(Block::Difference(Difference::between(title, before, after)));
            }
        }
    }
    for (name, text) in members(&version, "files") {
        let (title, text) = (name.to_owned(), text.as_str().unwrap_or_default());
        let lines = text.lines().enumerate();
        let lines: Vec<String> = lines
            .map(|(at, line)| format!("{:>4}  {line}", at.saturating_add(1)))
            .collect();
        blocks.push(Block::Source(Source {
            title,
            text: lines.join("\n"),
        }));
    }
    Ok(Content::page(format!("Version {id}"), blocks))
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
pub(super) async fn submit(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    let order = required(form, "order", "the order")?;
    let pin = path(&["scripts", "pin"], &[]);
    let call = match order {
        "pin" => {
            let version = required(form, "version", "the version")?;
            let body = json!({"version": version});
            Call::new(Method::PUT, &pin).json("application/json", &body)
        }
        "unpin" => Call::new(Method::DELETE, &pin),
        "promote" => Call::new(Method::POST, &path(&["scripts", "promote"], &[])),
        _ => return Err(Failure::no_page()),
    };
    visit.call(call).await?;
    Ok(Content::Redirect(href("scripts", &[("done", order)])))
}

//! The configuration: every value with its origin, and changes of the live part, which are shown as a difference before
//! they are applied.

use hyper::Method;
use hyper::header::IF_MATCH;
use serde_json::{Map, Value, json};

use crate::console::api::Call;
use crate::console::respond::{Content, Failure};
use crate::console::value::{pretty, shown, text};
use crate::console::view::{
    Block, Cell, Difference, Facts, Field, FieldKind, Form as Shown, Table, Tone, href,
};
use crate::console::visit::Visit;
use crate::http::{Form, entity_tag};

use super::{done, required};

/// The media type of a change (RFC 6902 section 6).
const JSON_PATCH: &str = "application/json-patch+json";

/// The sections that are changed as a whole.
const LISTS: [&str; 3] = ["scopes", "webhooks", "exports"];

/// The longest value that a table shows, in characters.
const LONGEST: usize = 200;

/// Shows all values.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let document = visit.get(&location(visit)).await?;
    let may_change = visit.may(|scopes| &scopes.config_write);
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &[("changed", "The change is in force.")]));
    let mut rows = Vec::new();
    for (key, value) in live(&document) {
        rows.push(row(&document, &key, value, may_change));
    }
    blocks.push(Block::Table(Table {
        title: "In force, changed without a restart".to_owned(),
        heads: vec!["Option", "Value", "Origin"],
        rows,
        empty: "There are no options.",
    }));
    let mut rows = Vec::new();
    if let Some(settings) = document.get("settings") {
        flatten(settings, "", &mut |key, value| {
            rows.push(row(&document, key, value, false));
        });
    }
    blocks.push(Block::Table(Table {
        title: "Changed by a restart".to_owned(),
        heads: vec!["Option", "Value", "Origin"],
        rows,
        empty: "There are no options.",
    }));
    Ok(Content::page("Configuration", blocks))
}

/// Returns the path of the configuration in the admin API.
fn location(visit: &Visit<'_>) -> String {
    visit.cx.service.settings.server.paths.config.clone()
}

/// Returns the options of the live configuration with their values.
fn live(document: &Value) -> Vec<(String, &Value)> {
    let registration = document.get("registration").and_then(Value::as_object);
    let registration = registration.into_iter().flat_map(Map::iter);
    let mut options: Vec<(String, &Value)> = registration
        .map(|(name, value)| (format!("registration.{name}"), value))
        .collect();
    for name in LISTS {
        if let Some(value) = document.get(name) {
            options.push((name.to_owned(), value));
        }
    }
    options
}

/// Calls `each` with the path and the value of everything in `value` that is no object.
fn flatten<'a>(value: &'a Value, path: &str, each: &mut impl FnMut(&str, &'a Value)) {
    let Value::Object(members) = value else {
        return each(path, value);
    };
    for (name, value) in members {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        flatten(value, &path, each);
    }
}

fn row(document: &Value, key: &str, value: &Value, is_link: bool) -> Vec<Cell> {
    let option = if is_link {
        Cell::Link {
            href: href("option", &[("key", key)]),
            text: key.to_owned(),
        }
    } else {
        Cell::code(key)
    };
    let mut text = shown(value);
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).chain(['…']).collect();
    }
    vec![option, Cell::code(text), origin(document, key)]
}

fn origin(document: &Value, key: &str) -> Cell {
    let origin = document
        .get("origins")
        .map_or("", |origins| text(origins, key));
    match origin {
        "" => Cell::Nothing,
        "default" => Cell::text(origin),
        _ => Cell::badge(Tone::Plain, origin),
    }
}

/// Returns the JSON Pointer of an option (RFC 6901).
fn pointer(key: &str) -> String {
    format!("/{}", key.replacen('.', "/", 1))
}

/// Shows one option with the form that changes it.
pub(super) async fn show_option(visit: &Visit<'_>) -> Result<Content, Failure> {
    let key = visit.query("key").ok_or_else(Failure::no_page)?;
    let document = visit.get(&location(visit)).await?;
    let options = live(&document);
    let (_, value) = options
        .iter()
        .find(|(name, _)| name == key)
        .ok_or_else(Failure::no_page)?;
    let mut blocks = vec![Block::Facts(Facts {
        title: "In force",
        rows: vec![
            ("Origin".to_owned(), origin(&document, key)),
            ("Value".to_owned(), Cell::code(shown(value))),
        ],
    })];
    if visit.may(|scopes| &scopes.config_write) {
        let form = Shown {
            action: "option".to_owned(),
            ..Shown::default()
        };
        let form = form.with("key", key).with("order", "preview");
        let field =
            Field::text("value", "New value, as JSON", pretty(value)).of_kind(FieldKind::Area);
        blocks.push(Block::Form(Shown {
            title: "Change",
            button: "Preview",
            ..form.clone().field(field.required())
        }));
        blocks.push(Block::Form(Shown {
            title: "Remove the change",
            text: "The option has the value of the configuration file again, or its default."
                .to_owned(),
            button: "Preview",
            is_folded: true,
            ..form.with("remove", "true")
        }));
    }
    Ok(Content::page(key, blocks))
}

/// Returns the patch that a form asks for.
fn operations(form: &Form) -> Result<Value, Failure> {
    let path = pointer(required(form, "key", "the option")?);
    if form.get("remove").is_some() {
        return Ok(json!([{"op": "remove", "path": path}]));
    }
    let value = required(form, "value", "the option")?;
    let value: Value = serde_json::from_str(value).map_err(|error| {
        Failure::invalid(&format!(
            "The value is no JSON: {error}. Put texts in quotes."
        ))
    })?;
    Ok(json!([{"op": "add", "path": path, "value": value}]))
}

/// Shows what a change would do, or applies it.
pub(super) async fn submit(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    let operations = operations(form)?;
    match required(form, "order", "the order")? {
        "preview" => preview(visit, form, &operations).await,
        "apply" => {
            let revision = required(form, "revision", "the revision")?;
            let call = Call::new(Method::PATCH, &location(visit)).json(JSON_PATCH, &operations);
            visit
                .call(call.header(IF_MATCH, &entity_tag(revision)))
                .await?;
            Ok(Content::Redirect("configuration?done=changed".to_owned()))
        }
        _ => Err(Failure::no_page()),
    }
}

async fn preview(visit: &Visit<'_>, form: &Form, operations: &Value) -> Result<Content, Failure> {
    let key = required(form, "key", "the option")?;
    let before = visit.get(&location(visit)).await?;
    let dry_run = format!("{}?dry_run=true", location(visit));
    let call = Call::new(Method::PATCH, &dry_run).json(JSON_PATCH, operations);
    let revision = text(&before, "revision");
    let after = visit
        .call(call.header(IF_MATCH, &entity_tag(revision)))
        .await?
        .body;
    let title = "What changes in the configuration";
    let (before, after) = (lines(&before), lines(&after));
    let is_same = before == after;
    let mut blocks = vec![Block::Difference(Difference::between(
        title, &before, &after,
    ))];
    if !is_same {
        let mut apply = Shown {
            text: "The new configuration is valid. It is in force on all servers as soon as it is applied.".to_owned(),
            action: "option".to_owned(),
            button: "Apply",
            ..Shown::default()
        }
        .with("order", "apply")
        .with("key", key)
        .with("revision", revision);
        for name in ["value", "remove"] {
            if let Some(value) = form.get(name) {
                apply = apply.with(name, value);
            }
        }
        blocks.push(Block::Form(apply));
    }
    Ok(Content::page(format!("Change {key}"), blocks))
}

/// Returns the live configuration, an option in each line.
fn lines(document: &Value) -> String {
    let mut text = String::new();
    for (key, value) in live(document) {
        let value = pretty(value).replace('\n', "\n  ");
        text.push_str(&format!("{key} = {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_patch() {
        let read = |form: &str| {
            let form = Form::parse(form.as_bytes()).unwrap();
            operations(&form).map_err(|failure| failure.text)
        };
        let expected = json!([{"op": "add", "path": "/registration/x", "value": [1]}]);
        assert_eq!(read("key=registration.x&value=%5B1%5D"), Ok(expected));
        let expected = json!([{"op": "remove", "path": "/scopes"}]);
        assert_eq!(read("key=scopes&remove=true"), Ok(expected));
        assert!(read("key=scopes&value=a").unwrap_err().contains("no JSON"));
        assert!(read("value=1").is_err());
    }
}

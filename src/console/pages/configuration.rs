//! The configuration: every value with its origin, and changes of the live part, which are shown as a difference before
//! they are applied.

use hyper::Method;
use hyper::header::IF_MATCH;
use serde_json::{Map, Value, json};

use crate::base::json;
use crate::console::api::ApiCall;
use crate::console::difference::LineDifference;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{pretty, shown, text};
use crate::console::view::{Block, Cell, FieldKind, FormField, PageForm, Tone, fact, href};
use crate::console::visit::PageVisit;
use crate::http::{Form, entity_tag};

use super::{done, not_json, required};

/// The media type of a change (RFC 6902 section 6).
const JSON_PATCH: &str = "application/json-patch+json";

/// The sections that are changed as a whole.
const LISTS: [&str; 3] = ["scopes", "webhooks", "exports"];

/// The longest value that a table shows, in characters.
const LONGEST: usize = 200;

/// Shows all values.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let document = visit.get(&location(visit)).await?;
    let may_change = visit.may(|scopes| &scopes.config_write);
    let live = live(&document);
    let live = live
        .iter()
        .map(|(key, value)| row(&document, key, value, may_change));
    let mut fixed = Vec::new();
    if let Some(settings) = document.get("settings") {
        flatten(settings, "", &mut |key, value| {
            fixed.push(row(&document, key, value, false));
        });
    }
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &[("changed", "The change is in force.")]));
    for (title, rows) in [
        ("In force, changed without a restart", live.collect()),
        ("Changed by a restart", fixed),
    ] {
        let heads = ["Option", "Value", "Origin"];
        blocks.push(Block::table(title, &heads, rows, "There are no options."));
    }
    Ok(PageContent::page("Configuration", blocks))
}

/// Returns the path of the configuration in the admin API.
pub(super) fn location(visit: &PageVisit<'_>) -> String {
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
pub(super) async fn show_option(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let key = visit.query("key").ok_or_else(PageFailure::no_page)?;
    let document = visit.get(&location(visit)).await?;
    let options = live(&document);
    let option = options.iter().find(|(name, _)| name == key);
    let (_, value) = option.ok_or_else(PageFailure::no_page)?;
    let rows = vec![
        fact("Origin", origin(&document, key)),
        fact("Value", Cell::code(shown(value))),
    ];
    let mut blocks = vec![Block::facts("In force", rows)];
    if visit.may(|scopes| &scopes.config_write) {
        blocks.extend(changes(key, value));
    }
    Ok(PageContent::page(key, blocks))
}

/// Returns the forms that change an option.
fn changes(key: &str, value: &Value) -> [Block; 2] {
    let form = PageForm::to("option", "Preview").with("key", key);
    let form = form.with("order", "preview");
    let field = FormField::text("value", "New value, as JSON", pretty(value));
    let field = field.of_kind(FieldKind::Area).required();
    let text = "The option has the value of the configuration file again, or its default.";
    let removal = form.clone().titled("Remove the change", text).folded();
    [
        Block::Form(form.titled("Change", "").field(field)),
        Block::Form(removal.with("remove", "true")),
    ]
}

/// Returns the patch that a form asks for.
fn operations(form: &Form) -> Result<Value, PageFailure> {
    let path = pointer(required(form, "key", "the option")?);
    if form.get("remove").is_some() {
        return Ok(json!([{"op": "remove", "path": path}]));
    }
    let value = required(form, "value", "the option")?;
    let value = json::parse(value.as_bytes())
        .map_err(|error| not_json(&error, "The value").and("Put texts in quotes."))?;
    Ok(json!([{"op": "add", "path": path, "value": value}]))
}

/// Shows what a change would do, or applies it.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let operations = operations(form)?;
    match required(form, "order", "the order")? {
        "preview" => preview(visit, form, &operations).await,
        "apply" => {
            let revision = required(form, "revision", "the revision")?;
            let call = ApiCall::new(Method::PATCH, &location(visit)).json(JSON_PATCH, &operations);
            visit
                .call(call.header(IF_MATCH, &entity_tag(revision)))
                .await?;
            Ok(PageContent::Redirect(
                "configuration?done=changed".to_owned(),
            ))
        }
        _ => Err(PageFailure::no_page()),
    }
}

async fn preview(
    visit: &PageVisit<'_>,
    form: &Form,
    operations: &Value,
) -> Result<PageContent, PageFailure> {
    let key = required(form, "key", "the option")?;
    let before = visit.get(&location(visit)).await?;
    let dry_run = format!("{}?dry_run=true", location(visit));
    let call = ApiCall::new(Method::PATCH, &dry_run).json(JSON_PATCH, operations);
    let revision = text(&before, "revision");
    let call = call.header(IF_MATCH, &entity_tag(revision));
    let after = visit.call(call).await?.body;
    let (before, after) = (lines(&before), lines(&after));
    let difference = LineDifference::between("What changes in the configuration", &before, &after);
    let mut blocks = vec![Block::Difference(difference)];
    if before != after {
        blocks.push(Block::Form(application(key, revision, form)));
    }
    Ok(PageContent::page(format!("Change {key}"), blocks))
}

/// Returns the form that applies what was previewed.
fn application(key: &str, revision: &str, form: &Form) -> PageForm {
    let text =
        "The new configuration is valid. It is in force on all servers as soon as it is applied.";
    let mut apply = PageForm::to("option", "Apply").titled("", text);
    apply = apply.with("order", "apply").with("key", key);
    apply = apply.with("revision", revision);
    for name in ["value", "remove"] {
        if let Some(value) = form.get(name) {
            apply = apply.with(name, value);
        }
    }
    apply
}

/// Returns the live configuration, an option in each line.
fn lines(document: &Value) -> String {
    let mut text = String::new();
    for (key, value) in live(document) {
        let value = pretty(value).replace('\n', "\n  ");
        text.push_str(&[&key, " = ", &value, "\n"].concat());
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
        assert!(
            read("key=scopes&value=a")
                .unwrap_err()
                .contains("is not valid JSON")
        );
        assert!(read("value=1").is_err());
    }
}

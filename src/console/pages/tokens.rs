//! Initial access tokens: made with a policy, listed and revoked.

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::console::api::{ApiCall, path};
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{items, members, number, text, time, words};
use crate::console::view::{Block, Cell, FieldKind, FormField, Once, PageForm, fact, href};
use crate::console::visit::PageVisit;
use crate::http::Form;

use super::{done, json_object, next, required, unconfirmed};

/// The path of the tokens in the admin API.
const ALL: &str = "initial-access-tokens";

/// The seconds of an hour, in which people enter lifetimes.
const HOUR: u64 = 3_600;

/// The members of a policy that are lists: each with its label, and an explanation.
const LISTS: [(&str, &str, &str); 4] = [
    (
        "redirect_hosts",
        "Hosts of redirect URIs",
        "Several are separated by spaces. Empty: any.",
    ),
    ("scopes", "Scopes", "Empty: any that clients may register."),
    (
        "grant_types",
        "Grant types",
        "Empty: any that clients may register.",
    ),
    (
        "token_endpoint_auth_methods",
        "Authentication methods",
        "Empty: any that clients may register.",
    ),
];

/// Lists the tokens.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let notice = done(
        visit,
        &[(
            "revoked",
            "The token was revoked. It registers no more clients.",
        )],
    );
    listed(visit, notice.into_iter().collect()).await
}

async fn listed(visit: &PageVisit<'_>, mut blocks: Vec<Block>) -> Result<PageContent, PageFailure> {
    let after = visit.query("after").unwrap_or_default();
    let page = visit.get(&path(&[ALL], &[("after", after)])).await?;
    blocks.push(Block::Form(creation()));
    blocks.push(Block::table(
        "Tokens",
        &[
            "Note", "Used", "Created", "Expires", "Policy", "Clients", "Revoke",
        ],
        items(&page, "initial_access_tokens")
            .iter()
            .map(row)
            .collect(),
        "There are none.",
    ));
    blocks.extend(next(&page, ("tokens", "after"), &[]));
    Ok(PageContent::page("Initial access tokens", blocks))
}

fn row(token: &Value) -> Vec<Cell> {
    let (id, note) = (text(token, "id"), text(token, "note"));
    let revoke = PageForm::to("tokens", "Revoke").dangerous();
    let revoke = revoke.with("order", "revoke").with("id", id);
    vec![
        Cell::Many(vec![Cell::text(note), Cell::code(id)]),
        Cell::Text(used(token)),
        time(token, "created_at"),
        time(token, "expires_at"),
        policy(token),
        Cell::link(href("clients", &[("initial_access_token", id)]), "show"),
        revoke.button(format!("Revoke the token {note} {id}")),
    ]
}

/// Returns how many clients a token has registered.
fn used(token: &Value) -> String {
    let used = number(token, "used").unwrap_or(0);
    match number(token, "uses") {
        Some(most) => format!("{used} of {most}"),
        None => used.to_string(),
    }
}

/// Returns the policy of a token, a member in each line.
fn policy(token: &Value) -> Cell {
    let mut lines = Vec::new();
    for (name, value) in members(token, "policy").filter(|(_, value)| !value.is_null()) {
        let name = name.replace('_', " ");
        lines.push(Cell::Text(format!("{name}: {}", words(value))));
    }
    Cell::Many(lines)
}

/// The form that makes a token.
fn creation() -> PageForm {
    let number = |name, label, hint| {
        let field = FormField::text(name, label, "").of_kind(FieldKind::Number);
        field.hint(hint)
    };
    let text = "Clients that are registered with the token must comply with its policy, also when they are updated.";
    let more =
        FormField::text("more", "Further members of the policy", "").of_kind(FieldKind::Area);
    let mut form = PageForm::to("tokens", "Create")
        .titled("Create a token", text)
        .folded();
    form = form
        .with("order", "create")
        .field(FormField::text("note", "Note", "").hint("What the token is for."))
        .field(number(
            "uses",
            "Clients",
            "How many clients it can register. Empty: any number.",
        ))
        .field(number(
            "hours",
            "Lifetime in hours",
            "Empty: it is valid until it is revoked.",
        ));
    for (name, label, hint) in LISTS {
        form = form.field(FormField::text(name, label, "").hint(hint));
    }
    form.field(more.hint(MORE))
}

/// What the field for further members of a policy is for.
const MORE: &str = "A JSON object, for example {\"maximum_lifetime\": 86400}. Members: privileged_members, client_documents, maximum_lifetime, attributes. Usually empty.";

/// Makes or revokes a token.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    match required(form, "order", "the order")? {
        "create" => create(visit, form).await,
        "revoke" => revoke(visit, form).await,
        _ => Err(PageFailure::no_page()),
    }
}

/// Revokes a token, after the question whether that is meant.
async fn revoke(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let id = required(form, "id", "the token")?;
    let one = path(&[ALL, id], &[]);
    let token = visit.get(&one).await?;
    let text = "It registers no more clients, at once and for ever. The clients that it has registered stay.";
    let again = PageForm::to("tokens", "Revoke this token").titled("Revoke", text);
    if let Some(question) = unconfirmed(form, again, "Revoke a token", vec![facts(&token)]) {
        return Ok(question);
    }
    visit.call(ApiCall::new(Method::DELETE, &one)).await?;
    Ok(PageContent::Redirect("tokens?done=revoked".to_owned()))
}

fn facts(token: &Value) -> Block {
    let rows = vec![
        fact("Note", Cell::text(text(token, "note"))),
        fact("Identifier", Cell::code(text(token, "id"))),
        fact("Used", Cell::Text(used(token))),
        fact("Expires", time(token, "expires_at")),
        fact("Policy", policy(token)),
    ];
    Block::facts("Token", rows)
}

async fn create(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let call = ApiCall::post(&path(&[ALL], &[]), &wanted(form)?);
    let created = visit.call(call).await?.body;
    let once = Once {
        label: "The new token",
        value: text(&created, "token").to_owned(),
        text: "Copy it now: it is shown only once.",
    };
    listed(visit, vec![Block::Once(once)]).await
}

/// Returns the request that the form stands for.
fn wanted(form: &Form) -> Result<Value, PageFailure> {
    let lifetime = count(form, "hours", "The lifetime")?;
    Ok(json!({
        "note": form.get("note"),
        "uses": count(form, "uses", "The number of clients")?,
        "expires_in": lifetime.map(|hours| hours.saturating_mul(HOUR)),
        "policy": wanted_policy(form)?,
    }))
}

fn count(form: &Form, name: &str, label: &str) -> Result<Option<u64>, PageFailure> {
    let count = form.get(name).map(str::parse::<u64>).transpose();
    count.map_err(|_| PageFailure::invalid(&format!("{label} must be a number.")))
}

fn wanted_policy(form: &Form) -> Result<Map<String, Value>, PageFailure> {
    let more = form.get("more").unwrap_or_default().trim();
    let mut policy = match more {
        "" => Map::new(),
        text => json_object(text, "The text with further members of the policy")?,
    };
    for (name, ..) in LISTS {
        let words = form.get(name).unwrap_or_default().split_whitespace();
        let words: Vec<&str> = words.collect();
        if !words.is_empty() {
            policy.insert(name.to_owned(), words.into());
        }
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Result<Value, String> {
        let form = Form::parse(form.as_bytes()).unwrap();
        wanted(&form).map_err(|failure| failure.text)
    }

    #[test]
    fn empty_fields_are_left_out_and_lists_are_words() {
        let expected = json!({"note": "a", "uses": null, "expires_in": 7_200, "policy": {"scopes": ["x", "y"]}});
        assert_eq!(read("note=a&uses=&hours=2&scopes=x++y&more="), Ok(expected));
        let more = read("more=%7B%22maximum_lifetime%22%3A60%7D").unwrap();
        assert_eq!(more["policy"], json!({"maximum_lifetime": 60}));
        assert_eq!(
            read("uses=many"),
            Err("The number of clients must be a number.".to_owned())
        );
        assert!(read("more=%5B%5D").is_err());
    }
}

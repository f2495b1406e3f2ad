//! Initial access tokens: made with a policy, listed and revoked.

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::console::api::{Call, path};
use crate::console::respond::{Content, Failure};
use crate::console::value::{cell, items, members, number, text, time};
use crate::console::view::{Block, Cell, Field, FieldKind, Form as Shown, Once, Table, href};
use crate::console::visit::Visit;
use crate::http::Form;

use super::{done, required};

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
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let notice = done(
        visit,
        &[(
            "revoked",
            "The token was revoked. It registers no more clients.",
        )],
    );
    listed(visit, notice.into_iter().collect()).await
}

async fn listed(visit: &Visit<'_>, mut blocks: Vec<Block>) -> Result<Content, Failure> {
    let after = visit.query("after").unwrap_or_default();
    let page = visit.get(&path(&[ALL], &[("after", after)])).await?;
    blocks.push(Block::Form(creation()));
    blocks.push(Block::Table(Table {
        title: "Tokens".to_owned(),
        heads: vec![
            "Note", "Used", "Created", "Expires", "Policy", "Clients", "Revoke",
        ],
        rows: items(&page, "initial_access_tokens")
            .iter()
            .map(row)
            .collect(),
        empty: "There are none.",
    }));
    let next = text(&page, "next");
    if !next.is_empty() {
        blocks.push(Block::Next(href("tokens", &[("after", next)])));
    }
    Ok(Content::page("Initial access tokens", blocks))
}

fn row(token: &Value) -> Vec<Cell> {
    let id = text(token, "id");
    let used = number(token, "used").unwrap_or(0);
    let used = match number(token, "uses") {
        Some(uses) => format!("{used} of {uses}"),
        None => used.to_string(),
    };
    let policy = members(token, "policy").filter(|(_, value)| !value.is_null());
    let policy = policy
        .map(|(name, value)| Cell::Text(format!("{}: {}", name.replace('_', " "), short(value))));
    let revoke = Shown {
        action: "tokens".to_owned(),
        button: "Revoke",
        label: format!("Revoke the token {} {id}", text(token, "note")),
        is_dangerous: true,
        ..Shown::default()
    };
    vec![
        Cell::Many(vec![Cell::text(text(token, "note")), Cell::code(id)]),
        Cell::Text(used),
        time(token, "created_at"),
        time(token, "expires_at"),
        Cell::Many(policy.collect()),
        Cell::Link {
            href: href("clients", &[("initial_access_token", id)]),
            text: "show".to_owned(),
        },
        Cell::Button(Box::new(revoke.with("order", "revoke").with("id", id))),
    ]
}

/// Returns a part of a policy in one line.
fn short(value: &Value) -> String {
    match cell(value) {
        Cell::Many(values) => {
            let texts = values.into_iter().filter_map(|value| match value {
                Cell::Text(text) => Some(text),
                _ => None,
            });
            texts.collect::<Vec<_>>().join(" ")
        }
        Cell::Text(text) | Cell::Code(text) => text,
        _ => String::new(),
    }
}

/// The form that makes a token.
fn creation() -> Shown {
    let number = |name, label, hint| {
        Field::text(name, label, "")
            .of_kind(FieldKind::Number)
            .hint(hint)
    };
    let mut form = Shown {
        title: "Create a token",
        text: "Clients that are registered with the token must comply with its policy, also when they are updated.".to_owned(),
        action: "tokens".to_owned(),
        button: "Create",
        is_folded: true,
        ..Shown::default()
    }
    .with("order", "create")
    .field(Field::text("note", "Note", "").hint("What the token is for."))
    .field(number("uses", "Clients", "How many clients it can register. Empty: any number."))
    .field(number("hours", "Lifetime in hours", "Empty: it is valid until it is revoked."));
    for (name, label, hint) in LISTS {
        form = form.field(Field::text(name, label, "").hint(hint));
    }
    form.field(
        Field::text("more", "Further members of the policy", "")
            .of_kind(FieldKind::Area)
            .hint("A JSON object, for example {\"maximum_lifetime\": 86400}. Members: privileged_members, client_documents, maximum_lifetime, attributes. Usually empty."),
    )
}

/// Makes or revokes a token.
pub(super) async fn submit(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    match required(form, "order", "the order")? {
        "create" => create(visit, form).await,
        "revoke" => {
            let id = required(form, "id", "the token")?;
            let call = Call::new(Method::DELETE, &path(&[ALL, id], &[]));
            visit.call(call).await?;
            Ok(Content::Redirect("tokens?done=revoked".to_owned()))
        }
        _ => Err(Failure::no_page()),
    }
}

async fn create(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    let call = Call::post(&path(&[ALL], &[]), &wanted(form)?);
    let created = visit.call(call).await?.body;
    let once = Once {
        label: "The new token",
        value: text(&created, "token").to_owned(),
        text: "Copy it now: it is shown only once.",
    };
    listed(visit, vec![Block::Once(once)]).await
}

/// Returns the request that the form stands for.
fn wanted(form: &Form) -> Result<Value, Failure> {
    let count = |name: &str, label: &str| {
        let count = form.get(name).map(str::parse::<u64>).transpose();
        count.map_err(|_| Failure::invalid(&format!("{label} must be a number.")))
    };
    let mut policy = match form.get("more").map(str::trim) {
        Some(text) if !text.is_empty() => serde_json::from_str::<Map<String, Value>>(text)
            .map_err(|error| {
                Failure::invalid(&format!(
                    "The further members of the policy are no JSON object: {error}."
                ))
            })?,
        _ => Map::new(),
    };
    for (name, ..) in LISTS {
        let words: Vec<&str> = form
            .get(name)
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        if !words.is_empty() {
            policy.insert(name.to_owned(), words.into());
        }
    }
    let lifetime = count("hours", "The lifetime")?.map(|hours| hours.saturating_mul(HOUR));
    Ok(json!({
        "note": form.get("note"),
        "uses": count("uses", "The number of clients")?,
        "expires_in": lifetime,
        "policy": policy,
    }))
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

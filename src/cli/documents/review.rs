//! `registrar documents list`, `show`, `approve`, `deny`, `allow`, `refresh`, `pin` and `unpin`: what an administrator decides
//! about the client documents that a running server was asked for.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::{
    Call, CommandFailure, DataForm, Needs, OutputForm, RemoteArguments, Table, cell, items, moment,
    read_object, write_line,
};

/// The path of client documents in the admin API.
const DOCUMENTS: &str = "/admin/v1/client-documents";

const READ: Needs = |scopes| &scopes.documents_read;
const WRITE: Needs = |scopes| &scopes.documents_write;

#[derive(Debug, Args)]
pub(in crate::cli) struct Listing {
    /// What is listed: waiting (a new URL), held (a change), denied or pinned. Default: waiting and held.
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "held", "denied", "pinned"])]
    state: Option<String>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Shown {
    /// The URL of the document.
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// A document of which something is shown.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShownData {
    #[command(flatten)]
    form: DataForm,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ApproveArguments {
    /// The URL of the document.
    #[arg(value_name = "URL")]
    url: String,
    /// The digest of the bytes that are approved, as documents show prints it.
    #[arg(value_name = "DIGEST")]
    digest: String,
    /// A note about the reason.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DenyArguments {
    /// The URL of the document.
    #[arg(value_name = "URL")]
    url: String,
    /// A note about the reason.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The end of the denial, such as 2026-12-31 or +30d (from now). Default: none.
    #[arg(long, value_name = "TIME", value_parser = moment::future)]
    until: Option<u64>,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PinArguments {
    /// The URL of the document.
    #[arg(value_name = "URL")]
    url: String,
    /// A JSON file with the document.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A note about the reason.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Lists the documents.
pub(super) async fn list(listing: &Listing) -> Result<(), CommandFailure> {
    let remote = listing.remote.connect(&[READ]).await?;
    let state = listing.state.iter().map(|state| ("state", state.clone()));
    let filters: Vec<(&str, String)> = state.collect();
    let documents = remote.list(DOCUMENTS, &filters, "documents").await?;
    if listing.form.format.is_data() {
        return listing.form.format.write(&documents.into());
    }
    let mut table = Table::new(["URL", "STATE", "SINCE", "ASKED", "CHANGED", "NOTE"]);
    table.rows(documents.iter().map(row).collect())
}

fn row(document: &Value) -> [String; 6] {
    let changed: Vec<&str> = items(document, "changed")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let note = document.get("note").or_else(|| document.get("reason"));
    [
        cell(document.get("client_id")),
        cell(document.get("state")),
        moment::shown(document.get("since")),
        cell(document.get("asked")),
        changed.join(" "),
        cell(note),
    ]
}

/// Shows a document that waits.
pub(super) async fn show(data: &ShownData) -> Result<(), CommandFailure> {
    let shown = &data.shown;
    let remote = shown.remote.connect(&[READ]).await?;
    let query = [("client_id", shown.url.clone())];
    let path = format!("{DOCUMENTS}/candidate");
    data.form.write(&remote.get(&path, &query).await?)
}

pub(super) async fn approve(approval: &ApproveArguments) -> Result<(), CommandFailure> {
    let mut order = order(&approval.url, approval.note.as_deref());
    order.insert("digest".to_owned(), approval.digest.as_str().into());
    send(&approval.remote, "approve", order).await?;
    write_line("1 approved")
}

pub(super) async fn deny(denial: &DenyArguments) -> Result<(), CommandFailure> {
    let mut order = order(&denial.url, denial.note.as_deref());
    if let Some(until) = denial.until {
        order.insert("until".to_owned(), until.into());
    }
    send(&denial.remote, "deny", order).await?;
    write_line("1 denied")
}

pub(super) async fn allow(shown: &Shown) -> Result<(), CommandFailure> {
    send(&shown.remote, "allow", order(&shown.url, None)).await?;
    write_line("1 allowed")
}

/// Fetches a document now, and shows its client.
pub(super) async fn refresh(data: &ShownData) -> Result<(), CommandFailure> {
    let shown = &data.shown;
    let client = send(&shown.remote, "refresh", order(&shown.url, None)).await?;
    data.form.write(&client)
}

pub(super) async fn pin(pin: &PinArguments) -> Result<(), CommandFailure> {
    let mut order = order(&pin.url, pin.note.as_deref());
    order.insert("document".to_owned(), read_object(&pin.file)?.into());
    send(&pin.remote, "pin", order).await?;
    write_line("1 pinned")
}

pub(super) async fn unpin(shown: &Shown) -> Result<(), CommandFailure> {
    send(&shown.remote, "unpin", order(&shown.url, None)).await?;
    write_line("1 unpinned")
}

fn order(url: &str, note: Option<&str>) -> Map<String, Value> {
    let mut order = Map::from_iter([("client_id".to_owned(), json!(url))]);
    if let Some(note) = note {
        order.insert("note".to_owned(), note.into());
    }
    order
}

async fn send(
    remote: &RemoteArguments,
    word: &str,
    order: Map<String, Value>,
) -> Result<Value, CommandFailure> {
    let path = format!("{DOCUMENTS}/{word}");
    let call = Call {
        method: "POST",
        path: &path,
        body: Some((
            "application/json",
            Value::from(order).to_string().into_bytes(),
        )),
        ..Call::default()
    };
    remote.connect(&[WRITE]).await?.call(call).await
}

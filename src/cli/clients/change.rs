//! `registrar clients create`, `set`, `rotate-secret` and `rotate-token`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use super::{CLIENTS, WRITE, shown};
use crate::base::json;
use crate::cli::{
    Call, CommandFailure, OutputForm, RemoteArguments, json_or_text, read_object, segment,
};

/// The maximum number of bytes read from standard input. The limit of the server is lower.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct ClientCreation {
    #[command(flatten)]
    members: MemberArguments,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct MemberEdit {
    /// The `client_id` of the client.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    members: MemberArguments,
    /// Change the client only if this is its revision, as shown by clients show.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NamedClient {
    /// The `client_id` of the client.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// The members of the metadata of a client.
#[derive(Debug, Args)]
struct MemberArguments {
    /// A member of the metadata, such as `client_name=Example`. The value is JSON, or text without quotes; null removes
    /// the member.
    #[arg(value_name = "MEMBER=VALUE", value_parser = member)]
    members: Vec<(String, Value)>,
    /// A JSON file with members, or - for standard input. MEMBER=VALUE overrides it.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn member(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), json_or_text(value))),
        _ => Err("expected MEMBER=VALUE, such as client_name=Example".to_owned()),
    }
}

impl MemberArguments {
    /// Returns the members as JSON.
    fn body(&self) -> Result<Vec<u8>, CommandFailure> {
        let mut members = match &self.json {
            Some(file) => read_members(file)?,
            None if self.members.is_empty() => {
                let message = "name the members of the client: MEMBER=VALUE, or --json FILE";
                return Err(CommandFailure::Usage(message.to_owned()));
            }
            None => Map::new(),
        };
        members.extend(self.members.iter().cloned());
        Ok(Value::from(members).to_string().into_bytes())
    }
}

fn read_members(file: &Path) -> Result<Map<String, Value>, String> {
    if file != Path::new("-") {
        return read_object(file);
    }
    let mut text = Vec::new();
    let read = io::stdin().lock().take(MOST_BYTES).read_to_end(&mut text);
    read.map_err(|error| format!("standard input: {error}"))?;
    json::parse_object(&text).map_err(|error| format!("standard input: {error}"))
}

pub(super) async fn create(creation: &ClientCreation) -> Result<(), CommandFailure> {
    let call = Call {
        method: "POST",
        path: CLIENTS,
        body: Some(("application/json", creation.members.body()?)),
        ..Call::default()
    };
    let created = creation.remote.connect(&[WRITE]).await?.call(call).await?;
    shown(&created, creation.form.format)?;
    warn(&created);
    Ok(())
}

pub(super) async fn set(change: &MemberEdit) -> Result<(), CommandFailure> {
    let path = format!("{CLIENTS}/{}", segment(&change.id)?);
    let call = Call {
        method: "PATCH",
        path: &path,
        revision: change.revision,
        body: Some(("application/merge-patch+json", change.members.body()?)),
        ..Call::default()
    };
    let changed = change.remote.connect(&[WRITE]).await?.call(call).await?;
    shown(&changed, change.form.format)
}

/// Replaces the credential at this path below the client.
pub(super) async fn rotate(client: &NamedClient, part: &str) -> Result<(), CommandFailure> {
    let path = format!("{CLIENTS}/{}/{part}", segment(&client.id)?);
    let call = Call {
        method: "POST",
        path: &path,
        ..Call::default()
    };
    let rotated = client.remote.connect(&[WRITE]).await?.call(call).await?;
    shown(&rotated, client.form.format)?;
    warn(&rotated);
    Ok(())
}

/// Says that the credentials in the answer are not shown again.
fn warn(answer: &Value) {
    let names = ["client_secret", "registration_access_token"];
    let given: Vec<&str> = names
        .into_iter()
        .filter(|name| answer.get(*name).is_some())
        .collect();
    if !given.is_empty() {
        let given = given.join(" and ");
        note!("registrar: {given}: shown only once; copy it now");
    }
}

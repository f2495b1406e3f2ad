//! `registrar admin`: the administrators.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::{
    Call, CommandFailure, Format, Needs, OfflineArguments, OutputForm, RemoteArguments, Table,
    cell, items, member_table, moment, offline, read_object, segment, wait, write_line,
};

/// The path of administrators in the admin API.
const ADMINISTRATORS: &str = "/admin/v1/administrators";

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Create an administrator. Its secret is shown only once.
    Create(Box<AdministratorCreation>),
    /// List the administrators.
    List {
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show one administrator.
    Show(NamedAdministrator),
    /// Give an administrator a new secret, which is shown only once. Its access tokens become invalid.
    Rotate {
        /// How long the previous secret stays valid: seconds, or 90s, 15m, 1h30m, 30d. Default: not at all.
        #[arg(long, value_name = "DURATION", value_parser = moment::duration, default_value = "0")]
        overlap: u64,
        #[command(flatten)]
        named: NamedAdministrator,
    },
    /// Disable an administrator. Its access tokens become invalid.
    Disable(NamedAdministrator),
    /// Enable an administrator.
    Enable(NamedAdministrator),
    /// Delete an administrator. Its access tokens become invalid.
    Delete(NamedAdministrator),
    /// Give the first administrator a new secret. With an embedded store, stop the server first. With a database,
    /// servers can keep running.
    Reset(OfflineArguments),
}

#[derive(Debug, Args)]
pub(super) struct NamedAdministrator {
    /// The `client_id` of the administrator, as shown by admin list.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(super) struct AdministratorCreation {
    /// The name of the administrator in the audit log and the log.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A scope of the administrator, such as audit.read. Can be repeated.
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required_unless_present = "all_scopes"
    )]
    scopes: Vec<String>,
    /// Give the administrator every scope, including those that a later version of the server adds.
    #[arg(long, conflicts_with = "scopes")]
    all_scopes: bool,
    /// A description of the administrator.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// A JSON file with the public keys of the administrator, which then authenticates with `private_key_jwt`.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// The URL of the public keys of the administrator, which then authenticates with `private_key_jwt`.
    #[arg(long, value_name = "URL", conflicts_with = "jwks")]
    jwks_uri: Option<String>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

const READ: Needs = |scopes| &scopes.admins_read;

/// A change of an administrator needs every scope of that administrator, so the token has all scopes of the caller.
const EVERY: &[Needs] = &[];

pub(super) fn run(command: &AdminCommand) -> Result<(), CommandFailure> {
    match command {
        AdminCommand::Create(creation) => wait(create(creation)),
        AdminCommand::List { form, remote } => wait(list(form.format, remote)),
        AdminCommand::Show(named) => wait(show(named)),
        AdminCommand::Rotate { overlap, named } => wait(rotate(*overlap, named)),
        AdminCommand::Disable(named) => wait(set_disabled(named, true)),
        AdminCommand::Enable(named) => wait(set_disabled(named, false)),
        AdminCommand::Delete(named) => wait(delete(named)),
        AdminCommand::Reset(store) => Ok(offline::reset_administrator(store)?),
    }
}

async fn create(creation: &AdministratorCreation) -> Result<(), CommandFailure> {
    let body = creation.body()?.into();
    let created = send(&creation.remote, "POST", ADMINISTRATORS, Some(body)).await?;
    shown(&created, creation.form.format)?;
    warn(&created);
    Ok(())
}

impl AdministratorCreation {
    /// Returns the body of the request.
    fn body(&self) -> Result<Map<String, Value>, CommandFailure> {
        let mut body = Map::from_iter([("name".to_owned(), self.name.as_str().into())]);
        if self.all_scopes {
            body.insert("all_scopes".to_owned(), true.into());
        } else {
            body.insert("scopes".to_owned(), json!(self.scopes));
        }
        if let Some(note) = &self.note {
            body.insert("note".to_owned(), note.as_str().into());
        }
        if let Some(file) = &self.jwks {
            body.insert("jwks".to_owned(), read_object(file)?.into());
        }
        if let Some(url) = &self.jwks_uri {
            body.insert("jwks_uri".to_owned(), url.as_str().into());
        }
        Ok(body)
    }
}

async fn rotate(overlap: u64, named: &NamedAdministrator) -> Result<(), CommandFailure> {
    let path = format!("{}/rotate", named.path()?);
    let body = json!({"overlap": overlap});
    let rotated = send(&named.remote, "POST", &path, Some(body)).await?;
    shown(&rotated, named.form.format)?;
    warn(&rotated);
    Ok(())
}

async fn set_disabled(named: &NamedAdministrator, is_disabled: bool) -> Result<(), CommandFailure> {
    let body = json!({"disabled": is_disabled});
    let changed = send(&named.remote, "PATCH", &named.path()?, Some(body)).await?;
    shown(&changed, named.form.format)
}

async fn delete(named: &NamedAdministrator) -> Result<(), CommandFailure> {
    send(&named.remote, "DELETE", &named.path()?, None).await?;
    write_line("1 deleted")
}

async fn show(named: &NamedAdministrator) -> Result<(), CommandFailure> {
    let path = named.path()?;
    let remote = named.remote.connect(&[READ]).await?;
    shown(&remote.get(&path, &[]).await?, named.form.format)
}

impl NamedAdministrator {
    fn path(&self) -> Result<String, CommandFailure> {
        Ok(format!("{ADMINISTRATORS}/{}", segment(&self.id)?))
    }
}

/// Sends a change with every scope of the caller, and returns the answer.
async fn send(
    remote: &RemoteArguments,
    method: &'static str,
    path: &str,
    body: Option<Value>,
) -> Result<Value, CommandFailure> {
    let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
    let call = Call {
        method,
        path,
        body,
        ..Call::default()
    };
    remote.connect(EVERY).await?.call(call).await
}

fn shown(administrator: &Value, format: Format) -> Result<(), CommandFailure> {
    const TIMES: &[&str] = &["created_at", "last_used_at", "previous_secret_expires_at"];
    match format {
        data @ (Format::Json | Format::Yaml) => data.write(administrator),
        Format::Table => member_table(administrator, TIMES),
    }
}

/// Says that a secret in the answer is not shown again.
fn warn(answer: &Value) {
    if answer.get("client_secret").is_some() {
        note!("registrar: the secret is shown only once; copy it now");
    }
}

async fn list(format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[READ]).await?;
    let answer = remote.get(ADMINISTRATORS, &[]).await?;
    let administrators = items(&answer, "administrators");
    if format.is_data() {
        return format.write(&json!(administrators));
    }
    let mut table = Table::new(["ID", "NAME", "DISABLED", "METHOD", "LAST USED", "SCOPES"]);
    table.rows(administrators.iter().map(row).collect())
}

fn row(administrator: &Value) -> [String; 6] {
    let scopes = match administrator.get("all_scopes") {
        Some(Value::Bool(true)) => "all".to_owned(),
        _ => cell(administrator.get("scopes")),
    };
    [
        cell(administrator.get("client_id")),
        cell(administrator.get("name")),
        cell(administrator.get("disabled")),
        cell(administrator.get("token_endpoint_auth_method")),
        moment::shown(administrator.get("last_used_at")),
        scopes,
    ]
}

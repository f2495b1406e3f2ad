//! `registrar tokens`: initial access tokens (RFC 7591 section 1.2).

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::output::{self, Form, Format, Table, cell};
use super::remote::{Call, Needs, RemoteArguments, segment};
use super::{Failure, moment};
use crate::base::json as strict;

/// The path of initial access tokens in the admin API.
const TOKENS: &str = "/admin/v1/initial-access-tokens";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create an initial access token. The token is shown only once.
    Create(Creation),
    /// List the initial access tokens, without their values.
    List {
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Revoke an initial access token. It can no longer be used to register clients.
    Revoke {
        /// The identifier of the token, as shown by tokens list.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

#[derive(Debug, Args)]
pub(super) struct Creation {
    /// The maximum number of clients that can be registered with the token. Default: unlimited.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    uses: Option<u64>,
    /// The lifetime of the token: seconds, or 90s, 15m, 12h, 30d. Default: valid until revoked.
    #[arg(long, value_name = "TIME", value_parser = moment::duration)]
    expires_in: Option<u64>,
    /// A description of the token.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// The limits for clients that are registered with the token. Omitted members set no limit.
#[derive(Debug, Args)]
struct Policy {
    /// A JSON file with the members of a policy. The following flags override it.
    #[arg(long = "policy", value_name = "FILE")]
    file: Option<PathBuf>,
    /// A host that is allowed in redirect URIs and all other URLs of a client. Can be repeated.
    #[arg(long = "redirect-host", value_name = "HOST")]
    redirect_hosts: Vec<String>,
    /// A scope that clients can request. Can be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A grant type that clients can request. Can be repeated.
    #[arg(long = "grant-type", value_name = "TYPE")]
    grant_types: Vec<String>,
    /// A client authentication method for the token endpoint that clients can request. Can be repeated.
    #[arg(long = "auth-method", value_name = "METHOD")]
    token_endpoint_auth_methods: Vec<String>,
    /// A privileged member that clients can set with this token, such as groups. Can be repeated.
    #[arg(long = "privileged-member", value_name = "MEMBER")]
    privileged_members: Vec<String>,
    /// The maximum lifetime of a client.
    #[arg(long, value_name = "TIME", value_parser = moment::duration)]
    maximum_lifetime: Option<u64>,
}

const WRITE: Needs = |scopes| &scopes.tokens_write;

pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(creation) => create(creation).await,
        Command::List { form, remote } => list(form.format, remote).await,
        Command::Revoke { id, remote } => {
            let path = format!("{TOKENS}/{}", segment(id)?);
            let call = Call {
                method: "DELETE",
                path: &path,
                ..Call::default()
            };
            remote.connect(&[WRITE]).await?.call(call).await?;
            output::line("1 revoked")
        }
    }
}

async fn create(creation: &Creation) -> Result<(), Failure> {
    let wanted = creation.wanted()?;
    let body = Some((
        "application/json",
        Value::from(wanted).to_string().into_bytes(),
    ));
    let call = Call {
        method: "POST",
        path: TOKENS,
        body,
        ..Call::default()
    };
    let made = creation.remote.connect(&[WRITE]).await?.call(call).await?;
    match creation.form.format {
        Format::Json => output::json(&made)?,
        Format::Table => {
            let rows = output::members(&made).into_iter().map(|[name, text]| {
                let is_time = ["created_at", "expires_at"].contains(&name.as_str());
                let text = if is_time {
                    moment::shown(made.get(&name))
                } else {
                    text
                };
                [name, text]
            });
            Table::new(["MEMBER", "VALUE"]).rows(rows.collect())?;
        }
    }
    note!("registrar: the token is shown only once; copy it now");
    Ok(())
}

impl Creation {
    /// Returns the body of the request.
    fn wanted(&self) -> Result<Map<String, Value>, Failure> {
        let mut wanted = Map::new();
        wanted.extend(self.uses.map(|uses| ("uses".to_owned(), uses.into())));
        wanted.extend(
            self.expires_in
                .map(|seconds| ("expires_in".to_owned(), seconds.into())),
        );
        wanted.extend(
            self.note
                .clone()
                .map(|note| ("note".to_owned(), note.into())),
        );
        let policy = self.policy.members()?;
        if !policy.is_empty() {
            wanted.insert("policy".to_owned(), policy.into());
        }
        Ok(wanted)
    }
}

impl Policy {
    fn members(&self) -> Result<Map<String, Value>, Failure> {
        let mut members = match &self.file {
            None => Map::new(),
            Some(file) => {
                let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
                let bytes = std::fs::read(file).map_err(|error| named(&error))?;
                strict::parse_object(&bytes).map_err(|error| named(&error))?
            }
        };
        let lists = [
            ("redirect_hosts", &self.redirect_hosts),
            ("scopes", &self.scopes),
            ("grant_types", &self.grant_types),
            (
                "token_endpoint_auth_methods",
                &self.token_endpoint_auth_methods,
            ),
            ("privileged_members", &self.privileged_members),
        ];
        for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            members.insert(name.to_owned(), json!(values));
        }
        members.extend(
            self.maximum_lifetime
                .map(|seconds| ("maximum_lifetime".to_owned(), seconds.into())),
        );
        Ok(members)
    }
}

async fn list(format: Format, remote: &RemoteArguments) -> Result<(), Failure> {
    let remote = remote.connect(&[WRITE]).await?;
    let (mut tokens, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let mut query = vec![("limit", "200".to_owned())];
        query.extend(after.take().map(|id| ("after", id)));
        let page = remote
            .call(Call {
                path: TOKENS,
                query: &query,
                ..Call::default()
            })
            .await?;
        let found = page
            .get("initial_access_tokens")
            .and_then(Value::as_array)
            .cloned();
        tokens.extend(found.unwrap_or_default());
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if format == Format::Json {
        return output::json(&tokens.into());
    }
    let mut table = Table::new(["ID", "NOTE", "USED", "USES", "CREATED", "EXPIRES"]);
    table.rows(tokens.iter().map(row).collect())
}

fn row(token: &Value) -> [String; 6] {
    let uses = token.get("uses");
    [
        cell(token.get("id")),
        cell(token.get("note")),
        cell(token.get("used")),
        if uses.is_some() {
            cell(uses)
        } else {
            "any".to_owned()
        },
        moment::shown(token.get("created_at")),
        moment::shown(token.get("expires_at")),
    ]
}

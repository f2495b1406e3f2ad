//! `registrar tokens`: initial access tokens (RFC 7591 section 1.2).

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, RemoteArguments, Table, cell, member_table,
    moment, read_object, segment, write_line,
};

/// The path of initial access tokens in the admin API.
const TOKENS: &str = "/admin/v1/initial-access-tokens";

#[derive(Debug, Subcommand)]
pub(super) enum TokensCommand {
    /// Create an initial access token. The token is shown only once.
    Create(Box<Creation>),
    /// List the initial access tokens, without their values.
    List {
        #[command(flatten)]
        form: OutputForm,
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
    /// The lifetime of the token: seconds, or 90s, 15m, 1h30m, 30d. Default: valid until revoked.
    #[arg(long, value_name = "DURATION", value_parser = moment::duration)]
    expires_in: Option<u64>,
    /// A description of the token.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    policy: TokenPolicyArguments,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// The limits for clients that are registered with the token. Omitted members set no limit.
#[derive(Debug, Args)]
struct TokenPolicyArguments {
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
    /// Whether the server publishes the document of a client that asks for it.
    #[arg(long)]
    client_documents: bool,
    /// The maximum lifetime of a client: seconds, or 90s, 15m, 1h30m, 30d.
    #[arg(long, value_name = "DURATION", value_parser = moment::duration)]
    maximum_lifetime: Option<u64>,
    /// An attribute that scripts read as context.initialAccessToken: NAME=TEXT, or NAME:=JSON for a number, true,
    /// false or a list. Can be repeated.
    #[arg(long = "attribute", value_name = "NAME=TEXT", value_parser = attribute)]
    attributes: Vec<(String, Value)>,
}

/// Reads `NAME=TEXT` or `NAME:=JSON`.
fn attribute(text: &str) -> Result<(String, Value), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("must be NAME=TEXT or NAME:=JSON".to_owned());
    };
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let value = serde_json::from_str(value);
            (
                name,
                value.map_err(|error| format!("the value after := is not JSON: {error}"))?,
            )
        }
        None => (name, Value::from(value)),
    };
    if name.is_empty() {
        return Err("the name of an attribute must not be empty".to_owned());
    }
    Ok((name.to_owned(), value))
}

const WRITE: Needs = |scopes| &scopes.tokens_write;

pub(super) async fn run(command: &TokensCommand) -> Result<(), CommandFailure> {
    match command {
        TokensCommand::Create(creation) => create(creation).await,
        TokensCommand::List { form, remote } => list(form.format, remote).await,
        TokensCommand::Revoke { id, remote } => {
            let path = format!("{TOKENS}/{}", segment(id)?);
            let call = Call {
                method: "DELETE",
                path: &path,
                ..Call::default()
            };
            remote.connect(&[WRITE]).await?.call(call).await?;
            write_line("1 revoked")
        }
    }
}

async fn create(creation: &Creation) -> Result<(), CommandFailure> {
    let wanted = Value::from(creation.wanted()?).to_string();
    let call = Call {
        method: "POST",
        path: TOKENS,
        body: Some(("application/json", wanted.into_bytes())),
        ..Call::default()
    };
    let created = creation.remote.connect(&[WRITE]).await?.call(call).await?;
    match creation.form.format {
        data @ (Format::Json | Format::Yaml) => data.write(&created)?,
        Format::Table => member_table(&created, &["created_at", "expires_at"])?,
    }
    note!("registrar: the token is shown only once; copy it now");
    Ok(())
}

impl Creation {
    /// Returns the body of the request.
    fn wanted(&self) -> Result<Map<String, Value>, CommandFailure> {
        let mut wanted = Map::new();
        if let Some(uses) = self.uses {
            wanted.insert("uses".to_owned(), uses.into());
        }
        if let Some(seconds) = self.expires_in {
            wanted.insert("expires_in".to_owned(), seconds.into());
        }
        if let Some(note) = &self.note {
            wanted.insert("note".to_owned(), note.as_str().into());
        }
        let policy = self.policy.members()?;
        if !policy.is_empty() {
            wanted.insert("policy".to_owned(), policy.into());
        }
        Ok(wanted)
    }
}

impl TokenPolicyArguments {
    /// Returns the members of the file, with those of the flags in their place.
    fn members(&self) -> Result<Map<String, Value>, CommandFailure> {
        let mut members = match &self.file {
            None => Map::new(),
            Some(file) => read_object(file)?,
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
        for (name, values) in lists {
            if !values.is_empty() {
                members.insert(name.to_owned(), json!(values));
            }
        }
        if let Some(seconds) = self.maximum_lifetime {
            members.insert("maximum_lifetime".to_owned(), seconds.into());
        }
        if self.client_documents {
            members.insert("client_documents".to_owned(), true.into());
        }
        self.add_attributes(&mut members);
        Ok(members)
    }
}

impl TokenPolicyArguments {
    /// Adds the attributes of the flags to those of the file.
    fn add_attributes(&self, members: &mut Map<String, Value>) {
        if self.attributes.is_empty() {
            return;
        }
        let all = members
            .entry("attributes")
            .or_insert_with(|| Value::Object(Map::new()));
        // The server rejects a file in which they are not an object.
        if let Value::Object(all) = all {
            all.extend(self.attributes.iter().cloned());
        }
    }
}

async fn list(format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[WRITE]).await?;
    let tokens = remote.list(TOKENS, &[], "initial_access_tokens").await?;
    if format.is_data() {
        return format.write(&tokens.into());
    }
    let mut table = Table::new(["ID", "NOTE", "USED", "USES", "CREATED", "EXPIRES"]);
    table.rows(tokens.iter().map(row).collect())
}

fn row(token: &Value) -> [String; 6] {
    let uses = match token.get("uses") {
        None => "any".to_owned(),
        uses => cell(uses),
    };
    [
        cell(token.get("id")),
        cell(token.get("note")),
        cell(token.get("used")),
        uses,
        moment::shown(token.get("created_at")),
        moment::shown(token.get("expires_at")),
    ]
}

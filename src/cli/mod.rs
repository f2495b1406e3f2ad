//! The command line. Results go to standard output, messages to standard error. The exit code is 0 for
//! success, 1 for a failure, 2 for wrong usage.

#[macro_use]
mod output;

mod administrators;
mod audit;
mod backup;
mod beside;
mod check;
mod clients;
mod config_live;
mod doctor;
mod documents;
mod events;
mod health;
mod key;
mod lines;
mod manual;
mod moment;
mod offline;
mod pending;
mod remote;
mod script;
mod serve;
mod store;
mod tokens;
mod trial;
mod upstream;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::{Map, Value};

use crate::admin::openapi;
use crate::base::{Clock, SystemClock, json};
use crate::config::{self, Configuration, EmbeddedDatabase, Sources};
use crate::store::backend::offline::database_in;
use offline::OfflineArguments;
use output::{
    DataForm, Format, OutputForm, Progress, Table, cell, counted, items, member_table, write_line,
};
use remote::{Call, Needs, Remote, RemoteArguments, segment};
use watch::WatchArguments;

/// An OAuth 2.0 / OpenID Connect Dynamic Client Registration server.
#[derive(Debug, Parser)]
#[command(name = "registrar", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server. This is the default command.
    Serve(ServeArguments),
    /// Check the configuration and the scripts without starting the server.
    Check(ServeArguments),
    /// Ask a running server whether it is ready. The exit code is 0 if it is, and 1 if it is not.
    Health(health::HealthArguments),
    /// Work with scripts.
    #[command(subcommand)]
    Script(script::ScriptCommand),
    /// Try a registration or an update on a running server: it is judged by every step, and nothing is stored.
    Try(trial::TrialArguments),
    /// Work with the clients of a running server.
    #[command(subcommand)]
    Clients(clients::ClientsCommand),
    /// Work with client documents (Client ID Metadata Documents).
    #[command(subcommand)]
    Documents(documents::DocumentsCommand),
    /// Work with the registrations and updates that wait for approval on a running server.
    #[command(subcommand)]
    Pending(pending::PendingCommand),
    /// Work with the changes at the upstream server that are not finished.
    #[command(subcommand)]
    Upstream(upstream::UpstreamCommand),
    /// Work with the initial access tokens of a running server.
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Show what happened to clients, and which scripts and webhooks of a running server have received it.
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Work with the live configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work with the administrators of a running server, or reset the first one.
    #[command(subcommand)]
    Admin(administrators::AdminCommand),
    /// Replace the key that seals secrets in the store, while servers run.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Back up the embedded store of a running server, or restore, check, export, repair or convert one that is not in use.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Show the audit log of a running server: who changed what, oldest first.
    Audit(audit::AuditArguments),
    /// Look for everything that is wrong: configuration, files, store, TLS, proxies, webhooks, events.
    Doctor(doctor::DoctorArguments),
    /// Write the completions of a shell to standard output.
    Completions {
        /// The shell.
        #[arg(value_name = "SHELL", value_enum)]
        shell: manual::CompletedShell,
    },
    /// Write the manual page to standard output: of all commands, or of one.
    Man {
        /// The command, such as clients list. Default: registrar itself, with the names of all commands.
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Show the JSON Schema of a request or response of this server, such as Client.
    Schema {
        /// The name of the schema, or /components/schemas/NAME.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        form: DataForm,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show the configuration of a running server.
    Show(config_live::ShowArguments),
    /// Set one property of [registration] on a running server. It takes effect at once and is kept across
    /// restarts.
    Set(config_live::SetArguments),
    /// Remove a value that was set or patched on a running server. The value of the file, or the default,
    /// applies again.
    Unset(config_live::UnsetArguments),
    /// Change the live configuration of a running server with a JSON Patch, applied as a whole or not at all.
    Patch(config_live::PatchArguments),
    /// Remove values that were patched while the server ran. With an embedded store, stop the server first.
    /// With a database, servers can keep running.
    Reset {
        #[command(flatten)]
        store: OfflineArguments,
        /// The options to reset, such as dynamicRegistrationEnabled or scopes. Default: all patched options.
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct FileArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct ServeArguments {
    #[command(flatten)]
    file: FileArguments,
    /// The address and port to listen on, such as 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// The folder of the embedded store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder of the scripts.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
}

impl ServeArguments {
    /// Returns the configuration sources of a server with these flags.
    fn sources(&self) -> Sources {
        let mut flags = Vec::new();
        if let Some(listen) = self.listen {
            flags.push(("server.listen".to_owned(), listen.to_string()));
        }
        if let Some(folder) = &self.scripts {
            flags.push(scripts_flag(folder));
        }
        let sources = sources(&self.file, flags);
        match &self.data {
            Some(folder) => with_store(sources, folder),
            None => sources,
        }
    }
}

/// Returns `sources` with the option that `--data` sets: the store in the folder, or a new one. A new one is in the database
/// that the configuration names, so that a server with this configuration can open it, or else in sled.
fn with_store(mut sources: Sources, folder: &Path) -> Sources {
    let present = database_in(folder);
    let named = || {
        Some(
            config::load(&sources)
                .ok()?
                .settings
                .store
                .url
                .embedded()?
                .0,
        )
    };
    let database = present.or_else(named).unwrap_or(EmbeddedDatabase::Sled);
    let url = format!("{}:{}", database.name(), folder.to_string_lossy());
    sources.overrides.push(("store.url".to_owned(), url));
    sources
}

/// Returns the option that `--scripts` sets.
fn scripts_flag(folder: &Path) -> (String, String) {
    let folder = folder.to_string_lossy().into_owned();
    ("scripts.directory".to_owned(), folder)
}

const DEFAULT_FILE: &str = "config/registrar.toml";

/// Runs the command that the process was given.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    keep_memory_private();
    let command = match arguments.command {
        Some(command) => command,
        None => Command::Serve(arguments.serve),
    };
    // The greeting of a server is not a result: failing to write it is not a failure.
    let has_result = !matches!(command, Command::Serve(_));
    let done = match run(&command) {
        Ok(()) if has_result => output::lost(),
        done => done,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: &Command) -> Result<(), CommandFailure> {
    match command {
        Command::Serve(arguments) => Ok(serve::run(arguments)?),
        Command::Check(arguments) => Ok(check::run(arguments)?),
        Command::Store(command) => store::run(command),
        Command::Key(command) => key::run(command),
        Command::Script(command) => script::run(command),
        Command::Config(command) => configure(command),
        Command::Admin(command) => administrators::run(command),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Doctor(arguments) => wait(doctor::run(arguments)),
        Command::Schema { name, form } => show_schema(name, form),
        Command::Completions { shell } => manual::write_completions(*shell),
        Command::Man { command } => manual::write_page(command),
        remote => run_remote(remote),
    }
}

/// Runs a command that calls a running server.
fn run_remote(command: &Command) -> Result<(), CommandFailure> {
    match command {
        Command::Health(arguments) => wait(health::run(arguments)),
        Command::Try(arguments) => wait(trial::run(arguments)),
        Command::Clients(command) => wait(clients::run(command)),
        Command::Documents(command) => documents::run(command),
        Command::Pending(command) => wait(pending::run(command)),
        Command::Upstream(command) => wait(upstream::run(command)),
        Command::Tokens(command) => wait(tokens::run(command)),
        Command::Events(command) => wait(events::run(command)),
        // The others were handled before.
        _ => Ok(()),
    }
}

/// Nothing writes the memory of this process, with its keys and secrets, to a file or reads it, but root: no
/// core dump, no debugger of the same user. A system that cannot promise this is no reason not to work.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn configure(command: &ConfigCommand) -> Result<(), CommandFailure> {
    match command {
        ConfigCommand::Show(arguments) => wait(config_live::show(arguments)),
        ConfigCommand::Set(arguments) => wait(config_live::set(arguments)),
        ConfigCommand::Unset(arguments) => wait(config_live::unset(arguments)),
        ConfigCommand::Patch(arguments) => wait(config_live::patch(arguments)),
        ConfigCommand::Reset { store, keys } => Ok(offline::reset_patches(store, keys)?),
    }
}

/// Returns the definition of the whole command line.
fn definition() -> clap::Command {
    Arguments::command()
}

/// Runs a command that calls a server.
fn wait<T>(command: impl Future<Output = Result<T, CommandFailure>>) -> Result<T, CommandFailure> {
    runtime()?.block_on(command)
}

/// Returns the runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| error.to_string())
}

/// The prefix of a schema reference in OpenAPI.
const COMPONENTS: &str = "/components/schemas/";

/// Shows a schema of this version, without a server.
fn show_schema(name: &str, form: &DataForm) -> Result<(), CommandFailure> {
    let plain = name.strip_prefix('#').unwrap_or(name);
    let plain = plain.strip_prefix(COMPONENTS).unwrap_or(plain);
    let schemas = openapi::schemas();
    let Some(schema) = schemas.get(plain) else {
        let known: Vec<&str> = schemas.keys().map(String::as_str).collect();
        let known = known.join(", ");
        let message = format!("unknown schema {name}; the schemas are {known}");
        return Err(CommandFailure::Usage(message));
    };
    form.write(schema)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an address and a port, such as 127.0.0.1:8080".to_owned())
}

/// Returns the configuration sources of a command.
fn sources(file: &FileArguments, flags: Vec<(String, String)>) -> Sources {
    Sources {
        file: Some(file.config.clone()),
        environment: std::env::vars().collect(),
        overrides: flags,
        ..Sources::default()
    }
}

fn read_configuration(sources: &Sources) -> Result<Configuration, String> {
    config::load(sources).map_err(|errors| format!("invalid configuration:\n{errors}"))
}

/// Loads the configuration and writes its warnings to standard error.
fn load_configuration(sources: &Sources) -> Result<Configuration, String> {
    let configuration = read_configuration(sources)?;
    for warning in &configuration.warnings {
        note!("registrar: warning: {warning}");
    }
    Ok(configuration)
}

/// Reads the JSON object in `file`.
fn read_object(file: &Path) -> Result<Map<String, Value>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| named(&error))?;
    json::parse_object(&bytes).map_err(|error| named(&error))
}

/// Returns a value on the command line: JSON, or else the text itself.
fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Returns the system clock, for commands that load scripts without a server.
fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Why a command failed.
#[derive(Debug)]
pub(super) enum CommandFailure {
    /// Something failed: exit code 1.
    Failed(String),
    /// Wrong usage, or a comparison that is not possible: exit code 2, as in clap and diff.
    Usage(String),
    /// The result says that two things differ: exit code 1, as in diff, and no message.
    Different,
    /// The reader of the result has closed it: exit code 0, and no message.
    ReaderGone,
}

impl CommandFailure {
    /// Writes the message to standard error and returns the exit code.
    pub(super) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Failed(message) => (message, ExitCode::FAILURE),
            Self::Usage(message) => (message, ExitCode::from(2)),
            Self::Different => return ExitCode::FAILURE,
            Self::ReaderGone => return ExitCode::SUCCESS,
        };
        note!("registrar: {message}");
        code
    }
}

impl From<String> for CommandFailure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// A failure to write the result.
impl From<io::Error> for CommandFailure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::Failed(format!("the result cannot be written: {error}"))
        }
    }
}

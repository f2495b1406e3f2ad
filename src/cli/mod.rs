//! The command line. Results go to standard output, messages to standard error. The exit code is 0 for
//! success, 1 for a failure, 2 for wrong usage.

#[macro_use]
mod output;

mod admin_reset;
mod attended;
mod audit;
mod check;
mod clients;
mod config_live;
mod config_reset;
mod failure;
mod moment;
mod offline;
mod progress;
mod remote;
mod schema;
mod script;
mod serve;
mod store;
mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::base::{Clock, SystemClock};
use crate::config::{self, Configuration, Sources};
use failure::Failure;
use offline::OfflineArguments;

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
    /// Work with scripts.
    #[command(subcommand)]
    Script(script::Command),
    /// Work with the clients of a running server.
    #[command(subcommand)]
    Clients(clients::Command),
    /// Work with the initial access tokens of a running server.
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Work with the live configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work with the administrator that the first start created.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Check, export or repair the embedded store while no server has it open.
    #[command(subcommand)]
    Store(store::Command),
    /// Show the audit log of a running server: who changed what, oldest first.
    Audit(audit::Arguments),
    /// Show the JSON Schema of a request or response of this server, such as Client.
    Schema {
        /// The name of the schema, or /components/schemas/NAME.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show the configuration of a running server.
    Show(config_live::Show),
    /// Set one property of [registration] on a running server. It takes effect at once and is kept across
    /// restarts.
    Set(config_live::Set),
    /// Remove a value that was set or patched on a running server. The value of the file, or the default,
    /// applies again.
    Unset(config_live::Unset),
    /// Change the live configuration of a running server with a JSON Patch, applied as a whole or not at all.
    Patch(config_live::Patch),
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

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Give the administrator a new secret. With an embedded store, stop the server first. With a database,
    /// servers can keep running.
    Reset(OfflineArguments),
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
        let listen = self
            .listen
            .map(|listen| ("server.listen".to_owned(), listen.to_string()));
        let data = self
            .data
            .as_deref()
            .map(|data| ("store.url".to_owned(), format!("sled:{}", text(data))));
        let scripts = self
            .scripts
            .as_deref()
            .map(|scripts| ("scripts.directory".to_owned(), text(scripts)));
        sources(
            &self.file,
            listen.into_iter().chain(data).chain(scripts).collect(),
        )
    }
}

const DEFAULT_FILE: &str = "config/registrar.toml";

/// Runs the command that the process was given.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    keep_memory_private();
    let is_server = matches!(arguments.command, None | Some(Command::Serve(_)));
    let done = match arguments.command {
        None => serve::run(&arguments.serve).map_err(Failure::from),
        Some(Command::Serve(serve)) => serve::run(&serve).map_err(Failure::from),
        Some(Command::Check(arguments)) => check::run(&arguments).map_err(Failure::from),
        Some(Command::Store(command)) => store::run(&command).map_err(Failure::from),
        Some(Command::Script(command)) => script::run(&command).map_err(Failure::from),
        Some(Command::Clients(command)) => wait(clients::run(&command)),
        Some(Command::Tokens(command)) => wait(tokens::run(&command)),
        Some(Command::Config(command)) => configure(&command),
        Some(Command::Admin(AdminCommand::Reset(store))) => {
            admin_reset::run(&store).map_err(Failure::from)
        }
        Some(Command::Audit(arguments)) => wait(audit::run(&arguments)),
        Some(Command::Schema { name }) => schema::run(&name),
    };
    // The greeting of a server is not a result: failing to write it is not a failure.
    match if is_server {
        done
    } else {
        done.and_then(|()| output::lost())
    } {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Nothing writes the memory of this process, with its keys and secrets, to a file or reads it, but root: no
/// core dump, no debugger of the same user. A system that cannot promise this is no reason not to work.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn configure(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show(arguments) => wait(config_live::show(arguments)),
        ConfigCommand::Set(arguments) => wait(config_live::set(arguments)),
        ConfigCommand::Unset(arguments) => wait(config_live::unset(arguments)),
        ConfigCommand::Patch(arguments) => wait(config_live::patch(arguments)),
        ConfigCommand::Reset { store, keys } => {
            config_reset::run(store, keys).map_err(Failure::from)
        }
    }
}

/// Runs a command that calls a server.
fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| error.to_string())?
        .block_on(command)
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

fn read(sources: &Sources) -> Result<Configuration, String> {
    config::load(sources).map_err(|errors| format!("invalid configuration:\n{errors}"))
}

/// Loads the configuration and writes its warnings to standard error.
fn load(sources: &Sources) -> Result<Configuration, String> {
    let configuration = read(sources)?;
    for warning in &configuration.warnings {
        note!("registrar: warning: {warning}");
    }
    Ok(configuration)
}

/// Returns the system clock, for commands that load scripts without a server.
fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Returns a path as the text of a configuration value.
fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

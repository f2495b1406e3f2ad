//! `registrar script`

mod call;
mod check;
mod definitions;
mod test;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};

use super::FileArguments;
use crate::clock::Clock;
use crate::config::Configuration;
use crate::host::Tokens;
use crate::script::host::Host;
use crate::script::testing::Beginning;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compile the scripts and show which hooks each has.
    Check {
        #[command(flatten)]
        scripts: ScriptArguments,
        #[command(flatten)]
        form: Form,
    },
    /// Run every `fn test_*` of the folder's tests/*.rhai; nothing outside is reached.
    Test {
        #[command(flatten)]
        scripts: ScriptArguments,
        /// Only tests with this in their file and name, as they are listed.
        #[arg(value_name = "NAME-FILTER")]
        filter: Option<String>,
    },
    /// Call one hook on one request and show what comes of it; nothing outside is reached.
    Call {
        #[command(flatten)]
        scripts: ScriptArguments,
        /// The hook, such as createClient.
        #[arg(value_name = "HOOK")]
        hook: String,
        /// A JSON file: the request, or an object with `request` and further members of the
        /// context, and with `fakes`.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        /// Only the script of this file name, instead of all of them in their order.
        #[arg(long, value_name = "NAME")]
        script: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Write the .d.rhai files by which the Rhai language server completes and checks scripts.
    Definitions {
        /// Where to; one file is written for each module.
        #[arg(long, value_name = "DIR", default_value = "scripts/.rhai/definitions")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct ScriptArguments {
    #[command(flatten)]
    file: FileArguments,
    /// The folder of the scripts.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Form {
    /// How to show the result.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn run(command: &Command) -> Result<(), String> {
    match command {
        Command::Check { scripts, form } => check::run(scripts, form.format),
        Command::Test { scripts, filter } => test::run(scripts, filter.as_deref()),
        Command::Call { scripts, hook, request, script, form } => {
            let subject = call::Subject { hook, request, script: script.as_deref() };
            call::run(scripts, &subject, form.format)
        }
        Command::Definitions { output } => definitions::run(output),
    }
}

impl ScriptArguments {
    fn load(&self) -> Result<Configuration, String> {
        let flag = self.scripts.as_deref().map(|path| ("scripts.directory".to_owned(), super::text(path)));
        super::load(&super::sources(&self.file, flag.into_iter().collect()))
    }

    /// What worlds begin with in which these scripts are tried.
    fn beginning(&self) -> Result<Beginning, String> {
        let configuration = self.load()?;
        Ok(Beginning {
            settings: configuration.settings.scripts,
            custom: configuration.live.registration.dynamic_registration_custom_attributes,
            keys: Arc::new(keys),
        })
    }
}

/// Tokens are verified and signed for real, at the time of the world.
fn keys(clock: Arc<dyn Clock>) -> Arc<dyn Host> {
    Arc::new(Tokens::new(clock))
}

/// Where scripts run that are tried.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())
}

//! `registrar script`

mod call;
mod check;
mod definitions;
mod test;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::FileArguments;
use crate::config::Configuration;
use crate::script::testing::WorldSettings;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compile the scripts and show the hooks of each.
    Check {
        #[command(flatten)]
        scripts: ScriptArguments,
        #[command(flatten)]
        form: Form,
    },
    /// Run every `fn test_*` in tests/*.rhai of the script folder. No external system is contacted.
    Test {
        #[command(flatten)]
        scripts: ScriptArguments,
        /// Run only the tests whose listed file and name contain this text.
        #[arg(value_name = "NAME-FILTER")]
        filter: Option<String>,
    },
    /// Call one hook with one request and show the result. No external system is contacted.
    Call {
        #[command(flatten)]
        scripts: ScriptArguments,
        /// The hook, such as createClient.
        #[arg(value_name = "HOOK")]
        hook: String,
        /// A JSON file with the request, or with an object that has `request`, other members of the context,
        /// and `fakes`.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        /// Call only the script with this file name. Default: all scripts, in order.
        #[arg(long, value_name = "NAME")]
        script: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Write the .d.rhai files that the Rhai language server needs to complete and check scripts.
    Definitions {
        /// The output folder. One file is written for each module.
        #[arg(long, value_name = "DIR", default_value = "scripts/.rhai/definitions")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct ScriptArguments {
    #[command(flatten)]
    file: FileArguments,
    /// The script folder.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Form {
    /// The format of the result.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

pub(super) fn run(command: &Command) -> Result<(), String> {
    match command {
        Command::Check { scripts, form } => check::run(scripts, form.format),
        Command::Test { scripts, filter } => test::run(scripts, filter.as_deref()),
        Command::Call {
            scripts,
            hook,
            request,
            script,
            form,
        } => {
            let subject = call::Subject {
                hook,
                request,
                script: script.as_deref(),
            };
            call::run(scripts, &subject, form.format)
        }
        Command::Definitions { output } => definitions::run(output),
    }
}

impl ScriptArguments {
    fn load(&self) -> Result<Configuration, String> {
        let flag = self
            .scripts
            .as_deref()
            .map(|path| ("scripts.directory".to_owned(), super::text(path)));
        super::load(&super::sources(&self.file, flag.into_iter().collect()))
    }

    /// Returns the initial state of the worlds that these scripts are tested in.
    fn beginning(&self) -> Result<WorldSettings, String> {
        let configuration = self.load()?;
        Ok(WorldSettings {
            settings: configuration.settings.scripts,
            custom: configuration
                .live
                .registration
                .dynamic_registration_custom_attributes,
        })
    }
}

/// Returns the runtime for script tests and calls.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| error.to_string())
}

//! `registrar script`

mod call;
pub(super) mod versions;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::{CommandFailure, DEFAULT_FILE, FileArguments};
use crate::config::{Configuration, ScriptSettings};
use crate::script::{
    Runtime, ScriptInfo, ScriptSet, docs, testing::Suite, testing::Test, testing::TestFailure,
    testing::WorldSettings,
};

#[derive(Debug, Subcommand)]
pub(super) enum ScriptCommand {
    /// Compile the scripts and show the hooks of each.
    Check {
        #[command(flatten)]
        scripts: ScriptArguments,
        #[command(flatten)]
        form: ScriptForm,
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
        form: ScriptForm,
    },
    /// The scripts of running servers.
    #[command(flatten)]
    Versions(versions::VersionCommand),
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
pub(super) struct ScriptForm {
    /// The format of the result.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ScriptFormat::Text)]
    format: ScriptFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScriptFormat {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

pub(super) fn run(command: &ScriptCommand) -> Result<(), CommandFailure> {
    match command {
        ScriptCommand::Versions(command) => super::wait(versions::run(command)),
        local => Ok(run_locally(local)?),
    }
}

fn run_locally(command: &ScriptCommand) -> Result<(), String> {
    match command {
        ScriptCommand::Versions(_) => Ok(()),
        ScriptCommand::Check { scripts, form } => check(scripts, form.format),
        ScriptCommand::Test { scripts, filter } => test(scripts, filter.as_deref()),
        ScriptCommand::Call {
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
        ScriptCommand::Definitions { output } => write_definitions(output),
    }
}

impl ScriptArguments {
    /// The arguments for the scripts of `folder`, with the default configuration file if it exists.
    fn of_folder(folder: &Path) -> Self {
        Self {
            file: FileArguments {
                config: PathBuf::from(DEFAULT_FILE),
            },
            scripts: Some(folder.to_owned()),
        }
    }

    fn load(&self) -> Result<Configuration, String> {
        let mut flags = Vec::new();
        if let Some(folder) = &self.scripts {
            flags.push(super::scripts_flag(folder));
        }
        super::load_configuration(&super::sources(&self.file, flags))
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

/// Compiles the scripts. Their host functions reach nothing outside.
pub(super) fn load_scripts(settings: &ScriptSettings) -> Result<ScriptSet, String> {
    let runtime =
        Runtime::without_host(settings, super::clock()).map_err(|error| error.to_string())?;
    ScriptSet::load(settings, &runtime).map_err(|errors| {
        let folder = settings.directory.display();
        format!("the scripts in {folder} cannot be loaded:\n{errors}")
    })
}

/// Compiles the scripts and shows the hooks of each.
fn check(arguments: &ScriptArguments, format: ScriptFormat) -> Result<(), String> {
    let configuration = arguments.load()?;
    let scripts = load_scripts(&configuration.settings.scripts)?;
    match format {
        ScriptFormat::Text => write_table(scripts.scripts()),
        ScriptFormat::Json => write_list(scripts.scripts()),
    }
    Ok(())
}

fn hooks(script: &ScriptInfo) -> Vec<&'static str> {
    script.hooks.iter().map(|hook| hook.name()).collect()
}

fn write_table(scripts: &[ScriptInfo]) {
    let mut width = "SCRIPT".len();
    for script in scripts {
        width = width.max(script.name.len());
    }
    say!("{:width$}  HOOKS", "SCRIPT");
    for script in scripts {
        let mut hooks = hooks(script).join(", ");
        if hooks.is_empty() {
            hooks.push_str("none; the script is never called");
        }
        say!("{:width$}  {hooks}", script.name);
        for warning in &script.warnings {
            say!("{:width$}  warning: {warning}", "");
        }
    }
}

fn write_list(scripts: &[ScriptInfo]) {
    let mut list = Vec::new();
    for script in scripts {
        list.push(json!({
            "name": script.name, "sha256": script.hash, "hooks": hooks(script), "warnings": script.warnings,
        }));
    }
    say!("{:#}", Value::Array(list));
}

/// Runs the tests, and writes TAP (<https://testanything.org>) to standard output.
fn test(arguments: &ScriptArguments, filter: Option<&str>) -> Result<(), String> {
    let beginning = arguments.beginning()?;
    let folder = beginning.settings.directory.join("tests");
    let suite = Suite::load(beginning)
        .map_err(|errors| format!("the tests cannot be loaded:\n{errors}"))?;
    let suite = Arc::new(suite);
    let is_wanted = |test: &&Test| filter.is_none_or(|part| test.to_string().contains(part));
    let tests: Vec<&Test> = suite.tests().iter().filter(is_wanted).collect();
    if tests.is_empty() {
        let folder = folder.display();
        return Err(match filter {
            Some(part) => format!("no test in {folder} has '{part}' in its name"),
            None => format!("{folder} has no fn test_*"),
        });
    }
    match super::runtime()?.block_on(run_all(&suite, &tests)) {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} tests failed", tests.len())),
    }
}

/// Runs the tests one after the other and returns the number of failures.
async fn run_all(suite: &Arc<Suite>, tests: &[&Test]) -> usize {
    say!("1..{}", tests.len());
    let mut failed = 0;
    for (number, test) in (1..).zip(tests) {
        match suite.run(test).await {
            Ok(()) => say!("ok {number} - {test}"),
            Err(failure) => {
                failed += 1;
                say!("not ok {number} - {test}\n{}", diagnostics(&failure));
            }
        }
    }
    failed
}

/// Formats a failure as TAP comments.
fn diagnostics(failure: &TestFailure) -> String {
    let error = failure.error.to_string();
    let mut lines: Vec<String> = error.lines().map(|line| format!("# {line}")).collect();
    if failure.calls.contains(" > ") {
        lines.push(format!("# called: {}", failure.calls));
    }
    for line in &failure.log {
        lines.push(format!("# log: {line}"));
    }
    lines.join("\n")
}

/// Writes the definitions of the host functions to the folder `output`.
fn write_definitions(output: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(output).map_err(|error| failed(output, error))?;
    let mut written = Vec::new();
    for (name, text) in docs::definitions() {
        let path = output.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
        written.push(path.display().to_string());
    }
    say!("{}", written.join("\n"));
    Ok(())
}

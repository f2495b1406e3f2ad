//! `registrar script`

mod call;
mod candidate;
mod replay;
mod report;
pub(super) mod versions;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{CommandFailure, FileArguments, Format, OutputForm};
use crate::config::Configuration;
use crate::script::{
    Finding, LoadError, Runtime, ScriptInfo, ScriptSet, Severity, docs, testing::Suite,
    testing::Test, testing::TestFailure, testing::WorldSettings,
};

#[derive(Debug, Subcommand)]
pub(super) enum ScriptCommand {
    /// Compile the scripts, find their mistakes, and show the hooks of each.
    Check {
        #[command(flatten)]
        scripts: ScriptArguments,
        /// Fail when there are warnings, too.
        #[arg(long)]
        strict: bool,
        #[command(flatten)]
        form: OutputForm,
    },
    /// Run every `fn test_*` in tests/*.rhai of the script folder. No external system is contacted.
    Test {
        #[command(flatten)]
        scripts: ScriptArguments,
        /// Run only the tests whose listed file and name contain this text.
        #[arg(value_name = "NAME-FILTER")]
        filter: Option<String>,
        #[command(flatten)]
        reports: report::ReportArguments,
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
        form: OutputForm,
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

pub(super) fn run(command: &ScriptCommand) -> Result<(), CommandFailure> {
    match command {
        ScriptCommand::Versions(command) => super::wait(versions::run(command)),
        local => run_locally(local),
    }
}

fn run_locally(command: &ScriptCommand) -> Result<(), CommandFailure> {
    match command {
        ScriptCommand::Versions(_) => Ok(()),
        ScriptCommand::Check {
            scripts,
            strict,
            form,
        } => check(scripts, *strict, form.format),
        ScriptCommand::Test {
            scripts,
            filter,
            reports,
        } => Ok(test(scripts, filter.as_deref(), reports)?),
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
        ScriptCommand::Definitions { output } => Ok(write_definitions(output)?),
    }
}

impl ScriptArguments {
    fn load(&self) -> Result<Configuration, String> {
        let mut flags = Vec::new();
        if let Some(folder) = &self.scripts {
            flags.push(super::scripts_flag(folder));
        }
        let mut sources = super::sources(&self.file, flags);
        // Scripts are written on machines without the server.
        let file = &self.file.config;
        if self.scripts.is_some() && file == Path::new(super::DEFAULT_FILE) && !file.exists() {
            note!(
                "registrar: {} not found; using the defaults, without [scripts.attributes]",
                file.display()
            );
            sources.file = None;
        }
        super::load_configuration(&sources)
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

/// Compiles the scripts and finds their mistakes. Their host functions reach nothing outside.
pub(super) fn load_scripts(configuration: &Configuration) -> Result<ScriptSet, String> {
    let settings = &configuration.settings.scripts;
    let runtime =
        Runtime::without_host(settings, super::clock()).map_err(|error| error.to_string())?;
    loaded_with(configuration, &runtime)
}

fn loaded_with(configuration: &Configuration, runtime: &Arc<Runtime>) -> Result<ScriptSet, String> {
    let settings = &configuration.settings.scripts;
    let custom = &configuration.live.registration;
    let custom = &custom.dynamic_registration_custom_attributes;
    let mut scripts = ScriptSet::load(settings, runtime).map_err(|errors| {
        let folder = settings.directory.display();
        format!("the scripts in {folder} cannot be loaded:\n{errors}")
    })?;
    scripts.check(custom);
    Ok(scripts)
}

/// Returns the message for scripts that have mistakes: errors, or with `strict` also warnings.
pub(super) fn mistakes(
    configuration: &Configuration,
    scripts: &ScriptSet,
    strict: bool,
) -> Option<String> {
    let mut counted = Vec::new();
    let mut told = Vec::new();
    for (severity, name) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let of_severity = scripts
            .findings()
            .iter()
            .filter(|found| found.severity == severity);
        let found: Vec<String> = of_severity
            .map(|found| format!("{name}: {found}"))
            .collect();
        if !found.is_empty() && (strict || severity == Severity::Error) {
            counted.push(super::counted(found.len(), name));
            told.extend(found);
        }
    }
    if told.is_empty() {
        return None;
    }
    let folder = configuration.settings.scripts.directory.display();
    let (counted, told) = (counted.join(" and "), told.join("\n"));
    Some(format!("the scripts in {folder} have {counted}:\n{told}"))
}

/// Compiles the scripts, finds their mistakes, and shows the hooks of each.
fn check(arguments: &ScriptArguments, strict: bool, format: Format) -> Result<(), CommandFailure> {
    let configuration = arguments.load()?;
    let settings = &configuration.settings.scripts;
    let (runtime, unread) = Runtime::for_check(settings, super::clock());
    if let Some(error) = unread {
        note!("registrar: warning: {error}; the scripts are checked without it");
    }
    let scripts = loaded_with(&configuration, &runtime)?;
    if format.is_data() {
        format.write(&list(&scripts))?;
    } else {
        write_table(&scripts);
    }
    match mistakes(&configuration, &scripts, strict) {
        None => Ok(()),
        Some(message) => Err(CommandFailure::Failed(message)),
    }
}

fn hooks(script: &ScriptInfo) -> Vec<&'static str> {
    script.hooks.iter().map(|hook| hook.name()).collect()
}

/// Returns the files with findings that are not scripts.
fn other_files(scripts: &ScriptSet) -> BTreeSet<&str> {
    let files = scripts
        .findings()
        .iter()
        .map(|found| found.error.file.as_str());
    let is_script = |file: &str| scripts.scripts().iter().any(|script| script.name == file);
    files.filter(|file| !is_script(file)).collect()
}

fn write_table(scripts: &ScriptSet) {
    let mut rows = Vec::new();
    for script in scripts.scripts() {
        let mut hooks = hooks(script).join(", ");
        if hooks.is_empty() {
            hooks.push_str("none; the script is never called");
        }
        rows.push((script.name.as_str(), hooks));
    }
    for file in other_files(scripts) {
        let ending = Path::new(file).extension();
        let is_library = file.starts_with("lib/") && ending.is_some_and(|is| is == "rhai");
        let kind = if is_library { "a library" } else { "ignored" };
        rows.push((file, kind.to_owned()));
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let width = width.max("SCRIPT".len());
    say!("{:width$}  HOOKS", "SCRIPT");
    for (name, hooks) in rows {
        say!("{name:width$}  {hooks}");
    }
    write_warnings(scripts);
}

fn write_warnings(scripts: &ScriptSet) {
    for Finding { severity, error } in scripts.findings() {
        let LoadError {
            file,
            line,
            column,
            message,
            ..
        } = error;
        let place = match line {
            0 => file.clone(),
            line => format!("{file}, line {line}, column {column}"),
        };
        if *severity == Severity::Warning {
            say!("  warning: {message} ({place})");
        }
    }
}

/// Returns the scripts and what was found in them.
fn list(scripts: &ScriptSet) -> Value {
    let mut list = Vec::new();
    for script in scripts.scripts() {
        list.push(json!({
            "name": script.name, "sha256": script.hash, "hooks": hooks(script), "warnings": script.warnings,
            "findings": findings(scripts, &script.name),
        }));
    }
    for file in other_files(scripts) {
        list.push(json!({"name": file, "hooks": [], "findings": findings(scripts, file)}));
    }
    Value::Array(list)
}

/// Returns the findings in one file as JSON.
fn findings(scripts: &ScriptSet, file: &str) -> Vec<Value> {
    let of_file = scripts
        .findings()
        .iter()
        .filter(|found| found.error.file == file);
    let mut findings = Vec::new();
    for Finding { severity, error } in of_file {
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        findings.push(json!({
            "severity": severity, "line": error.line, "column": error.column, "message": error.message,
            "text": error.text,
        }));
    }
    findings
}

/// Runs the tests, and writes TAP (<https://testanything.org>) to standard output.
fn test(
    arguments: &ScriptArguments,
    filter: Option<&str>,
    reports: &report::ReportArguments,
) -> Result<(), String> {
    let beginning = arguments.beginning()?;
    let scripts = beginning.settings.directory.clone();
    let mut suite = Suite::load(beginning)
        .map_err(|errors| format!("the tests cannot be loaded:\n{errors}"))?;
    reports.prepare(&mut suite);
    let suite = Arc::new(suite);
    let tests = wanted(&suite, filter, &scripts)?;
    let failed = super::runtime()?.block_on(run_all(&suite, &tests));
    let written = reports.write(&suite, &scripts);
    if failed > 0 {
        let failed = format!("{failed} of {} tests failed", tests.len());
        return Err(match written {
            Ok(()) => failed,
            Err(error) => format!("{failed}; {error}"),
        });
    }
    written
}

/// Returns the tests that `filter` selects; none is an error.
fn wanted<'a>(
    suite: &'a Suite,
    filter: Option<&str>,
    scripts: &Path,
) -> Result<Vec<&'a Test>, String> {
    let is_wanted = |test: &&Test| filter.is_none_or(|part| test.to_string().contains(part));
    let tests: Vec<&Test> = suite.tests().iter().filter(is_wanted).collect();
    if !tests.is_empty() {
        return Ok(tests);
    }
    let folder = scripts.join("tests");
    let folder = folder.display();
    Err(match filter {
        Some(part) => format!("no test in {folder} has '{part}' in its name"),
        None => format!("{folder} has no fn test_*"),
    })
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

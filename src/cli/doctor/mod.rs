//! `registrar doctor`: looks at everything that a server needs, and says what to do about what is wrong.

mod local;
mod report;
mod running;

use std::path::PathBuf;

use clap::Args;

use crate::cli::{
    CommandFailure, OutputForm, RemoteArguments, read_configuration, scripts_flag, sources,
    with_store,
};
use crate::config::Configuration;
use report::DoctorReport;

#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// The folder of the embedded store, if the server was started with --data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder of the scripts, if the server was started with --scripts.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Checks everything, each part with a time limit, and writes the report. Fails if there is a problem.
pub(super) async fn run(arguments: &DoctorArguments) -> Result<(), CommandFailure> {
    let mut report = DoctorReport::default();
    if let Some(configuration) = read(&mut report, arguments) {
        let settings = &configuration.settings;
        local::configuration(&mut report, &configuration);
        local::scripts(&mut report, &configuration);
        local::permissions(&mut report, &configuration);
        local::tls(&mut report, settings);
        local::limits(&mut report, settings);
        local::store(&mut report, settings).await;
        running::examine(&mut report, &arguments.remote, settings).await;
    }
    report.write(arguments.form.format)
}

/// Returns the configuration, if it can be read.
fn read(report: &mut DoctorReport, arguments: &DoctorArguments) -> Option<Configuration> {
    const SUBJECT: &str = "configuration";
    let flags = arguments.scripts.as_deref().map(scripts_flag);
    let (file, is_expected) = arguments.remote.file();
    let mut sources = sources(&file, Vec::from_iter(flags));
    if !is_expected {
        sources.file = None;
        let found = format!("{} does not exist", file.config.display());
        let advice = "name the file with --config; the defaults are checked now";
        report.warn(SUBJECT, found, advice);
    }
    if let Some(folder) = &arguments.data {
        sources = with_store(sources, folder);
    }
    match read_configuration(&sources) {
        Ok(configuration) => Some(configuration),
        Err(reason) => {
            report.problem(SUBJECT, reason, "correct the named options");
            report.skipped("other subjects", "they need a valid configuration");
            None
        }
    }
}

//! `registrar doctor`: looks at everything that a server needs, and says what to do about what is wrong.

mod local;
mod report;
mod running;

use std::path::PathBuf;

use clap::Args;

use crate::cli::{
    CommandFailure, OutputForm, RemoteArguments, read_configuration, scripts_flag, sources,
    store_flag,
};
use report::Report;

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
    let mut report = Report::default();
    let mut flags = Vec::new();
    flags.extend(arguments.data.as_deref().map(store_flag));
    flags.extend(arguments.scripts.as_deref().map(scripts_flag));
    let (file, is_expected) = arguments.remote.file();
    let mut sources = sources(&file, flags);
    if !is_expected {
        sources.file = None;
        let found = format!("{} does not exist", file.config.display());
        report.warn(
            "configuration",
            found,
            "name the file with --config; the defaults are checked now",
        );
    }
    let configuration = match read_configuration(&sources) {
        Ok(configuration) => configuration,
        Err(reason) => {
            report.problem("configuration", reason, "correct the named options");
            report.skipped("everything else", "the configuration cannot be read");
            return report.write(arguments.form.format);
        }
    };
    let settings = &configuration.settings;
    local::configuration(&mut report, &configuration);
    local::scripts(&mut report, &configuration);
    local::permissions(&mut report, &configuration);
    local::tls(&mut report, settings);
    local::limits(&mut report, settings);
    local::store(&mut report, settings).await;
    running::examine(&mut report, &arguments.remote, settings).await;
    report.write(arguments.form.format)
}

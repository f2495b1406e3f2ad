//! `registrar documents check`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::{
    CommandFailure, Format, OutputForm, counted, load_configuration, member_table, write_line,
};
use crate::config::{Configuration, Sources};
use crate::fetch::Fetcher;
use crate::resolution::check::{
    CheckedFor, DocumentFinding, DocumentReport, check_octets, check_url,
};

/// The time between two fetches of a document.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArguments {
    /// The URL of the document, or a file that will be published.
    #[arg(value_name = "URL|FILE")]
    document: String,
    /// The URL at which a file will be published. Default: the `client_id` in it.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The configuration of the server that the document is checked for. Default: the default values.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    form: OutputForm,
}

pub(super) async fn run(arguments: &CheckArguments) -> Result<(), CommandFailure> {
    let configuration = load_configuration(&Sources {
        file: arguments.config.clone(),
        environment: std::env::vars().collect(),
        ..Sources::default()
    })?;
    let report = report(arguments, &configuration).await?;
    match arguments.form.format {
        data @ (Format::Json | Format::Yaml) => {
            let value = serde_json::to_value(&report).map_err(|error| error.to_string())?;
            data.write(&value)?;
        }
        Format::Table => show(&report)?,
    }
    if report.valid {
        return Ok(());
    }
    let errors = counted(report.errors.len(), "error");
    Err(CommandFailure::Failed(format!("the document has {errors}")))
}

async fn report(
    arguments: &CheckArguments,
    configuration: &Configuration,
) -> Result<DocumentReport, CommandFailure> {
    let checked_for = CheckedFor {
        live: &configuration.live,
        settings: &configuration.settings,
    };
    let (rules, document) = (checked_for.rules(), arguments.document.as_str());
    if !document.contains("://") {
        let octets = std::fs::read(document).map_err(|error| format!("{document}: {error}"))?;
        return Ok(check_octets(&rules, arguments.url.as_deref(), &octets));
    }
    if arguments.url.is_some() {
        let message = "--url is for a file; the document is at its own URL";
        return Err(CommandFailure::Usage(message.to_owned()));
    }
    let fetcher = Fetcher::new(&configuration.settings.fetch).map_err(|error| error.to_string())?;
    Ok(check_url(&rules, &fetcher, document, PAUSE).await)
}

fn show(report: &DocumentReport) -> Result<(), CommandFailure> {
    for error in &report.errors {
        write_line(&line("error", error))?;
    }
    for warning in &report.warnings {
        write_line(&line("warning", warning))?;
    }
    if let Some(metadata) = &report.metadata {
        write_line("A server with these settings registers:")?;
        member_table(&metadata.clone().into(), &[])?;
    }
    if let Some(redirects) = &report.redirects {
        if redirects.loopback_only {
            let text =
                "It tells users that any program on their device can claim to be this client.";
            write_line(text)?;
        }
        for uri in &redirects.cross_host {
            write_line(&format!(
                "It tells users that they are sent to another host: {uri}"
            ))?;
        }
    }
    write_line(&format!(
        "Not checked, because only a running server can (POST /admin/v1/client-documents/check): {}",
        report.unchecked.join(", ")
    ))
}

fn line(severity: &str, finding: &DocumentFinding) -> String {
    if finding.member.is_empty() {
        return format!("{severity}: {}", finding.text);
    }
    format!("{severity}: {}: {}", finding.member, finding.text)
}

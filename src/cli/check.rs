//! `registrar check`

mod closed;

use super::FileArguments;
use super::output::counted;
use crate::config::{self, TlsSettings};
use crate::fetch::Fetcher;
use crate::http::tls::{Tls, TlsFault};
use crate::script::{Runtime, ScriptSet};
use crate::service;

#[expect(clippy::print_stdout, reason = "the verdict is the result of this command")]
pub(super) fn run(file: &FileArguments) -> Result<(), String> {
    let configuration = super::load(&super::sources(file, Vec::new()))?;
    if let Some(advice) = configuration.advice() {
        eprintln!("registrar: warning: {}: {advice}", file.config.display());
    }
    service::judge(configuration.live.clone())
        .map_err(|reason| format!("{}:\n{reason}", file.config.display()))?;
    Fetcher::new(&configuration.settings.fetch).map_err(|error| error.to_string())?;
    tls(file, &configuration.settings.server.tls)?;
    println!("{}: fine", file.config.display());
    let settings = &configuration.settings.scripts;
    let runtime = Runtime::without_host(settings, super::clock()).map_err(|error| error.to_string())?;
    let scripts = ScriptSet::load(settings, &runtime).map_err(|errors| {
        format!("the scripts in {} do not load:\n{errors}", settings.directory.display())
    })?;
    for (key, reason) in closed::oddities(&configuration.live, &|hook| scripts.has(hook)) {
        eprintln!("registrar: warning: {}: {key}: {reason}", config::place(&file.config, key));
    }
    let number = counted(scripts.scripts().len(), "script");
    println!("{}: fine, {number}", settings.directory.display());
    Ok(())
}

/// The files of `[server.tls]`.
fn tls(file: &FileArguments, settings: &TlsSettings) -> Result<(), String> {
    let told =
        |fault: TlsFault| format!("{}: {}: {fault}", config::place(&file.config, fault.key), fault.key);
    for oddity in Tls::check(settings, super::clock().now()).map_err(told)? {
        eprintln!("registrar: warning: {}", told(oddity));
    }
    Ok(())
}

//! `registrar check`

mod closed;

use std::io::ErrorKind;
use std::net::TcpListener;

use super::output::counted;
use super::{FileArguments, ServeArguments};
use crate::config::{self, Settings, TlsSettings};
use crate::fetch::Fetcher;
use crate::http::{Tls, TlsFault};
use crate::script::{Runtime, ScriptSet};
use crate::service;
use crate::store::{Store, StoreError};

pub(super) fn run(arguments: &ServeArguments) -> Result<(), String> {
    let file = &arguments.file;
    let configuration = super::load(&arguments.sources())?;
    // Most new users do not have what it asks for yet, so it does not count as a warning.
    if let Some(advice) = configuration.advice() {
        note!("registrar: warning: {}: {advice}", file.config.display());
    }
    service::judge(configuration.live.clone())
        .map_err(|reason| format!("{}:\n{reason}", file.config.display()))?;
    Fetcher::new(&configuration.settings.fetch).map_err(|error| error.to_string())?;
    let mut warnings = configuration.warnings.len();
    warnings += tls(file, &configuration.settings.server.tls)?;
    store(file, &configuration.settings)?;
    warnings += addresses(file, &configuration.settings);
    say!("{}: {}", file.config.display(), verdict(warnings));
    let settings = &configuration.settings.scripts;
    let runtime =
        Runtime::without_host(settings, super::clock()).map_err(|error| error.to_string())?;
    let scripts = ScriptSet::load(settings, &runtime).map_err(|errors| {
        format!(
            "the scripts in {} cannot be loaded:\n{errors}",
            settings.directory.display()
        )
    })?;
    let odd = closed::oddities(&configuration.live, &|hook| scripts.has(hook));
    for (key, reason) in &odd {
        warn(file, key, reason);
    }
    let number = counted(scripts.scripts().len(), "script");
    say!(
        "{}: {}, {number}",
        settings.directory.display(),
        verdict(odd.len())
    );
    Ok(())
}

/// Returns the summary for a check that found no errors.
fn verdict(warnings: usize) -> String {
    if warnings == 0 {
        "fine".to_owned()
    } else {
        format!("no errors, {}", counted(warnings, "warning"))
    }
}

fn warn(file: &FileArguments, key: &str, reason: &str) {
    note!(
        "registrar: warning: {}: {key}: {reason}",
        config::place(&file.config, key)
    );
}

/// Checks `[store]`, as far as possible without opening the store, and the path of the administrator's
/// credentials.
fn store(file: &FileArguments, settings: &Settings) -> Result<(), String> {
    Store::check_settings(&settings.store).map_err(|error| match error {
        StoreError::Setting { key, .. } => format!("{}: {error}", config::place(&file.config, key)),
        error => error.to_string(),
    })?;
    match settings
        .admin
        .credentials_file
        .as_deref()
        .filter(|path| path.is_dir())
    {
        Some(folder) => {
            let key = "admin.credentialsFile";
            Err(format!(
                "{}: {key}: {} is a folder",
                config::place(&file.config, key),
                folder.display()
            ))
        }
        None => Ok(()),
    }
}

/// Warns about listen addresses that this machine does not have, and returns their number. The configuration
/// may be meant for another machine.
fn addresses(file: &FileArguments, settings: &Settings) -> usize {
    let named = [
        ("server.listen", Some(settings.server.listen)),
        ("admin.listen", settings.admin.listen),
    ];
    let foreign = named.into_iter().filter_map(|(key, address)| {
        let address = address?;
        // Whether the port is free is not checked: a server may be running.
        let opened = TcpListener::bind((address.ip(), 0));
        opened
            .is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable)
            .then_some((key, address))
    });
    let foreign: Vec<_> = foreign.collect();
    for (key, address) in &foreign {
        warn(
            file,
            key,
            &format!("{} is not an address of this machine", address.ip()),
        );
    }
    foreign.len()
}

/// Checks the files of `[server.tls]` and returns the number of warnings about them.
fn tls(file: &FileArguments, settings: &TlsSettings) -> Result<usize, String> {
    let told = |fault: TlsFault| {
        format!(
            "{}: {}: {fault}",
            config::place(&file.config, fault.key),
            fault.key
        )
    };
    let oddities = Tls::check(settings, super::clock().now()).map_err(told)?;
    let count = oddities.len();
    for oddity in oddities {
        note!("registrar: warning: {}", told(oddity));
    }
    Ok(count)
}

//! `registrar check`

mod closed;

use std::io::ErrorKind;
use std::net::TcpListener;

use super::output::counted;
use super::{FileArguments, ServeArguments};
use crate::config::{self, Configuration, Settings, TlsSettings};
use crate::fetch::Fetcher;
use crate::http::tls::{Tls, TlsFault};
use crate::script::{Runtime, ScriptSet};
use crate::service;
use crate::store::{Store, StoreError};

pub(super) fn run(arguments: &ServeArguments) -> Result<(), String> {
    let file = &arguments.file;
    let configuration = super::load(&arguments.sources())?;
    let warnings = check_configuration(file, &configuration)?;
    say!("{}: {}", file.config.display(), verdict(warnings));
    check_scripts(file, &configuration)
}

/// Checks the configuration and the files that it names, and returns the number of warnings.
fn check_configuration(
    file: &FileArguments,
    configuration: &Configuration,
) -> Result<usize, String> {
    let settings = &configuration.settings;
    // Most new users do not have what it asks for yet, so it does not count as a warning.
    if let Some(advice) = configuration.advice() {
        note!("registrar: warning: {}: {advice}", file.config.display());
    }
    let judged = service::judge(configuration.live.clone());
    judged.map_err(|reason| format!("{}:\n{reason}", file.config.display()))?;
    Fetcher::new(&settings.fetch).map_err(|error| error.to_string())?;
    let tls = tls(file, &settings.server.tls)?;
    store(file, settings)?;
    Ok(configuration.warnings.len() + tls + addresses(file, settings))
}

/// Checks the scripts, and whether anybody can register with them.
fn check_scripts(file: &FileArguments, configuration: &Configuration) -> Result<(), String> {
    let settings = &configuration.settings.scripts;
    let folder = settings.directory.display();
    let runtime = Runtime::without_host(settings, super::clock());
    let runtime = runtime.map_err(|error| error.to_string())?;
    let scripts = ScriptSet::load(settings, &runtime)
        .map_err(|errors| format!("the scripts in {folder} cannot be loaded:\n{errors}"))?;
    let odd = closed::oddities(&configuration.live, &|hook| scripts.has(hook));
    for (key, reason) in &odd {
        warn(file, key, reason);
    }
    let number = counted(scripts.scripts().len(), "script");
    say!("{folder}: {}, {number}", verdict(odd.len()));
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
    let credentials = settings.admin.credentials_file.as_deref();
    match credentials.filter(|path| path.is_dir()) {
        Some(folder) => {
            let key = "admin.credentialsFile";
            let place = config::place(&file.config, key);
            Err(format!("{place}: {key}: {} is a folder", folder.display()))
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
    let mut foreign = 0;
    for (key, address) in named {
        let Some(ip) = address.map(|address| address.ip()) else {
            continue;
        };
        // Whether the port is free is not checked: a server may be running.
        let opened = TcpListener::bind((ip, 0));
        if opened.is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable) {
            warn(
                file,
                key,
                &format!("{ip} is not an address of this machine"),
            );
            foreign += 1;
        }
    }
    foreign
}

/// Checks the files of `[server.tls]` and returns the number of warnings about them.
fn tls(file: &FileArguments, settings: &TlsSettings) -> Result<usize, String> {
    let told = |fault: TlsFault| {
        let place = config::place(&file.config, fault.key);
        format!("{place}: {}: {fault}", fault.key)
    };
    let oddities = Tls::check(settings, super::clock().now()).map_err(told)?;
    let count = oddities.len();
    for oddity in oddities {
        note!("registrar: warning: {}", told(oddity));
    }
    Ok(count)
}

//! What can be checked without a running server: the configuration, the scripts, the files and the limits of the system.

use std::path::{Path, PathBuf};

use crate::base::Timestamp;
use crate::cli::{clock, counted, script::load_scripts, script::mistakes};
use crate::config::{Configuration, Settings, refuse_other_readers};
use crate::http::Tls;
use crate::service;
use crate::store::Store;
use crate::token::administrator;

use super::report::DoctorReport;

/// A certificate that ends within this time should be renewed, in seconds.
const RENEWAL: u64 = 14 * 24 * 3_600;
/// Seconds of a day.
const DAY: u64 = 24 * 3_600;
/// The file of the key in the folder of an embedded store.
const KEY_NAME: &str = "registrar.key";
/// File descriptors that the server needs beside its connections.
#[cfg(unix)]
const OTHER_FILES: u64 = 256;
/// Free bytes below which the store soon cannot grow.
#[cfg(unix)]
const FREE_BYTES: u64 = 1 << 30;
/// Free bytes below which it cannot grow.
#[cfg(unix)]
const NEEDED_BYTES: u64 = 64 << 20;

pub(super) fn configuration(report: &mut DoctorReport, configuration: &Configuration) {
    const SUBJECT: &str = "configuration";
    match service::judge(configuration.live.clone()) {
        Ok(_) => report.fine(SUBJECT, "the configuration is valid"),
        Err(reason) => report.problem(SUBJECT, reason, "correct the named options"),
    }
    for warning in &configuration.warnings {
        report.warn(SUBJECT, warning, "");
    }
    if let Some(advice) = configuration.advice() {
        report.warn(SUBJECT, advice, "");
    }
}

pub(super) fn scripts(report: &mut DoctorReport, configuration: &Configuration) {
    const SUBJECT: &str = "scripts";
    let advice = "run 'registrar script check'";
    match load_scripts(configuration) {
        Ok(scripts) => match mistakes(configuration, &scripts, false) {
            Some(message) => report.problem(SUBJECT, message, advice),
            None => report.fine(
                SUBJECT,
                format!(
                    "{} in {}, without mistakes",
                    counted(scripts.scripts().len(), "script"),
                    configuration.settings.scripts.directory.display()
                ),
            ),
        },
        Err(reason) => report.problem(SUBJECT, reason, advice),
    }
}

/// Checks that nobody but the owner can read the files with secrets.
pub(super) fn permissions(report: &mut DoctorReport, configuration: &Configuration) {
    const SUBJECT: &str = "permissions";
    let settings = &configuration.settings;
    let mut checked = 0_u64;
    for (option, file) in secret_files(configuration) {
        if !file.exists() {
            continue;
        }
        checked += 1;
        if let Err(reason) = refuse_other_readers(&file) {
            let found = format!("{option}: {}: {reason}", file.display());
            let advice = format!("chmod 600 {}", file.display());
            report.problem(SUBJECT, found, &advice);
        }
    }
    if let Some(key) = settings.server.tls.key.as_ref().filter(|key| key.exists()) {
        checked += 1;
        if let Err(reason) = refuse_other_readers(key) {
            let found = format!("server.tls.key: {}: {reason}", key.display());
            report.warn(
                SUBJECT,
                found,
                "let only the user and the group of the server read it",
            );
        }
    }
    report.fine(
        SUBJECT,
        format!("{} with secrets looked at", counted(checked, "file")),
    );
}

/// Returns the files that only their owner may read, with the options that name them.
fn secret_files(configuration: &Configuration) -> Vec<(String, PathBuf)> {
    let settings = &configuration.settings;
    let store = &settings.store;
    let key = store.key_file.clone();
    let key = key.or_else(|| Some(store.url.folder()?.join(KEY_NAME)));
    let named = [
        ("store.keyFile", key),
        ("store.passwordFile", store.password_file.clone()),
        ("admin.credentialsFile", administrator::file(settings)),
        (
            "admin.login.clientSecretFile",
            settings.admin.login.client_secret_file.clone(),
        ),
        (
            "upstreamRegistration.initialAccessTokenFile",
            settings
                .upstream_registration
                .initial_access_token_file
                .clone(),
        ),
    ];
    let mut files: Vec<_> = named
        .into_iter()
        .filter_map(|(option, file)| Some((option.to_owned(), file?)))
        .collect();
    for webhook in &configuration.live.webhooks {
        let option = format!("secretFile of the webhook {}", webhook.name);
        files.push((option, webhook.secret_file.clone()));
    }
    files
}

const TLS: &str = "tls";

pub(super) fn tls(report: &mut DoctorReport, settings: &Settings) {
    let (tls, now) = (&settings.server.tls, clock().now());
    // A certificate that is not valid yet is odd too.
    let looked = Tls::check(tls, now).and_then(|odd| Ok((odd, Tls::end(tls)?)));
    match looked {
        Ok((_, None)) => {
            report.skipped(TLS, "the server has no certificate: it speaks plain HTTP");
        }
        Ok((odd, Some(end))) if odd.is_empty() || end < now => {
            certificate_end(report, end, now);
        }
        Ok((odd, Some(_))) => {
            for fault in odd {
                let found = format!("{}: {fault}", fault.key);
                report.problem(TLS, found, "correct the file, or the clock");
            }
        }
        Err(fault) => {
            let found = format!("{}: {fault}", fault.key);
            report.problem(TLS, found, "correct the file, or the option that names it");
        }
    }
}

fn certificate_end(report: &mut DoctorReport, end: Timestamp, now: Timestamp) {
    const ADVICE: &str = "renew it; the server loads the new file by itself";
    let (end, now) = (end.unix(), now.unix());
    let days = counted(end.abs_diff(now) / DAY, "day");
    if end < now {
        let found = format!("the certificate has expired {days} ago: clients reject it");
        report.problem(TLS, found, ADVICE);
    } else if end - now < RENEWAL {
        report.warn(TLS, format!("the certificate ends in {days}"), ADVICE);
    } else {
        report.fine(TLS, format!("the certificate ends in {days}"));
    }
}

pub(super) async fn store(report: &mut DoctorReport, settings: &Settings) {
    const SUBJECT: &str = "store";
    if let Err(error) = Store::check_settings(&settings.store) {
        return report.problem(SUBJECT, error.to_string(), "correct the named option");
    }
    if let Some(folder) = settings.store.url.folder() {
        return embedded(report, folder);
    }
    match Store::examine_database(&settings.store).await {
        Ok(Some(state)) => database(report, state),
        Ok(None) => report.warn(
            SUBJECT,
            "the store is in memory: everything is lost at the end",
            "set store.url, unless this is a test",
        ),
        Err(error) => report.problem(
            SUBJECT,
            error.to_string(),
            "check that the database runs, and that store.url names it and a user with access to it",
        ),
    }
}

fn database(report: &mut DoctorReport, state: crate::store::DatabaseState) {
    const SUBJECT: &str = "store";
    match state.version {
        Some(version) if version == state.known => {
            report.fine(SUBJECT, format!("the database tables have version {version}"));
        }
        Some(version) if version > state.known => report.problem(
            SUBJECT,
            format!(
                "the database tables have version {version}, but this registrar supports versions up to {}",
                state.known
            ),
            "upgrade this registrar",
        ),
        Some(version) => report.warn(
            SUBJECT,
            format!("the database tables have version {version}"),
            "the next start migrates them; make a backup first",
        ),
        None => report.warn(
            SUBJECT,
            "the database answers, but has no tables of registrar",
            "the first start creates them. If there should be some, check the database and the search_path",
        ),
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
    let ahead = state.clock - clock().now().unix() as f64;
    if ahead.abs() > 5.0 {
        report.warn(
            "clock",
            format!("the clock of the database differs by {ahead:.0} seconds"),
            "synchronise both with NTP",
        );
    } else {
        report.fine("clock", "the clock of the database agrees with this one");
    }
}

#[cfg(not(unix))]
fn embedded(report: &mut DoctorReport, folder: &Path) {
    report.skipped(
        "store",
        format!(
            "{}: the disk is not checked on this system",
            folder.display()
        ),
    );
}

/// Checks the folder of an embedded store: whether this user may write to it, and how much space is left.
#[cfg(unix)]
fn embedded(report: &mut DoctorReport, folder: &Path) {
    use rustix::fs::{Access, access};
    let place = existing(folder);
    if access(place, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let found = format!("this user cannot write to {}", place.display());
        let advice = "run this command as the user of the server, or give that user the folder";
        return report.problem("store", found, advice);
    }
    free_space(report, folder, place);
}

/// Returns the folder, or the one in which the first start creates it.
#[cfg(unix)]
fn existing(folder: &Path) -> &Path {
    let existing = folder.ancestors().find(|place| place.exists());
    existing.unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn free_space(report: &mut DoctorReport, folder: &Path, place: &Path) {
    const SUBJECT: &str = "store";
    let named = folder.display();
    let Ok(disk) = rustix::fs::statvfs(place) else {
        return report.skipped(SUBJECT, format!("{named}: the free space is unknown"));
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = format!("{named} is writable, with {} MiB of free space", free >> 20);
    if free < NEEDED_BYTES {
        let advice = "free space: changes are rejected on a full disk";
        report.problem(SUBJECT, found, advice);
    } else if free < FREE_BYTES {
        report.warn(SUBJECT, found, "free space before the disk is full");
    } else {
        report.fine(SUBJECT, found);
    }
}

#[cfg(not(unix))]
pub(super) fn limits(report: &mut DoctorReport, _: &Settings) {
    report.skipped("limits", "the limits of this system are not checked");
}

/// Compares the maximum number of open files with the maximum number of connections.
#[cfg(unix)]
pub(super) fn limits(report: &mut DoctorReport, settings: &Settings) {
    use rustix::process::{Resource, getrlimit};
    const SUBJECT: &str = "limits";
    let connections = settings.limits.connections;
    let needed = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < needed => report.warn(
            SUBJECT,
            format!(
                "{most} files can be open here, but limits.connections = {connections} needs {needed}"
            ),
            "raise the limit of the service (LimitNOFILE= of systemd, ulimit -n), or lower limits.connections",
        ),
        _ => report.fine(
            SUBJECT,
            format!("enough files can be open here for {connections} connections"),
        ),
    }
}

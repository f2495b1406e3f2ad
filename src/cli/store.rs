//! `registrar store`: checks, exports and repairs the embedded store while no server has it open. `backup` calls a
//! running server.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Subcommand;
use tokio::sync::oneshot;

use crate::cli::backup::{self, BackupArguments, RestoreArguments, VerifyArguments};
use crate::cli::{CommandFailure, Progress, counted};
use crate::cli::{offline::OfflineArguments, offline::give_back};
use crate::config::StoreSettings;
use crate::store::{
    backend::sled::Work, backend::sled::inspect, backend::sled::inspect::Inspection,
};

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Write a backup of everything in the embedded store of a running server to a file, at one moment while it is in
    /// use.
    Backup(BackupArguments),
    /// Check that a backup is complete and unaltered.
    Verify(VerifyArguments),
    /// Write the records of a backup to a new store in an empty folder, for a server to start with.
    Restore(RestoreArguments),
    /// Read every record and report what is missing or cannot be read, including the key file. Works on a
    /// copy.
    Check(OfflineArguments),
    /// Export every client that can be read to a file, in the format of clients export. Works on a copy.
    Export {
        #[command(flatten)]
        store: OfflineArguments,
        /// The file to create; it must not exist. It contains client secrets in clear text.
        file: PathBuf,
    },
    /// Accept the loss of damaged or missing records, so that the server can start with the rest. If the key
    /// file is missing, a new key is created; values encrypted with the lost key can no longer be read.
    Accept(OfflineArguments),
}

pub(super) fn run(command: &StoreCommand) -> Result<(), CommandFailure> {
    match command {
        StoreCommand::Backup(arguments) => super::wait(backup::create(arguments)),
        StoreCommand::Verify(arguments) => backup::verify(arguments),
        StoreCommand::Restore(arguments) => Ok(backup::restore(arguments)?),
        StoreCommand::Check(store) => Ok(check(store)?),
        StoreCommand::Export { store, file } => Ok(export(store, file)?),
        StoreCommand::Accept(store) => Ok(accept(store)?),
    }
}

fn check(store: &OfflineArguments) -> Result<(), String> {
    let (found, folder) = inspected(store, |settings, folder, work| {
        inspect::check(folder, settings.key_file.as_deref(), work)
    })?;
    for fault in &found.faults {
        say!("{fault}");
    }
    let clients = counted(found.clients, "client");
    let records = counted(found.records, "record");
    let fine = if found.is_fine() { "fine, " } else { "" };
    say!("{}: {fine}{clients}, {records}", folder.display());
    without_faults(&found)
}

fn export(store: &OfflineArguments, file: &Path) -> Result<(), String> {
    let target = file.to_owned();
    let (found, _) = inspected(store, move |settings, folder, work| {
        inspect::export(folder, settings.key_file.as_deref(), &target, work)
    })?;
    for fault in &found.faults {
        note!("registrar: {fault}");
    }
    say!("{}: {}", file.display(), counted(found.clients, "client"));
    without_faults(&found)
}

fn accept(store: &OfflineArguments) -> Result<(), String> {
    let (accepted, folder) = inspected(store, |settings, folder, work| {
        inspect::accept(folder, settings.key_file.as_deref(), work)
    })?;
    for lost in &accepted.lost {
        note!("registrar: {lost}");
    }
    if let Some(aside) = accepted.aside {
        note!(
            "registrar: sled cannot read all of its files, so the store was rebuilt from the records \
             that can be read. The previous files are in {}; remove them when they are no longer \
             needed",
            aside.display()
        );
    }
    if let Some(file) = accepted.another_key {
        note!(
            "registrar: client secrets, values of scripts and patches that were encrypted with \
             another key cannot be read with {}. Run registrar admin reset to give the administrator \
             a new secret, and registrar config reset to remove the patches",
            file.display()
        );
    }
    note!(
        "registrar: the next start continues with the records in {}",
        folder.display()
    );
    Ok(())
}

/// Returns the folder of the embedded store.
pub(super) fn embedded_folder(settings: &StoreSettings) -> Result<PathBuf, String> {
    let folder = settings.url.sled_folder().map(Path::to_owned);
    folder.ok_or_else(|| {
        "this command is for the embedded store (sled:FOLDER); use the tools of your database"
            .to_owned()
    })
}

/// Does `work` with the settings and their store folder, and returns its result and the folder.
fn inspected<T: Send + 'static, E: Display + Send + 'static>(
    store: &OfflineArguments,
    work: impl FnOnce(&StoreSettings, &Path, &Work) -> Result<T, E> + Send + 'static,
) -> Result<(T, PathBuf), String> {
    let settings = store.settings()?.store;
    let folder = embedded_folder(&settings)?;
    let place = folder.clone();
    let done = attended(move |state| work(&settings, &place, state));
    give_back(&folder);
    match done {
        Ok(Ok(done)) => Ok((done, folder)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns an error if there are faults. They have been reported.
fn without_faults(found: &Inspection) -> Result<(), String> {
    if found.is_fine() {
        return Ok(());
    }
    let count = found.faults.len() as u64 + found.further;
    Err(format!("{} found", counted(count, "fault")))
}

/// The interval between two updates of the progress.
const LOOK: Duration = Duration::from_millis(200);

/// Does `work` in a thread of its own, and shows its progress. SIGINT and SIGTERM ask the work to end rather
/// than kill it, so that it cleans up after itself; `work` decides what it returns then.
fn attended<T: Send + 'static>(work: impl FnOnce(&Work) -> T + Send + 'static) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // The handlers are installed before there is anything to clean up.
    let signals = {
        let _guard = runtime.enter();
        Signals::new()?
    };
    let state = Arc::new(Work::default());
    let shared = Arc::clone(&state);
    let (sender, outcome) = oneshot::channel();
    thread::Builder::new().spawn(move || drop(sender.send(work(&shared))))?;
    runtime.block_on(watch(&state, signals, outcome))
}

/// Shows the progress until there is an outcome, and asks the work to end on a signal.
async fn watch<T>(
    state: &Work,
    mut signals: Signals,
    mut outcome: oneshot::Receiver<T>,
) -> io::Result<T> {
    let mut progress = Progress::new("bytes and records");
    let mut shown = 0;
    loop {
        tokio::select! {
            outcome = &mut outcome => return outcome.map_err(io::Error::other),
            () = signals.next() => state.end(),
            () = tokio::time::sleep(LOOK) => {}
        }
        let done = state.done();
        progress.add(done.saturating_sub(shown));
        shown = done;
    }
}

/// The signals that end a command.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 2]);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    }
}

/// The signal that ends a command.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    const fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

//! `registrar store`: checks, exports and repairs the embedded store while no server has it open.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::offline::{give_back, refuse_new};
use super::output::counted;
use super::{FileArguments, attended};
use crate::config::StoreSettings;
use crate::store::backend::sled::Work;
use crate::store::backend::sled::inspect::{self, Inspection};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read every record and report what is missing or cannot be read, including the key file. Works on a
    /// copy.
    Check(Place),
    /// Export every client that can be read to a file, in the format of clients export. Works on a copy.
    Export {
        #[command(flatten)]
        place: Place,
        /// The file to create; it must not exist. It contains client secrets in clear text.
        file: PathBuf,
    },
    /// Accept the loss of damaged or missing records, so that the server can start with the rest. If the key
    /// file is missing, a new key is created; values encrypted with the lost key can no longer be read.
    Accept(Place),
}

/// The store to work on.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    file: FileArguments,
    /// The folder of the embedded store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(command: &Command) -> Result<(), String> {
    match command {
        Command::Check(place) => {
            let (found, folder) = place.work(|settings, folder, work| {
                inspect::check(folder, settings.key_file.as_deref(), work)
            })?;
            for fault in &found.faults {
                say!("{fault}");
            }
            let counts = [
                counted(found.clients, "client"),
                counted(found.records, "record"),
            ]
            .join(", ");
            say!(
                "{}: {}{counts}",
                folder.display(),
                if found.is_fine() { "fine, " } else { "" }
            );
            judged(&found)
        }
        Command::Export { place, file } => {
            let target = file.clone();
            let (found, _) = place.work(move |settings, folder, work| {
                inspect::export(folder, settings.key_file.as_deref(), &target, work)
            })?;
            for fault in &found.faults {
                note!("registrar: {fault}");
            }
            say!("{}: {}", file.display(), counted(found.clients, "client"));
            judged(&found)
        }
        Command::Accept(place) => {
            let (accepted, folder) = place.work(|settings, folder, work| {
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
    }
}

impl Place {
    /// Does `work` with the settings and their store folder, and returns its result and the folder.
    fn work<T: Send + 'static, E: Display + Send + 'static>(
        &self,
        work: impl FnOnce(&StoreSettings, &Path, &Work) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, PathBuf), String> {
        let (settings, folder) = self.open()?;
        let place = folder.clone();
        let done = attended::run(move |state| work(&settings, &place, state));
        give_back(&folder);
        let done = done.map_err(|error| error.to_string())?;
        done.map(|done| (done, folder))
            .map_err(|error| error.to_string())
    }

    /// Returns the settings and their store folder.
    fn open(&self) -> Result<(StoreSettings, PathBuf), String> {
        let flags = self.data.as_deref().map(|path: &Path| {
            (
                "store.url".to_owned(),
                format!("sled:{}", super::text(path)),
            )
        });
        let configuration = super::load(&super::sources(&self.file, flags.into_iter().collect()))?;
        let settings = configuration.settings.store;
        refuse_new(&settings)?;
        match settings.url.sled_folder().map(Path::to_owned) {
            Some(folder) => Ok((settings, folder)),
            None => {
                Err("this command is for the embedded store (sled:FOLDER); use the tools of your database"
                    .to_owned())
            }
        }
    }
}

fn judged(found: &Inspection) -> Result<(), String> {
    if found.is_fine() {
        return Ok(());
    }
    let count = found.faults.len() as u64 + found.further;
    Err(format!("{} found", counted(count, "fault")))
}

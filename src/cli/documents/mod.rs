//! `registrar documents`: the documents of clients that are identified by a URL.

mod check;

use clap::Subcommand;

use crate::cli::{CommandFailure, wait};

#[derive(Debug, Subcommand)]
pub(super) enum DocumentsCommand {
    /// Check a client document, without a server: what is wrong with it, and what causes trouble elsewhere.
    Check(check::CheckArguments),
}

pub(super) fn run(command: &DocumentsCommand) -> Result<(), CommandFailure> {
    match command {
        DocumentsCommand::Check(arguments) => wait(check::run(arguments)),
    }
}

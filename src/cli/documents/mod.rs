//! `registrar documents`: the documents of clients that are identified by a URL.

mod check;
mod review;

use clap::Subcommand;

use crate::cli::{CommandFailure, wait};

#[derive(Debug, Subcommand)]
pub(super) enum DocumentsCommand {
    /// Check a client document, without a server: what is wrong with it, and what causes trouble elsewhere.
    Check(check::CheckArguments),
    /// List the client documents of a running server that wait for an administrator, are denied, or are pinned.
    List(review::Listing),
    /// Show a client document that waits for an administrator, as JSON.
    Show(review::ShownData),
    /// Approve exactly these bytes of a client document, which then is in force.
    Approve(review::ApproveArguments),
    /// Deny the URL of a client document, and remove its client.
    Deny(review::DenyArguments),
    /// End the denial of the URL of a client document, which is fetched when it is next asked for.
    Allow(review::Shown),
    /// Fetch a client document now, and show its client as JSON.
    Refresh(review::ShownData),
    /// Put a client document in force that is never fetched.
    Pin(review::PinArguments),
    /// End the pin of a client document, which is fetched when it is next asked for.
    Unpin(review::Shown),
}

pub(super) fn run(command: &DocumentsCommand) -> Result<(), CommandFailure> {
    match command {
        DocumentsCommand::Check(arguments) => wait(check::run(arguments)),
        DocumentsCommand::List(listing) => wait(review::list(listing)),
        DocumentsCommand::Show(shown) => wait(review::show(shown)),
        DocumentsCommand::Approve(approval) => wait(review::approve(approval)),
        DocumentsCommand::Deny(denial) => wait(review::deny(denial)),
        DocumentsCommand::Allow(shown) => wait(review::allow(shown)),
        DocumentsCommand::Refresh(shown) => wait(review::refresh(shown)),
        DocumentsCommand::Pin(pin) => wait(review::pin(pin)),
        DocumentsCommand::Unpin(shown) => wait(review::unpin(shown)),
    }
}

//! `registrar completions` and `registrar man`, made from the definitions of the command line.

use std::io::{self, Write};

use clap::ValueEnum;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::{CommandFailure, definition};

/// The name of the program.
const PROGRAM: &str = "registrar";

/// A shell that can complete commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}

/// Writes the completions of `shell`.
pub(super) fn write_completions(shell: CompletedShell) -> Result<(), CommandFailure> {
    let shell = match shell {
        CompletedShell::Bash => Shell::Bash,
        CompletedShell::Zsh => Shell::Zsh,
        CompletedShell::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definition(), PROGRAM, &mut text);
    write_whole(&text)
}

/// Writes the manual page of the command with these names, or of the program.
pub(super) fn write_page(names: &[String]) -> Result<(), CommandFailure> {
    let mut program = definition();
    // Gives each command the names of those above it, for its title and its usage.
    program.build();
    let mut command = &program;
    for name in names {
        command = command.find_subcommand(name).ok_or_else(|| {
            let asked = names.join(" ");
            let message =
                format!("there is no command {asked}; registrar --help lists the commands");
            CommandFailure::Usage(message)
        })?;
    }
    let mut text = Vec::new();
    let page = Man::new(command.clone()).manual("Registrar");
    page.render(&mut text)?;
    write_whole(&text)
}

fn write_whole(text: &[u8]) -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}

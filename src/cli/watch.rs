//! `--watch`: shows a result again and again, until the command is interrupted.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep};

use crate::cli::{CommandFailure, Needs, OutputForm, Remote, RemoteArguments, moment};

/// How often a new access token is requested.
const RENEWAL: Duration = Duration::from_mins(5);

#[derive(Debug, Args)]
pub(super) struct WatchArguments {
    /// Show the result again after this time, until interrupted: --watch=10s. Default: 2 seconds.
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = pause,
    )]
    watch: Option<u64>,
}

/// Parses the time between two results.
fn pause(text: &str) -> Result<u64, String> {
    match moment::duration(text)? {
        0 => Err("expected at least one second".to_owned()),
        seconds => Ok(seconds),
    }
}

impl WatchArguments {
    /// Runs `show` with a connection that has the scopes that `needed` picks: once, or until the command is interrupted.
    /// A failure of a later turn is reported, and the next turn tries again.
    pub(super) async fn repeat(
        &self,
        remote: &RemoteArguments,
        needed: &[Needs],
        form: &OutputForm,
        show: impl AsyncFn(&Remote) -> Result<(), CommandFailure>,
    ) -> Result<(), CommandFailure> {
        let mut connected = remote.connect(needed).await?;
        let Some(seconds) = self.watch else {
            return show(&connected).await;
        };
        let (mut renewed, mut is_doubtful) = (Instant::now(), false);
        begin_turn(form, true)?;
        show(&connected).await?;
        loop {
            sleep(Duration::from_secs(seconds)).await;
            let shown = async {
                if is_doubtful || renewed.elapsed() > RENEWAL {
                    connected = remote.connect(needed).await?;
                    renewed = Instant::now();
                }
                begin_turn(form, false)?;
                show(&connected).await
            };
            match shown.await {
                Ok(()) => is_doubtful = false,
                Err(CommandFailure::Failed(reason)) => {
                    note!("registrar: {reason}");
                    // The access token may have become invalid.
                    is_doubtful = true;
                }
                Err(other) => return Err(other),
            }
        }
    }
}

/// Separates a result from the one before: a terminal is cleared.
fn begin_turn(form: &OutputForm, is_first: bool) -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        write!(out, "\u{1b}[H\u{1b}[2J")?;
    } else if !is_first {
        writeln!(out, "{}", form.format.separator())?;
    }
    Ok(out.flush()?)
}

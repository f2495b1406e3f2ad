//! What can go wrong with the database, and what is to be done about it.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Why a transaction was not made.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody else came between; nothing was made, and it can be tried again.
    Lost,
    /// The connection was gone before anything was made; another one may do.
    Gone(StoreError),
    /// The database does not take what it was given.
    Refused(StoreError),
    /// The time of somebody who waits was over before the commit was asked for; nothing was made, and
    /// the others can go on.
    Late(StoreError),
    /// The database does not answer, or what it made of it is not known.
    Unavailable(StoreError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = unavailable(&error);
        match error.code() {
            Some(code) if is_lost(code) => Self::Lost,
            Some(code) if is_gone(code) => Self::Gone(cause),
            // Classes of SQLSTATE: data exception, program limit exceeded.
            Some(code) if ["22", "54"].iter().any(|class| code.code().starts_with(class)) => {
                Self::Refused(cause)
            }
            Some(_) => Self::Unavailable(cause),
            None => Self::Gone(cause),
        }
    }
}

impl Failure {
    /// What it is when the commit was asked for: without an answer, nobody knows whether it was
    /// made, so it must not be tried again.
    pub(super) fn at_commit(self) -> Self {
        match self {
            Self::Gone(cause) => Self::Unavailable(cause),
            other => other,
        }
    }

    /// What is said of it when no other attempt is made.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Lost => StoreError::Busy,
            Self::Gone(cause) | Self::Refused(cause) | Self::Late(cause) | Self::Unavailable(cause) => cause,
        }
    }
}

fn is_lost(code: &SqlState) -> bool {
    [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
}

/// Whether the database closes the connection, or has become one that only reads: another
/// connection may lead to one that writes.
fn is_gone(code: &SqlState) -> bool {
    let closing = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    closing.contains(code) || code.code().starts_with("08")
}

/// Whether the database understood what was said, and does not do such a thing: what it does not
/// support, a syntax or a name that it does not know, a value that it does not take.
pub(super) fn is_refused(error: &Error) -> bool {
    let code = error.code().map_or("", SqlState::code);
    ["0A", "22", "42"].iter().any(|class| code.starts_with(class))
}

/// That the database did not do it.
pub(super) fn unavailable(error: &Error) -> StoreError {
    StoreError::Unavailable(text(error))
}

/// That the database took too long.
pub(super) fn late(patience: Duration) -> StoreError {
    StoreError::Unavailable(format!("the database did not answer in {} ms", patience.as_millis()))
}

/// The error with its causes. What the database says of itself may be in any language; details,
/// which can hold keys and values, are not in it.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

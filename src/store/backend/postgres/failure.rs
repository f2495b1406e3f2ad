//! What can go wrong with the database, and how to react.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Why a transaction was not committed.
#[derive(Debug)]
pub(super) enum TransactionFailure {
    /// Another transaction interfered; nothing was written, and a retry may succeed.
    Lost,
    /// The connection was lost before anything was written; another connection may work.
    Gone(StoreError),
    /// The database rejected a value.
    Refused(StoreError),
    /// The deadline of a waiting caller passed before the commit was requested. Nothing was written, and
    /// the other changes can continue.
    Late(StoreError),
    /// The database does not answer, or the outcome is unknown.
    Unavailable(StoreError),
}

impl From<Error> for TransactionFailure {
    fn from(error: Error) -> Self {
        let cause = unavailable(&error);
        match error.code() {
            Some(code) if is_lost(code) => Self::Lost,
            Some(code) if is_gone(code) => Self::Gone(cause),
            // Data exception, program limit exceeded.
            Some(code) if ["22", "54"].contains(&class(code)) => Self::Refused(cause),
            Some(_) => Self::Unavailable(cause),
            None => Self::Gone(cause),
        }
    }
}

impl TransactionFailure {
    /// Converts a failure of a commit. Without an answer, it is unknown whether the commit succeeded, so it
    /// must not be retried.
    pub(super) fn at_commit(self) -> Self {
        match self {
            Self::Gone(cause) => Self::Unavailable(cause),
            other => other,
        }
    }

    /// Returns the error to report when no other attempt is made.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Lost => StoreError::Busy,
            Self::Gone(cause)
            | Self::Refused(cause)
            | Self::Late(cause)
            | Self::Unavailable(cause) => cause,
        }
    }
}

fn is_lost(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ]
    .contains(code)
}

/// Returns whether the database closes the connection or has become read-only. Another connection may lead
/// to a writable database.
fn is_gone(code: &SqlState) -> bool {
    let closing = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    closing.contains(code) || class(code) == "08"
}

/// Returns the class of SQLSTATE.
fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}

/// Returns whether the database rejected the statement itself: an unsupported feature, unknown syntax, an
/// unknown name, or an invalid value.
pub(super) fn is_refused(error: &Error) -> bool {
    match error.code() {
        Some(code) => ["0A", "22", "42"].contains(&class(code)),
        None => false,
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        unavailable(&error)
    }
}

/// What is wrong if there is no schema for the tables, and what to do.
const NO_SCHEMA: &str = "the database answers, but no schema in the search_path of the user exists, so \
                                    there is no place for the tables: create the schema, or change the search_path \
                                    (ALTER ROLE ... SET search_path, or options=-csearch_path%3DNAME in store.url)";

/// Returns the error for a database without a schema for the tables.
pub(super) fn no_schema() -> StoreError {
    StoreError::Setting {
        key: "store.url",
        reason: NO_SCHEMA.to_owned(),
    }
}

/// Converts an error of the database.
fn unavailable(error: &Error) -> StoreError {
    if error.code() == Some(&SqlState::INVALID_SCHEMA_NAME) {
        return no_schema();
    }
    StoreError::Unavailable(text(error))
}

/// Returns the error for a database that took too long.
pub(super) fn late(patience: Duration) -> StoreError {
    StoreError::Unavailable(format!(
        "the database did not answer within {} ms",
        patience.as_millis()
    ))
}

/// Returns the error with its causes. The text of the database may be in any language. Its details, which
/// can contain keys and values, are not included.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.chars()
        .map(|c| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        })
        .collect()
}

//! What a comparison found, written as it is found.

use serde_json::{Value, json};

use super::difference::DifferingMember;
use crate::cli::{CommandFailure, Format, Table, cell, counted, write_line};

/// A difference of one client.
pub(super) enum ClientDifference {
    /// The other system does not have the client.
    Missing,
    /// The other system has a client that it should not have.
    Surplus,
    /// The client differs.
    Differs(DifferingMember),
}

impl ClientDifference {
    const fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Surplus => "surplus",
            Self::Differs(_) => "differs",
        }
    }
}

/// The report.
pub(super) struct Report {
    format: Format,
    table: Table<5>,
    here: u64,
    there: u64,
    findings: u64,
}

impl Report {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            table: Table::new(["CLIENT_ID", "DIFFERENCE", "MEMBER", "HERE", "THERE"]),
            here: 0,
            there: 0,
            findings: 0,
        }
    }

    /// Counts a client that the other system should have, or has.
    pub(super) fn count(&mut self, is_due: bool, is_there: bool) {
        self.here += u64::from(is_due);
        self.there += u64::from(is_there);
    }

    pub(super) const fn has_findings(&self) -> bool {
        self.findings > 0
    }

    /// Adds what was found about the client `id`.
    pub(super) fn add(
        &mut self,
        id: &str,
        finding: &ClientDifference,
    ) -> Result<(), CommandFailure> {
        self.findings += 1;
        let written = match self.format {
            Format::Table => self.table.rows(vec![row(id, finding)]),
            data @ (Format::Json | Format::Yaml) => data.write_item(&line(id, finding)),
        };
        written.map_err(different_if_unread)
    }

    /// Writes the summary. A difference is a failure.
    pub(super) fn end(self) -> Result<(), CommandFailure> {
        let (here, there, findings) = (self.here, self.there, self.findings);
        let written = match self.format {
            data @ (Format::Json | Format::Yaml) => {
                data.write_item(&json!({"here": here, "there": there, "differences": findings}))
            }
            Format::Table => write_line(&format!(
                "{} here, {there} there, {}",
                counted(here, "client"),
                counted(findings, "difference")
            )),
        };
        if findings > 0 {
            written.map_err(different_if_unread)?;
            return Err(CommandFailure::Different);
        }
        written
    }
}

/// A reader that has seen enough does not make the lists equal.
fn different_if_unread(failure: CommandFailure) -> CommandFailure {
    match failure {
        CommandFailure::ReaderGone => CommandFailure::Different,
        other => other,
    }
}

fn row(id: &str, finding: &ClientDifference) -> [String; 5] {
    let (member, here, there) = match finding {
        ClientDifference::Differs(found) => (found.member.as_str(), &found.here, &found.there),
        _ => ("", &Value::Null, &Value::Null),
    };
    [
        id.to_owned(),
        finding.name().to_owned(),
        member.to_owned(),
        cell(Some(here)),
        cell(Some(there)),
    ]
}

fn line(id: &str, finding: &ClientDifference) -> Value {
    match finding {
        ClientDifference::Differs(found) => json!({
            "client_id": id, "difference": finding.name(), "member": found.member,
            "here": found.here, "there": found.there,
        }),
        _ => json!({"client_id": id, "difference": finding.name()}),
    }
}

//! `registrar script candidate`: how the candidate does.

use serde_json::Value;

use super::versions::READ;
use crate::cli::{CommandFailure, Format, RemoteArguments, Table, cell, items, moment, write_line};

pub(super) async fn run(format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[READ]).await?;
    let report = remote.get("/admin/v1/scripts/candidate", &[]).await?;
    if format.is_data() {
        return format.write(&report);
    }
    let at = |path: &str| cell(report.pointer(path));
    write_line(&format!(
        "candidate {}, loaded {}",
        at("/version"),
        moment::shown(report.get("since"))
    ))?;
    write_line(&format!(
        "shadow (share {}): {} answered alike, {} differently, {} skipped",
        at("/shadow/share"),
        at("/shadow/same"),
        at("/shadow/different"),
        at("/shadow/skipped")
    ))?;
    write_line(&format!(
        "canary (share {}): {} decided, {} faults{}",
        at("/canary/share"),
        at("/canary/decided"),
        at("/canary/faults"),
        match report.pointer("/canary/has_stopped") {
            Some(Value::Bool(true)) => "; stopped, because it had too many faults",
            _ => "",
        }
    ))?;
    write_differences(items(&report, "differences"))
}

/// Writes a table of requests that two sets of scripts answer differently.
pub(super) fn write_differences(differences: &[Value]) -> Result<(), CommandFailure> {
    if differences.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        "TIME",
        "CORRELATION_ID",
        "CLIENT_ID",
        "BEFORE",
        "AFTER",
        "MEMBERS",
    ]);
    table.rows(differences.iter().map(row).collect())
}

fn row(difference: &Value) -> [String; 6] {
    let mut members = Vec::new();
    for member in items(difference, "members") {
        let value = |name: &str| match member.get(name) {
            Some(value) => value.to_string(),
            None => "-".to_owned(),
        };
        let name = cell(member.get("member"));
        members.push(match member.get("is_hidden") {
            Some(Value::Bool(true)) => name,
            _ => format!("{name}: {} -> {}", value("before"), value("after")),
        });
    }
    [
        moment::shown(difference.get("at")),
        cell(difference.get("correlation_id")),
        cell(difference.get("client_id")),
        verdict(difference.get("before")),
        verdict(difference.get("after")),
        members.join("; "),
    ]
}

fn verdict(verdict: Option<&Value>) -> String {
    let member = |name: &str| verdict.and_then(|verdict| verdict.get(name));
    let status = cell(member("status"));
    match member("error") {
        Some(error) => format!("{status} {}", cell(Some(error))),
        None => status,
    }
}

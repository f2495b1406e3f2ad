//! The operations for the scripts and their versions.

use serde_json::json;

use super::administration::{id, operation};
use super::operation::{Operation, named};
use crate::config::AdminScopes;

/// Returns the operations for scripts.
pub(super) fn operations(scopes: &AdminScopes) -> Vec<Operation> {
    let (read, write) = (scopes.scripts_read.as_str(), scopes.scripts_write.as_str());
    vec![
        operation(
            "get",
            "/admin/v1/scripts",
            ("showScripts", read),
            "Show the loaded scripts.",
        )
        .json(
            200,
            "The scripts, and statistics of their calls.",
            "Scripts",
            &[],
        ),
        operation(
            "get",
            VERSIONS,
            ("listScriptVersions", read),
            "List the versions of the scripts that are kept.",
        )
        .json(200, "The versions.", "ScriptVersionList", &[]),
        show(read),
        operation(
            "get",
            "/admin/v1/scripts/candidate",
            ("showScriptCandidate", read),
            "Show how the candidate does, and which requests it answers differently.",
        )
        .json(200, "The candidate.", "ScriptCandidate", &[])
        .problems(&[404]),
        push(write),
        replay(scopes.scripts_try.as_str()),
        pin(write),
        operation(
            "delete",
            PIN,
            ("unpinScripts", write),
            "Use the script folder of each server again.",
        )
        .json(200, "The scripts in force.", "ScriptsInForce", &[])
        .problems(&[400]),
        operation(
            "post",
            "/admin/v1/scripts/promote",
            ("promoteScripts", write),
            "Keep the candidate as a version, and pin it on all servers.",
        )
        .json(200, "The scripts in force.", "ScriptsInForce", &[])
        .problems(&[400, 409]),
    ]
}

const VERSIONS: &str = "/admin/v1/scripts/versions";
const PIN: &str = "/admin/v1/scripts/pin";

fn show(scope: &str) -> Operation {
    operation(
        "get",
        "/admin/v1/scripts/versions/{id}",
        ("showScriptVersion", scope),
        "Show a version of the scripts with its files.",
    )
    .parameters(vec![id("The identifier of the version.")])
    .json(200, "The version.", "ScriptVersion", &[])
    .problems(&[404])
}

fn push(scope: &str) -> Operation {
    let files = json!({"files": {"10-policy.rhai": "fn createClient(context) { true }"}});
    operation(
        "post",
        VERSIONS,
        ("pushScripts", scope),
        "Keep a set of scripts as a version, and pin it on all servers.",
    )
    .body(true, &[("application/json", named("ScriptFiles"))])
    .example("application/json", files)
    .json(200, "The scripts in force.", "ScriptsInForce", &[])
    .problems(&[400, 408, 413, 415])
}

fn replay(scope: &str) -> Operation {
    let files =
        json!({"files": {"10-policy.rhai": "fn createClient(context) { true }"}, "after": 0});
    operation(
        "post",
        "/admin/v1/scripts/replay",
        ("replayScripts", scope),
        "Judge recorded requests by other scripts, page by page, and show what they would decide differently.",
    )
    .body(true, &[("application/json", named("ScriptReplayRequest"))])
    .example("application/json", files)
    .json(200, "The differences.", "ScriptReplay", &[])
    .problems(&[400, 408, 413, 415])
}

fn pin(scope: &str) -> Operation {
    operation(
        "put",
        PIN,
        ("pinScripts", scope),
        "Use a version of the scripts on all servers, whatever their script folders contain.",
    )
    .body(true, &[("application/json", named("ScriptPin"))])
    .example("application/json", json!({"version": "1f0a9c33d2be"}))
    .json(200, "The scripts in force.", "ScriptsInForce", &[])
    .problems(&[400, 404, 408, 413, 415])
}

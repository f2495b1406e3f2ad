//! What those who run the server ask.

use serde_json::json;

use super::operation::{Access, Operation};

/// The probes.
pub(super) fn operations() -> Vec<Operation> {
    let get =
        |path, id, summary: &str| Operation::new("get", path, id, summary).tag("probes").access(Access::Open);
    let numbers = Some(("text/plain", json!({"type": "string"})));
    vec![
        get("/healthz", "isAlive", "Whether the process is alive.").json(200, "It is.", "Status", &[]),
        get("/readyz", "isReady", "Whether the server can do its work, and what did not load.")
            .json(200, "It can.", "Status", &[])
            .problems(&[503]),
        get("/metrics", "getMetrics", "Numbers in the text format of Prometheus.")
            .answer(200, "The numbers.", numbers, &[])
            .problems(&[404]),
    ]
}

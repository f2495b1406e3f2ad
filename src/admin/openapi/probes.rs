//! The operations for probes and monitoring.

use serde_json::json;

use super::operation::{Access, Operation};

/// Returns the operations for probes and monitoring.
pub(super) fn operations() -> Vec<Operation> {
    let get = |path, id, summary: &str| {
        Operation::new("get", path, id, summary)
            .tag("probes")
            .access(Access::Open)
    };
    let numbers = Some(("text/plain", json!({"type": "string"})));
    vec![
        get(
            "/healthz",
            "isAlive",
            "Report whether the process is alive.",
        )
        .json(200, "The process is alive.", "Status", &[]),
        get(
            "/readyz",
            "isReady",
            "Report whether the server is ready, and what failed to load.",
        )
        .json(200, "The server is ready.", "Status", &[])
        .problems(&[503]),
        get(
            "/metrics",
            "getMetrics",
            "Get the metrics in the text format of Prometheus.",
        )
        .answer(200, "The metrics.", numbers, &[])
        .problems(&[403, 404]),
    ]
}

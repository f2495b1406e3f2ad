//! The names of the metrics, and their help texts.

pub(super) const BUILD: &str = "registrar_build_info";
pub(super) const REQUESTS: &str = "registrar_requests_total";
pub(super) const REQUEST_SECONDS: &str = "registrar_request_duration_seconds";
pub(super) const REQUESTS_OPEN: &str = "registrar_requests_open";
pub(super) const CONNECTIONS_OPEN: &str = "registrar_connections_open";
pub(super) const ANSWERS_CUT_OFF: &str = "registrar_answers_cut_off_total";
pub(super) const RATE_LIMITED: &str = "registrar_rate_limited_total";
pub(super) const SCRIPT_CALLS: &str = "registrar_script_calls_total";
pub(super) const SCRIPT_SECONDS: &str = "registrar_script_duration_seconds";
pub(super) const SHADOWED: &str = "registrar_candidate_shadowed_total";
pub(super) const CANARY: &str = "registrar_candidate_decided_total";
pub(super) const SCRIPTS_PINNED: &str = "registrar_scripts_pinned";
pub(super) const RELOADS: &str = "registrar_reloads_total";
pub(super) const RELOAD_SUCCESS: &str = "registrar_last_reload_success_timestamp_seconds";
pub(super) const RELOAD_GOOD: &str = "registrar_last_reload_ok";
pub(super) const FETCHES: &str = "registrar_fetches_total";
pub(super) const FETCH_SECONDS: &str = "registrar_fetch_duration_seconds";
pub(super) const KEY_LOOKUPS: &str = "registrar_key_lookups_total";
pub(super) const STORE_WRITES: &str = "registrar_store_writes_total";
pub(super) const STORE_BATCH_CHANGES: &str = "registrar_store_batch_changes";
pub(super) const STORE_FLUSH_SECONDS: &str = "registrar_store_flush_duration_seconds";
pub(super) const STORE_QUEUE: &str = "registrar_store_queue_length";
pub(super) const CLIENTS: &str = "registrar_client_changes_total";
pub(super) const HOSTED_DOCUMENTS: &str = "registrar_hosted_documents_total";
pub(super) const CLIENTS_EXPIRED: &str = "registrar_clients_expired_total";

pub(super) const CLIENTS_STORED: &str = "registrar_clients";
pub(super) const UPSTREAM_UNKNOWN: &str = "registrar_upstream_outcomes_unknown";
pub(super) const SWEEP_HELD: &str = "registrar_sweep_held_seconds";
pub(super) const STORE_BYTES: &str = "registrar_store_disk_bytes";
pub(super) const EVENT_ATTEMPTS: &str = "registrar_event_attempts_total";
pub(super) const EVENT_LAG: &str = "registrar_event_lag";
pub(super) const EVENTS_PARKED: &str = "registrar_events_parked";
pub(super) const AUDIT_LOST: &str = "registrar_audit_events_lost_total";

pub(super) const PENDING: &str = "registrar_pending";
pub(super) const PENDING_CHANGES: &str = "registrar_pending_changes_total";
pub(super) const DOCUMENTS: &str = "registrar_documents";
pub(super) const DOCUMENT_RESOLUTIONS: &str = "registrar_document_resolutions_total";

pub(super) const CERTIFICATE_EXPIRES: &str = "registrar_certificate_expires_timestamp_seconds";
pub(super) const CPU_SECONDS: &str = "process_cpu_seconds_total";
pub(super) const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
pub(super) const VIRTUAL_BYTES: &str = "process_virtual_memory_bytes";
pub(super) const OPEN_FDS: &str = "process_open_fds";
pub(super) const MAX_FDS: &str = "process_max_fds";
pub(super) const THREADS: &str = "process_threads";
pub(super) const STARTED: &str = "process_start_time_seconds";

pub(super) const COUNTERS: &[(&str, &str)] = &[
    (REQUESTS, "Answered requests."),
    (
        ANSWERS_CUT_OFF,
        "Responses aborted because clients did not read them in time, or had too many unread.",
    ),
    (
        RATE_LIMITED,
        "Requests rejected by a rate limit of [registration].",
    ),
    (SCRIPT_CALLS, "Calls of scripts, by outcome."),
    (
        SHADOWED,
        "Requests that the candidate judged too, by whether its answer differs.",
    ),
    (CANARY, "Requests that the candidate decided."),
    (
        RELOADS,
        "Attempts to reload the scripts, the configuration or the certificate.",
    ),
    (FETCHES, "Fetches from external hosts, by outcome."),
    (
        KEY_LOOKUPS,
        "Lookups of external keys and metadata, by source.",
    ),
    (STORE_WRITES, "Changes of the store, by outcome."),
    (CLIENTS, "Registrations, updates and deletions of clients."),
    (
        HOSTED_DOCUMENTS,
        "Published documents of clients: publications, withdrawals and requests, by outcome.",
    ),
    (CLIENTS_EXPIRED, "Clients removed because they expired."),
    (
        EVENT_ATTEMPTS,
        "Attempts to deliver an event to scripts or to a webhook, by consumer and outcome.",
    ),
    (
        DOCUMENT_RESOLUTIONS,
        "Resolutions of URLs of client documents, by outcome.",
    ),
    (
        PENDING_CHANGES,
        "Registrations, updates and client documents that began to wait, were approved or were denied.",
    ),
    (
        AUDIT_LOST,
        "Rejections missing from the audit log because of their rate or a failure of the store.",
    ),
];

pub(super) const GAUGES: &[(&str, &str)] = &[
    (BUILD, "Always 1; the label has the version."),
    (REQUESTS_OPEN, "Requests being processed."),
    (CONNECTIONS_OPEN, "Open connections."),
    (
        RELOAD_SUCCESS,
        "Time of the last successful load, in seconds since 1970.",
    ),
    (
        RELOAD_GOOD,
        "1 if the last load succeeded, 0 if it failed and the previous version is kept.",
    ),
    (
        SCRIPTS_PINNED,
        "1 if a version of the scripts is pinned, 0 if the script folder is in force.",
    ),
    (STORE_QUEUE, "Changes queued for the store."),
    (CLIENTS_STORED, "Registered clients, by trust level."),
    (
        UPSTREAM_UNKNOWN,
        "Changes at the upstream server whose outcome is not known.",
    ),
    (
        SWEEP_HELD,
        "Seconds by which the clock is implausibly far ahead, suspending sweeps; 0 if not suspended.",
    ),
    (
        PENDING,
        "Registrations, updates and client documents that wait for an administrator, by type.",
    ),
    (
        DOCUMENTS,
        "Client documents in force, waiting, held and denied, by state.",
    ),
    (STORE_BYTES, "Size of the store on disk in bytes."),
    (
        EVENT_LAG,
        "Events that a consumer has not received yet, by consumer.",
    ),
    (
        EVENTS_PARKED,
        "Events that were given up until an operator retries or skips them, by consumer.",
    ),
];

pub(super) const TIMES: &[(&str, &str)] = &[
    (
        REQUEST_SECONDS,
        "Time from the head of a request to its response.",
    ),
    (SCRIPT_SECONDS, "Duration of a call of a script."),
    (
        FETCH_SECONDS,
        "Duration of a fetch, including the connection.",
    ),
    (
        STORE_FLUSH_SECONDS,
        "Time until a batch of changes is durable.",
    ),
];

/// The metrics that are written when they are read: name, type, help text.
pub(super) const WRITTEN: &[(&str, &str, &str)] = &[
    (
        CERTIFICATE_EXPIRES,
        "gauge",
        "When the first certificate in the file of this option expires, in seconds since 1970.",
    ),
    (
        CPU_SECONDS,
        "counter",
        "Processor time in seconds, of the program and of its system calls.",
    ),
    (RESIDENT_BYTES, "gauge", "Resident memory in bytes."),
    (VIRTUAL_BYTES, "gauge", "Virtual memory in bytes."),
    (OPEN_FDS, "gauge", "Open files and connections."),
    (
        MAX_FDS,
        "gauge",
        "The maximum number of open files and connections.",
    ),
    (THREADS, "gauge", "Threads."),
    (
        STARTED,
        "gauge",
        "When the server was started, in seconds since 1970.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in the table of the manual, and in the code.
    #[test]
    fn the_manual_lists_exactly_the_metrics_that_exist() {
        let manual = include_str!("../../../docs/metrics-and-logs.md");
        let mut listed: Vec<&str> = Vec::new();
        for line in manual.lines() {
            let cell = line
                .strip_prefix("| `")
                .and_then(|rest| rest.split_once('`'));
            if let Some((name, _)) = cell
                && (name.starts_with("registrar_") || name.starts_with("process_"))
            {
                listed.push(name);
            }
        }
        let mut known = vec![STORE_BATCH_CHANGES];
        for list in [COUNTERS, GAUGES, TIMES] {
            known.extend(list.iter().map(|(name, _)| *name));
        }
        known.extend(WRITTEN.iter().map(|(name, ..)| *name));
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}

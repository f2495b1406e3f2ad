//! The names of the numbers, and what each means.

pub(super) const BUILD: &str = "registrar_build_info";
pub(super) const REQUESTS: &str = "registrar_requests_total";
pub(super) const REQUEST_SECONDS: &str = "registrar_request_duration_seconds";
pub(super) const REQUESTS_OPEN: &str = "registrar_requests_open";
pub(super) const CONNECTIONS_OPEN: &str = "registrar_connections_open";
pub(super) const ANSWERS_CUT_OFF: &str = "registrar_answers_cut_off_total";
pub(super) const RATE_LIMITED: &str = "registrar_rate_limited_total";
pub(super) const SCRIPT_CALLS: &str = "registrar_script_calls_total";
pub(super) const SCRIPT_SECONDS: &str = "registrar_script_duration_seconds";
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
pub(super) const CLIENTS_EXPIRED: &str = "registrar_clients_expired_total";

pub(super) const CLIENTS_STORED: &str = "registrar_clients";
pub(super) const SWEEP_HELD: &str = "registrar_sweep_held_seconds";
pub(super) const STORE_BYTES: &str = "registrar_store_disk_bytes";
pub(super) const NOTIFICATIONS_WAITING: &str = "registrar_notifications_waiting";
pub(super) const NOTIFICATIONS_LOST: &str = "registrar_notifications_lost_total";
pub(super) const AUDIT_LOST: &str = "registrar_audit_events_lost_total";

pub(super) const COUNTERS: &[(&str, &str)] = &[
    (REQUESTS, "Requests that were answered."),
    (ANSWERS_CUT_OFF, "Answers given up because their callers did not take them in time, or held too many."),
    (RATE_LIMITED, "Requests refused because of a rate limit of [registration]."),
    (SCRIPT_CALLS, "Calls of scripts, by what became of them."),
    (RELOADS, "Attempts to load scripts, configuration or certificate again."),
    (FETCHES, "Documents fetched from elsewhere, by what became of it."),
    (KEY_LOOKUPS, "Lookups of keys and metadata of others, by where they were found."),
    (STORE_WRITES, "Changes of the store, by what became of them."),
    (CLIENTS, "Clients that were registered, updated or deleted."),
    (CLIENTS_EXPIRED, "Clients that were removed because their time was over."),
    (NOTIFICATIONS_LOST, "Events that no script was told of, or that none took after the last try."),
    (AUDIT_LOST, "Refusals that are not in the audit log: too many came at once, or the store failed."),
];

pub(super) const GAUGES: &[(&str, &str)] = &[
    (BUILD, "1; the version is the label."),
    (REQUESTS_OPEN, "Requests that are being answered."),
    (CONNECTIONS_OPEN, "Connections that are open."),
    (RELOAD_SUCCESS, "When the last load succeeded, in seconds since 1970."),
    (RELOAD_GOOD, "1 when the last load succeeded, 0 when the one before it is still in force."),
    (STORE_QUEUE, "Changes that wait for the store."),
    (CLIENTS_STORED, "Clients that are registered, by trust level."),
    (SWEEP_HELD, "By how much the clock is further than it can be, so that sweeps wait; 0: they do not."),
    (STORE_BYTES, "Bytes of the store on the disk."),
    (NOTIFICATIONS_WAITING, "Events that scripts are still to be told of."),
];

pub(super) const TIMES: &[(&str, &str)] = &[
    (REQUEST_SECONDS, "From the head of a request to its answer."),
    (SCRIPT_SECONDS, "One call of one script."),
    (FETCH_SECONDS, "One fetch, with the connection that it needed."),
    (STORE_FLUSH_SECONDS, "One batch of changes, until it would survive a power cut."),
];

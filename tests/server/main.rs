//! The server from the outside: a real listener on port 0 and a real store in a temporary folder.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report problems by failing"
)]

mod support;

mod abandoned;
mod absent;
mod adapt_request;
mod admin;
mod admin_bulk;
mod admin_client_changes;
mod admin_clients;
mod admin_deletion;
mod administrator;
mod administrator_keys;
mod administrator_scopes;
mod administrators;
mod alike;
mod approval;
mod attestation;
mod audit;
mod audit_rejections;
mod audit_reloads;
mod audit_search;
mod authentication_failures;
mod bad_input;
mod browsers;
mod candidate;
mod chains;
mod client_authentication;
mod client_document_check;
mod client_document_fetch;
mod clock_jump;
mod console;
mod deliveries;
mod discovery;
mod discovery_upstream;
mod documents;
mod ecosystems;
mod event_consumers;
mod events;
mod example_scripts;
mod expiry;
mod exports;
mod fapi;
mod fetch;
mod hosted_documents;
mod initial_access;
mod issuer_path;
mod janssen;
mod keys;
mod lenient;
mod live_configuration;
mod live_configuration_http;
mod management;
mod metadata;
mod metadata_choices;
mod metadata_uris;
mod mtls;
mod openapi;
mod openidconnect_crate;
mod operations;
mod origins;
mod own_tokens;
mod privileges;
mod proxies;
mod rate_limits;
mod redirect_uris;
mod registration;
mod registration_bodies;
mod reload;
mod reload_files;
mod reuse;
mod rotation;
mod script_versions;
mod scripts;
mod scripts_after;
mod scripts_context;
mod scripts_hostile;
mod scripts_quota;
mod sector;
mod signed_requests;
mod slow;
mod statement_keys;
mod statements;
mod store_backup;
mod sweeping;
mod tls;
mod token;
mod transfer;
mod transfer_bad_lines;
mod transfer_foreign;
mod trial;
mod unknown_keys;
mod unused;
mod upstream_registration;
mod vouched;
mod webhooks;
mod wire;

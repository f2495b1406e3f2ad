//! A server with a shipped configuration, except for values that depend on the machine.

use std::path::{Path, PathBuf};

use registrar::config::{Configuration, Sources};

use crate::support::TestServer;

/// Returns the path of a file of this repository.
pub(super) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Loads the configuration in `path` with `changes` on top: keys and values as in the environment.
pub(super) fn load(path: &Path, changes: &[(&str, &str)]) -> Configuration {
    let overrides = changes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let sources = Sources {
        file: Some(path.to_owned()),
        overrides,
        ..Sources::default()
    };
    registrar::config::load(&sources).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Replaces `own` with `loaded`, except for the address, the issuer and the store. Script folders are
/// those of this repository, wherever the test runs.
pub(super) fn settle(own: &mut Configuration, loaded: Configuration) {
    let made = std::mem::replace(own, loaded);
    let settings = &mut own.settings;
    settings.server.listen = made.settings.server.listen;
    settings.server.issuer = made.settings.server.issuer;
    settings.store.url = made.settings.store.url;
    settings.scripts.directory = file("").join(&settings.scripts.directory);
    // A debug build on a busy machine is slow, and these are the longest scripts.
    settings.scripts.limits.deadline_ms = 20_000;
    // All programs of a test share one address.
    own.live.registration.rate_limit_registration_request_count = None;
}

/// Starts a server with the configuration of the ecosystem `name`; "default" is the shipped one.
pub(super) async fn server(name: &str) -> TestServer {
    let path = match name {
        "default" => "config/registrar.toml".to_owned(),
        name => format!("examples/config/{name}.toml"),
    };
    TestServer::configured(|own| settle(own, load(&file(&path), &[]))).await
}

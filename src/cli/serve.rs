//! `registrar serve`

use std::sync::Arc;

use super::ServeArguments;
use crate::base::clock::SystemClock;
use crate::server::systemd::{self, ServerState};
use crate::server::{self, Server, Sockets, Start};
use crate::telemetry;

pub(super) fn run(arguments: &ServeArguments) -> Result<(), String> {
    let sources = arguments.sources();
    let configuration = super::read(&sources)?;
    let traces =
        telemetry::init(&configuration.settings.telemetry).map_err(|error| error.to_string())?;
    // Warnings go to the log, in the format of the log.
    for warning in configuration.warnings.iter().chain(&configuration.advice()) {
        tracing::warn!("{warning}");
    }
    let start = Start {
        configuration,
        sources,
        clock: Arc::new(SystemClock),
    };
    let sockets = sockets()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(|error| error.to_string())?
        .block_on(serve(start, sockets));
    if let Some(traces) = traces {
        traces.end();
    }
    outcome
}

/// Returns the sockets that systemd opened. The first is for clients, the second for the admin listener.
fn sockets() -> Result<Sockets, String> {
    let taken = systemd::sockets()
        .map_err(|error| format!("a socket from the service manager: {error}"))?;
    let mut taken = taken.into_iter();
    Ok(Sockets {
        public: taken.next(),
        admin: taken.next(),
    })
}

async fn serve(start: Start, sockets: Sockets) -> Result<(), String> {
    let server = server::start_on(start, sockets)
        .await
        .map_err(|error| error.to_string())?;
    server.obey_signals().map_err(|error| error.to_string())?;
    greet(&server);
    announce(&server);
    systemd::tell(ServerState::Ready);
    server.ended().await;
    tracing::info!("server stopped");
    Ok(())
}

/// Logs the version, the addresses and the main settings of the server.
fn announce(server: &Server) {
    let service = server.service();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %server.address(),
        admin = server.admin_address().map(tracing::field::display),
        issuer = server.url(),
        tls = service.settings.server.tls.is_on(),
        store = service.settings.store.url.kind(),
        scripts = service.snapshot().scripts.scripts().len(),
        "server started"
    );
}

/// Writes where the server listens, and a first request to try.
fn greet(server: &Server) {
    let service = server.service();
    let settings = &service.settings.server;
    let path = &settings.paths.registration;
    let is_tls = settings.tls.is_on();
    let listen = format!("{}://{}", scheme(is_tls), server.address());
    // Without an issuer, the certificate is one made for a test, so curl needs its file.
    let own = match (&settings.tls.certificate, &settings.issuer) {
        (Some(file), None) => format!("--cacert {} ", file.display()),
        _ => String::new(),
    };
    let base = match &settings.issuer {
        Some(issuer) if is_tls => issuer,
        _ => &listen,
    };
    say!("Registrar listens on {listen}\n");
    if let Some(admin) = server.admin_address() {
        let scheme = scheme(service.settings.admin.tls);
        say!("The admin API, health, readiness and metrics are on {scheme}://{admin}\n");
    }
    if let Some(file) = server.administrator() {
        let file = file.display();
        say!("The credentials of the administrator are in {file}\n");
    }
    say!("Register a client:\n");
    say!("  curl -i {own}{base}{path} -H 'Content-Type: application/json' \\");
    say!("       -d '{{\"redirect_uris\": [\"https://client.example.org/callback\"]}}'\n");
}

const fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

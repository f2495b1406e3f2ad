//! `registrar serve`

use std::sync::Arc;

use super::ServeArguments;
use crate::base::SystemClock;
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
    let settings = &server.service().settings.server;
    let (address, path) = (server.address(), &settings.paths.registration);
    let scheme = if settings.tls.is_on() {
        "https"
    } else {
        "http"
    };
    // Without an issuer, the certificate is one made for a test, so curl needs its file.
    let own = settings
        .tls
        .certificate
        .as_ref()
        .filter(|_| settings.issuer.is_none());
    let own = own
        .map(|file| format!("--cacert {} ", file.display()))
        .unwrap_or_default();
    let base = settings.issuer.clone().filter(|_| settings.tls.is_on());
    let base = base.unwrap_or_else(|| format!("{scheme}://{address}"));
    say!("Registrar listens on {scheme}://{address}\n");
    if let Some(admin) = server.admin_address() {
        let scheme = if server.service().settings.admin.tls {
            "https"
        } else {
            "http"
        };
        say!("The admin API, health, readiness and metrics are on {scheme}://{admin}\n");
    }
    if let Some(file) = server.administrator() {
        say!(
            "The credentials of the administrator are in {}\n",
            file.display()
        );
    }
    say!("Register a client:\n");
    say!("  curl -i {own}{base}{path} -H 'Content-Type: application/json' \\");
    say!("       -d '{{\"redirect_uris\": [\"https://client.example.org/callback\"]}}'\n");
}

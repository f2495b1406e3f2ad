//! `registrar serve`

use std::sync::Arc;

use crate::base::{SystemClock, below_issuer};
use crate::cli::ServeArguments;
use crate::config::ServerSettings;
use crate::server::{self, Server, Sockets, Start, systemd, systemd::ServerState};
use crate::telemetry;

pub(super) fn run(arguments: &ServeArguments) -> Result<(), String> {
    let sources = arguments.sources();
    let configuration = super::read_configuration(&sources)?;
    let traces =
        telemetry::init(&configuration.settings.telemetry).map_err(|error| error.to_string())?;
    // Warnings go to the log, in the format of the log.
    for warning in &configuration.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(advice) = configuration.advice() {
        tracing::warn!("{advice}");
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
    let settings = &server.service().settings;
    let scheme = scheme(settings.server.tls.is_on());
    let own = format!("{scheme}://{}", server.address());
    say!("Registrar listens on {own}\n");
    if let Some(admin) = server.admin_address() {
        let scheme = self::scheme(settings.admin.tls);
        say!("The admin API, health, readiness and metrics are on {scheme}://{admin}\n");
    }
    if let Some(file) = server.administrator() {
        say!(
            "The credentials of the administrator are in {}\n",
            file.display()
        );
    }
    let curl = first_request(&settings.server, &own);
    say!("Register a client:\n");
    say!("  {curl} -H 'Content-Type: application/json' \\");
    say!("       -d '{{\"redirect_uris\": [\"https://client.example.org/callback\"]}}'\n");
}

/// Returns the beginning of a command that registers a client. `own` is the URL that the server listens on.
fn first_request(settings: &ServerSettings, own: &str) -> String {
    let path = &settings.paths.registration;
    match (&settings.tls.certificate, &settings.issuer) {
        (Some(_), Some(issuer)) => format!("curl -i {}", below_issuer(issuer, path)),
        // Without an issuer, the certificate is one made for a test, so curl needs its file.
        (Some(file), None) => format!("curl -i --cacert {} {own}{path}", file.display()),
        (None, _) => format!("curl -i {own}{path}"),
    }
}

const fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

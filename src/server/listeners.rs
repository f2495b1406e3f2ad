//! The listeners, and what each of them serves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::http::{ConnectionBounds, Entrance, Proxies, Tls, Untaken, serve};
use crate::server::routes::OperatorListener;
use crate::server::{Audience, Certificates, StartFault, probes, routes};
use crate::service::Service;
use crate::trial::Observer;

/// Sockets that are already open. The server listens on them instead of on the configured addresses.
#[derive(Debug, Default)]
pub struct Sockets {
    /// The socket for `server.listen`.
    pub public: Option<std::net::TcpListener>,
    /// The socket for `admin.listen`, whether or not that option is set.
    pub admin: Option<std::net::TcpListener>,
}

/// The listener for clients, and the admin listener for operators.
pub(super) struct Listeners {
    public: TcpListener,
    admin: Option<TcpListener>,
}

impl Listeners {
    /// Listens on `sockets`, or on the addresses of `settings` where a socket is missing.
    pub(super) async fn open(settings: &Settings, sockets: Sockets) -> Result<Self, StartFault> {
        let public = listen(settings.server.listen, sockets.public).await?;
        let admin = match (settings.admin.listen, &sockets.admin) {
            (Some(address), _) => Some(address),
            // A second open socket is meant for the admin listener.
            (None, Some(socket)) => socket.local_addr().ok(),
            (None, None) => None,
        };
        let admin = match admin {
            Some(address) => Some(listen(address, sockets.admin).await?),
            None => None,
        };
        Ok(Self { public, admin })
    }

    /// Returns the actual addresses, since a configured port may be 0.
    pub(super) fn addresses(&self, settings: &Settings) -> (SocketAddr, Option<SocketAddr>) {
        let public = match self.public.local_addr() {
            Ok(address) => address,
            Err(_) => settings.server.listen,
        };
        let admin = match &self.admin {
            Some(listener) => listener.local_addr().ok(),
            None => None,
        };
        (public, admin)
    }

    /// Serves each listener until `stop` is cancelled and the open requests have ended.
    pub(super) fn serve(
        self,
        served: Served<'_>,
        stop: &CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let Served {
            service,
            certificates,
            tls,
            observer,
        } = served;
        let probes = probes::router(Arc::clone(service), certificates, self.audience());
        let operations = routes::operations(service, probes, self.operator_listener());
        let clients = entrance(&service.settings, tls);
        let Some(admin) = self.admin else {
            let site = routes::public(service, observer, Some(operations));
            return serve::serve(self.public, site, clients, stop.clone()).boxed();
        };
        let operational = routes::operational(service, operations);
        let operators = operators_entrance(service, &clients);
        let admin = serve::serve(admin, operational, operators, stop.clone());
        let site = routes::public(service, observer, None);
        join(
            admin,
            serve::serve(self.public, site, clients, stop.clone()),
        )
        .map(drop)
        .boxed()
    }

    /// Returns the listener that serves operators.
    fn operator_listener(&self) -> OperatorListener {
        match &self.admin {
            Some(_) => OperatorListener::Own,
            None => OperatorListener::Shared(self.public.local_addr().ok()),
        }
    }

    /// Returns which callers of the probes may see everything.
    const fn audience(&self) -> Audience {
        if self.admin.is_some() {
            Audience::Everyone
        } else {
            Audience::ThisMachine
        }
    }
}

/// What the listeners serve.
pub(super) struct Served<'a> {
    pub(super) service: &'a Arc<Service>,
    pub(super) certificates: Certificates,
    pub(super) tls: &'a Arc<Tls>,
    /// Receives the requests that something follows behind their answer.
    pub(super) observer: Observer,
}

/// Returns how the listener for clients accepts connections.
fn entrance(settings: &Settings, tls: &Arc<Tls>) -> Entrance {
    let Settings { server, limits, .. } = settings;
    let bounds = ConnectionBounds {
        connections: limits.connections,
        connections_per_party: limits.connections_per_address,
        header_timeout: Duration::from_millis(limits.header_timeout_ms),
        body_timeout: Duration::from_millis(limits.body_timeout_ms),
        write_timeout: Duration::from_millis(limits.write_timeout_ms),
        shutdown: Duration::from_millis(limits.shutdown_ms),
    };
    let proxies = Proxies {
        trusted: server.trusted_proxies.clone(),
        headers: server.certificate_headers.clone(),
    };
    let untaken = Arc::new(Untaken::new(limits.answer_bytes, limits.requests));
    Entrance {
        bounds,
        tls: Arc::clone(tls),
        proxies,
        untaken,
    }
}

/// Returns how the admin listener accepts connections, beside the one for `clients`.
fn operators_entrance(service: &Service, clients: &Entrance) -> Entrance {
    // Probes present no certificate.
    let tls = if service.settings.admin.tls {
        clients.tls.lenient()
    } else {
        Tls::off(Arc::clone(&service.clock))
    };
    Entrance {
        tls: Arc::new(tls),
        ..clients.clone()
    }
}

/// Listens on `socket` if there is one, else on `address`.
async fn listen(
    address: SocketAddr,
    socket: Option<std::net::TcpListener>,
) -> Result<TcpListener, StartFault> {
    let listener = match socket {
        Some(socket) => adopt(socket),
        None => TcpListener::bind(address).await,
    };
    listener.map_err(|source| StartFault::Listen { address, source })
}

/// Takes over a socket that is already open.
fn adopt(socket: std::net::TcpListener) -> std::io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

//! The listeners, and what each of them serves.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, join};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::probes::{self, Audience};
use super::reload::Reloads;
use super::routes;
use crate::config::Settings;
use crate::http::serve::{self, Entrance};
use crate::http::tls::Tls;
use crate::service::Service;

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
    pub(super) async fn open(settings: &Settings, sockets: Sockets) -> Result<Self, StartError> {
        let public = listen(settings.server.listen, sockets.public).await?;
        // A second open socket is meant for the admin listener.
        let opened = sockets
            .admin
            .as_ref()
            .and_then(|socket| socket.local_addr().ok());
        let admin = match settings.admin.listen.or(opened) {
            Some(address) => Some(listen(address, sockets.admin).await?),
            None => None,
        };
        Ok(Self { public, admin })
    }

    /// Returns the actual addresses, since a configured port may be 0.
    pub(super) fn addresses(&self, settings: &Settings) -> (SocketAddr, Option<SocketAddr>) {
        let admin = self
            .admin
            .as_ref()
            .and_then(|listener| listener.local_addr().ok());
        (
            self.public.local_addr().unwrap_or(settings.server.listen),
            admin,
        )
    }

    /// Serves each listener until `stop` is cancelled and the open requests have ended.
    pub(super) fn serve(
        self,
        service: &Arc<Service>,
        reloads: Arc<Reloads>,
        entrance: Entrance,
        stop: &CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let audience = if self.admin.is_some() {
            Audience::Everyone
        } else {
            Audience::ThisMachine
        };
        let probes = probes::router(Arc::clone(service), reloads, audience);
        let operations = probes.merge(routes::admin(Arc::clone(service)));
        let Some(admin) = self.admin else {
            let router = routes::public(Arc::clone(service), Some(operations));
            return serve::serve(self.public, router, entrance, stop.clone()).boxed();
        };
        // Probes present no certificate.
        let tls = if service.settings.admin.tls {
            entrance.tls.lenient()
        } else {
            Tls::off(Arc::clone(&service.clock))
        };
        let operators = Entrance {
            tls: Arc::new(tls),
            ..entrance.clone()
        };
        let operational = routes::operational(service, operations);
        let public = routes::public(Arc::clone(service), None);
        let admin = serve::serve(admin, operational, operators, stop.clone());
        join(
            admin,
            serve::serve(self.public, public, entrance, stop.clone()),
        )
        .map(drop)
        .boxed()
    }
}

/// Listens on `socket` if there is one, else on `address`.
async fn listen(
    address: SocketAddr,
    socket: Option<std::net::TcpListener>,
) -> Result<TcpListener, StartError> {
    let listener = match socket {
        Some(socket) => socket
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(socket)),
        None => TcpListener::bind(address).await,
    };
    listener.map_err(|source| StartError::Listen { address, source })
}

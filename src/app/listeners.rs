//! Where requests come from, and what is answered there.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, join};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::config::Settings;
use crate::http::serve::{self, Entrance};
use crate::http::tls::Tls;
use crate::reload::Reloads;
use crate::service::Service;
use crate::{probes, routes};

/// Sockets that somebody else opened; the server listens on them instead of on the addresses of
/// its configuration.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For `server.listen`.
    pub public: Option<std::net::TcpListener>,
    /// For `admin.listen`, whether that is set or not.
    pub admin: Option<std::net::TcpListener>,
}

/// The listener for clients, and the one for those who run the server.
pub(super) struct Listeners {
    public: TcpListener,
    admin: Option<TcpListener>,
}

impl Listeners {
    /// Listens on `sockets`, and where they are not, on the addresses of `settings`.
    pub(super) async fn open(settings: &Settings, sockets: Sockets) -> Result<Self, StartError> {
        let public = listen(settings.server.listen, sockets.public).await?;
        // Whoever opened a second socket wants the admin listener there.
        let opened = sockets.admin.as_ref().and_then(|socket| socket.local_addr().ok());
        let admin = match settings.admin.listen.or(opened) {
            Some(address) => Some(listen(address, sockets.admin).await?),
            None => None,
        };
        Ok(Self { public, admin })
    }

    /// Where they really listen: a configured port may be 0.
    pub(super) fn addresses(&self, settings: &Settings) -> (SocketAddr, Option<SocketAddr>) {
        let admin = self.admin.as_ref().and_then(|listener| listener.local_addr().ok());
        (self.public.local_addr().unwrap_or(settings.server.listen), admin)
    }

    /// Serves on each what belongs there, until `stop` and until what was open then has ended.
    pub(super) fn serve(
        self,
        service: &Arc<Service>,
        reloads: Arc<Reloads>,
        entrance: Entrance,
        stop: &CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let operations =
            probes::router(Arc::clone(service), reloads).merge(routes::admin(Arc::clone(service)));
        let Some(admin) = self.admin else {
            let router = routes::public(Arc::clone(service), Some(operations));
            return serve::serve(self.public, router, entrance, stop.clone()).boxed();
        };
        // Probes show no certificate.
        let tls = if service.settings.admin.tls {
            entrance.tls.lenient()
        } else {
            Tls::off(Arc::clone(&service.clock))
        };
        let operators = Entrance { tls: Arc::new(tls), ..entrance.clone() };
        let operational = routes::operational(service, operations);
        let public = routes::public(Arc::clone(service), None);
        let admin = serve::serve(admin, operational, operators, stop.clone());
        join(admin, serve::serve(self.public, public, entrance, stop.clone())).map(drop).boxed()
    }
}

/// Listens on `socket` if there is one, else on `address`.
async fn listen(
    address: SocketAddr,
    socket: Option<std::net::TcpListener>,
) -> Result<TcpListener, StartError> {
    let listener = match socket {
        Some(socket) => socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket)),
        None => TcpListener::bind(address).await,
    };
    listener.map_err(|source| StartError::Listen { address, source })
}

//! Where requests come from, and which of them is asked what.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::config::Settings;
use crate::http::certificate::Proxies;
use crate::http::serve::{self, Bounds, Entrance};
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

/// The listeners of one server.
pub(super) struct Listeners {
    public: TcpListener,
    admin: Option<TcpListener>,
}

impl Listeners {
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

    /// Serves each until `stop`, then lets open requests finish.
    pub(super) fn serve(
        self,
        service: &Arc<Service>,
        reloads: Arc<Reloads>,
        tls: &Arc<Tls>,
        stop: &CancellationToken,
    ) -> Vec<impl Future<Output = ()> + Send + use<>> {
        let operations = probes::router(Arc::clone(service), reloads);
        let Self { public, admin } = self;
        let (with_public, with_admin) = match admin {
            Some(admin) => (None, Some((admin, routes::operational(Arc::clone(service), operations)))),
            None => (Some(operations), None),
        };
        let router = routes::public(Arc::clone(service), with_public);
        let each = std::iter::once((public, router, true))
            .chain(with_admin.map(|(admin, router)| (admin, router, false)));
        each.map(|(listener, router, is_public)| {
            let entrance = entrance(&service.settings, tls, is_public);
            serve::serve(listener, router, entrance, stop.clone())
        })
        .collect()
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

/// How long open requests are waited for at the end.
pub(super) const fn patience(settings: &Settings) -> Duration {
    Duration::from_millis(settings.limits.shutdown_ms)
}

fn entrance(settings: &Settings, tls: &Arc<Tls>, is_public: bool) -> Entrance {
    let Settings { server, limits, .. } = settings;
    let bounds = Bounds {
        connections: limits.connections,
        connections_per_party: limits.connections_per_address,
        header_timeout: Duration::from_millis(limits.header_timeout_ms),
        write_timeout: Duration::from_millis(limits.write_timeout_ms),
        shutdown: patience(settings),
    };
    let proxies =
        Proxies { trusted: server.trusted_proxies.clone(), headers: server.certificate_headers.clone() };
    // Clients have certificates; who probes or scrapes has none.
    Entrance { bounds, tls: Arc::clone(tls), demands_certificates: is_public, proxies }
}

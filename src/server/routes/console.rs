//! The routes of the console, for the listener that serves it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use super::{admin, bounded};
use crate::config::ConsoleUse;
use crate::console::{self, ConsoleAudience, ConsolePlace};
use crate::service::Service;

/// The listener that serves operators.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OperatorListener {
    /// One of their own.
    Own,
    /// That of clients, with this address.
    Shared(Option<SocketAddr>),
}

/// Returns what is served to operators: `probes`, the admin API and the console.
pub(crate) fn operations(
    service: &Arc<Service>,
    probes: Router,
    listener: OperatorListener,
) -> Router {
    let api = admin(Arc::clone(service));
    probes.merge(api).merge(console(service, listener))
}

/// Returns the console, if the configuration has it on this listener.
fn console(service: &Arc<Service>, listener: OperatorListener) -> Router {
    match place(service, listener) {
        Some(place) => {
            let routes = console::router(service, admin(Arc::clone(service)), place);
            bounded(routes, Arc::clone(service))
        }
        None => Router::new(),
    }
}

fn place(service: &Service, listener: OperatorListener) -> Option<ConsolePlace> {
    let settings = &service.settings;
    let has_tls = settings.server.tls.is_on();
    let is_public_https = service.issuer.starts_with("https:");
    let (audience, is_https) = match (settings.admin.console, listener) {
        (ConsoleUse::Off, _) => return None,
        (_, OperatorListener::Own) => (ConsoleAudience::Everyone, settings.admin.tls),
        (ConsoleUse::On, OperatorListener::Shared(_)) => {
            (ConsoleAudience::Everyone, has_tls || is_public_https)
        }
        (ConsoleUse::Auto, OperatorListener::Shared(address)) => {
            let address = address.unwrap_or(settings.server.listen);
            if !address.ip().to_canonical().is_loopback() {
                return None;
            }
            (ConsoleAudience::ThisMachine, has_tls)
        }
    };
    let is_shared = matches!(listener, OperatorListener::Shared(_));
    Some(ConsolePlace {
        audience,
        is_https,
        is_below_issuer: is_shared && audience == ConsoleAudience::Everyone,
    })
}

//! Addresses: two listeners that cannot both open, URLs that lead nobody here, and a server that lets in
//! anybody as often as they like.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::Verdict;
use crate::config::registration::InitialAccessToken;
use crate::config::{Live, Registration, Settings};

pub(super) fn check(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    let server = &settings.server;
    if let Some(admin) = settings.admin.listen.filter(|admin| overlap(*admin, server.listen)) {
        let reason = format!(
            "{admin} and server.listen ({}) cannot both be opened; name another port, or leave it out",
            server.listen
        );
        verdict.refuse("admin.listen", reason);
    }
    let issuer = server.issuer.as_deref().and_then(|issuer| Url::parse(issuer).ok());
    if server.tls.is_on() && issuer.as_ref().is_some_and(|issuer| issuer.scheme() == "http") {
        verdict
            .refuse("server.issuer", "must be https: with server.tls this server does not speak plain http");
    }
    if server.issuer.is_none() && server.listen.ip().is_unspecified() {
        let reason = format!(
            "clients are told the URL of this server as http(s)://{}, which leads other machines nowhere; set \
             the URL by which clients reach it",
            server.listen
        );
        verdict.warn("server.issuer", reason);
    }
    for network in &server.trusted_proxies {
        if network.prefix_len() == 0 {
            let reason = format!("{network} is everybody, so that anybody can pretend to be another address");
            verdict.warn("server.trustedProxies", reason);
        }
    }
    let registration = &live.registration;
    let is_unlimited = registration.rate_limit_registration_request_count.is_none_or(|count| count == 0);
    if is_unlimited && is_open(registration) && is_public(server.listen.ip(), issuer.as_ref()) {
        let reason = "anybody on the network can register any number of clients; set a number, or let clients \
                      show an initial access token or a software statement";
        verdict.warn("registration.rateLimitRegistrationRequestCount", reason);
    }
}

/// Whether the system opens only one of two listeners.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    // `::` takes the port of IPv4 too.
    let takes_all = |ip: IpAddr, other: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || other.is_ipv4());
    // Of port 0 each has another one.
    one.port() == other.port()
        && one.port() != 0
        && (ip == other_ip || takes_all(ip, other_ip) || takes_all(other_ip, ip))
}

/// Whether strangers register with nothing but a request.
fn is_open(registration: &Registration) -> bool {
    registration.dynamic_registration_enabled
        && registration.initial_access_token != InitialAccessToken::Required
        && !registration.software_statement_required
        && !registration.dcr_signature_validation_enabled
        && !registration.dcr_authorization_with_mtls
        && !registration.dcr_attestation_evidence_required
}

/// Whether other machines reach the server, at its own address or at that of a proxy.
fn is_public(listen: IpAddr, issuer: Option<&Url>) -> bool {
    let is_here = match issuer.and_then(Url::host) {
        None => true,
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
    };
    !listen.to_canonical().is_loopback() || !is_here
}

//! Checks of addresses: two listeners on one address, URLs that do not lead to this server, and open
//! registration without a rate limit.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use crate::config::{InitialAccessTokenUse, Live, Registration, ServerSettings, Settings, Verdict};

pub(super) fn check(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    let server = &settings.server;
    let issuer = match &server.issuer {
        Some(issuer) => Url::parse(issuer).ok(),
        None => None,
    };
    listeners(settings, verdict);
    server_url(server, issuer.as_ref(), verdict);
    for network in &server.trusted_proxies {
        if network.prefix_len() == 0 {
            let reason =
                format!("{network} includes every address, so any client can forge its address");
            verdict.warn("server.trustedProxies", reason);
        }
    }
    if is_public(server.listen.ip(), issuer.as_ref()) {
        registrations(&live.registration, verdict);
    }
}

/// Checks that the system can open both listeners.
fn listeners(settings: &Settings, verdict: &mut Verdict) {
    let public = settings.server.listen;
    if let Some(admin) = settings.admin.listen
        && overlap(admin, public)
    {
        let reason = format!(
            "{admin} and server.listen ({public}) cannot both be opened; choose another port, or leave it unset"
        );
        verdict.refuse("admin.listen", reason);
    }
}

/// Checks that the URL of the server leads to it.
fn server_url(server: &ServerSettings, issuer: Option<&Url>, verdict: &mut Verdict) {
    let key = "server.issuer";
    if server.tls.is_on() && issuer.is_some_and(|issuer| issuer.scheme() == "http") {
        verdict.refuse(
            key,
            "must be https: this server does not accept plain http when server.tls is set",
        );
    }
    if server.issuer.is_none() && server.listen.ip().is_unspecified() {
        let reason = format!(
            "is not set, and responses contain http(s)://{} as the URL of this server, which other machines \
             cannot reach; set it to the URL that clients use",
            server.listen
        );
        verdict.warn(key, reason);
    }
}

/// Warns if anyone on the network can register any number of clients.
fn registrations(registration: &Registration, verdict: &mut Verdict) {
    let is_limited = matches!(
        registration.rate_limit_registration_request_count,
        Some(1..)
    );
    if !is_limited && is_open(registration) {
        let reason = "sets no limit, so anyone on the network can register any number of clients; set a limit, or \
                      require an initial access token or a software statement";
        verdict.warn("registration.rateLimitRegistrationRequestCount", reason);
    }
}

/// Whether the system cannot open both listeners.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    // `::` also occupies the port for IPv4.
    let takes_all =
        |ip: IpAddr, other: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || other.is_ipv4());
    // Two listeners with port 0 get different ports.
    one.port() == other.port()
        && one.port() != 0
        && (ip == other_ip || takes_all(ip, other_ip) || takes_all(other_ip, ip))
}

/// Whether a client can register with a plain request, without any credential.
fn is_open(registration: &Registration) -> bool {
    registration.dynamic_registration_enabled
        && registration.initial_access_token != InitialAccessTokenUse::Required
        && !registration.software_statement_required
        && !registration.dcr_signature_validation_enabled
        && !registration.dcr_authorization_with_mtls
        && !registration.dcr_attestation_evidence_required
}

/// Whether other machines can reach the server, directly or through a proxy.
fn is_public(listen: IpAddr, issuer: Option<&Url>) -> bool {
    let is_here = match issuer.and_then(Url::host) {
        None => true,
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
    };
    !listen.to_canonical().is_loopback() || !is_here
}

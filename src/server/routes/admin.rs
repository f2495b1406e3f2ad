//! The routes of the admin API. Pages in a browser may not call it, so it has no CORS headers.

use std::sync::Arc;

use axum::routing::{get, post, put};
use axum::{Extension, Router};
use hyper::Method;
use tokio::sync::Semaphore;

use super::{READ, bounded, bounded_by, only, post_only};
use crate::http::receive;
use crate::resolution::{self, Resolver};
use crate::service::Service;

/// The maximum number of concurrent imports: each holds some clients in memory as long as its sender takes.
const IMPORTS: usize = 4;

/// The maximum number of concurrent calls that send sets of scripts.
const SCRIPT_SETS: usize = 4;

const READ_DELETE: &[Method] = &[Method::GET, Method::HEAD, Method::DELETE];

/// The admin API. Pages in a browser may not call it, so it has no CORS headers.
pub(crate) fn admin(service: Arc<Service>) -> Router {
    use crate::admin::endpoint::config;
    const READ_PATCH: &[Method] = &[Method::GET, Method::HEAD, Method::PATCH];
    let configuration = get(config::get).patch(config::patch);
    let config_path = &service.settings.server.paths.config;
    let routes = admin_clients()
        .merge(admin_documents())
        .merge(admin_tokens())
        .merge(admin_administrators())
        .merge(admin_unfinished())
        .merge(admin_events())
        .route(config_path, only(configuration, READ_PATCH))
        .merge(admin_audit())
        .merge(admin_script_versions())
        .merge(admin_descriptions());
    let resolver = Extension(Resolver::new(&service));
    bounded(routes.layer(resolver), Arc::clone(&service))
        .merge(admin_script_sets(Arc::clone(&service)))
        .merge(admin_trial(Arc::clone(&service)))
        .merge(admin_feed(Arc::clone(&service)))
        .merge(admin_import(service))
}

/// The audit log, the examination of the server, the store as a whole, and its key.
fn admin_audit() -> Router<Arc<Service>> {
    use crate::admin::endpoint::{audit, backup, doctor, key};
    let verification = only(get(audit::verify), READ);
    Router::new()
        .route("/admin/v1/audit", only(get(audit::list), READ))
        .route("/admin/v1/audit/verification", verification)
        .route("/admin/v1/doctor", only(get(doctor::examine), READ))
        .route("/admin/v1/store/backup", post_only(post(backup::create)))
        .route("/admin/v1/key", only(get(key::show), READ))
}

/// The descriptions of the API and of clients.
fn admin_descriptions() -> Router<Arc<Service>> {
    use crate::admin::endpoint::scripts;
    let schema = only(get(scripts::client_schema), READ);
    let description = only(get(scripts::description), READ);
    Router::new()
        .route("/admin/v1/schemas/Client", schema)
        .route("/admin/v1/openapi.json", description)
}

/// The scripts and their versions.
fn admin_script_versions() -> Router<Arc<Service>> {
    use crate::admin::endpoint::{candidate, script_versions as versions, scripts};
    const PIN: &[Method] = &[Method::PUT, Method::DELETE];
    Router::new()
        .route("/admin/v1/scripts", only(get(scripts::get), READ))
        .route(
            "/admin/v1/scripts/versions/{id}",
            only(get(versions::show), READ),
        )
        .route(
            "/admin/v1/scripts/pin",
            only(put(versions::pin).delete(versions::unpin), PIN),
        )
        .route(
            "/admin/v1/scripts/candidate",
            only(get(candidate::show), READ),
        )
        .route(
            "/admin/v1/scripts/promote",
            post_only(post(versions::promote)),
        )
}

/// The calls of the admin API that send whole sets of scripts, which are larger than other bodies. A few are processed
/// at the same time.
fn admin_script_sets(service: Arc<Service>) -> Router {
    use crate::admin::endpoint::{script_replay, script_versions as versions};
    const READ_POST: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
    let every = get(versions::list).post(versions::push);
    let routes = Router::new()
        .route("/admin/v1/scripts/versions", only(every, READ_POST))
        .route(
            "/admin/v1/scripts/replay",
            post_only(post(script_replay::replay)),
        );
    bounded_by(versions::MOST_BODY_BYTES, SCRIPT_SETS, routes, service)
}

/// The feed of events of the admin API. Its callers wait, so they do not count among the requests being processed.
fn admin_feed(service: Arc<Service>) -> Router {
    use crate::admin::endpoint::events::{self, Followers};
    let permits = Arc::new(Semaphore::new(Followers::CALLS));
    Router::new()
        .route("/admin/v1/events", only(get(events::feed), READ))
        .with_state(service)
        .layer(Extension(Followers::default()))
        .layer(axum::middleware::from_fn_with_state(
            permits,
            receive::shed_load,
        ))
}

/// The trial of requests of the admin API. A description is larger than other bodies, since it may contain scripts, and
/// few requests are judged at the same time.
fn admin_trial(service: Arc<Service>) -> Router {
    use crate::admin::endpoint::trial;
    let routes = Router::new().route("/admin/v1/try", post_only(post(trial::post)));
    bounded_by(trial::MOST_BYTES, trial::MOST_AT_ONCE, routes, service)
}

/// The consumers of events of the admin API.
fn admin_events() -> Router<Arc<Service>> {
    use crate::admin::endpoint::events::{consumers, replay};
    Router::new()
        .route(
            "/admin/v1/events/consumers",
            only(get(consumers::list), READ),
        )
        .route(
            "/admin/v1/events/parked",
            only(get(consumers::parked), READ),
        )
        .route("/admin/v1/events/retry", post_only(post(consumers::retry)))
        .route("/admin/v1/events/skip", post_only(post(consumers::skip)))
        .route(
            "/admin/v1/events/enable",
            post_only(post(consumers::enable)),
        )
        .route("/admin/v1/events/replay", post_only(post(replay::replay)))
}

/// The import of the admin API. Its body is the only one that is not received in advance, since it may have any
/// length.
fn admin_import(service: Arc<Service>) -> Router {
    let import = post_only(post(crate::admin::endpoint::transfer::import));
    let permits = Arc::new(Semaphore::new(IMPORTS));
    Router::new()
        .route("/admin/v1/clients/import", import)
        .with_state(service)
        .layer(axum::middleware::from_fn_with_state(
            permits,
            receive::shed_load,
        ))
}

/// The clients of the admin API.
fn admin_clients() -> Router<Arc<Service>> {
    use crate::admin::endpoint::{clients, resolve, transfer, used};
    const EVERY: &[Method] = &[Method::GET, Method::HEAD, Method::POST, Method::DELETE];
    let every = get(clients::list)
        .post(clients::create)
        .delete(clients::delete_all);
    let export = only(get(transfer::export), READ);
    let disable = post_only(post(clients::disable_all));
    Router::new()
        .route("/admin/v1/clients", only(every, EVERY))
        .route("/admin/v1/clients/export", export)
        .route("/admin/v1/clients/disable", disable)
        .route(
            "/admin/v1/clients/enable",
            post_only(post(clients::enable_all)),
        )
        .route(resolution::PATH, only(get(resolve::get), READ))
        .route("/admin/v1/clients/used", post_only(post(used::many)))
        .merge(admin_client())
}

/// One client of the admin API.
fn admin_client() -> Router<Arc<Service>> {
    use crate::admin::endpoint::{clients, used};
    const ONE: &[Method] = &[
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let one = get(clients::show)
        .put(clients::replace)
        .patch(clients::patch)
        .delete(clients::delete);
    let secret = post_only(post(clients::rotate_secret));
    let token = post_only(post(clients::rotate_token));
    let path = "/admin/v1/clients/{id}";
    Router::new()
        .route(path, only(one, ONE))
        .route(&format!("{path}/secret"), secret)
        .route(&format!("{path}/registration-token"), token)
        .route(&format!("{path}/used"), post_only(post(used::one)))
}

/// The client documents of the admin API.
fn admin_documents() -> Router<Arc<Service>> {
    use crate::admin::endpoint::{document_check, document_orders, documents};
    let list = only(get(documents::list), READ);
    let candidate = only(get(documents::candidate), READ);
    let orders = Router::new()
        .route("/check", post_only(post(document_check::post)))
        .route("/approve", post_only(post(document_orders::approve)))
        .route("/deny", post_only(post(document_orders::deny)))
        .route("/allow", post_only(post(document_orders::allow)))
        .route("/refresh", post_only(post(document_orders::refresh)))
        .route("/pin", post_only(post(document_orders::pin)))
        .route("/unpin", post_only(post(document_orders::unpin)));
    Router::new()
        .route("/admin/v1/client-documents", list)
        .route("/admin/v1/client-documents/candidate", candidate)
        .nest("/admin/v1/client-documents", orders)
}

/// What is not finished: what waits for approval, and changes at the upstream server.
fn admin_unfinished() -> Router<Arc<Service>> {
    admin_pending().merge(admin_upstream_calls())
}

/// The registrations and updates that wait for approval.
fn admin_pending() -> Router<Arc<Service>> {
    use crate::admin::endpoint::pending;
    let one = "/admin/v1/pending/{id}";
    Router::new()
        .route("/admin/v1/pending", only(get(pending::list), READ))
        .route(one, only(get(pending::show), READ))
        .route(&format!("{one}/approve"), post_only(post(pending::approve)))
        .route(&format!("{one}/deny"), post_only(post(pending::deny)))
}

/// The changes at the upstream server that are not finished.
fn admin_upstream_calls() -> Router<Arc<Service>> {
    use crate::admin::endpoint::upstream_calls;
    let calls = "/admin/v1/upstream-calls";
    let settle = post_only(post(upstream_calls::settle));
    Router::new()
        .route(calls, only(get(upstream_calls::list), READ))
        .route(&format!("{calls}/{{id}}/settle"), settle)
}

/// The administrators.
fn admin_administrators() -> Router<Arc<Service>> {
    use crate::admin::endpoint::administrators;
    const READ_POST: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
    const ALL: &[Method] = &[Method::GET, Method::HEAD, Method::PATCH, Method::DELETE];
    let every = get(administrators::list).post(administrators::create);
    let one = get(administrators::show)
        .patch(administrators::change)
        .delete(administrators::delete);
    let path = "/admin/v1/administrators";
    Router::new()
        .route(path, only(every, READ_POST))
        .route(&format!("{path}/{{id}}"), only(one, ALL))
        .route(
            &format!("{path}/{{id}}/rotate"),
            post_only(post(administrators::rotate)),
        )
}

/// The initial access tokens of the admin API.
fn admin_tokens() -> Router<Arc<Service>> {
    use crate::admin::endpoint::initial_access;
    const READ_POST: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
    let every = get(initial_access::list).post(initial_access::create);
    let one = get(initial_access::show).delete(initial_access::revoke);
    Router::new()
        .route("/admin/v1/initial-access-tokens", only(every, READ_POST))
        .route(
            "/admin/v1/initial-access-tokens/{id}",
            only(one, READ_DELETE),
        )
}

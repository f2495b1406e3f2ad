//! The console: pages for administrators, rendered by the server and complete without JavaScript.
//!
//! A page never does anything itself. It calls the admin API, as the administrator who is signed in and without a
//! connection, and shows the answer. So the console can do what the API permits and nothing else, and the audit log names
//! who did it as it does for the API. Only sessions are the console's own.

mod api;
mod chart;
mod difference;
mod field;
mod login;
mod pages;
mod respond;
mod session;
mod sign_in;
mod value;
mod view;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use hyper::http::request::Parts;
use hyper::{Method, Request};

use crate::http::{Form, FormError, peer};
use crate::service::Service;
use api::Api;
use respond::{PageContent, PageFailure};
use session::{CookieUse, Cookies};
use visit::PageVisit;

pub(crate) use pages::routes;

/// The path below which the console is served.
pub(crate) const PATH: &str = "/console/";

/// Who may see the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsoleAudience {
    /// Everyone who can reach the listener.
    Everyone,
    /// Callers on this machine that no proxy passes on.
    ThisMachine,
}

/// How the console is served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConsolePlace {
    /// Who may see it.
    pub(crate) audience: ConsoleAudience,
    /// Whether browsers reach it by https.
    pub(crate) is_https: bool,
    /// Whether browsers reach it below the issuer.
    pub(crate) is_below_issuer: bool,
}

/// What all requests share.
struct Console {
    service: Arc<Service>,
    api: Api,
    place: ConsolePlace,
    cookies: Cookies,
    login_cookies: Cookies,
}

/// Returns the routes of the console, which calls the admin API through `api`.
pub(crate) fn router(
    service: &Arc<Service>,
    api: Router,
    place: ConsolePlace,
) -> Router<Arc<Service>> {
    let console = Arc::new(Console {
        service: Arc::clone(service),
        api: Api::new(api),
        place,
        cookies: Cookies::new(&service.issuer, place.is_https, CookieUse::Session),
        login_cookies: Cookies::new(&service.issuer, place.is_https, CookieUse::Login),
    });
    let handler = move |State(_): State<Arc<Service>>, request: Request<Body>| {
        let console = Arc::clone(&console);
        // In a box: each page has a future of its own, and the largest determines the size.
        async move { Box::pin(answer(&console, request)).await }
    };
    Router::new()
        .route("/console", any(handler.clone()))
        .route(PATH, any(handler.clone()))
        .route("/console/{*page}", any(handler))
}

async fn answer(console: &Console, request: Request<Body>) -> Response {
    let (mut parts, _) = request.into_parts();
    if console.place.audience == ConsoleAudience::ThisMachine && !peer::is_local(&parts) {
        return respond::no_console();
    }
    let response = match parts.uri.path().strip_prefix(PATH) {
        Some(page) => {
            let page = page.to_owned();
            answer_page(console, &mut parts, &page).await
        }
        None => respond::redirect("console/"),
    };
    respond::secured(response)
}

async fn answer_page(console: &Console, parts: &mut Parts, page: &str) -> Response {
    let is_read = parts.method == Method::GET || parts.method == Method::HEAD;
    if is_read && let Some(asset) = respond::asset(page) {
        return asset;
    }
    let form = match parts.method {
        Method::GET | Method::HEAD => None,
        Method::POST => Some(Form::take(parts)),
        _ => return respond::method_not_allowed(),
    };
    let visit = match PageVisit::begin(console, parts).await {
        Ok(visit) => visit,
        Err(failure) => return respond::plain_failure(&failure),
    };
    answer_visitor(console, parts, page, (form, visit)).await
}

/// Answers a request whose session is known, if it has one.
async fn answer_visitor(
    console: &Console,
    parts: &Parts,
    page: &str,
    (form, visit): (Option<Result<Form, FormError>>, Option<PageVisit<'_>>),
) -> Response {
    if page == sign_in::PAGE
        && let Some(Ok(form)) = &form
    {
        return sign_in::post(console, parts, visit, form).await;
    }
    if form.is_none()
        && let Some(provider) = &console.service.login
    {
        match page {
            login::BEGIN if visit.is_none() => return login::begin(console, provider, parts).await,
            login::CALLBACK => return login::end(console, provider, parts, visit).await,
            _ => {}
        }
    }
    match visit {
        Some(visit) => answer_visit(&visit, page, form).await,
        None => sign_in::show(console, parts, page),
    }
}

/// Answers an administrator who is signed in.
async fn answer_visit(
    visit: &PageVisit<'_>,
    page: &str,
    form: Option<Result<Form, FormError>>,
) -> Response {
    let content = match form {
        None => pages::show(visit, page).await,
        Some(Ok(form)) => submit(visit, page, &form).await,
        Some(Err(error)) => Err(PageFailure::invalid(&error.to_string())),
    };
    visit.answer(page, content)
}

/// Does what a form of our own asks for.
async fn submit(
    visit: &PageVisit<'_>,
    page: &str,
    form: &Form,
) -> Result<PageContent, PageFailure> {
    visit.check_form(form)?;
    pages::submit(visit, page, form).await
}

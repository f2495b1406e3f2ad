//! The pages before and after a session: signing in, and out.

use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{HeaderValue, USER_AGENT, WWW_AUTHENTICATE};
use hyper::http::request::Parts;

use crate::admin::endpoint::AdminIdentity;
use crate::base::{NoRandomness, Secret, printable, random, scope};
use crate::client::Client;
use crate::console::respond::{self, PageFailure};
use crate::console::view::{LoginLink, SignInPage, href};
use crate::console::visit::PageVisit;
use crate::console::{Console, login, session};
use crate::http::{Form, Problem};
use crate::service::{Context, refusal};
use crate::store::{Action, AuditEvent, Change, Session, SessionHolder, Sessions};
use crate::token;

/// The page that signs in.
pub(super) const PAGE: &str = "sign-in";

/// The maximum number of characters that are kept of what a browser calls itself.
const BROWSER: usize = 120;

/// The longest address of a page to open after signing in.
const NEXT: usize = 1_024;

/// Shows the form, for a caller without a session who wanted to see `page`.
pub(super) fn show(console: &Console, parts: &Parts, page: &str) -> Response {
    let wanted = match parts.uri.query() {
        Some(query) => format!("{page}?{query}"),
        None => page.to_owned(),
    };
    let form = SignIn {
        next: &wanted,
        ..SignIn::default()
    };
    form.show(console, parts, StatusCode::UNAUTHORIZED)
}

/// What the form shows.
#[derive(Default)]
struct SignIn<'a> {
    problem: Option<String>,
    client_id: &'a str,
    next: &'a str,
}

impl SignIn<'_> {
    fn page(self, console: &Console, form_token: String) -> SignInPage {
        let next = local(self.next);
        let provider = console.service.login.as_ref();
        SignInPage {
            problem: self.problem,
            client_id: self.client_id.to_owned(),
            next: next.to_owned(),
            form_token,
            login: provider.map(|provider| LoginLink {
                href: href(login::BEGIN, &[("next", next)]),
                host: provider.host.clone(),
            }),
        }
    }

    fn show(self, console: &Console, parts: &Parts, status: StatusCode) -> Response {
        // The token of the form belongs to a cookie, which is no session: nothing is stored for a stranger.
        let (secret, is_new) = match console.cookies.read(&parts.headers) {
            Some(secret) => (secret, false),
            None => match random::token() {
                Ok(secret) => (secret, true),
                Err(error) => return respond::plain_failure(&no_randomness(&error)),
            },
        };
        let page = self.page(console, session::form_token(&secret));
        let mut response = respond::html(status, &page);
        if is_new {
            console.cookies.set(&mut response, &secret);
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 15.5.2 requires a challenge, and no scheme is registered for forms.
            let challenge = HeaderValue::from_static(r#"Form realm="registrar""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Returns `next` if it is a page of the console, and otherwise nothing: an address of another site could imitate ours.
pub(super) fn local(next: &str) -> &str {
    let name = next.split('?').next().unwrap_or_default();
    let is_page = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_text = next.bytes().all(|byte| byte.is_ascii_graphic());
    let signs_in = [PAGE, login::BEGIN, login::CALLBACK].contains(&name);
    if is_page && is_text && next.len() <= NEXT && !signs_in {
        next
    } else {
        ""
    }
}

pub(super) fn no_randomness(error: &NoRandomness) -> PageFailure {
    tracing::error!(%error, "no session could be created");
    PageFailure::from(Problem::server_error())
}

/// Signs in with the credentials in the form. A session that the browser has ends.
pub(super) async fn post(
    console: &Console,
    parts: &Parts,
    before: Option<PageVisit<'_>>,
    form: &Form,
) -> Response {
    let secret = console.cookies.read(&parts.headers);
    let is_own = |secret: Secret| session::is_own_form(&parts.headers, form, &secret);
    let begun = if secret.is_some_and(is_own) {
        begin(console, parts, before.as_ref(), form).await
    } else {
        let text = "The form had expired, or your browser does not accept cookies. Sign in again.";
        Err(PageFailure::new(StatusCode::FORBIDDEN, text))
    };
    let next = form.get("next").unwrap_or_default();
    match begun {
        Ok(secret) => signed_in(console, local(next), &secret),
        Err(failure) => {
            let shown = SignIn {
                problem: Some(failure.text.clone()),
                client_id: form.get("client_id").unwrap_or_default(),
                next,
            };
            let mut response = shown.show(console, parts, failure.status);
            respond::put_wait(&mut response, &failure);
            response
        }
    }
}

/// Returns the answer that gives the browser its session, and leads to the page `next`.
fn signed_in(console: &Console, next: &str, secret: &Secret) -> Response {
    let next = if next.is_empty() { "./" } else { next };
    let mut response = respond::redirect(next);
    console.cookies.set(&mut response, secret);
    response
}

/// Returns the secret of a new session.
async fn begin(
    console: &Console,
    parts: &Parts,
    before: Option<&PageVisit<'_>>,
    form: &Form,
) -> Result<Secret, PageFailure> {
    let cx = Context::new(&console.service);
    let client = authenticated(&cx, parts, form).await?;
    let holder = SessionHolder::Administrator {
        client_id: client.id.clone(),
        client_issued_at: client.issued_at,
    };
    open(
        &cx,
        parts,
        before,
        holder,
        &AdminIdentity::client(&client, ""),
    )
    .await
}

/// Begins a session, and ends the one that the browser has. Returns its secret.
///
/// # Errors
/// When there are too many sessions, or it cannot be stored.
pub(super) async fn open(
    cx: &Context<'_>,
    parts: &Parts,
    before: Option<&PageVisit<'_>>,
    holder: SessionHolder,
    identity: &AdminIdentity,
) -> Result<Secret, PageFailure> {
    let secret = random::token().map_err(|error| no_randomness(&error))?;
    let session = new_session(cx, parts, holder);
    let event = signed_in_event(cx, parts, &session, identity);
    let event = event.with("session", Sessions::id_of(&secret)).change()?;
    let sessions = &cx.service.store.sessions;
    if !sessions.begin(&secret, &session, &event).await? {
        let text = "There are too many sessions. End some of them, or wait until they end.";
        return Err(PageFailure::new(StatusCode::SERVICE_UNAVAILABLE, text));
    }
    tracing::info!(client_id = identity.id, "administrator signed in");
    if let Some(before) = before {
        let (id, nothing) = (before.session.id(), Change::default());
        sessions.end(&id, &nothing).await?;
    }
    Ok(secret)
}

fn signed_in_event(
    cx: &Context<'_>,
    parts: &Parts,
    session: &Session,
    identity: &AdminIdentity,
) -> AuditEvent {
    let (by, action) = (identity.at(parts), Action::AdministratorSignedIn);
    let event = by.did(action, identity.id.as_str(), cx.begun_at);
    match &session.holder {
        SessionHolder::Administrator { .. } => event,
        SessionHolder::Person { issuer, scope, .. } => {
            let scopes: Vec<&str> = scope::words(scope).collect();
            let event = event.with("issuer", issuer.as_str());
            event.with("scopes", scopes)
        }
    }
}

/// Returns the administrator whose credentials the form has.
async fn authenticated(
    cx: &Context<'_>,
    parts: &Parts,
    form: &Form,
) -> Result<Client, PageFailure> {
    let author = refusal::stranger(parts);
    let client_id = form.get("client_id").unwrap_or_default();
    let secret = form.get("client_secret").unwrap_or_default();
    let secret = Secret::new(secret.to_owned());
    let signed = token::sign_in(cx, &author, client_id, secret).await;
    let stored = signed.map_err(|error| refused(error.into()))?;
    Ok(stored.into_client())
}

/// Every wrong pair of an identifier and a secret has the same answer.
fn refused(problem: Problem) -> PageFailure {
    if problem.code() == "invalid_client" {
        let text = "The client ID or the secret is wrong.";
        return PageFailure::new(StatusCode::UNAUTHORIZED, text);
    }
    problem.into()
}

fn new_session(cx: &Context<'_>, parts: &Parts, holder: SessionHolder) -> Session {
    let browser = parts.headers.get(USER_AGENT);
    let browser = browser.and_then(|name| name.to_str().ok());
    Session {
        holder,
        began_at: cx.begun_at,
        used_at: cx.begun_at,
        address: refusal::stranger(parts).address,
        browser: browser.map(|name| printable(name).chars().take(BROWSER).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_the_console_follows_a_sign_in() {
        for (next, expected) in [
            ("", ""),
            ("clients", "clients"),
            ("client?id=https%3A%2F%2Fa", "client?id=https%3A%2F%2Fa"),
            ("https://evil.example", ""),
            ("//evil.example", ""),
            ("/evil", ""),
            ("../evil", ""),
            ("javascript:alert(1)", ""),
            ("sign-in", ""),
            ("login?next=clients", ""),
            ("callback?code=a", ""),
            ("a b", ""),
        ] {
            assert_eq!(local(next), expected, "{next}");
        }
    }
}

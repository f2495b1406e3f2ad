//! One request of an administrator who is signed in.

use std::sync::Arc;

use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::admin::Administrator;
use crate::admin::endpoint::{AdminIdentity, SignedIn};
use crate::base::Secret;
use crate::config::AdminScopes;
use crate::console::api::{ApiAnswer, ApiCall};
use crate::console::respond::{self, PageContent, PageFailure};
use crate::console::view::{self, Block, ConsolePage, MenuEntry, Notice, Tone};
use crate::console::{Console, login, pages, session};
use crate::http::{Form, Problem};
use crate::service::{Context, refusal};
use crate::store::{Action, Change, FoundSession, SessionHolder, StoreError, Stored};
use crate::telemetry;

/// A request with a session.
pub(super) struct PageVisit<'a> {
    pub(super) console: &'a Console,
    pub(super) cx: Context<'a>,
    pub(super) parts: &'a Parts,
    pub(super) session: FoundSession,
    pub(super) by: Administrator,
    secret: Secret,
    identity: Arc<AdminIdentity>,
    /// The parameters of the address. Those that occur twice make all of them unreadable.
    query: Form,
}

impl<'a> PageVisit<'a> {
    /// Finds the session of a request, which is a use of it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn begin(
        console: &'a Console,
        parts: &'a Parts,
    ) -> Result<Option<Self>, PageFailure> {
        let visit = Self::of_session(console, parts).await?;
        if let Some(visit) = visit.as_ref().filter(|visit| !visit.is_refresh()) {
            let sessions = &visit.cx.service.store.sessions;
            sessions.prolong(&visit.session, visit.cx.begun_at).await?;
        }
        Ok(visit)
    }

    /// Finds the session of a request.
    ///
    /// # Errors
    /// When the store fails.
    async fn of_session(
        console: &'a Console,
        parts: &'a Parts,
    ) -> Result<Option<Self>, PageFailure> {
        let cx = Context::new(&console.service);
        let Some(secret) = console.cookies.read(&parts.headers) else {
            return Ok(None);
        };
        let sessions = &cx.service.store.sessions;
        let found = sessions.find(secret.expose(), cx.begun_at).await?;
        let Some((session, client)) = found else {
            return Ok(None);
        };
        let Some(identity) = identity(&cx, &session, client).await? else {
            return Ok(None);
        };
        let by = identity.at(parts);
        telemetry::acts(&by.client_id, by.name.as_deref());
        let query = parts.uri.query().unwrap_or_default();
        Ok(Some(Self {
            console,
            cx,
            parts,
            session,
            by,
            secret,
            identity: Arc::new(identity),
            query: Form::parse(query.as_bytes()).unwrap_or_default(),
        }))
    }

    /// Whether the script of a page asks for its live parts, which does not count as a use of the session.
    pub(super) fn is_refresh(&self) -> bool {
        respond::is_refresh(&self.parts.headers)
    }

    /// Returns a parameter of the address; none if it is empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    /// Whether the administrator has the scope that `needed` picks.
    pub(super) fn may(&self, needed: fn(&AdminScopes) -> &String) -> bool {
        let scope = needed(&self.cx.service.settings.admin.scopes);
        self.identity.has(scope)
    }

    /// Checks that the administrator has the scope that `needed` picks, for what the console does itself.
    ///
    /// # Errors
    /// The failure that the admin API reports for a missing scope.
    pub(super) fn require(&self, needed: fn(&AdminScopes) -> &String) -> Result<(), PageFailure> {
        if self.may(needed) {
            return Ok(());
        }
        let scope = needed(&self.cx.service.settings.admin.scopes);
        let text = format!("You lack the scope {scope}.");
        Err(PageFailure::new(StatusCode::FORBIDDEN, &text))
    }

    /// Checks that a form comes from one of our pages.
    ///
    /// # Errors
    /// When it does not. That is recorded in the audit log.
    pub(super) fn check_form(&self, form: &Form) -> Result<(), PageFailure> {
        if session::is_own_form(&self.parts.headers, form, &self.secret) {
            return Ok(());
        }
        let text = "The form was not sent from this page, or belongs to an earlier session. Open the page again, and repeat what you did.";
        let problem = Problem::new(StatusCode::FORBIDDEN, "invalid_form_token", text);
        let action = Action::AdministrationRefused;
        refusal::audit(&self.cx, &self.by.author(), action, "", &problem);
        Err(problem.into())
    }

    /// Reads from the admin API.
    ///
    /// # Errors
    /// Why the API refused.
    pub(super) async fn get(&self, path: &str) -> Result<Value, PageFailure> {
        let answered = self.call(ApiCall::new(Method::GET, path)).await?;
        Ok(answered.body)
    }

    /// Reads from the admin API; none for something that does not exist.
    ///
    /// # Errors
    /// Why the API refused.
    pub(super) async fn find(&self, path: &str) -> Result<Option<Value>, PageFailure> {
        match self.get(path).await {
            Ok(body) => Ok(Some(body)),
            Err(failure) if failure.status == StatusCode::NOT_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Calls the admin API as the administrator.
    ///
    /// # Errors
    /// Why the API refused.
    pub(super) async fn call(&self, call: ApiCall) -> Result<ApiAnswer, PageFailure> {
        let signed_in = SignedIn(Arc::clone(&self.identity));
        self.console.api.call(self.parts, signed_in, call).await
    }

    /// Returns the answer with what a page has made.
    pub(super) fn answer(&self, page: &str, made: Result<PageContent, PageFailure>) -> Response {
        match made {
            Ok(PageContent::Redirect(location)) => respond::redirect(&location),
            Ok(PageContent::SignedOut) => {
                let mut response = respond::redirect("./");
                self.console.cookies.clear(&mut response);
                response
            }
            Ok(PageContent::Page { title, blocks }) => {
                respond::html(StatusCode::OK, &self.page(page, title, blocks))
            }
            Err(failure) => {
                let notice = Notice {
                    tone: Tone::Bad,
                    text: failure.text.clone(),
                };
                let title = failure.status.canonical_reason().unwrap_or("Failed");
                let page = self.page(page, title.to_owned(), vec![Block::Notice(notice)]);
                let mut response = respond::html(failure.status, &page);
                respond::put_wait(&mut response, &failure);
                response
            }
        }
    }

    fn page(&self, page: &str, title: String, blocks: Vec<Block>) -> ConsolePage {
        let name = self.by.name.as_ref().unwrap_or(&self.by.client_id);
        let menu = pages::MENU
            .iter()
            .filter(|entry| entry.needed.is_none_or(|needed| self.may(needed)));
        let menu = menu.map(|entry| MenuEntry {
            href: if entry.page.is_empty() {
                "./"
            } else {
                entry.page
            },
            text: entry.text,
            is_current: entry.page == page || entry.below.contains(&page),
        });
        ConsolePage {
            title,
            menu: menu.collect(),
            administrator: name.clone(),
            is_live: view::is_live(&blocks),
            form_token: session::form_token(&self.secret),
            blocks,
        }
    }
}

/// Returns who acts in a session: an administrator with what an access token with all its scopes grants, or a person whom
/// the configuration still gives the scopes. If it does not, the session ends.
async fn identity(
    cx: &Context<'_>,
    found: &FoundSession,
    client: Option<Stored>,
) -> Result<Option<AdminIdentity>, StoreError> {
    let holder = &found.session().holder;
    match (holder, client) {
        (SessionHolder::Administrator { .. }, Some(client)) => {
            let client = client.client();
            let scope = client.metadata.metadata().text("scope");
            Ok(Some(AdminIdentity::client(
                client,
                scope.unwrap_or_default(),
            )))
        }
        (SessionHolder::Person { name, scope, .. }, None)
            if login::is_current(cx.service, holder) =>
        {
            let (actor, name) = (holder.actor(), name.clone());
            Ok(Some(AdminIdentity::person(actor, name, scope)))
        }
        _ => {
            let sessions = &cx.service.store.sessions;
            sessions.end(&found.id(), &Change::default()).await?;
            Ok(None)
        }
    }
}

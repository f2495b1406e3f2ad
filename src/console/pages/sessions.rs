//! The sessions of the console: those of the administrator, and with the scope to change administrators, all others.

use hyper::StatusCode;

use crate::console::login;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::view::{Block, Cell, PageForm, Tone};
use crate::console::visit::PageVisit;
use crate::http::Form;
use crate::store::{Action, AuditEvent, Change, FoundSession, SessionHolder};

use super::{done, required};

/// Lists the sessions.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let sessions = &visit.cx.service.store.sessions;
    let mut all = sessions.all(visit.cx.begun_at).await?;
    all.retain(|found| login::is_current(visit.cx.service, &found.session().holder));
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|found| is_own(visit, found));
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &[("ended", "The session has ended.")]));
    blocks.push(Block::Text(
        "A session ends 30 minutes after its last request, and 12 hours after it began.".to_owned(),
    ));
    blocks.push(table(visit, "Your sessions", &own));
    if visit.may(|scopes| &scopes.admins_write) {
        blocks.push(table(visit, "Sessions of other administrators", &others));
    }
    Ok(PageContent::page("Sessions", blocks))
}

fn is_own(visit: &PageVisit<'_>, found: &FoundSession) -> bool {
    found.session().holder.actor() == visit.by.client_id
}

fn table(visit: &PageVisit<'_>, title: &str, sessions: &[FoundSession]) -> Block {
    Block::table(
        title,
        &[
            "Administrator",
            "Began",
            "Last used",
            "Address",
            "Browser",
            "End",
        ],
        sessions.iter().map(|found| row(visit, found)).collect(),
        "There are none.",
    )
}

fn row(visit: &PageVisit<'_>, found: &FoundSession) -> Vec<Cell> {
    let session = found.session();
    let address = session.address.map(|address| address.to_string());
    let end = if found.id() == visit.session.id() {
        Cell::badge(Tone::Plain, "this session")
    } else {
        let (whose, began) = (session.holder.actor(), session.began_at);
        let label = format!("End the session of {whose} that began at {began}");
        let form = PageForm::to("sessions", "End").dangerous();
        form.with("id", found.id()).button(label)
    };
    vec![
        holder(&session.holder),
        Cell::time(Some(session.began_at.unix())),
        Cell::time(Some(session.used_at.unix())),
        Cell::text(address.unwrap_or_default()),
        Cell::text(session.browser.clone().unwrap_or_default()),
        end,
    ]
}

/// Shows a person with the name that the provider has told.
fn holder(holder: &SessionHolder) -> Cell {
    match holder.name() {
        Some(name) => Cell::Many(vec![Cell::text(name), Cell::code(holder.actor())]),
        None => Cell::Text(holder.actor()),
    }
}

/// Ends a session.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let id = required(form, "id", "the session")?;
    let sessions = &visit.cx.service.store.sessions;
    let found = sessions.find_by_id(id, visit.cx.begun_at).await?;
    let unknown = || PageFailure::new(StatusCode::NOT_FOUND, "The session has ended already.");
    let found = found.ok_or_else(unknown)?;
    if !is_own(visit, &found) {
        visit.require(|scopes| &scopes.admins_write)?;
    }
    let owner = found.session().holder.actor();
    let event = revoked(visit, &owner, id).change()?;
    if !sessions.end(&found.id(), &event).await? {
        return Err(unknown());
    }
    tracing::info!(
        client_id = owner.as_str(),
        actor = visit.by.client_id,
        "session ended by an administrator"
    );
    Ok(PageContent::Redirect("sessions?done=ended".to_owned()))
}

fn revoked(visit: &PageVisit<'_>, owner: &str, id: &str) -> AuditEvent {
    let (by, now) = (&visit.by, visit.cx.begun_at);
    let event = by.did(Action::SessionRevoked, owner, now);
    event.with("session", id)
}

/// Ends the session of the request.
pub(super) async fn sign_out(visit: &PageVisit<'_>, _: &Form) -> Result<PageContent, PageFailure> {
    let (by, now) = (&visit.by, visit.cx.begun_at);
    let event = by.did(Action::AdministratorSignedOut, by.client_id.as_str(), now);
    let event: Change = event.with("session", visit.session.id()).change()?;
    visit
        .cx
        .service
        .store
        .sessions
        .end(&visit.session.id(), &event)
        .await?;
    tracing::info!(client_id = by.client_id, "administrator signed out");
    Ok(PageContent::SignedOut)
}

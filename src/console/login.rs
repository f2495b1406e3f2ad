//! Sign-in at an OpenID Provider (`[admin.login]`).
//!
//! A sign-in that has begun is only in its browser: a cookie has a secret, and everything else that belongs to it is
//! derived from the secret. So strangers who begin one store nothing here. The state in the answer of the provider has the
//! time at which the sign-in began, and belongs to that cookie alone.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use url::Url;

use crate::admin::endpoint::AdminIdentity;
use crate::base::{Secret, Timestamp, hmac_sha256_hex, random, scope, sha256, texts_equal};
use crate::console::respond::{self, PageFailure, sentence};
use crate::console::sign_in::{self, local, no_randomness};
use crate::console::view::OutcomePage;
use crate::console::visit::PageVisit;
use crate::console::{Console, PATH, session};
use crate::http::{Form, Problem, peer};
use crate::service::{
    Brought, Context, LoginFault, LoginProvider, Person, Service, SignInAttempt, refusal,
};
use crate::store::{Action, Author, SessionHolder, UsedOnce};

/// The page that leads to the provider.
pub(super) const BEGIN: &str = "login";
/// The page to which the provider leads back.
pub(super) const CALLBACK: &str = "callback";

/// Seconds for which a sign-in can take.
const SECONDS: u64 = 600;
/// Seconds by which the clocks of several servers may differ.
const SKEW: u64 = 60;
/// The name under which failures are counted. No client has it.
const COUNTED: &str = "(OpenID Provider)";

/// Leads a browser to another page as soon as this one is shown.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Whether a session of `holder` is still one that the configuration permits.
pub(super) fn is_current(service: &Service, holder: &SessionHolder) -> bool {
    let SessionHolder::Person {
        issuer,
        audience,
        claim,
        values,
        scope,
        ..
    } = holder
    else {
        return true;
    };
    let admin = &service.settings.admin;
    let login = &admin.login;
    let given = login.scopes_from.scopes(&admin.scopes, values);
    login.issuer.as_ref() == Some(issuer)
        && login.client_id.as_ref() == Some(audience)
        && login.scopes_from.claim == *claim
        && scope::words(scope).all(|one| given.contains(&one))
}

/// Sends the browser to the provider.
pub(super) async fn begin(console: &Console, provider: &LoginProvider, parts: &Parts) -> Response {
    // Another site must not sign anybody in, not even as themselves.
    if session::is_from_elsewhere(&parts.headers) {
        return sign_in::show(console, parts, BEGIN);
    }
    match lead(console, provider, parts).await {
        Ok(response) => response,
        Err(failure) => outcome(&failure),
    }
}

async fn lead(
    console: &Console,
    provider: &LoginProvider,
    parts: &Parts,
) -> Result<Response, PageFailure> {
    let query = parts.uri.query().unwrap_or_default();
    let query = Form::parse(query.as_bytes()).unwrap_or_default();
    let next = local(query.get("next").unwrap_or_default());
    let secret = random::token().map_err(|error| no_randomness(&error))?;
    let now = Context::new(&console.service).begun_at;
    let attempt = attempt(console, parts, &secret, now)?;
    let challenge = URL_SAFE_NO_PAD.encode(sha256(attempt.verifier.expose().as_bytes()));
    let page = provider.page(&attempt, &challenge).await;
    let page = page.map_err(|fault| failure(provider, &fault))?;
    let mut response = respond::redirect(page.as_str());
    let next = URL_SAFE_NO_PAD.encode(next);
    let cookies = &console.login_cookies;
    cookies.set_with(&mut response, (&secret, &next), SECONDS);
    Ok(response)
}

/// Returns the sign-in that belongs to `secret` and began at `begun_at`.
fn attempt(
    console: &Console,
    parts: &Parts,
    secret: &Secret,
    begun_at: Timestamp,
) -> Result<SignInAttempt, PageFailure> {
    let derived = |purpose: &str| {
        let key = secret.expose().as_bytes();
        let text = hmac_sha256_hex(key, purpose.as_bytes());
        text.map_err(|_| PageFailure::from(Problem::server_error()))
    };
    let begun_at = begun_at.unix();
    Ok(SignInAttempt {
        state: format!(
            "{begun_at}.{}",
            derived(&format!("state of a sign-in at {begun_at}"))?
        ),
        nonce: Secret::new(derived("nonce of a sign-in")?),
        verifier: Secret::new(derived("code verifier of a sign-in")?),
        redirect_uri: redirect_uri(console, parts)?,
    })
}

/// Returns the address of the page to which the provider leads back: below the issuer if everyone reaches the console
/// there, and otherwise at the host that the browser has asked for. The provider accepts only the addresses that are
/// registered there, so a wrong name of the host leads nowhere.
fn redirect_uri(console: &Console, parts: &Parts) -> Result<String, PageFailure> {
    let path = format!("{PATH}{CALLBACK}");
    if console.place.is_below_issuer {
        return Ok(console.service.endpoint(&path));
    }
    let scheme = if console.place.is_https {
        "https"
    } else {
        "http"
    };
    let host = peer::host(parts).unwrap_or_default();
    let url = Url::parse(&format!("{scheme}://{host}{path}"));
    let is_plain = |url: &Url| {
        let has_name = url.username().is_empty() && url.password().is_none();
        has_name && url.path() == path && url.query().is_none() && url.fragment().is_none()
    };
    match url {
        Ok(url) if is_plain(&url) => Ok(url.to_string()),
        _ => Err(PageFailure::invalid(
            "The request does not name the host of the console.",
        )),
    }
}

/// Why nobody is signed in.
struct Fault {
    failure: PageFailure,
    /// The error code in the audit log; none if nobody has failed to prove anything.
    code: Option<&'static str>,
    /// The person, if the provider has named one.
    person: Option<Box<Person>>,
    /// Whether the browser had begun a sign-in. Other failures do not count against its address: any page can send
    /// browsers here.
    has_begun: bool,
}

impl Fault {
    fn begun(self) -> Self {
        Self {
            has_begun: true,
            ..self
        }
    }

    fn refused(code: &'static str, text: &str) -> Self {
        Self {
            failure: PageFailure::new(StatusCode::FORBIDDEN, text),
            code: Some(code),
            person: None,
            has_begun: false,
        }
    }
}

impl<T: Into<PageFailure>> From<T> for Fault {
    fn from(failure: T) -> Self {
        Self {
            failure: failure.into(),
            code: None,
            person: None,
            has_begun: false,
        }
    }
}

/// Receives the browser from the provider. A session that the browser has ends.
pub(super) async fn end(
    console: &Console,
    provider: &LoginProvider,
    parts: &Parts,
    before: Option<PageVisit<'_>>,
) -> Response {
    let cx = Context::new(&console.service);
    let returned = Returned {
        console,
        provider,
        cx: &cx,
        parts,
    };
    match returned.finish(before.as_ref()).await {
        Ok((secret, next)) => {
            let mut response = signed_in(&next);
            console.cookies.set(&mut response, &secret);
            console.login_cookies.clear(&mut response);
            response
        }
        Err(fault) => outcome(&returned.record(fault)),
    }
}

/// A browser that comes back from the provider.
struct Returned<'a> {
    console: &'a Console,
    provider: &'a LoginProvider,
    cx: &'a Context<'a>,
    parts: &'a Parts,
}

impl Returned<'_> {
    /// Returns the secret of the session, and the page to open.
    async fn finish(&self, before: Option<&PageVisit<'_>>) -> Result<(Secret, String), Fault> {
        let query = self.parts.uri.query().unwrap_or_default();
        let answer = Form::parse(query.as_bytes())
            .map_err(|_| Fault::refused("invalid_request", "The address cannot be read."))?;
        let (attempt, secret, next) = self.begun(answer.get("state").unwrap_or_default())?;
        let opened = self.open(&attempt, &answer, &secret, before).await;
        Ok((opened.map_err(Fault::begun)?, next))
    }

    /// Opens a session for the person whom the provider has signed in, and returns its secret.
    async fn open(
        &self,
        attempt: &SignInAttempt,
        answer: &Form,
        begun: &Secret,
        before: Option<&PageVisit<'_>>,
    ) -> Result<Secret, Fault> {
        let limits = &self.cx.snapshot.limits;
        let counted = limits.check_failures(peer::client_address(self.parts), COUNTED);
        counted.map_err(Problem::from)?;
        let person = self.person(attempt, answer).await?;
        let (holder, identity) = self.holder(person)?;
        self.use_once(begun).await?;
        Ok(sign_in::open(self.cx, self.parts, before, holder, &identity).await?)
    }

    /// Returns the person whom the provider has signed in.
    async fn person(&self, attempt: &SignInAttempt, answer: &Form) -> Result<Person, Fault> {
        let brought = Brought {
            code: answer.get("code"),
            iss: answer.get("iss"),
            error: answer.get("error"),
            error_description: answer.get("error_description"),
        };
        let person = self.provider.person(attempt, &brought).await;
        person.map_err(|fault| Fault {
            code: matches!(fault, LoginFault::Refused(_)).then_some("access_denied"),
            failure: failure(self.provider, &fault),
            person: None,
            has_begun: true,
        })
    }

    /// Returns the sign-in that began in this browser with this `state`, its secret, and the page to open afterwards.
    fn begun(&self, state: &str) -> Result<(SignInAttempt, Secret, String), Fault> {
        let unknown = || {
            let text = "This sign-in has ended, or began in another browser. Sign in again.";
            Fault::refused("invalid_state", text)
        };
        let cookies = &self.console.login_cookies;
        let (secret, next) = cookies.read_with(&self.parts.headers).ok_or_else(unknown)?;
        let (begun_at, _) = state.split_once('.').ok_or_else(unknown)?;
        let begun_at = Timestamp::from_unix(begun_at.parse().map_err(|_| unknown())?);
        let now = self.cx.begun_at;
        let is_young = begun_at <= now.plus(SKEW) && now < begun_at.plus(SECONDS);
        let attempt = attempt(self.console, self.parts, &secret, begun_at)?;
        if !is_young || !texts_equal(&attempt.state, state) {
            return Err(unknown());
        }
        let next = URL_SAFE_NO_PAD.decode(next).unwrap_or_default();
        let next = String::from_utf8(next).unwrap_or_default();
        Ok((attempt, secret, local(&next).to_owned()))
    }

    /// Returns what the session of a person has.
    fn holder(&self, person: Person) -> Result<(SessionHolder, AdminIdentity), Fault> {
        let settings = &self.cx.service.settings.admin;
        let from = &settings.login.scopes_from;
        let scope = from.scopes(&settings.scopes, &person.values).join(" ");
        if scope.is_empty() {
            return Err(self.no_scopes(person));
        }
        let mut values = person.values;
        values.retain(|value| from.values.contains_key(value));
        values.dedup();
        let holder = SessionHolder::Person {
            issuer: self.provider.issuer.clone(),
            audience: settings.login.client_id.clone().unwrap_or_default(),
            subject: person.subject,
            name: person.name.clone(),
            claim: from.claim.clone(),
            values,
            scope: scope.clone(),
        };
        let identity = AdminIdentity::person(holder.actor(), person.name, &scope);
        Ok((holder, identity))
    }

    fn no_scopes(&self, person: Person) -> Fault {
        let claim = &self.cx.service.settings.admin.login.scopes_from.claim;
        let (host, name) = (&self.provider.host, &person.name);
        let text = format!(
            "{host} has signed you in as {name}, but nothing in your {claim} gives you access to this console. Ask the \
             operator of this server."
        );
        Fault {
            person: Some(Box::new(person)),
            ..Fault::refused("no_scopes", &text)
        }
    }

    /// Makes sure that a sign-in is used once. Only one that the provider has confirmed is remembered.
    async fn use_once(&self, secret: &Secret) -> Result<(), Fault> {
        let (uses, now) = (&self.cx.service.store.single_use, self.cx.begun_at);
        let end = now.plus(SECONDS + SKEW);
        let identifier = [secret.expose()];
        if uses.claim(UsedOnce::SignIn, &identifier, end, now).await? {
            return Ok(());
        }
        let text = "This sign-in was already used. Sign in again.";
        Err(Fault::refused("invalid_state", text))
    }

    /// Counts, logs and audits a failure. Returns what the browser is told.
    fn record(&self, fault: Fault) -> PageFailure {
        let Fault {
            failure,
            code,
            person,
            has_begun,
        } = fault;
        let Some(code) = code else {
            return failure;
        };
        let limits = &self.cx.snapshot.limits;
        let failure = if has_begun {
            let counted = limits.count_failure(peer::client_address(self.parts), COUNTED);
            counted.map_or_else(|limited| Problem::from(limited).into(), |()| failure)
        } else {
            failure
        };
        let issuer = &self.provider.issuer;
        let author = self.author(person);
        let subject = author.actor.as_ref().unwrap_or(issuer);
        tracing::warn!(
            issuer,
            actor = author.actor,
            error = code,
            reason = failure.text,
            "sign-in at the provider of admin.login failed"
        );
        let problem = Problem::new(failure.status, code, &failure.text);
        let action = Action::AuthenticationRefused;
        refusal::audit(self.cx, &author, action, subject, &problem);
        failure
    }

    fn author(&self, person: Option<Box<Person>>) -> Author {
        let stranger = refusal::stranger(self.parts);
        match person {
            Some(person) => Author {
                actor: Some(SessionHolder::actor_of(&person.subject)),
                actor_name: Some(person.name),
                ..stranger
            },
            None => stranger,
        }
    }
}

/// Returns why the provider has signed nobody in.
fn failure(provider: &LoginProvider, fault: &LoginFault) -> PageFailure {
    match fault {
        LoginFault::Unavailable(reason) => {
            PageFailure::new(StatusCode::SERVICE_UNAVAILABLE, &sentence(reason))
        }
        LoginFault::Refused(reason) => {
            let text = format!("{} did not sign you in: {reason}.", provider.host);
            PageFailure::new(StatusCode::FORBIDDEN, &text)
        }
    }
}

/// Returns the page of a failure. It has no form and sets no cookie: the browser may have a session that it does not send
/// when another site has led it here.
fn outcome(failure: &PageFailure) -> Response {
    let page = OutcomePage {
        title: "Not signed in",
        text: failure.text.clone(),
        is_bad: true,
        href: "./".to_owned(),
        link: "Back to the sign-in",
    };
    let mut response = respond::html(failure.status, &page);
    respond::put_wait(&mut response, failure);
    response
}

/// Returns the page that leads on to `next`. A redirect would still belong to the visit that the provider has begun, and
/// browsers send the cookie of the session only on visits of our own.
fn signed_in(next: &str) -> Response {
    let href = if next.is_empty() { "./" } else { next };
    let page = OutcomePage {
        title: "Signed in",
        text: "You are signed in.".to_owned(),
        is_bad: false,
        href: href.to_owned(),
        link: "Open the console",
    };
    let mut response = respond::html(StatusCode::OK, &page);
    if let Ok(refresh) = HeaderValue::from_str(&format!("0; url={href}")) {
        response.headers_mut().insert(REFRESH, refresh);
    }
    response
}

//! The cookie of a session, and the token that proves that a form comes from one of our pages.

use axum::response::Response;
use hyper::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use url::Url;

use crate::base::{Secret, hmac_sha256_hex, texts_equal};
use crate::console::PATH;
use crate::http::Form;

/// Says from where a browser sends a request (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The field of a form that has its token.
pub(super) const FORM_TOKEN: &str = "form_token";

/// What the token of a form is derived for.
const PURPOSE: &[u8] = b"form of the console";

/// The characters of the secret of a session.
const SECRET: usize = 43;

/// The cookies of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieUse {
    /// The secret of a session, or of the forms that are shown without one. Requests from other sites do not have it.
    Session,
    /// A sign-in that has begun: the browser comes back with it from the site of the provider.
    Login,
}

/// How a cookie is set.
pub(super) struct Cookies {
    name: &'static str,
    attributes: String,
}

impl Cookies {
    /// The cookies for browsers that reach the console by https or not. Below an issuer with a path, browsers see another
    /// path than this server, so the cookie is for the folder of the page that sets it.
    pub(super) fn new(issuer: &str, is_https: bool, cookie: CookieUse) -> Self {
        let has_path = Url::parse(issuer).is_ok_and(|url| url.path() != "/");
        let path = if has_path {
            String::new()
        } else {
            format!("; Path={PATH}")
        };
        let (name, site) = match (cookie, is_https) {
            (CookieUse::Session, true) => ("__Secure-registrar", "Strict"),
            (CookieUse::Session, false) => ("registrar", "Strict"),
            (CookieUse::Login, true) => ("__Secure-registrar-login", "Lax"),
            (CookieUse::Login, false) => ("registrar-login", "Lax"),
        };
        let secure = if is_https { "; Secure" } else { "" };
        Self {
            name,
            attributes: format!("{path}; HttpOnly; SameSite={site}{secure}"),
        }
    }

    /// Returns the secret in the cookie of a request.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<Secret> {
        let value = self.value(headers)?;
        (value.len() == SECRET).then(|| Secret::new(value.to_owned()))
    }

    /// Returns the secret in the cookie of a request, and the text that was set with it.
    pub(super) fn read_with<'a>(&self, headers: &'a HeaderMap) -> Option<(Secret, &'a str)> {
        let (secret, text) = self.value(headers)?.split_once('.')?;
        (secret.len() == SECRET).then(|| (Secret::new(secret.to_owned()), text))
    }

    /// Returns the value of the cookie of a request. Of several cookies, none is meant.
    fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let fields = headers.get_all(COOKIE).iter();
        let pairs = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut own = pairs.filter(|(name, _)| *name == self.name);
        let (_, value) = own.next()?;
        own.next().is_none().then_some(value)
    }

    /// Gives the browser a secret.
    pub(super) fn set(&self, response: &mut Response, secret: &Secret) {
        self.put(response, secret.expose(), "");
    }

    /// Gives the browser a secret with a text, for this number of seconds.
    pub(super) fn set_with(
        &self,
        response: &mut Response,
        (secret, text): (&Secret, &str),
        seconds: u64,
    ) {
        let value = format!("{}.{text}", secret.expose());
        self.put(response, &value, &format!("; Max-Age={seconds}"));
    }

    /// Takes the secret from the browser.
    pub(super) fn clear(&self, response: &mut Response) {
        self.put(response, "", "; Max-Age=0");
    }

    fn put(&self, response: &mut Response, value: &str, end: &str) {
        let cookie = format!("{}={value}{}{end}", self.name, self.attributes);
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

/// Whether another site has led the browser here.
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE);
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

/// Returns the token of the forms that are shown to the holder of `secret`. A page of another origin knows neither.
pub(super) fn form_token(secret: &Secret) -> String {
    hmac_sha256_hex(secret.expose().as_bytes(), PURPOSE).unwrap_or_default()
}

/// Whether `form` comes from a page that was shown to the holder of `secret`.
pub(super) fn is_own_form(headers: &HeaderMap, form: &Form, secret: &Secret) -> bool {
    let expected = form_token(secret);
    let token = form.get(FORM_TOKEN).unwrap_or_default();
    let site = headers.get(SEC_FETCH_SITE);
    !expected.is_empty()
        && texts_equal(token, &expected)
        && site.is_none_or(|site| site == "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: char) -> Secret {
        Secret::new(byte.to_string().repeat(SECRET))
    }

    fn headers(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_has_the_attributes_of_its_place() {
        for (issuer, is_https, expected) in [
            (
                "http://127.0.0.1:8080",
                false,
                "registrar=x; Path=/console/; HttpOnly; SameSite=Strict",
            ),
            (
                "https://a.example",
                true,
                "__Secure-registrar=x; Path=/console/; HttpOnly; SameSite=Strict; Secure",
            ),
            (
                "https://a.example/tenant",
                true,
                "__Secure-registrar=x; HttpOnly; SameSite=Strict; Secure",
            ),
        ] {
            let mut response = Response::default();
            let cookies = Cookies::new(issuer, is_https, CookieUse::Session);
            cookies.set(&mut response, &Secret::new("x".to_owned()));
            assert_eq!(response.headers()[SET_COOKIE], expected);
        }
    }

    #[test]
    fn the_cookie_of_a_sign_in_comes_back_from_the_provider() {
        let cookies = Cookies::new("https://a.example", true, CookieUse::Login);
        let mut response = Response::default();
        cookies.set_with(&mut response, (&secret('a'), "bmV4dA"), 600);
        let set = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        let (pair, attributes) = set.split_once(';').unwrap();
        assert_eq!(
            attributes,
            " Path=/console/; HttpOnly; SameSite=Lax; Secure; Max-Age=600"
        );
        let request = headers(&[pair]);
        let (found, text) = cookies.read_with(&request).unwrap();
        assert_eq!((found.expose(), text), (secret('a').expose(), "bmV4dA"));
        let session = Cookies::new("https://a.example", true, CookieUse::Session);
        assert!(session.read(&request).is_none());
        let mixed = headers(&[&pair.replace("-login", "")]);
        assert!(session.read(&mixed).is_none());
    }

    #[test]
    fn exactly_one_cookie_of_our_name_is_read() {
        let cookies = Cookies::new("http://a.example", false, CookieUse::Session);
        let own = format!("registrar={}", secret('a').expose());
        let read = |fields: &[&str]| cookies.read(&headers(fields)).is_some();
        assert!(read(&[&own]));
        assert!(read(&[&format!("other=1; {own}")]));
        assert!(!read(&[&format!("{own}; {own}")]));
        assert!(!read(&[&own, &own]));
        assert!(!read(&["registrar=short"]));
        assert!(!read(&[&format!("x{own}")]));
    }

    #[test]
    fn a_form_is_ours_only_with_the_token_of_its_session_and_from_our_origin() {
        let token = form_token(&secret('a'));
        let form = Form::parse(format!("{FORM_TOKEN}={token}").as_bytes()).unwrap();
        assert!(is_own_form(&headers(&[]), &form, &secret('a')));
        assert!(!is_own_form(&headers(&[]), &form, &secret('b')));
        assert!(!is_own_form(&headers(&[]), &Form::default(), &secret('a')));
        let mut headers = headers(&[]);
        for (site, is_own) in [
            ("same-origin", true),
            ("same-site", false),
            ("cross-site", false),
            ("none", false),
        ] {
            headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            assert_eq!(is_own_form(&headers, &form, &secret('a')), is_own, "{site}");
        }
    }
}

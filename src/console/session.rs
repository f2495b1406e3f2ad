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

/// How the cookie of a session is set.
pub(super) struct Cookies {
    name: &'static str,
    attributes: String,
}

impl Cookies {
    /// The cookies for browsers that reach the console by https or not. Below an issuer with a path, browsers see another
    /// path than this server, so the cookie is for the folder of the page that sets it.
    pub(super) fn new(issuer: &str, is_https: bool) -> Self {
        let has_path = Url::parse(issuer).is_ok_and(|url| url.path() != "/");
        let path = if has_path {
            String::new()
        } else {
            format!("; Path={PATH}")
        };
        let (name, secure) = if is_https {
            ("__Secure-registrar", "; Secure")
        } else {
            ("registrar", "")
        };
        Self {
            name,
            attributes: format!("{path}; HttpOnly; SameSite=Strict{secure}"),
        }
    }

    /// Returns the secret in the cookie of a request. Of several cookies, none is meant.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<Secret> {
        let fields = headers.get_all(COOKIE).iter();
        let pairs = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut own = pairs.filter(|(name, _)| *name == self.name);
        let (_, value) = own.next()?;
        let is_secret = value.len() == SECRET && own.next().is_none();
        is_secret.then(|| Secret::new(value.to_owned()))
    }

    /// Gives the browser a secret.
    pub(super) fn set(&self, response: &mut Response, secret: &Secret) {
        self.put(response, secret.expose(), "");
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
            let cookies = Cookies::new(issuer, is_https);
            cookies.set(&mut response, &Secret::new("x".to_owned()));
            assert_eq!(response.headers()[SET_COOKIE], expected);
        }
    }

    #[test]
    fn exactly_one_cookie_of_our_name_is_read() {
        let cookies = Cookies::new("http://a.example", false);
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

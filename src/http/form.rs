//! Forms: `application/x-www-form-urlencoded` in UTF-8 (RFC 6749 appendix B).

use std::collections::BTreeMap;
use std::fmt;

use axum::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::body::{self, BodyError};

/// The maximum number of parameters in a form; no request needs more.
const MOST_PARAMETERS: usize = 64;

/// Why a form was not read.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It has another media type.
    #[error("send Content-Type: application/x-www-form-urlencoded, without Content-Encoding")]
    MediaType,
    /// A parameter occurs twice (RFC 6749 section 3.2).
    #[error("a parameter occurs more than once")]
    Twice,
    /// It has too many parameters.
    #[error("more than {MOST_PARAMETERS} parameters")]
    TooMany,
}

/// The parameters of a form. Their values may be secret, so they are not printed.
#[derive(Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads the form in `body`.
    ///
    /// # Errors
    /// When the body is not a form, is larger than `limit` bytes, or takes longer than `milliseconds`.
    pub async fn read(
        headers: &HeaderMap,
        body: Body,
        limit: usize,
        milliseconds: u64,
    ) -> Result<Self, FormError> {
        let is_coded = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| coding != "identity");
        if is_coded
            || !headers
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(is_form)
        {
            return Err(FormError::MediaType);
        }
        Self::parse(&body::read(body, limit, milliseconds).await?)
    }

    /// Reads the parameters in `bytes`.
    ///
    /// # Errors
    /// When a parameter occurs twice, or there are too many.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if parameters
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return Err(FormError::Twice);
            }
            if parameters.len() > MOST_PARAMETERS {
                return Err(FormError::TooMany);
            }
        }
        Ok(Self(parameters))
    }

    /// Returns the value of `name`. A parameter without a value counts as absent (RFC 6749 section 3.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form({} parameters, ..)", self.0.len())
    }
}

fn is_form(content_type: &str) -> bool {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let charsets = parameters
        .split(';')
        .filter_map(|one| one.trim().split_once('='));
    let mut charsets = charsets.filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && charsets.all(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_must_occur_once_with_a_value() {
        let form = Form::parse(b"a=1+2%26&b=&c").unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c"), form.get("d")),
            (Some("1 2&"), None, None, None)
        );
        assert!(matches!(Form::parse(b"a=1&b=2&a=1"), Err(FormError::Twice)));
        assert!(matches!(Form::parse(b"a=&a=1"), Err(FormError::Twice)));
        let many: Vec<String> = (0..65).map(|number| format!("p{number}=x")).collect();
        assert!(matches!(
            Form::parse(many.join("&").as_bytes()),
            Err(FormError::TooMany)
        ));
        assert!(
            !format!("{:?}", Form::parse(b"client_secret=do-not-print").unwrap())
                .contains("do-not")
        );
    }

    #[test]
    fn a_form_must_have_its_media_type() {
        for form in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        ] {
            assert!(is_form(form), "{form}");
        }
        for other in [
            "application/json",
            "",
            "application/x-www-form-urlencoded; charset=latin1",
            "text/plain",
        ] {
            assert!(!is_form(other), "{other}");
        }
    }
}

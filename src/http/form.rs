//! Forms: `application/x-www-form-urlencoded` in UTF-8 (RFC 6749 appendix B).

use std::collections::BTreeMap;
use std::fmt;

use hyper::http::request::Parts;

use crate::http::{BodyError, body, media_type};

/// The media type of a form.
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The maximum number of parameters in a form; no request needs more.
const MOST_PARAMETERS: usize = 64;

/// Why a form was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
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
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads the form in the body of a request.
    ///
    /// # Errors
    /// When the body is not a form, or was not received.
    pub(crate) fn take(parts: &mut Parts) -> Result<Self, FormError> {
        if !media_type::is_in_utf8(&parts.headers, MEDIA_TYPE) {
            return Err(FormError::MediaType);
        }
        Self::parse(&body::take(parts)?)
    }

    /// Reads the parameters in `bytes`.
    ///
    /// # Errors
    /// When a parameter occurs twice, or there are too many.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormError> {
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

    /// Returns all parameters.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the value of `name`. A parameter without a value counts as absent (RFC 6749 section 3.2).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
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
}

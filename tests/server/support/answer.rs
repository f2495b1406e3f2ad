//! Answers of the server.

use serde_json::{Value, json};

use super::leaks;

/// An answer that was read completely.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    /// The body as JSON, or null if it is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let (client, request) = request.build_split();
        let request = request.expect("a request");
        leaks::sent(&request);
        let response = client.execute(request).await.expect("the server answers");
        let url = response.url().clone();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the answer arrives");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        leaks::answered(&url, &body);
        Self {
            status,
            headers,
            text,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a header is text"))
    }

    /// Returns the member `name` of the body.
    pub(crate) fn member(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }

    #[track_caller]
    pub(crate) fn expect_status(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text);
    }

    /// Asserts the form of an error: the status, one of `codes` in `error`, a description in printable
    /// ASCII, no client, and no caching.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: u16, codes: &[&str]) {
        self.expect_status(status);
        let code = self.member("error").as_str().unwrap_or("");
        assert!(
            codes.contains(&code),
            "{code} is not one of {codes:?}: {}",
            self.text
        );
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.member("client_id"), &Value::Null);
        let description = self
            .member("error_description")
            .as_str()
            .expect("a description");
        let is_printable = description
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte));
        assert!(is_printable && !description.is_empty(), "{description:?}");
    }

    /// Asserts the error `invalid_client_metadata` with `part` in the description.
    #[track_caller]
    pub(crate) fn expect_bad_metadata(&self, part: &str) {
        self.expect_error(400, &["invalid_client_metadata"]);
        let description = self
            .member("error_description")
            .as_str()
            .expect("a description");
        assert!(
            description.contains(part),
            "'{description}' does not say '{part}'"
        );
    }

    /// Asserts the error `invalid_redirect_uri`.
    #[track_caller]
    pub(crate) fn expect_bad_redirect(&self) {
        self.expect_error(400, &["invalid_redirect_uri"]);
    }
}

/// A registered client.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) uri: String,
    pub(crate) token: String,
    pub(crate) body: Value,
}

impl Registered {
    #[track_caller]
    pub(crate) fn of(body: Value) -> Self {
        let text = |name: &str| {
            body[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}: {body}"))
                .to_owned()
        };
        let (id, uri) = (text("client_id"), text("registration_client_uri"));
        Self {
            id,
            uri,
            token: text("registration_access_token"),
            body,
        }
    }

    /// Returns an update that keeps the client unchanged, with `more` on top: the answer without the
    /// members that an update must not have (RFC 7592 section 2.2).
    pub(crate) fn update(&self, more: Value) -> Value {
        let mut body = super::with(self.body.clone(), more);
        for name in [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
        ] {
            body.as_object_mut().expect("an object").shift_remove(name);
        }
        body
    }

    /// The same without the members `names`.
    pub(crate) fn update_without(&self, names: &[&str]) -> Value {
        let mut body = self.update(json!({}));
        for name in names {
            body.as_object_mut().expect("an object").shift_remove(*name);
        }
        body
    }
}

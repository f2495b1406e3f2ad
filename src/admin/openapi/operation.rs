//! An operation of the document, and the parts that operations share.

use serde_json::{Map, Value, json};

/// The groups of operations.
pub(super) const TAGS: &[(&str, &str)] = &[
    (
        "registration",
        "Clients register (RFC 7591, OpenID Connect Dynamic Client Registration).",
    ),
    ("management", "Clients manage themselves (RFC 7592)."),
    (
        "tokens",
        "Access tokens of clients (RFC 6749, RFC 7662, RFC 7009).",
    ),
    (
        "discovery",
        "Metadata of this server (RFC 8414, OpenID Connect Discovery).",
    ),
    ("administration", "The admin API."),
    ("probes", "Health, readiness and metrics."),
];

/// The access requirement of an operation.
#[derive(Clone, Copy)]
pub(super) enum Access<'a> {
    /// No authentication.
    Open,
    /// No authentication or an initial access token, depending on the configuration.
    TokenOrNone,
    /// The registration access token of the client.
    Holder,
    /// Client authentication.
    Client,
    /// Client authentication or an access token.
    ClientOrBearer,
    /// An access token with these scopes.
    Scopes(&'a [&'a str]),
}

impl Access<'_> {
    fn requirements(self) -> Value {
        match self {
            Self::Open => json!([]),
            Self::TokenOrNone => json!([{}, {"initialAccessToken": []}]),
            Self::Holder => json!([{"registrationAccessToken": []}]),
            // OpenAPI has no security scheme for credentials in the body.
            Self::Client => json!([{"client": []}, {}]),
            Self::ClientOrBearer => json!([{"client": []}, {"accessToken": []}, {}]),
            Self::Scopes(scopes) => json!([{"administrator": scopes}]),
        }
    }
}

/// An operation.
pub(super) struct Operation {
    /// The path.
    pub(super) path: String,
    /// The method, in lower case.
    pub(super) method: &'static str,
    members: Map<String, Value>,
    answers: Map<String, Value>,
}

impl Operation {
    pub(super) fn new(method: &'static str, path: &str, id: &str, summary: &str) -> Self {
        let members = Map::from_iter([
            ("operationId".to_owned(), id.into()),
            ("summary".to_owned(), summary.into()),
            ("security".to_owned(), json!([])),
        ]);
        Self {
            path: path.to_owned(),
            method,
            members,
            answers: Map::new(),
        }
    }

    pub(super) fn tag(mut self, tag: &str) -> Self {
        self.members.insert("tags".to_owned(), json!([tag]));
        self
    }

    pub(super) fn access(mut self, access: Access<'_>) -> Self {
        self.members
            .insert("security".to_owned(), access.requirements());
        self
    }

    pub(super) fn parameters(mut self, parameters: Vec<Value>) -> Self {
        self.members
            .insert("parameters".to_owned(), parameters.into());
        self
    }

    /// Sets the request body: media types with their schemas.
    pub(super) fn body(mut self, is_required: bool, content: &[(&str, Value)]) -> Self {
        let content: Map<String, Value> = content
            .iter()
            .map(|(media_type, schema)| ((*media_type).to_owned(), json!({"schema": schema})))
            .collect();
        self.members.insert(
            "requestBody".to_owned(),
            json!({"required": is_required, "content": content}),
        );
        self
    }

    /// Sets the example of the request body for `media_type`.
    pub(super) fn example(mut self, media_type: &str, example: Value) -> Self {
        let content = self
            .members
            .get_mut("requestBody")
            .and_then(|body| body.get_mut("content"));
        let content = content
            .and_then(|content| content.get_mut(media_type))
            .and_then(Value::as_object_mut);
        if let Some(content) = content {
            content.insert("example".to_owned(), example);
        }
        self
    }

    /// Adds a response with JSON of the schema named `schema`, and with additional headers.
    pub(super) fn json(
        self,
        status: u16,
        description: &str,
        schema: &str,
        headers: &[&str],
    ) -> Self {
        self.answer(
            status,
            description,
            Some(("application/json", named(schema))),
            headers,
        )
    }

    /// Adds a response without a body.
    pub(super) fn empty(self, status: u16, description: &str) -> Self {
        self.answer(status, description, None, &[])
    }

    pub(super) fn answer(
        mut self,
        status: u16,
        description: &str,
        content: Option<(&str, Value)>,
        headers: &[&str],
    ) -> Self {
        let mut all = Map::from_iter([("X-Correlation-Id".to_owned(), header("correlation"))]);
        all.extend(
            headers
                .iter()
                .map(|name| ((*name).to_owned(), header(&name.to_ascii_lowercase()))),
        );
        let described = [
            ("description".to_owned(), description.into()),
            ("headers".to_owned(), all.into()),
        ];
        let mut answer = Map::from_iter(described);
        if let Some((media_type, schema)) = content {
            answer.insert(
                "content".to_owned(),
                json!({media_type: {"schema": schema}}),
            );
        }
        self.answers.insert(status.to_string(), answer.into());
        self
    }

    /// Adds error responses. All have the same form of JSON body.
    pub(super) fn problems(self, statuses: &[u16]) -> Self {
        statuses.iter().fold(self, |operation, status| {
            let (description, headers) = problem(*status);
            operation.json(*status, description, "Error", headers)
        })
    }

    pub(super) fn into_json(mut self) -> Value {
        self.answers.sort_keys();
        self.members
            .insert("responses".to_owned(), self.answers.into());
        self.members.into()
    }
}

/// Returns a reference to the schema named `name`.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

/// Returns a query parameter.
pub(super) fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

/// Returns the schema of a time in a query.
pub(super) fn time() -> Value {
    json!({
        "type": "string",
        "description":
            "RFC 3339, a day (its beginning in UTC), seconds since 1970, or a duration: before now, or with + (in a URL, \
             %2B) after now.",
        "examples": ["2026-01-31T12:00:00Z", "2026-01-31", "1769860800", "30d", "+1h30m"],
    })
}

/// Returns the description and the headers of an error response with this status.
fn problem(status: u16) -> (&'static str, &'static [&'static str]) {
    match status {
        400 => (
            "The request is invalid. error_description has the reason.",
            &[],
        ),
        401 => (
            "The credentials are missing or invalid.",
            &["WWW-Authenticate"],
        ),
        403 => (
            "The caller is not allowed to do this.",
            &["WWW-Authenticate"],
        ),
        404 => ("Not found.", &[]),
        405 => ("The operation is disabled.", &["Allow"]),
        408 => ("The body did not arrive in time.", &[]),
        410 => (
            "Events after this position are no longer kept. Read the clients again, and follow from Registrar-Position.",
            &[],
        ),
        409 => (
            "The request conflicts with a concurrent change or with the current state.",
            &[],
        ),
        412 => ("If-Match does not match the current revision.", &[]),
        413 => ("The body is too large.", &[]),
        415 => (
            "The media type, charset or content coding of the body is unsupported.",
            &[],
        ),
        422 => (
            "The client document breaks rules. error_description has all of them.",
            &[],
        ),
        429 => (
            "Too many requests. Retry after the time in Retry-After.",
            &["Retry-After"],
        ),
        500 => ("Internal error. The log of the server has the cause.", &[]),
        502 => (
            "There is no client document at the URL. fetch has what was answered.",
            &[],
        ),
        503 => (
            "The service is unavailable. Retry after the time in Retry-After.",
            &["Retry-After"],
        ),
        _ => ("Error.", &[]),
    }
}

/// Returns the headers of responses.
pub(super) fn headers() -> Value {
    let text =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "correlation": {
            "description": "Identifies the request, also in the log of the server.", "required": true,
            "schema": {"type": "string", "format": "uuid"},
        },
        "etag": text("The revision, for If-Match."),
        "www-authenticate": text("How to authenticate (RFC 9110 section 11.6.1)."),
        "allow": text("The supported methods."),
        "registrar-position": {
            "description": "On the first page: the position after which to follow the events.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "accept-patch": text("The accepted patch media type (RFC 5789)."),
        "retry-after": {
            "description": "Seconds after which to retry.", "required": true,
            "schema": {"type": "integer", "minimum": 0},
        },
    })
}

//! One operation of the document, and what many have in common.

use serde_json::{Map, Value, json};

/// The groups of operations.
pub(super) const TAGS: &[(&str, &str)] = &[
    ("registration", "Clients register (RFC 7591, OpenID Connect Dynamic Client Registration)."),
    ("management", "Clients manage themselves (RFC 7592)."),
    ("tokens", "Access tokens of clients (RFC 6749, RFC 7662, RFC 7009)."),
    ("discovery", "What this server offers (RFC 8414, OpenID Connect Discovery)."),
    ("administration", "What administrators do."),
    ("probes", "What those who run the server ask."),
];

/// Who may call.
#[derive(Clone, Copy)]
pub(super) enum Access<'a> {
    /// Anybody.
    Open,
    /// Anybody, or only the holder of an initial access token, as the configuration says.
    TokenOrNone,
    /// The holder of the client.
    Holder,
    /// A client that authenticates.
    Client,
    /// A client that authenticates, or the bearer of an access token.
    ClientOrBearer,
    /// The bearer of an access token with these scopes.
    Scopes(&'a [&'a str]),
}

impl Access<'_> {
    fn requirements(self) -> Value {
        match self {
            Self::Open => json!([]),
            Self::TokenOrNone => json!([{}, {"initialAccessToken": []}]),
            Self::Holder => json!([{"registrationAccessToken": []}]),
            // Credentials in the body are no scheme of OpenAPI.
            Self::Client => json!([{"client": []}, {}]),
            Self::ClientOrBearer => json!([{"client": []}, {"accessToken": []}, {}]),
            Self::Scopes(scopes) => json!([{"administrator": scopes}]),
        }
    }
}

/// One operation.
pub(super) struct Operation {
    /// Its path.
    pub(super) path: String,
    /// Its method, in lower case.
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
        Self { path: path.to_owned(), method, members, answers: Map::new() }
    }

    pub(super) fn tag(mut self, tag: &str) -> Self {
        self.members.insert("tags".to_owned(), json!([tag]));
        self
    }

    pub(super) fn access(mut self, access: Access<'_>) -> Self {
        self.members.insert("security".to_owned(), access.requirements());
        self
    }

    pub(super) fn parameters(mut self, parameters: Vec<Value>) -> Self {
        self.members.insert("parameters".to_owned(), parameters.into());
        self
    }

    /// The body: media types with their schemas.
    pub(super) fn body(mut self, is_required: bool, content: &[(&str, Value)]) -> Self {
        let content: Map<String, Value> = content
            .iter()
            .map(|(media_type, schema)| ((*media_type).to_owned(), json!({"schema": schema})))
            .collect();
        self.members.insert("requestBody".to_owned(), json!({"required": is_required, "content": content}));
        self
    }

    /// A body as it may be, in JSON or in another of its media types.
    pub(super) fn example(mut self, media_type: &str, example: Value) -> Self {
        let content = self.members.get_mut("requestBody").and_then(|body| body.get_mut("content"));
        let content = content.and_then(|content| content.get_mut(media_type)).and_then(Value::as_object_mut);
        if let Some(content) = content {
            content.insert("example".to_owned(), example);
        }
        self
    }

    /// An answer with JSON that has the schema called `schema`, and with further headers.
    pub(super) fn json(self, status: u16, description: &str, schema: &str, headers: &[&str]) -> Self {
        self.answer(status, description, Some(("application/json", named(schema))), headers)
    }

    /// An answer without a body.
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
        all.extend(headers.iter().map(|name| ((*name).to_owned(), header(&name.to_ascii_lowercase()))));
        let described = [("description".to_owned(), description.into()), ("headers".to_owned(), all.into())];
        let mut answer = Map::from_iter(described);
        if let Some((media_type, schema)) = content {
            answer.insert("content".to_owned(), json!({media_type: {"schema": schema}}));
        }
        self.answers.insert(status.to_string(), answer.into());
        self
    }

    /// Refusals, each with a JSON body of the one form.
    pub(super) fn problems(self, statuses: &[u16]) -> Self {
        statuses.iter().fold(self, |operation, status| {
            let (description, headers) = problem(*status);
            operation.json(*status, description, "Error", headers)
        })
    }

    pub(super) fn into_json(mut self) -> Value {
        self.answers.sort_keys();
        self.members.insert("responses".to_owned(), self.answers.into());
        self.members.into()
    }
}

/// The schema called `name`.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

/// A parameter of the query.
pub(super) fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

/// What a refusal with this status says, and its headers.
fn problem(status: u16) -> (&'static str, &'static [&'static str]) {
    match status {
        400 => ("The request is refused: error_description says what would be right.", &[]),
        401 => ("Credentials are missing, or not good here.", &["WWW-Authenticate"]),
        403 => ("The caller is known, and may not do this.", &["WWW-Authenticate"]),
        404 => ("There is nothing of this name.", &[]),
        405 => ("The operation is switched off.", &["Allow"]),
        408 => ("The body did not arrive in time.", &[]),
        409 => ("Another change came first, or what is there stands against it.", &[]),
        412 => ("If-Match names another revision than the present one.", &[]),
        413 => ("The body is larger than it may be.", &[]),
        415 => ("The body is of another media type, charset or coding than is read here.", &[]),
        429 => ("Too many requests; Retry-After says when to come again.", &["Retry-After"]),
        500 => ("The mistake is not the caller's; the log of the server has the cause.", &[]),
        503 => {
            ("The server can not do it at present; Retry-After says when to come again.", &["Retry-After"])
        }
        _ => ("Refused.", &[]),
    }
}

/// The headers of answers.
pub(super) fn headers() -> Value {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "correlation": {
            "description": "Names the request, here and in the log of the server.", "required": true,
            "schema": {"type": "string", "format": "uuid"},
        },
        "etag": text("The revision, for If-Match."),
        "www-authenticate": text("How to authenticate (RFC 9110 section 11.6.1)."),
        "allow": text("The methods that are answered here."),
        "accept-patch": text("The media type of patches (RFC 5789)."),
        "retry-after": {
            "description": "Seconds after which to come again.", "required": true,
            "schema": {"type": "integer", "minimum": 0},
        },
    })
}

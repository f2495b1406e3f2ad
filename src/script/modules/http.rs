//! `http::get(url)`, `http::post(url, body, headers)`, `http::request(#{ ... })`.

use std::sync::Arc;
use std::time::Duration;

use rhai::{Dynamic, ImmutableString, Map as ScriptMap, NativeCallContext};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::base::json;
use crate::config::{ScriptLimits, nearest};
use crate::script::{
    Bytes, Host, HostResult, HttpAnswer, HttpCall, WaitsFor, count_use, failure, joined_headers,
    modules::Functions, modules::HostFunction, modules::function, modules::hook, modules::members,
    to_json, to_script,
};

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
/// The headers that the HTTP client sets itself to frame the request.
const FRAMING: [&str; 5] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
];
const URL_BYTES: usize = 2_048;
const HEADERS: usize = 32;
const HEADER_BYTES: usize = 8_192;
/// The timeout of a request without `timeoutMs`.
pub(super) const USUAL_TIME: Duration = Duration::from_secs(5);

/// The argument of `http::request`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(skip)]
    body: Body,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    after_ms: u64,
}

/// The body of a request.
#[derive(Default)]
enum Body {
    #[default]
    Nothing,
    /// Bytes that are sent unchanged.
    Raw(Vec<u8>),
    /// A value that is sent as JSON.
    Json(Value),
}

impl Body {
    fn of(value: &Dynamic) -> HostResult<Self> {
        if let Some(bytes) = Bytes::of(value) {
            return Ok(Self::Raw(bytes));
        }
        Ok(match to_json(value)? {
            Value::Null => Self::Nothing,
            Value::String(text) => Self::Raw(text.into_bytes()),
            value => Self::Json(value),
        })
    }

    /// Returns the bytes to send. Adds the content type of JSON to `headers`, unless they name another.
    fn into_bytes(self, headers: &mut Vec<(String, String)>) -> Option<Vec<u8>> {
        match self {
            Self::Nothing => None,
            Self::Raw(bytes) => Some(bytes),
            Self::Json(value) => {
                if !headers.iter().any(|(name, _)| name == "content-type") {
                    headers.push(("content-type".to_owned(), "application/json".to_owned()));
                }
                Some(value.to_string().into_bytes())
            }
        }
    }
}

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "http",
        "get(url: string) -> map",
        "Sends a GET request and returns `#{ status, headers, body, json }`, whatever the status. Header \
         names are in lower case; `json` is `()` when the body is not JSON. The limits are `httpCalls` \
         calls, 5 seconds for one call, `httpMs` for all calls together, and `stringBytes` for a body. Fails \
         when the response does not arrive in time, when its body is too large or not UTF-8, and when \
         `[fetch]` does not allow the address.",
        "http::get(\"https://api.example.org/status\").json.ok",
    ),
    function(
        "http",
        "get(url: string, headers: map) -> map",
        "The same with headers: at most 32, of 8192 bytes in total, in visible ASCII.",
        "http::get(\"https://api.example.org/status\", #{ Accept: \"application/json\" }).status == 200",
    ),
    function(
        "http",
        "post(url: string, body: any, headers: map) -> map",
        "Sends a POST request with a body. A string or bytes are sent unchanged. A map or an array is sent \
         as JSON, with that content type unless the headers name another. The same limits apply.",
        "http::post(\"https://api.example.org/check\", #{ name: \"K\" }, #{}).status == 204",
    ),
    function(
        "http",
        "request(request: map) -> map",
        "Sends a request described by `#{ method, url, headers, body, timeoutMs, afterMs }`; only `url` is \
         required. The method is GET, POST, PUT, PATCH, DELETE or HEAD. `afterMs` is a delay before the \
         request is sent; it counts towards `httpMs` and does not hold up other scripts. The same limits \
         apply. Fails for any other member.",
        "http::request(#{ url: \"https://api.example.org/status\", timeoutMs: 500 }).body == `{\"ok\":true}`",
    ),
];

pub(super) fn module(host: &Arc<dyn Host>, limits: &ScriptLimits) -> Functions {
    let mut module = Functions::default();
    let client = HttpCaller {
        host: Arc::clone(host),
        calls: limits.http_calls,
        bytes: limits.string_bytes,
    };
    let http = client.clone();
    module.add1("get", move |cx, url: ImmutableString| {
        http.send(cx, Wanted::new("GET", &url))
    });
    let http = client.clone();
    module.add2("get", move |cx, url: ImmutableString, headers: Dynamic| {
        http.send(cx, Wanted::new("GET", &url).with_headers(&headers)?)
    });
    let http = client.clone();
    module.add3(
        "post",
        move |cx, url: ImmutableString, body: Dynamic, headers: Dynamic| {
            http.send(cx, Wanted::post(&url, &body)?.with_headers(&headers)?)
        },
    );
    module.add1("request", move |cx, request: Dynamic| {
        client.send(cx, Wanted::of_map(request)?)
    });
    module
}

impl Wanted {
    /// A request without headers and without a body.
    fn new(method: &str, url: &str) -> Self {
        Self {
            method: Some(method.to_owned()),
            url: url.to_owned(),
            headers: Map::new(),
            body: Body::Nothing,
            timeout_ms: None,
            after_ms: 0,
        }
    }

    fn post(url: &str, body: &Dynamic) -> HostResult<Self> {
        let body = Body::of(body)?;
        Ok(Self {
            body,
            ..Self::new("POST", url)
        })
    }

    fn with_headers(self, headers: &Dynamic) -> HostResult<Self> {
        let headers = members(headers, "the headers")?;
        Ok(Self { headers, ..self })
    }

    /// Reads the argument of `http::request`.
    fn of_map(mut request: Dynamic) -> HostResult<Self> {
        // Bytes have no JSON form, so the body is taken out before the conversion.
        let body = match request.as_map_mut() {
            Ok(mut members) => {
                only_options(&members)?;
                members.remove("body").unwrap_or_default()
            }
            Err(_) => Dynamic::UNIT,
        };
        let wanted: Self = serde_json::from_value(to_json(&request)?)
            .map_err(|error| failure(format!("invalid http request: {error}")))?;
        let body = Body::of(&body)?;
        Ok(Self { body, ..wanted })
    }
}

/// The members of the argument of `http::request`.
const OPTIONS: [&str; 6] = ["method", "url", "headers", "body", "timeoutMs", "afterMs"];

/// Rejects members of the argument of `http::request` that it does not know.
fn only_options(request: &ScriptMap) -> HostResult<()> {
    let mut names = request.keys();
    let Some(name) = names.find(|name| !OPTIONS.contains(&name.as_str())) else {
        return Ok(());
    };
    let advice = match nearest(name, OPTIONS) {
        Some(near) => format!("did you mean '{near}'? It"),
        None => "it".to_owned(),
    };
    let known = OPTIONS.join(", ");
    Err(failure(format!(
        "invalid http request: it has no member '{name}'; {advice} has {known}"
    )))
}

/// How many times `httpCalls` a hook after the response may call other systems. No client waits for it.
const FOR_AN_EVENT: u32 = 4;

/// Counts one more call of another system, of which a hook may make `most`.
pub(super) fn http_call(cx: &NativeCallContext<'_>, most: u32) -> HostResult<()> {
    let context = hook(cx)?;
    let most = if context.is_for_an_event() {
        most.saturating_mul(FOR_AN_EVENT)
    } else {
        most
    };
    if count_use(&context.spent().http_calls, most) {
        return Ok(());
    }
    Err(failure(format!(
        "more than {most} http calls (scripts.limits.httpCalls)"
    )))
}

#[derive(Clone)]
struct HttpCaller {
    host: Arc<dyn Host>,
    calls: u32,
    bytes: usize,
}

impl HttpCaller {
    fn send(&self, cx: &NativeCallContext<'_>, wanted: Wanted) -> HostResult<ScriptMap> {
        let context = hook(cx)?;
        let call = self.call(wanted).map_err(failure)?;
        http_call(cx, self.calls)?;
        let answer = context
            .permit()
            .wait(WaitsFor::Far, call.timeout, |timeout| {
                let call = call.clone();
                self.host.http(&HttpCall { timeout, ..call })
            });
        context.permit().add_waited(self.host.simulated_wait());
        match answer {
            Ok(Ok(answer)) => self.answer(answer),
            Ok(Err(error)) | Err(error) => Err(failure(error)),
        }
    }

    /// Checks `wanted` against the limits, and returns the call to send.
    fn call(&self, wanted: Wanted) -> Result<HttpCall, String> {
        let method = method_of(wanted.method.as_deref().unwrap_or("GET"))?;
        if wanted.url.len() > URL_BYTES {
            return Err(format!("the URL must not exceed {URL_BYTES} bytes"));
        }
        let mut headers = headers(wanted.headers)?;
        let body = wanted.body.into_bytes(&mut headers);
        if body.as_ref().is_some_and(|body| body.len() > self.bytes) {
            return Err(format!(
                "the body must not exceed {} bytes (scripts.limits.stringBytes)",
                self.bytes
            ));
        }
        let after = Duration::from_millis(wanted.after_ms);
        let timeout = match wanted.timeout_ms {
            Some(milliseconds) => Duration::from_millis(milliseconds),
            None => USUAL_TIME,
        };
        Ok(HttpCall {
            method,
            url: wanted.url,
            headers,
            body,
            after,
            timeout: after.saturating_add(timeout),
            answer_bytes: self.bytes,
        })
    }

    fn answer(&self, answer: HttpAnswer) -> HostResult<ScriptMap> {
        let Ok(body) = String::from_utf8(answer.body) else {
            return Err(failure("the body of the response is not UTF-8"));
        };
        let mut head = 0;
        for (name, value) in &answer.headers {
            head += name.len() + value.len();
        }
        if body.len().max(head) > self.bytes {
            let message = format!(
                "the response has more than {} bytes (scripts.limits.stringBytes)",
                self.bytes
            );
            return Err(failure(message));
        }
        // A body that is not JSON, or that the server's own JSON reader rejects, has no `json`.
        let json = json::parse(body.as_bytes()).unwrap_or_default();
        Ok(ScriptMap::from([
            ("status".into(), i64::from(answer.status).into()),
            (
                "headers".into(),
                to_script(&Value::Object(joined_headers(answer.headers.iter())))?,
            ),
            ("json".into(), to_script(&json)?),
            ("body".into(), body.into()),
        ]))
    }
}

/// Returns the method of a request, in capitals.
pub(super) fn method_of(text: &str) -> Result<String, String> {
    let method = text.to_ascii_uppercase();
    if METHODS.contains(&method.as_str()) {
        Ok(method)
    } else {
        Err(format!("the method must be one of {}", METHODS.join(", ")))
    }
}

/// Checks the headers, and returns them with names in lower case.
fn headers(wanted: Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let mut bytes = 0;
    for (name, value) in &wanted {
        bytes += name.len() + value.as_str().map_or(0, str::len);
    }
    if wanted.len() > HEADERS || bytes > HEADER_BYTES {
        return Err(format!(
            "a request must not exceed {HEADERS} headers of {HEADER_BYTES} bytes in total"
        ));
    }
    wanted.into_iter().map(header).collect()
}

fn header((name, value): (String, Value)) -> Result<(String, String), String> {
    let name = name.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) || FRAMING.contains(&name.as_str()) {
        return Err(
            "a header name must follow RFC 9110 and not be a framing header such as content-length"
                .to_owned(),
        );
    }
    match value {
        Value::String(text) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
            Ok((name, text))
        }
        _ => Err(format!(
            "the header {name} must be a string in visible ASCII"
        )),
    }
}

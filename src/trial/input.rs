//! A request to be judged, as an administrator describes it in JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::base::{ClientId, Clock, ManualClock, Timestamp};
use crate::config::{self, Configuration, Patch, Sources};
use crate::http::ClientCertificate;
use crate::script::{ScriptSet, fake_host};
use crate::service::{self, Conditions, Judged, ScriptHttp, Service};
use crate::store::PastUses;
use crate::trial::{Target, TrialRequest, compile};
use crate::x509::Certificate;

/// The maximum number of headers, and of fields with the same name.
const MOST_HEADERS: usize = 100;
/// The maximum size of all headers, in bytes.
const HEADER_BYTES: usize = 32 * 1024;
/// The maximum number of fake responses.
const MOST_FAKES: usize = 100;

/// A request, and what it is judged by.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrialInput {
    /// The metadata as an object, or the body as a text, such as a signed request.
    body: Value,
    headers: BTreeMap<String, HeaderFields>,
    address: Option<IpAddr>,
    certificate: Option<GivenCertificate>,
    initial_access_token: Option<String>,
    client_id: Option<String>,
    time: Option<u64>,
    scripts: BTreeMap<String, Option<String>>,
    replace_scripts: bool,
    registration: Map<String, Value>,
    http: Option<GivenHttp>,
    repeated: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderFields {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenCertificate {
    pem: String,
    #[serde(default = "yes")]
    trusted: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GivenHttp {
    Mode(HttpMode),
    Fakes(Vec<Value>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum HttpMode {
    Refuse,
    Live,
}

const BODY: &str = "the metadata as an object, or the body as a string, such as a signed request";

/// The members of the description, with what each must be.
const MEMBERS: &[(&str, &str)] = &[
    ("body", BODY),
    (
        "headers",
        "an object with a string, or an array of strings, for each name",
    ),
    ("address", "an IP address"),
    (
        "certificate",
        "an object with the string `pem` and, if the server would not trust it, `trusted`: false",
    ),
    (
        "initial_access_token",
        "the identifier of an initial access token",
    ),
    ("client_id", "the client_id of the client to update"),
    ("time", "seconds since 1970-01-01T00:00:00Z"),
    (
        "scripts",
        "an object with the text of each script that differs; null leaves a script out",
    ),
    (
        "replace_scripts",
        "true if `scripts` has all scripts of the trial, else false",
    ),
    ("registration", "an object with options of [registration]"),
    (
        "http",
        "`refuse`, `live`, or an array of objects with `method`, `url` and `answer`",
    ),
    (
        "repeated",
        "true if what earlier requests used up counts as unused, else false",
    ),
];

impl TrialInput {
    /// Reads the description from `members`.
    ///
    /// # Errors
    /// The member that is wrong, without its value, which may be a secret.
    pub(crate) fn read(members: Map<String, Value>) -> Result<Self, String> {
        let is_present = |(_, value): &(String, Value)| !value.is_null();
        let members: Map<String, Value> = members.into_iter().filter(is_present).collect();
        for (name, value) in &members {
            let Some((_, due)) = MEMBERS.iter().find(|(known, _)| known == name) else {
                return Err(unknown(name));
            };
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            if serde_json::from_value::<Self>(alone.into()).is_err() {
                return Err(format!("{name}: must be {due}"));
            }
        }
        let input: Self = serde_json::from_value(members.into())
            .map_err(|_| "must be a JSON object".to_owned())?;
        if !input.body.is_object() && !input.body.is_string() {
            return Err(format!("body: must be {BODY}"));
        }
        Ok(input)
    }

    /// Returns the client that the request updates.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Returns the request. It comes from `address` if the description names no address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn request(&self, address: IpAddr) -> Result<TrialRequest, String> {
        let target = match &self.client_id {
            None => Target::Registration,
            Some(id) => Target::Update(
                ClientId::parse(id).map_err(|_| "client_id: must be the client_id of a client")?,
            ),
        };
        let body = match &self.body {
            Value::String(text) => text.clone(),
            members => members.to_string(),
        };
        let mut headers = self.headers()?;
        if !headers.contains_key(CONTENT_TYPE) {
            let is_json = body.trim_start().starts_with('{');
            let form = if is_json {
                "application/json"
            } else {
                "application/jwt"
            };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
        }
        Ok(TrialRequest {
            target,
            headers,
            body: Bytes::from(body),
            address: self.address.unwrap_or(address),
            certificate: self.certificate.as_ref().map(certificate).transpose()?,
            initial_access_token: self.initial_access_token.clone(),
        })
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let (mut headers, mut bytes) = (HeaderMap::new(), 0);
        for (name, fields) in &self.headers {
            let fields = match fields {
                HeaderFields::One(field) => std::slice::from_ref(field),
                HeaderFields::Several(fields) => fields.as_slice(),
            };
            for field in fields {
                bytes += name.len() + field.len();
                if bytes > HEADER_BYTES || headers.len() >= MOST_HEADERS {
                    return Err(format!(
                        "headers: must not exceed {MOST_HEADERS} fields of {HEADER_BYTES} bytes in total"
                    ));
                }
                let (Ok(name), Ok(value)) =
                    (HeaderName::try_from(name), HeaderValue::try_from(field))
                else {
                    return Err("headers: a name or a value is not possible in HTTP".to_owned());
                };
                headers.append(name, value);
            }
        }
        Ok(headers)
    }

    /// Whether other scripts than those in force could call other servers.
    pub(crate) fn lets_scripts_call(&self) -> bool {
        let is_live = matches!(self.http, Some(GivenHttp::Mode(HttpMode::Live)));
        is_live && (self.replace_scripts || !self.scripts.is_empty())
    }

    /// Returns what the request is judged by. Other scripts than those in force see made-up secrets unless
    /// `sees_secrets`: they could put the real ones into the answer.
    ///
    /// # Errors
    /// What is wrong with the scripts, the options, or the fake responses.
    pub(crate) async fn conditions(
        self,
        service: &Service,
        sees_secrets: bool,
    ) -> Result<Conditions, String> {
        let http = match self.http {
            None | Some(GivenHttp::Mode(HttpMode::Refuse)) => ScriptHttp::Refused,
            Some(GivenHttp::Mode(HttpMode::Live)) => ScriptHttp::Live,
            Some(GivenHttp::Fakes(fakes)) if fakes.len() > MOST_FAKES => {
                return Err(format!("http: must not exceed {MOST_FAKES} responses"));
            }
            Some(GivenHttp::Fakes(fakes)) => {
                let host = fake_host(fakes).map_err(|reason| format!("http: {reason}"))?;
                ScriptHttp::Fake(host)
            }
        };
        let clock = self.time.map(|seconds| {
            let clock = ManualClock::new(Timestamp::from_unix(seconds));
            Arc::new(clock) as Arc<dyn Clock>
        });
        Ok(Conditions {
            scripts: other_scripts(service, self.scripts, self.replace_scripts, sees_secrets)
                .await?,
            live: other_options(service, self.registration).await?,
            clock,
            http,
            past_uses: if self.repeated {
                PastUses::Forget
            } else {
                PastUses::Count
            },
            ..Conditions::default()
        })
    }
}

/// Returns the error for an unknown member. Its name could be a token that is there by mistake.
fn unknown(name: &str) -> String {
    let is_word = name.len() <= 32
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let named = if is_word {
        format!("unknown member {name}")
    } else {
        "unknown member".to_owned()
    };
    let known: Vec<&str> = MEMBERS.iter().map(|(name, _)| *name).collect();
    format!("{named}; the members are {}", known.join(", "))
}

fn certificate(given: &GivenCertificate) -> Result<ClientCertificate, String> {
    let certificate = Certificate::from_pem(&given.pem);
    Ok(ClientCertificate {
        certificate: Arc::new(certificate.map_err(|error| format!("certificate: {error}"))?),
        is_trusted: given.trusted,
    })
}

/// Returns the scripts in force with these files on top, or only these files if they `replace` all; none if there are no
/// other files.
async fn other_scripts(
    service: &Service,
    files: BTreeMap<String, Option<String>>,
    replace: bool,
    sees_secrets: bool,
) -> Result<Option<Arc<ScriptSet>>, String> {
    if files.is_empty() && !replace {
        return Ok(None);
    }
    let present = Arc::clone(&service.snapshot().scripts);
    let mut all = if replace {
        BTreeMap::new()
    } else {
        present.files()
    };
    for (name, text) in files {
        match text {
            Some(text) => drop(all.insert(name, text)),
            None => drop(all.remove(&name)),
        }
    }
    let runtime = if sees_secrets {
        Arc::clone(present.runtime())
    } else {
        present.runtime().with_made_up_secrets()
    };
    match compile(service, all, runtime).await {
        Ok(scripts) => Ok(Some(scripts)),
        Err(cause) => Err(format!("scripts: {cause}")),
    }
}

/// Returns the configuration in force.
fn present_configuration(service: &Service) -> Configuration {
    let snapshot = service.snapshot();
    Configuration {
        settings: (*service.settings).clone(),
        live: (*snapshot.live).clone(),
        base: Box::new((*snapshot.live).clone()),
        origins: (*snapshot.origins).clone(),
        warnings: Vec::new(),
    }
}

/// Returns the live configuration with other options of `[registration]`; none if there are no others.
async fn other_options(
    service: &Service,
    options: Map<String, Value>,
) -> Result<Option<Judged>, String> {
    if options.is_empty() {
        return Ok(None);
    }
    let present = present_configuration(service);
    let mut patch = Map::new();
    for (name, value) in options {
        patch.insert(format!("registration.{name}"), value);
    }
    let sources = Sources {
        embedded: Some(Box::new(present)),
        patch: Patch(patch),
        ..Sources::default()
    };
    // The files that options name are read.
    let judged = tokio::task::spawn_blocking(move || {
        let loaded = config::load(&sources).map_err(|errors| errors.to_string())?;
        service::judge(loaded.live)
    });
    judged.await.map_err(|error| error.to_string())?.map(Some)
}

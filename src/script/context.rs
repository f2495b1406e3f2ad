//! `context`: what a hook is given.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Dynamic, ImmutableString, Module};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::facts::Facts;
use super::members::{Access, Members};
use super::value::{Outcome, to_script};

/// One call of one hook of one script. A clone is another handle on the same call.
#[derive(Clone)]
pub(super) struct Context(Arc<Call>);

struct Call {
    facts: Arc<Facts>,
    attributes: Arc<Map<String, Value>>,
    register_request: Members,
    client: Members,
    answer: Mutex<Option<Answer>>,
    lines: AtomicU32,
}

impl Context {
    /// A call about `client`.
    pub(super) fn new(facts: &Arc<Facts>, attributes: &Arc<Map<String, Value>>, client: Members) -> Self {
        let custom: Arc<BTreeSet<String>> = Arc::new(facts.custom_attributes.iter().cloned().collect());
        let register_request = Members::new(facts.register_request.clone(), Access::ReadOnly, &custom);
        Self(Arc::new(Call {
            facts: Arc::clone(facts),
            attributes: Arc::clone(attributes),
            register_request,
            client,
            answer: Mutex::new(None),
            lines: AtomicU32::new(0),
        }))
    }

    /// The answer that the script gave, if any.
    pub(super) fn take_answer(&self) -> Option<Answer> {
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn give(&self, answer: Answer) {
        *self.0.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    /// Counts one line of the log; whether the script may still write one.
    pub(super) fn may_log(&self, most: u32) -> bool {
        self.0.lines.fetch_add(1, Ordering::Relaxed) < most
    }

    fn optional(value: Option<&Value>) -> Outcome<Dynamic> {
        value.map_or(Ok(Dynamic::UNIT), to_script)
    }

    fn http_request(&self) -> Outcome<Dynamic> {
        let request = &self.0.facts.http_request;
        let mut headers: Map<String, Value> = Map::new();
        for (name, value) in &request.headers {
            match headers.get_mut(name) {
                // RFC 9110 section 5.3: several fields of one name are one list.
                Some(Value::String(present)) => present.extend([", ", value]),
                _ => drop(headers.insert(name.clone(), value.clone().into())),
            }
        }
        let address = request.ip_address.map(|address| address.to_string());
        to_script(&json!({
            "method": request.method, "path": request.path, "headers": headers, "ipAddress": address,
        }))
    }
}

/// A member of `context`.
type Read = fn(&Context) -> Outcome<Dynamic>;

/// Every member, with the seed's spelling of it.
const MEMBERS: &[(&str, &[&str], Read)] = &[
    ("client", &["getClient"], |context| Ok(Dynamic::from(context.0.client.clone()))),
    ("registerRequest", &["getRegisterRequest"], |context| {
        Ok(Dynamic::from(context.0.register_request.clone()))
    }),
    ("configurationAttributes", &["getConfigurationAttibutes", "getConfigurationAttributes"], |context| {
        to_script(&Value::Object((*context.0.attributes).clone()))
    }),
    ("softwareStatement", &["getSoftwareStatement"], |context| {
        Context::optional(context.0.facts.software_statement.as_ref())
    }),
    ("dcr", &["getDcr"], |context| Context::optional(context.0.facts.dcr.as_ref())),
    ("evidence", &["getEvidence"], |context| Context::optional(context.0.facts.evidence.as_ref())),
    ("attestation", &["getAttestation"], |context| Context::optional(context.0.facts.attestation.as_ref())),
    ("certificate", &["getCertificate"], |context| Context::optional(context.0.facts.certificate.as_ref())),
    ("initialAccessToken", &["getInitialAccessToken"], |context| {
        Context::optional(context.0.facts.initial_access_token.as_ref())
    }),
    ("httpRequest", &["getHttpRequest"], Context::http_request),
    ("trustLevel", &["getTrustLevel"], |context| Ok(context.0.facts.trust_level.as_str().into())),
];

/// Teaches scripts what a context is.
pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Context>("Context");
    for &(name, spellings, read) in MEMBERS {
        module.set_getter_fn(name, move |context: &mut Context| read(context));
        for &spelling in spellings {
            module.set_native_fn(spelling, move |context: &mut Context| read(context));
        }
    }
    module.set_native_fn("getIpAddress", |context: &mut Context| {
        let address = context.0.facts.http_request.ip_address;
        Ok(address.map_or(Dynamic::UNIT, |address| address.to_string().into()))
    });
    module.set_native_fn(
        "createWebApplicationException",
        |context: &mut Context, status: i64, entity: Dynamic| {
            context.give(Answer::new(status, &entity)?);
            Ok(())
        },
    );
    module.set_native_fn(
        "createStaleEvidenceWebApplicationException",
        |context: &mut Context, nonce: ImmutableString| {
            context.give(Answer::stale_evidence(&nonce));
            Ok(())
        },
    );
}

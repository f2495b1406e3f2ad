//! What a program requires of an answer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::support::Answer;

/// All requirements; an absent one is not checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Expected {
    /// The permitted status codes.
    status: Vec<u16>,
    /// Members that must equal those of the request.
    #[serde(default)]
    equal: Vec<String>,
    /// Members that must have exactly these values.
    #[serde(default)]
    values: BTreeMap<String, Value>,
    /// Lists that must contain these items.
    #[serde(default)]
    contains: BTreeMap<String, Vec<Value>>,
    /// Lists that must contain none of these items.
    #[serde(default)]
    lacks: BTreeMap<String, Vec<Value>>,
    /// Members that must be absent.
    #[serde(default)]
    absent: Vec<String>,
    /// Members that must be present and have this type.
    #[serde(default)]
    types: BTreeMap<String, String>,
    /// The scopes in any order.
    scope: Option<String>,
    /// Headers that must contain this word in any case.
    #[serde(default)]
    header_has: BTreeMap<String, String>,
    /// Texts that `error_description` must contain.
    #[serde(default)]
    describes: Vec<String>,
}

impl Expected {
    /// Returns the requirements that the `answer` to a request with the body `sent` does not meet.
    pub(in super::super) fn faults(&self, sent: Option<&Value>, answer: &Answer) -> Vec<String> {
        if !self.status.contains(&answer.status) {
            return vec![format!(
                "{} is none of {:?}: {}",
                answer.status, self.status, answer.text
            )];
        }
        let mut faults = self.members(sent, answer);
        faults.extend(self.lists(answer));
        faults.extend(self.scopes(answer));
        faults.extend(nothing_empty(&answer.body));
        for (name, word) in &self.header_has {
            let has = answer.header(name).to_ascii_lowercase();
            let is_there = has
                .split(',')
                .any(|one| one.trim() == word.to_ascii_lowercase());
            faults.extend(
                (!is_there).then(|| format!("the header {name} is '{has}', without {word}")),
            );
        }
        let description = answer
            .member("error_description")
            .as_str()
            .unwrap_or_default();
        let unsaid = self
            .describes
            .iter()
            .filter(|part| !description.contains(part.as_str()));
        faults.extend(unsaid.map(|part| format!("'{description}' does not say '{part}'")));
        faults
    }

    fn members(&self, sent: Option<&Value>, answer: &Answer) -> Vec<String> {
        let mut faults = Vec::new();
        for name in &self.equal {
            let (asked, got) = (sent.and_then(|sent| sent.get(name)), answer.body.get(name));
            faults
                .extend((asked != got).then(|| format!("{name} is {}, not as asked", shown(got))));
        }
        for (name, value) in &self.values {
            let got = answer.body.get(name);
            faults.extend(
                (got != Some(value)).then(|| format!("{name} is {}, not {value}", shown(got))),
            );
        }
        for name in &self.absent {
            let got = answer.body.get(name);
            faults.extend(
                got.is_some()
                    .then(|| format!("{name} is {}, not absent", shown(got))),
            );
        }
        for (name, kind) in &self.types {
            let got = answer.body.get(name);
            let is_right = got.is_some_and(|value| is_of_type(value, kind));
            faults.extend(
                (!is_right).then(|| format!("{name} is {}, which is no {kind}", shown(got))),
            );
        }
        faults
    }

    fn lists(&self, answer: &Answer) -> Vec<String> {
        let has = |name: &str, item: &Value| {
            answer
                .member(name)
                .as_array()
                .is_some_and(|items| items.contains(item))
        };
        let each = |lists: &BTreeMap<String, Vec<Value>>, wanted: bool| {
            let all = lists.iter().flat_map(|(name, items)| {
                items.iter().map(move |item| (name.clone(), item.clone()))
            });
            all.filter(|(name, item)| has(name, item) != wanted)
                .collect::<Vec<_>>()
        };
        let missing = each(&self.contains, true)
            .into_iter()
            .map(|(name, item)| format!("{name} lacks {item}"));
        let left = each(&self.lacks, false)
            .into_iter()
            .map(|(name, item)| format!("{name} has {item}"));
        missing.chain(left).collect()
    }

    fn scopes(&self, answer: &Answer) -> Option<String> {
        let words = |text: &str| {
            let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            words.sort_unstable();
            words
        };
        let (wanted, got) = (
            self.scope.as_deref()?,
            answer.member("scope").as_str().unwrap_or_default(),
        );
        (words(wanted) != words(got)).then(|| format!("scope is '{got}', not '{wanted}'"))
    }
}

/// Strict programs, such as the MCP SDK, cannot parse `null` and empty URLs (RFC 7591 section 2).
fn nothing_empty(body: &Value) -> Vec<String> {
    let members = body.as_object().into_iter().flatten();
    let empty =
        members.filter(|(_, value)| value.is_null() || value.as_str().is_some_and(str::is_empty));
    empty
        .map(|(name, value)| format!("{name} is {value}"))
        .collect()
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.as_str().is_some_and(|text| !text.is_empty()),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("unknown type {kind}"),
    }
}

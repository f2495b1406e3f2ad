//! Where the members of the metadata of a client come from.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::Metadata;

/// The party that gave a member its value. Of several, the last one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberOrigin {
    /// The client, in its request.
    Request,
    /// The client, in a signed request.
    SignedRequest,
    /// The issuer of the software statement.
    SoftwareStatement,
    /// The attester of the client.
    Attestation,
    /// The defaults of this server.
    Default,
    /// The policy of the initial access token.
    InitialAccessToken,
    /// The script with this file name.
    Script(String),
    /// This server.
    Server,
    /// An administrator.
    Administrator,
    /// The upstream server, which has registered another value.
    Upstream,
}

/// The origins that are words of their own.
const WORDS: [(&str, MemberOrigin); 9] = [
    ("request", MemberOrigin::Request),
    ("signed_request", MemberOrigin::SignedRequest),
    ("software_statement", MemberOrigin::SoftwareStatement),
    ("attestation", MemberOrigin::Attestation),
    ("default", MemberOrigin::Default),
    ("initial_access_token", MemberOrigin::InitialAccessToken),
    ("server", MemberOrigin::Server),
    ("administrator", MemberOrigin::Administrator),
    ("upstream", MemberOrigin::Upstream),
];

/// What precedes the name of a script.
const SCRIPT: &str = "script:";

impl fmt::Display for MemberOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Script(name) = self {
            return write!(f, "{SCRIPT}{name}");
        }
        let word = WORDS.iter().find(|(_, origin)| origin == self);
        f.write_str(word.map_or("", |(word, _)| *word))
    }
}

impl FromStr for MemberOrigin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(name) = text.strip_prefix(SCRIPT) {
            return Ok(Self::Script(name.to_owned()));
        }
        let known = WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, origin)| origin.clone()).ok_or(())
    }
}

/// The origins of all members of a client.
///
/// They are one text, because they are written and read with each client and shown rarely: a line for each origin, with
/// the names of its members. Members of the request are in no line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct MemberOrigins(String);

impl MemberOrigins {
    /// Collects the origins of members.
    pub(crate) fn collect<'a>(members: impl Iterator<Item = (&'a str, MemberOrigin)>) -> Self {
        let mut lines: Vec<(MemberOrigin, String)> = Vec::new();
        for (name, origin) in members {
            if origin == MemberOrigin::Request {
                continue;
            }
            let line = lines.iter_mut().find(|(of, _)| *of == origin);
            if let Some((_, line)) = line {
                push_word(line, name);
            } else {
                let mut line = String::with_capacity(128);
                push_word(&mut line, name);
                lines.push((origin, line));
            }
        }
        let mut text = String::with_capacity(256);
        for (origin, line) in lines {
            if !text.is_empty() {
                text.push('\n');
            }
            if let MemberOrigin::Script(name) = &origin {
                text.push_str(SCRIPT);
                escape(&mut text, name);
            } else {
                // Writing to a string does not fail.
                let _ = write!(text, "{origin}");
            }
            text.push_str(&line);
        }
        Self(text)
    }

    /// Returns the origins of `metadata` if all of it comes from `origin`.
    pub(crate) fn all_from(origin: &MemberOrigin, metadata: &Metadata) -> Self {
        Self::collect(metadata.iter().map(|(name, _)| (name, origin.clone())))
    }

    /// Returns the origin of the member `name` of the client.
    pub(crate) fn origin_of(&self, name: &str) -> MemberOrigin {
        for line in self.0.lines() {
            let mut words = line.split(' ');
            let origin = words.next().unwrap_or_default();
            if words.any(|word| unescaped(word) == name) {
                return unescaped(origin).parse().unwrap_or(MemberOrigin::Request);
            }
        }
        MemberOrigin::Request
    }

    /// Returns the origin of each member of `metadata`, as it is shown.
    pub(crate) fn shown(&self, metadata: &Metadata) -> Map<String, Value> {
        let entries = self.entries();
        let mut shown = Map::new();
        for (name, _) in metadata.iter() {
            let entry = entries.iter().find(|(member, _)| member == name);
            let origin = match entry {
                Some((_, origin)) => origin.to_string(),
                None => MemberOrigin::Request.to_string(),
            };
            shown.insert(name.to_owned(), origin.into());
        }
        shown
    }

    /// Returns the members that are in a line, with their origins. The text is read once for all of them.
    fn entries(&self) -> Vec<(Cow<'_, str>, MemberOrigin)> {
        let mut entries = Vec::new();
        for line in self.0.lines() {
            let mut words = line.split(' ');
            let origin = unescaped(words.next().unwrap_or_default());
            let origin: MemberOrigin = origin.parse().unwrap_or(MemberOrigin::Request);
            entries.extend(words.map(|word| (unescaped(word), origin.clone())));
        }
        entries
    }

    /// Reads the origins of `metadata` as they are shown; none if one of them is unknown. A member without an origin was
    /// added by whoever administers both.
    pub(crate) fn read(shown: &Map<String, Value>, metadata: &Metadata) -> Option<Self> {
        let mut members = Vec::new();
        for (name, _) in metadata.iter() {
            let origin = match shown.get(name) {
                Some(word) => word.as_str()?.parse().ok()?,
                None => MemberOrigin::Administrator,
            };
            members.push((name, origin));
        }
        Some(Self::collect(members.into_iter()))
    }
}

fn push_word(line: &mut String, word: &str) {
    line.push(' ');
    escape(line, word);
}

/// Adds `text` to `line` as one word. The names of custom attributes and scripts may contain spaces.
fn escape(line: &mut String, text: &str) {
    let is_plain = |byte: u8| byte > b' ' && byte != b'%';
    if text.bytes().all(is_plain) {
        return line.push_str(text);
    }
    for character in text.chars() {
        if character == '%' || character <= ' ' {
            let _ = write!(line, "%{:02X}", u32::from(character));
        } else {
            line.push(character);
        }
    }
}

fn unescaped(word: &str) -> Cow<'_, str> {
    if !word.as_bytes().contains(&b'%') {
        return word.into();
    }
    let mut parts = word.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        match u8::from_str_radix(code, 16) {
            Ok(byte) => text.push(char::from(byte)),
            Err(_) => text.push_str(code),
        }
        text.push_str(rest);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn origins(members: &[(&str, &str)]) -> MemberOrigins {
        let parsed = members
            .iter()
            .map(|(name, origin)| (*name, origin.parse().unwrap()));
        MemberOrigins::collect(parsed)
    }

    #[test]
    fn origins_are_stored_briefly_and_shown_in_full() {
        let members = [
            ("client_name", "request"),
            ("grant_types", "default"),
            ("scope", "script:20-a.rhai"),
            ("response_types", "default"),
        ];
        let origins = origins(&members);
        let text = "default grant_types response_types\nscript:20-a.rhai scope";
        assert_eq!(serde_json::to_value(&origins).unwrap(), text);
        let metadata = json!({"client_name": 1, "grant_types": 2, "scope": 3, "response_types": 4});
        let metadata = Metadata::new(metadata.as_object().unwrap().clone());
        let shown = origins.shown(&metadata);
        for (name, origin) in members {
            assert_eq!(shown[name], origin);
        }
        assert_eq!(MemberOrigins::read(&shown, &metadata), Some(origins));
    }

    #[test]
    fn any_name_is_kept() {
        for name in [
            "a b",
            "a%20b",
            "a\nb",
            "%",
            "ä #x",
            "client_name#ja-Jpan-JP",
            "%zz",
            "a%2",
        ] {
            let origins = origins(&[("x", "default"), (name, "script:my script.rhai")]);
            assert_eq!(
                origins.origin_of(name),
                MemberOrigin::Script("my script.rhai".to_owned()),
                "{name}"
            );
            assert_eq!(origins.origin_of("x"), MemberOrigin::Default);
            assert_eq!(origins.origin_of("y"), MemberOrigin::Request);
        }
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for (word, origin) in WORDS {
            assert_eq!(origin.to_string(), word);
            assert_eq!(word.parse(), Ok(origin));
        }
        assert_eq!("nobody".parse::<MemberOrigin>(), Err(()));
        let object = |value: Value| value.as_object().unwrap().clone();
        let metadata = Metadata::new(object(json!({"scope": "openid"})));
        let read = |shown: Value| MemberOrigins::read(&object(shown), &metadata);
        assert_eq!(read(json!({"scope": "nobody"})), None);
        let added = read(json!({})).unwrap();
        assert_eq!(added.origin_of("scope"), MemberOrigin::Administrator);
    }
}

//! The list of clients that another system has, as its connector prints it: JSON lines, the last of which is
//! `{"clients": N}`, so that a truncated list is not mistaken for missing clients.

use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value};

use super::difference::Abilities;
use super::sorted::{Sorted, Sorter};
use crate::base::json;
use crate::cli::{CommandFailure, lines};

/// A client of the other system.
pub(super) struct ListedClient {
    pub(super) id: String,
    /// Its members in the terms of this server, without `client_id`.
    pub(super) members: Map<String, Value>,
}

impl ListedClient {
    /// Reads a client from its line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let members = json::parse_object(line).map_err(|error| error.to_string())?;
        Self::of(members)
    }

    fn of(mut members: Map<String, Value>) -> Result<Self, String> {
        match members.shift_remove("client_id") {
            Some(Value::String(id)) if !id.is_empty() => Ok(Self { id, members }),
            _ => Err("client_id is missing or not a text".to_owned()),
        }
    }
}

/// The whole list.
pub(super) struct OtherList {
    abilities: Abilities,
    sorter: Sorter,
    /// The number in the last line.
    stated: Option<u64>,
    clients: u64,
}

impl OtherList {
    /// Reads the list in `file`, or on standard input if it is missing or `-`.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, CommandFailure> {
        let (source, name) = lines::open(file)?;
        Self::read_from(source, &name)
    }

    fn read_from(mut source: impl BufRead, name: &str) -> Result<Self, CommandFailure> {
        let mut list = Self {
            abilities: Abilities::default(),
            sorter: Sorter::default(),
            stated: None,
            clients: 0,
        };
        let mut number = 0_u64;
        loop {
            number += 1;
            let added = match lines::next(&mut source) {
                Ok(Some(line)) => list.add(line, number == 1),
                Ok(None) => break,
                Err(error) => Err(error.to_string()),
            };
            added.map_err(|reason| CommandFailure::Failed(format!("{name}:{number}: {reason}")))?;
        }
        let whole = list.check_whole();
        whole.map_err(|reason| CommandFailure::Failed(format!("{name}: {reason}")))?;
        Ok(list)
    }

    fn add(&mut self, line: Vec<u8>, is_first: bool) -> Result<(), String> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        if self.stated.is_some() {
            return Err("follows the line with the number of clients".to_owned());
        }
        let members = json::parse_object(&line).map_err(|error| error.to_string())?;
        if members.contains_key("client_id") {
            let client = ListedClient::of(members)?;
            self.clients += 1;
            return self.sorter.add(client.id, line);
        }
        if is_first && Abilities::are_described(&members) {
            self.abilities = Abilities::read(&members)?;
            return Ok(());
        }
        let stated = members.get("clients").and_then(Value::as_u64);
        self.stated = Some(stated.ok_or("has neither client_id nor the number of clients")?);
        Ok(())
    }

    /// Checks that the list has its end.
    fn check_whole(&self) -> Result<(), String> {
        match self.stated {
            None => Err(
                "the list is truncated: its last line must be {\"clients\": N}; see the messages of the connector"
                    .to_owned(),
            ),
            Some(stated) if stated != self.clients => Err(format!(
                "the list has {} clients, but its last line states {stated}",
                self.clients
            )),
            Some(_) => Ok(()),
        }
    }

    /// Returns what the other system can hold, and its clients in the order of their identifiers.
    pub(super) fn into_parts(self) -> (Abilities, Sorted) {
        (self.abilities, self.sorter.sorted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        match OtherList::read_from(text.as_bytes(), "list") {
            Ok(list) => {
                let (_, clients) = list.into_parts();
                let ids = clients.map(|client| client.map(|client| client.id));
                ids.collect::<Result<_, _>>().map_err(text_of)
            }
            Err(failure) => Err(text_of(failure)),
        }
    }

    fn text_of(failure: CommandFailure) -> String {
        match failure {
            CommandFailure::Failed(reason) => reason,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_list_is_read_in_any_order() {
        let text = "{\"supports\": {}}\n{\"client_id\": \"b\"}\n\n{\"client_id\": \"a\"}\r\n{\"clients\": 2}";
        assert_eq!(read(text).expect("a list"), ["a", "b"]);
        assert_eq!(read("{\"clients\": 0}\n").expect("a list"), [""; 0]);
    }

    #[test]
    fn a_list_that_cannot_be_compared_is_reported() {
        for (text, part) in [
            ("", "list: the list is truncated"),
            ("{\"client_id\": \"a\"}\n", "list: the list is truncated"),
            (
                "{\"clients\": 1}\n",
                "has 0 clients, but its last line states 1",
            ),
            (
                "{\"clients\": 0}\n{\"client_id\": \"a\"}\n",
                "list:2: follows the line",
            ),
            (
                "{\"client_id\": 1}\n",
                "list:1: client_id is missing or not",
            ),
            (
                "{\"client_id\": \"\"}\n",
                "list:1: client_id is missing or not",
            ),
            ("[]\n", "list:1: "),
            ("{\"clients\": 0}\n{\"supports\": {}}\n", "list:2: follows"),
            (
                "{\"client_id\": \"a\"}\n{\"supports\": {}}\n",
                "list:2: has neither",
            ),
            (
                "{\"supports\": {\"disabled\": true}}\n",
                "list:1: supports.disabled must be an array",
            ),
            (
                "{\"longest\": {\"redirect_uris\": \"1\"}}\n",
                "list:1: longest.redirect_uris must be a number",
            ),
            (
                "{\"client_id\": \"a\"}\n{\"client_id\": \"a\"}\n{\"clients\": 2}\n",
                "the list has the client a twice",
            ),
        ] {
            let reason = read(text).expect_err(text);
            assert!(reason.contains(part), "{text:?}: {reason}");
        }
        let long = format!("{{\"client_id\": \"{}\"}}\n", "a".repeat(lines::MOST_BYTES));
        let reason = read(&long).expect_err("too long");
        assert!(reason.contains("list:1: a line is longer than"), "{reason}");
    }
}

//! The order of a list of clients. The server lists them by identifier, since it has no index in another order; so the
//! command reads all that match, and keeps no more than it shows.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use clap::ValueEnum;
use serde_json::Value;

/// The number of clients that a sorted list shows unless `--limit` says otherwise.
const USUAL: usize = 1_000;

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum SortKey {
    /// When the client was registered, oldest first.
    IssuedAt,
    /// Newest first.
    #[value(name = "-issued_at")]
    NewestFirst,
    /// When the client was last used, those that were never used first.
    LastUsedAt,
    /// Most recently used first.
    #[value(name = "-last_used_at")]
    LastUsedFirst,
    /// When the client expires, those that do not expire last.
    ExpiresAt,
    /// The name.
    ClientName,
}

/// The place of a client in the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum SortPlace {
    Moment(u64),
    Name(String),
}

impl SortKey {
    fn place(self, client: &Value) -> SortPlace {
        let moment = |name: &str| client.get(name).and_then(Value::as_u64);
        let issued = || moment("client_id_issued_at").unwrap_or_default();
        let used = || moment("last_used_at").unwrap_or_default();
        match self {
            Self::IssuedAt => SortPlace::Moment(issued()),
            Self::NewestFirst => SortPlace::Moment(u64::MAX - issued()),
            Self::LastUsedAt => SortPlace::Moment(used()),
            Self::LastUsedFirst => SortPlace::Moment(u64::MAX - used()),
            Self::ExpiresAt => SortPlace::Moment(moment("expires_at").unwrap_or(u64::MAX)),
            Self::ClientName => {
                let name = client.get("client_name").and_then(Value::as_str);
                SortPlace::Name(name.unwrap_or_default().to_lowercase())
            }
        }
    }
}

/// The first clients in an order, of those that were added.
pub(super) struct FirstClients {
    key: SortKey,
    most: usize,
    /// The last of them is at the top.
    kept: BinaryHeap<PlacedClient>,
    added: u64,
}

struct PlacedClient {
    place: SortPlace,
    /// Clients at the same place keep the order in which they were added.
    number: u64,
    client: Value,
}

impl PlacedClient {
    fn order(&self) -> (&SortPlace, u64) {
        (&self.place, self.number)
    }
}

impl PartialEq for PlacedClient {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for PlacedClient {}

impl PartialOrd for PlacedClient {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PlacedClient {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl FirstClients {
    pub(super) fn new(key: SortKey, limit: Option<usize>) -> Self {
        Self {
            key,
            most: limit.unwrap_or(USUAL),
            kept: BinaryHeap::new(),
            added: 0,
        }
    }

    pub(super) fn add(&mut self, clients: &[Value]) {
        for client in clients {
            self.kept.push(PlacedClient {
                place: self.key.place(client),
                number: self.added,
                client: client.clone(),
            });
            self.added += 1;
            if self.kept.len() > self.most {
                self.kept.pop();
            }
        }
    }

    /// Returns how many clients were added but are not among the first.
    pub(super) fn left_out(&self) -> u64 {
        let kept = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        self.added.saturating_sub(kept)
    }

    /// Returns the clients in their order.
    pub(super) fn into_clients(self) -> Vec<Value> {
        let sorted = self.kept.into_sorted_vec();
        sorted.into_iter().map(|placed| placed.client).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first(key: SortKey, limit: Option<usize>) -> (Vec<String>, u64) {
        let clients = [
            json!({"client_id": "a", "client_id_issued_at": 30, "client_name": "b", "expires_at": 90}),
            json!({"client_id": "b", "client_id_issued_at": 10, "last_used_at": 50}),
            json!({"client_id": "c", "client_id_issued_at": 20, "client_name": "A", "last_used_at": 40}),
            json!({"client_id": "d", "client_id_issued_at": 10, "client_name": "c", "expires_at": 80}),
        ];
        let mut first = FirstClients::new(key, limit);
        first.add(&clients[..2]);
        first.add(&clients[2..]);
        let left_out = first.left_out();
        let ids = first.into_clients().into_iter();
        let ids = ids.map(|client| client["client_id"].as_str().unwrap().to_owned());
        (ids.collect(), left_out)
    }

    #[test]
    fn the_first_clients_of_an_order_are_kept() {
        for (key, limit, expected, left_out) in [
            (SortKey::IssuedAt, None, &["b", "d", "c", "a"][..], 0),
            (SortKey::NewestFirst, None, &["a", "c", "b", "d"], 0),
            (SortKey::NewestFirst, Some(2), &["a", "c"], 2),
            (SortKey::LastUsedAt, None, &["a", "d", "c", "b"], 0),
            (SortKey::LastUsedFirst, Some(1), &["b"], 3),
            (SortKey::ExpiresAt, None, &["d", "a", "b", "c"], 0),
            (SortKey::ClientName, None, &["b", "c", "a", "d"], 0),
            (SortKey::ClientName, Some(0), &[], 4),
        ] {
            let (ids, left) = first(key, limit);
            assert_eq!(
                (&ids[..], left),
                (
                    &expected
                        .iter()
                        .map(|id| (*id).to_owned())
                        .collect::<Vec<_>>()[..],
                    left_out
                ),
                "{key:?}"
            );
        }
    }
}
